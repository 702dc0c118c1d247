"""Locks of folders, so that one process at a time writes to them.

Some file systems have no locks: there a second process is not detected, and a RecordWarning says so.
"""

import errno
import os
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import RecordError, RecordWarning
from .whole import FULL, LACKING, UNWRITABLE, WINDOWS

fcntl: Any
msvcrt: Any
try:
    import fcntl
except ImportError:  # on Windows msvcrt is used
    fcntl = None
try:
    import msvcrt
except ImportError:
    msvcrt = None

MOMENT = 0.05  # seconds
ATTEMPTS = 100  # to lock a file that another process removes between our opening and locking it
LOCK = ".lock"  # in a folder while a process writes to it, or after a kill


class Locked:
    """A base for objects that hold the lock of a folder until ``close`` or the end of a ``with`` block."""

    _lock: "FolderLock | None" = None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        """Release the lock."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None


class FolderLock:
    """The lock of a folder, held until ``release``; the system releases it if the process dies.

    The lock is held on a file in the folder, which is removed afterwards: unlike a folder, a file can be locked on
    Windows and on network drives (there also against processes on other machines). If the file cannot be created, the
    folder is not writable and needs no lock.

    Args:
        path: of the folder.
        busy: the beginning of the message if another process holds it.

    Raises:
        RecordError: another process holds it.
    """

    def __init__(self, path, busy):
        self.file, self.owner, self.descriptor = Path(path).absolute() / LOCK, os.getpid(), None
        for attempt in range(ATTEMPTS):
            try:
                descriptor = os.open(self.file, os.O_RDWR | os.O_CREAT, 0o666)
            except OSError as error:
                if error.errno in FULL:  # this may change later
                    goes_without(path, error)
                elif error.errno not in UNWRITABLE:
                    raise
                return
            try:
                if not lock_soon(descriptor):
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
        """Release the lock; a forked child, which shares it with its parent, leaves that to the parent."""
        if self.descriptor is None:
            return
        if self.owner == os.getpid():
            with suppress(
                OSError
            ):  # while the lock is held, so that the file is not that of another process; on Windows it must be closed first
                self.file.unlink(missing_ok=True)
            with suppress(OSError):
                unlock(self.descriptor)
        os.close(self.descriptor)
        self.descriptor = None
        if WINDOWS:
            with suppress(OSError):  # another process has it open and takes it over
                self.file.unlink(missing_ok=True)


def lock_soon(descriptor):
    """Lock an open file as ``lock`` does, but wait a moment for one that only looks whether it is locked (``is_locked``)."""
    if lock(descriptor):
        return True
    time.sleep(MOMENT)
    return lock(descriptor)


def is_locked(path: str | Path) -> bool:
    """Whether a process holds the lock of a folder (False where the file system has no locks)."""
    try:
        descriptor = os.open(Path(path) / LOCK, os.O_RDWR)
    except OSError:  # there is no such file, unless it is locked or was left by a kill
        return False
    try:
        if lock(descriptor):
            unlock(descriptor)
            return False
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)


def goes_without(path, error):
    """Warn that a folder has no lock."""
    unnoticed = "so another process that writes here would not be detected"
    warnings.warn(f"{path}: cannot be locked ({error.strerror or error}), {unnoticed}", RecordWarning, stacklevel=4)


def lock(descriptor):
    """Lock an open file unless it is locked, also by another descriptor of this process; return whether it was free.

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
        if fcntl is None:  # how Windows reports a locked file
            return False
        raise
    return True


def unlock(descriptor):
    """Release the lock of an open file, also for forked children that have it open."""
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    elif msvcrt is not None:
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)


def is_at(descriptor, path):
    """Whether an open file is the one at `path`."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except OSError:  # the file was removed; on a network drive the handle is stale
        return False
