"""The signals that ask a process to end: Ctrl-C, and those from ``kill``, a batch system or a terminal that closes.

A signal that is ignored when a process starts stays ignored, as ``nohup`` and background jobs of a shell require.
"""

import signal
from contextlib import contextmanager, suppress

STOPS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name))


@contextmanager
def handled(handler, unhandled=False):
    """Within the block, ``handler(signum, frame)`` handles each of STOPS that is not ignored.

    In another thread than the main one nothing changes.

    Args:
        unhandled: whether to leave signals alone that have a handler already.
    """
    before = {each: signal.getsignal(each) for each in STOPS}
    unchanged = (signal.SIG_IGN, None)  # None: C code handles it
    own = {
        each: old for each, old in before.items() if old == signal.SIG_DFL or not unhandled and old not in unchanged
    }
    with suppress(ValueError):  # not the main thread
        for each in own:
            signal.signal(each, handler)
    try:
        yield
    finally:
        with suppress(ValueError):
            for each, old in own.items():
                if signal.getsignal(each) is handler:
                    signal.signal(each, old)


def as_ctrl_c():
    """Return a context in which STOPS raise KeyboardInterrupt, except those that are handled or ignored already."""
    return handled(signal.default_int_handler, unhandled=True)


@contextmanager
def held_back():
    """Block all of STOPS in this thread until the end of the block, and permanently in processes started within it.

    A blocked signal is handled after the block. (On Windows this does nothing.)
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
    """Ignore all of STOPS in this process, permanently."""
    for each in STOPS:
        signal.signal(each, signal.SIG_IGN)
