"""Whole files and locked folders, also where the file system or the system lacks an operation."""

import errno
import os
import signal
import stat
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from dfanp import RecordError, RecordWarning, files
from dfanp.files import LOCK, FolderLock, write_whole
from dfanp.records import RunFolder

fcntl = pytest.importorskip("fcntl")  # to act as file systems, and Windows, that have less
BUSY = "another process is writing to this"


def write(path, content=b"new"):
    write_whole(path, lambda file: file.write(content))


def failing(number, real=None, when=lambda *args: True):
    """A function that raises the OSError of a number when its arguments are so, and else does the real thing."""

    def call(*args):
        if when(*args):
            raise OSError(number, os.strerror(number))
        return real(*args)

    return call


def is_folder(descriptor):
    return stat.S_ISDIR(os.fstat(descriptor).st_mode)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    write(tmp_path / "a")
    with pytest.raises(KeyError):
        write_whole(tmp_path / "a", lambda file: file.write(b"half") and {}["missing"])
    assert (tmp_path / "a").read_bytes() == b"new" and os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF])
def test_a_folder_that_cannot_be_synced_is_written_to(tmp_path, monkeypatch, number):
    """SMB, shared folders of virtual machines."""
    monkeypatch.setattr(os, "fsync", failing(number, os.fsync, is_folder))
    write(tmp_path / "a")
    with RunFolder(tmp_path / "run", {"lr": 0.1}, {}) as folder:
        folder.append([{"epoch": 1, "seed": 0}], 0.1, 1, {})
    assert (tmp_path / "a").read_bytes() == b"new" and (tmp_path / "run" / "checkpoint.npz").exists()


def test_a_folder_that_cannot_be_opened_is_written_to(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "open", failing(errno.EACCES, os.open, lambda path, *flags: Path(path) == tmp_path))
    write(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"new"


def test_a_file_that_cannot_be_synced_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", failing(errno.ENOTSUP))
    write(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"new"


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("of", [is_folder, lambda descriptor: not is_folder(descriptor)])
def test_a_failure_of_the_disk_is_one(tmp_path, monkeypatch, number, of):
    monkeypatch.setattr(os, "fsync", failing(number, os.fsync, of))
    with pytest.raises(OSError) as caught:
        write(tmp_path / "a")
    assert caught.value.errno == number


def test_a_link_is_written_through(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "target").write_bytes(b"old")
    (tmp_path / "near").symlink_to("far/target")
    (tmp_path / "nearer").symlink_to(tmp_path / "near")
    write(tmp_path / "nearer")
    assert (tmp_path / "far" / "target").read_bytes() == b"new"
    assert (tmp_path / "nearer").is_symlink() and (tmp_path / "near").is_symlink()
    assert os.listdir(tmp_path / "far") == ["target"]


def test_a_link_to_nothing_makes_its_target(tmp_path):
    (tmp_path / "link").symlink_to("target")
    write(tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "target").read_bytes() == b"new"


def test_links_in_a_circle_are_told(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError) as caught:
        write(tmp_path / "a")
    assert caught.value.errno == errno.ELOOP and sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_permissions_are_kept(tmp_path):
    write(tmp_path / "a")
    (tmp_path / "a").chmod(0o600)
    write(tmp_path / "a", b"newer")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600 and (tmp_path / "a").read_bytes() == b"newer"


def test_windows_is_given_time_to_let_go_of_a_file(tmp_path, monkeypatch):
    tries, slept = [], []
    monkeypatch.setattr(files, "WINDOWS", True)
    monkeypatch.setattr(files.time, "sleep", slept.append)
    monkeypatch.setattr(
        os, "replace", failing(errno.EACCES, os.replace, lambda *args: tries.append(args) or len(tries) < 4)
    )
    write(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"new" and slept == list(files.WAITS[:3])
    monkeypatch.setattr(os, "replace", failing(errno.EACCES))
    with pytest.raises(PermissionError):
        write(tmp_path / "a", b"newer")
    assert (tmp_path / "a").read_bytes() == b"new" and os.listdir(tmp_path) == ["a"]


def test_no_folder_is_synced_on_windows(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "WINDOWS", True)
    monkeypatch.setattr(os, "open", failing(errno.EACCES, os.open, lambda path, *flags: Path(path) == tmp_path))
    write(tmp_path / "a")


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
    code = f"from dfanp.files import FolderLock; {held}"
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
    first, real = [], files.lock

    def late(descriptor):
        if not first:  # whoever had it gives it back here
            first.append(descriptor)
            (tmp_path / LOCK).unlink()
        return real(descriptor)

    monkeypatch.setattr(files, "lock", late)
    mine = FolderLock(tmp_path, BUSY)
    with pytest.raises(RecordError, match=BUSY):
        FolderLock(tmp_path, BUSY)
    mine.release()


@pytest.mark.parametrize("number", [errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.ENOLCK])
def test_a_file_system_without_locks_is_told_of_and_written_to(tmp_path, monkeypatch, number):
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
    monkeypatch.setattr(files, "WINDOWS", True)
    monkeypatch.setattr(files, "fcntl", None)
    monkeypatch.setattr(files, "msvcrt", Msvcrt)
    test_one_has_the_lock_and_leaves_nothing_behind(tmp_path)


def test_python_without_locks_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "fcntl", None)
    monkeypatch.setattr(files, "msvcrt", None)
    with pytest.warns(RecordWarning, match="cannot be locked"), RunFolder(tmp_path, {"lr": 0.1}, {}):
        pass
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordWarning)
        FolderLock(tmp_path, BUSY).release()
