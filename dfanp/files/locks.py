"""Folders that one process at a time writes to.

Some file systems have no locks: a second process is not noticed there, and a RecordWarning says so.
"""

import errno
import os
import warnings
from contextlib import suppress
from pathlib import Path

from ..errors import RecordError, RecordWarning
from .whole import FULL, LACKING, UNWRITABLE, WINDOWS

try:
    import fcntl
except ImportError:  # Windows has msvcrt in its place
    fcntl = None
try:
    import msvcrt
except ImportError:
    msvcrt = None

ATTEMPTS = 100  # to lock a file that another process removes between our opening and locking it
LOCK = ".lock"  # in a folder while a process writes to it, or after one was killed


class Locked:
    """What holds the lock of a folder until ``close``, or the end of a ``with`` block."""

    _lock = None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        """Give the lock back."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None


class FolderLock:
    """The lock of a folder, held until ``release``; the system gives it back if the process dies.

    It is that of a file in the folder, which is removed again: unlike the folder itself, a file can be locked on
    Windows and on network drives, there against processes on other machines, too. Where no file can be made, there is
    no lock, and nothing that it would guard.

    Args:
        path: of the folder.
        busy: begins the message where another process has it.

    Raises:
        RecordError: another process has it.
    """

    def __init__(self, path, busy):
        self.file, self.owner, self.descriptor = Path(path).absolute() / LOCK, os.getpid(), None
        for attempt in range(ATTEMPTS):
            try:
                descriptor = os.open(self.file, os.O_RDWR | os.O_CREAT, 0o666)
            except OSError as error:
                if error.errno in FULL:  # that may pass
                    goes_without(path, error)
                elif error.errno not in UNWRITABLE:
                    raise
                return
            try:
                if not lock(descriptor):
                    raise RecordError(f"{path}: {busy}; wait for it or name another folder")
                if is_at(descriptor, self.file) or attempt == ATTEMPTS - 1:
                    self.descriptor = descriptor
                    return
            except OSError as error:
                if error.errno not in (*LACKING, errno.ENOLCK):
                    raise
                self.descriptor = descriptor
                goes_without(path, error)
                return
            finally:
                if self.descriptor is None:
                    os.close(descriptor)

    def release(self):
        """Give the lock back; a forked child, which has it in common with its parent, leaves it to that."""
        if self.descriptor is None:
            return
        if self.owner == os.getpid():
            with suppress(OSError):  # while it is held, so that it is nobody else's; Windows wants it closed first
                self.file.unlink(missing_ok=True)
            with suppress(OSError):
                unlock(self.descriptor)
        os.close(self.descriptor)
        self.descriptor = None
        if WINDOWS:
            with suppress(OSError):  # another process has it open already, and takes it over
                self.file.unlink(missing_ok=True)


def goes_without(path, error):
    """Warn that a folder has no lock."""
    unnoticed = "so another process that writes here would not be noticed"
    warnings.warn(f"{path}: cannot be locked ({error.strerror or error}), {unnoticed}", RecordWarning, stacklevel=4)


def lock(descriptor):
    """Lock an open file, unless it is locked, be it through another descriptor here; return whether it was free.

    Raises:
        OSError: the file system, or Python, has no locks (ENOSYS).
    """
    if fcntl is None and msvcrt is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    except BlockingIOError:
        return False
    except PermissionError:
        if fcntl is None:  # so says Windows that it is taken
            return False
        raise
    return True


def unlock(descriptor):
    """Give the lock of an open file back, also for forked children that have it open."""
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    elif msvcrt is not None:
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)


def is_at(descriptor, path):
    """Whether an open file is the one at `path`."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except OSError:  # it is gone; on a network drive the open one is stale
        return False
