"""The signals that ask a process to end: Ctrl-C, and what ``kill``, a batch system or a terminal that closes sends.

A signal that is ignored when a process starts stays ignored: that is how ``nohup`` and a shell's background jobs ask for it.
"""

import signal
from contextlib import contextmanager, suppress

STOPS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name))


@contextmanager
def handled(handler, unhandled=False):
    """Call ``handler(signum, frame)`` for each of STOPS that is not ignored, or of these only for the `unhandled` ones.

    Only the main thread can have it so; elsewhere nothing changes.
    """
    before = {each: signal.getsignal(each) for each in STOPS}
    kept = (signal.SIG_IGN, None)  # None: C code handles it
    ours = {each: old for each, old in before.items() if old == signal.SIG_DFL or not unhandled and old not in kept}
    with suppress(ValueError):  # not the main thread
        for each in ours:
            signal.signal(each, handler)
    try:
        yield
    finally:
        with suppress(ValueError):
            for each, old in ours.items():
                if signal.getsignal(each) is handler:
                    signal.signal(each, old)


def as_ctrl_c():
    """Return a context in which all of STOPS raise KeyboardInterrupt, but for those that somebody handles or has ignored."""
    return handled(signal.default_int_handler, unhandled=True)


@contextmanager
def held_back():
    """Hold back all of STOPS: in this thread until the end of the block, and for good in the processes that it starts meanwhile.

    None is lost: here it is handled afterwards. (On Windows this does nothing.)
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore():
    """Ignore all of STOPS in this process for good."""
    for each in STOPS:
        signal.signal(each, signal.SIG_IGN)
