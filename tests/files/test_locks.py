"""Locked folders, also where the file system or the system lacks an operation."""

import errno
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from dfanp import RecordError, RecordWarning
from dfanp.files import locks as module
from dfanp.files.locks import LOCK, FolderLock
from dfanp.runs.folder import RunFolder

from .test_whole import failing

fcntl = pytest.importorskip("fcntl")  # to act as file systems, and Windows, that have less
BUSY = "another process is writing to this"


def test_one_has_the_lock_and_leaves_nothing_behind(tmp_path):
    first = FolderLock(tmp_path, BUSY)
    with pytest.raises(RecordError, match=f"{BUSY}; wait for it or name another folder"):
        FolderLock(tmp_path, BUSY)
    first.release()
    first.release()
    assert os.listdir(tmp_path) == []
    FolderLock(tmp_path, BUSY).release()


def test_a_process_that_is_killed_gives_the_lock_back(tmp_path):
    held = f"lock = FolderLock({str(tmp_path)!r}, ''); print('held', flush=True); input()"
    code = f"from dfanp.files.locks import FolderLock; {held}"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as process:
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(RecordError, match=BUSY):
            FolderLock(tmp_path, BUSY)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert os.listdir(tmp_path) == [LOCK]
    with RunFolder(tmp_path, {"lr": 0.1}, {}):
        pass
    assert os.listdir(tmp_path) == ["config.json"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of fork beside threads
def test_a_forked_child_leaves_the_lock_to_its_parent(tmp_path):
    mine = FolderLock(tmp_path, BUSY)
    child = os.fork()
    if not child:
        mine.release()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    with pytest.raises(RecordError, match=BUSY):
        FolderLock(tmp_path, BUSY)
    mine.release()


def test_a_lock_that_is_removed_while_it_is_taken_is_taken_again(tmp_path, monkeypatch):
    first, real = [], module.lock

    def late(descriptor):
        if not first:  # its holder gives it back here
            first.append(descriptor)
            (tmp_path / LOCK).unlink()
        return real(descriptor)

    monkeypatch.setattr(module, "lock", late)
    mine = FolderLock(tmp_path, BUSY)
    with pytest.raises(RecordError, match=BUSY):
        FolderLock(tmp_path, BUSY)
    mine.release()


@pytest.mark.parametrize("number", [errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.ENOLCK])
def test_a_file_system_without_locks_is_reported_and_written_to(tmp_path, monkeypatch, number):
    monkeypatch.setattr(fcntl, "flock", failing(number))
    with (
        pytest.warns(RecordWarning, match=f"cannot be locked .{os.strerror(number)}., so another process"),
        RunFolder(tmp_path, {"lr": 0.1}, {}) as folder,
    ):
        folder.append([{"epoch": 1, "seed": 0}], 0.1, 1, {})
    assert sorted(os.listdir(tmp_path)) == ["checkpoint.npz", "config.json", "log.jsonl", "timings.jsonl"]


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES])
def test_another_error_of_a_lock_does_not_say_that_it_is_taken(tmp_path, monkeypatch, number):
    monkeypatch.setattr(fcntl, "flock", failing(number))
    with pytest.raises(RecordError, match=f"cannot be opened .{os.strerror(number)}"):
        RunFolder(tmp_path, {"lr": 0.1}, {})


def making(number, folder):
    """os.open, where no file can be made in a folder."""
    return failing(number, os.open, lambda path, *flags: Path(path).parent == folder)


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_where_nothing_can_be_written_nothing_is_locked(tmp_path, monkeypatch, number):
    """A finished run on a read-only disk is opened as before."""
    RunFolder(tmp_path, {"lr": 0.1}, {"threads": 2}).close()
    monkeypatch.setattr(os, "open", making(number, tmp_path))
    with RunFolder(tmp_path, {"lr": 0.1}, {}) as folder:
        assert folder.environment == {"threads": 2}


def test_a_full_disk_has_no_lock_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "open", making(errno.ENOSPC, tmp_path))
    with pytest.warns(RecordWarning, match="No space left"):
        FolderLock(tmp_path, BUSY).release()


class Msvcrt:
    """What Windows has in the place of fcntl: a lock of bytes, which another one meets as an error of permission."""

    LK_NBLCK, LK_UNLCK = 2, 0

    @staticmethod
    def locking(descriptor, mode, size):
        assert size == 1 and os.lseek(descriptor, 0, os.SEEK_CUR) == 0
        try:
            fcntl.flock(descriptor, fcntl.LOCK_UN if mode == Msvcrt.LK_UNLCK else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES)) from None


def test_windows_locks_too(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "WINDOWS", True)
    monkeypatch.setattr(module, "fcntl", None)
    monkeypatch.setattr(module, "msvcrt", Msvcrt)
    test_one_has_the_lock_and_leaves_nothing_behind(tmp_path)


def test_python_without_locks_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "fcntl", None)
    monkeypatch.setattr(module, "msvcrt", None)
    with pytest.warns(RecordWarning, match="cannot be locked"), RunFolder(tmp_path, {"lr": 0.1}, {}):
        pass
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordWarning)
        FolderLock(tmp_path, BUSY).release()
