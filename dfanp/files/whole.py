"""Files that are never half written.

A file is written under another name and renamed: every file system can do that. Some lack other operations, such as
shared folders of virtual machines and network drives. Where files or folders cannot be synced, a power cut may undo
the last write.
"""

import errno
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

from ..errors import RecordError

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


class failures:
    """Turns an OSError inside a ``with`` block into a RecordError of one line."""

    def __init__(self, path, what):
        self.path, self.what = path, what

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if isinstance(error, OSError):
            raise RecordError(f"{self.path}: the run cannot {self.what} ({error.strerror or error})") from None
