"""Atomic writes of files.

A file is written under another name and renamed, which every file system supports. Some, such as shared folders of
virtual machines and network drives, lack other operations. Without syncing, a power cut may undo the last write.
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
    """Call ``write(file)`` on a temporary file, sync it, and rename it to `path`, so that `path` is never incomplete.

    Links are followed, and permissions of an existing file are preserved.

    Args:
        writer: a part of the temporary name, if several processes may write `path`.

    Raises:
        OSError: the file cannot be written; an existing file is unchanged.
    """
    path = target(path)
    partial = path.with_name(f"{path.name}{writer}.partial")
    try:
        with open(partial, "wb") as file:
            with suppress(OSError):  # a new file, or a file system without permissions
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
    """Return the final target of a link; any other path as it is.

    Renaming a file over a link would replace the link and leave its target unchanged.
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

    Windows refuses this while a program, such as a virus scanner, has either file open; it is retried for a second.
    """
    for wait in WAITS if WINDOWS else ():
        try:
            return os.replace(source, path)
        except PermissionError:
            time.sleep(wait)
    os.replace(source, path)


def sync(descriptor):
    """Flush an open file to the disk, if the file system supports it."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in LACKING:
            raise


def sync_folder(path):
    """Flush the renaming of files in a folder to the disk, if the system supports it."""
    if WINDOWS:
        return
    try:
        folder = os.open(path, os.O_RDONLY)
    except PermissionError:  # a folder may be writable but not readable
        return
    try:
        sync(folder)
    except OSError as error:
        if error.errno != errno.EBADF:  # some systems cannot sync a folder that is open for reading
            raise
    finally:
        os.close(folder)


class failures:
    """Turns an OSError inside a ``with`` block into a RecordError of one line, such as "FILE: the run cannot be read (why)"."""

    def __init__(self, path, what, thing="the run"):
        self.path, self.what, self.thing = path, what, thing

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if isinstance(error, OSError):
            raise RecordError(f"{self.path}: {self.thing} cannot {self.what} ({error.strerror or error})") from None
