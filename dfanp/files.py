"""Files that are never half written, and folders that one process at a time writes to.

A file is written under another name and renamed: every file system can do that. Some lack other operations, such as
shared folders of virtual machines and network drives. Where files or folders cannot be synced, a power cut may undo
the last write; where there are no locks, a second process is not noticed, and a RecordWarning says so.
"""

import errno
import os
import shutil
import time
import warnings
from contextlib import suppress
from pathlib import Path

from .errors import RecordError, RecordWarning

try:
    import fcntl
except ImportError:  # Windows has msvcrt in its place
    fcntl = None
try:
    import msvcrt
except ImportError:
    msvcrt = None

WINDOWS = os.name == "nt"
LACKING = {
    errno.EINVAL,
    errno.ENOSYS,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
}  # errors of operations that a file system lacks
UNWRITABLE, FULL = {errno.EROFS, errno.EACCES, errno.EPERM}, {errno.ENOSPC, errno.EDQUOT}
# Seconds between attempts to rename a file that another program has open, on Windows.
WAITS = (0.01, 0.03, 0.1, 0.3, 1.0)
ATTEMPTS = 100  # to lock a file that another process removes between our opening and locking it
LOCK = ".lock"  # in a folder while a process writes to it, or after one was killed


def write_whole(path, write, writer=""):
    """Call ``write(file)`` on a file of another name, sync it, rename it to `path`: never half a file.

    A link is written through, and permissions of a file that is there are kept.

    Args:
        writer: part of the other name, where several processes may write `path`.

    Raises:
        OSError: the file cannot be written; what was there is still there.
    """
    path = target(path)
    partial = path.with_name(f"{path.name}{writer}.partial")
    try:
        with open(partial, "wb") as file:
            with suppress(OSError):  # there is none yet, or the file system has no permissions
                shutil.copymode(path, partial)
            write(file)
            file.flush()
            sync(file.fileno())
        replace(partial, path)
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def target(path):
    """Return where a link leads at its end, and any other path as it is.

    A file that is renamed over a link would replace the link, and leave its target as it was.
    """
    path = Path(path)
    if not path.is_symlink():
        return path
    end = Path(os.path.realpath(path))
    if end.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    return end


def replace(source, path):
    """Rename a file over `path`.

    Windows refuses that while a program, such as a virus scanner, has either file open: it is tried again for a
    second.
    """
    for wait in WAITS if WINDOWS else ():
        try:
            return os.replace(source, path)
        except PermissionError:
            time.sleep(wait)
    os.replace(source, path)


def sync(descriptor):
    """Have what was written to an open file on the disk when this returns, where the file system knows how."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in LACKING:
            raise


def sync_folder(path):
    """Make the renaming of files in a folder last, where the system lets a folder be opened and synced."""
    if WINDOWS:
        return
    try:
        folder = os.open(path, os.O_RDONLY)
    except PermissionError:  # to write to a folder, one need not be allowed to list it
        return
    try:
        sync(folder)
    except OSError as error:
        if error.errno != errno.EBADF:  # one that is open to be read cannot be synced everywhere
            raise
    finally:
        os.close(folder)


class FolderLock:
    """The lock of a folder, held until ``release``; the system gives it back if the process dies.

    It is that of a file in the folder, which is removed again: unlike the folder itself, a file can be locked on
    Windows and on network drives, there against processes on other machines, too. Where no file can be made, there is
    no lock, and nothing that it would guard.

    Args:
        path: of the folder. busy: begins the message where another process has it.

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
