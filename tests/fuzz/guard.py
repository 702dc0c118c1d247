"""What is watched while one hostile input is read: what is raised, warned and printed, how long it takes, how much memory, what is written where.

A check that finds something raises ``Finding``, whatever the code under test made of its exception.
"""

import os
import signal
import sys
import tracemalloc
import warnings
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

TIMEOUT = 20  # seconds for one input, of a machine that others use too


class Finding(AssertionError):
    """An input that the library does not survive as it promises."""


class Halt(BaseException):
    """Stops the code under test at once; no ``except Exception`` of its own can hold it up."""


# Audit events that change the file system -> the places of the paths among their arguments; None: never allowed, since a process or
# a connection could write anywhere.
EVENTS = {
    "os.chmod": (0,),
    "os.chown": (0,),
    "os.link": (0, 1),
    "os.mkdir": (0,),
    "os.remove": (0,),
    "os.rename": (0, 1),
    "os.rmdir": (0,),
    "os.symlink": (1,),
    "os.truncate": (0,),
    "os.utime": (0,),
    "os.exec": None,
    "os.fork": None,
    "os.forkpty": None,
    "os.posix_spawn": None,
    "os.system": None,
    "socket.connect": None,
    "subprocess.Popen": None,
}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Watch:
    """An audit hook, which Python cannot remove again: it is installed once, and idle while ``folder`` is None."""

    def __init__(self):
        self.folder, self.outside, self.installed = None, [], False

    def install(self):
        if not self.installed:
            sys.addaudithook(self)
            self.installed = True

    def __call__(self, event, args):
        if self.folder is None or (event != "open" and event not in EVENTS):
            return
        places = EVENTS.get(event, (0,)) if event != "open" or args[2] & WRITES else ()
        folder, self.folder = self.folder, None  # what is done here is not watched
        try:
            if places is None:
                self.refuse(event, args)
            for path in (args[place] for place in places):
                if not isinstance(path, int) and not inside(folder, os.fsdecode(path)):
                    self.refuse(event, (path,))
        finally:
            self.folder = folder

    def refuse(self, event, args):
        self.outside.append(f"{event} {', '.join(map(repr, args))}"[:300])
        raise Halt(self.outside[-1])


WATCH = Watch()


def inside(folder, path):
    """Whether `path`, its symbolic links followed, lies in `folder` or is the null device."""
    real = os.path.realpath(path)
    return real == os.devnull or real == folder or real.startswith(folder + os.sep)


@contextmanager
def confined(folder):
    """Within the block nothing is written outside `folder`: what tries to is stopped, and raised as a Finding."""
    WATCH.install()
    WATCH.outside, WATCH.folder = [], os.path.realpath(folder)
    try:
        yield
    finally:
        WATCH.folder = None
        if WATCH.outside:
            raise Finding(f"written outside the folder: {WATCH.outside[0]}") from None


@contextmanager
def bounded(limit):
    """Within the block at most `limit` bytes more are held at any time, of what Python and NumPy allocate."""
    started = not tracemalloc.is_tracing()
    if started:
        tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        yield
        taken = tracemalloc.get_traced_memory()[1] - before
        if taken > limit:
            raise Finding(f"took {taken:,} bytes of memory, more than {limit:,}")
    finally:
        if started:
            tracemalloc.stop()


@contextmanager
def timely(seconds, alarm=True):
    """Within the block at most `seconds` pass. Without `alarm` somebody else stops what never ends (libFuzzer has the same signal)."""

    def late(*_):
        raise Halt("too slow")

    before = signal.signal(signal.SIGALRM, late) if alarm else None
    if alarm:
        signal.setitimer(signal.ITIMER_REAL, seconds)
    began = perf_counter()
    try:
        yield
    finally:
        if alarm:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        if perf_counter() - began > seconds:
            raise Finding(f"took more than {seconds} s") from None


@contextmanager
def only(allowed):
    """Within the block only exceptions of the kinds `allowed` are raised, of one line each, and nothing is warned of."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            yield
        except allowed as error:
            if "\n" in str(error) or not str(error).strip():
                raise Finding(f"{type(error).__name__} is not one line: {error}") from error
        except (Finding, Halt):
            raise
        except BaseException as error:  # an exit, too
            raise Finding(f"{type(error).__name__} was raised: {error}") from error
    for each in warned:
        raise Finding(f"{each.category.__name__} was shown: {each.message}")


def guarded(target, data, folder, alarm=True, timeout=TIMEOUT):
    """Give the bytes `data` to a Target in the empty folder `folder`; raise Finding if it does not do as it promises."""
    limit = target.multiple * max(len(data), target.size(data)) + target.constant
    with timely(timeout, alarm), bounded(limit), confined(folder), only(target.allowed):
        target.run(data, Path(folder))
