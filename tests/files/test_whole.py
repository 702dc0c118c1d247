"""Whole files, also where the file system or the system lacks an operation."""

import errno
import os
import stat
from pathlib import Path

import pytest

from dfanp.files import whole
from dfanp.files.whole import write_whole
from dfanp.runs.folder import RunFolder


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


def test_links_in_a_circle_are_reported(tmp_path):
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
    monkeypatch.setattr(whole, "WINDOWS", True)
    monkeypatch.setattr(whole.time, "sleep", slept.append)
    monkeypatch.setattr(
        os, "replace", failing(errno.EACCES, os.replace, lambda *args: tries.append(args) or len(tries) < 4)
    )
    write(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"new" and slept == list(whole.WAITS[:3])
    monkeypatch.setattr(os, "replace", failing(errno.EACCES))
    with pytest.raises(PermissionError):
        write(tmp_path / "a", b"newer")
    assert (tmp_path / "a").read_bytes() == b"new" and os.listdir(tmp_path) == ["a"]


def test_no_folder_is_synced_on_windows(tmp_path, monkeypatch):
    monkeypatch.setattr(whole, "WINDOWS", True)
    monkeypatch.setattr(os, "open", failing(errno.EACCES, os.open, lambda path, *flags: Path(path) == tmp_path))
    write(tmp_path / "a")
