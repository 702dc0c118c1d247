"""Paths on the command line: ~, links, and file systems and systems that have less than this one."""

import errno
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import click
import pytest
from dfanp_cli import reference
from dfanp_cli.main import cli
from dfanp_cli.options import Place

SMALL = [
    "--data",
    "digits",
    "--k",
    "1",
    "--hidden",
    "4",
    "--train-size",
    "200",
    "--test-size",
    "60",
    "--epochs",
    "1",
    "--device",
    "cpu",
]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder, and another one to work in."""
    for name in ("home", "here"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "here")
    yield tmp_path / "home"
    assert os.listdir() == []


def test_each_parameter_that_is_a_path_is_taken_in_the_same_way():
    """A path that is a plain text is recognised by its metavar."""
    params = [
        param for _, leaf in reference.leaves(cli) if not isinstance(leaf, click.Group) for param in leaf.params
    ]
    paths = [
        param
        for param in params
        if (param.metavar or "").rstrip(".").removesuffix(".py") in ("DIR", "FILE", "RUN", "DATA")
    ]
    assert len(paths) > 30 and all(type(param.type) is Place for param in paths)
    assert not [param for param in params if isinstance(param.type, click.Path | click.File) and param not in paths]


def test_a_tilde_is_the_home_folder_in_every_command(dfanp, home):
    done = lambda *args: dfanp(*args).code == 0
    assert done("parity", *SMALL, "--out=~/run", "--plot=~/curves.png")
    assert done("plot", "~/run", "--out=~/plot.svg")
    assert done("report", "~/run", "--out=~/page.html")
    assert done("export", "~/run", "--out=~/weights.npz")
    assert done("represent", "~/run", "--samples=50", "--map=pca", "--plot=~/map.pdf")
    assert done("tune", "parity", *SMALL, "--lr=0.1", "--out=~/swept", "--plot=~/rates.png")
    assert done("results", "~/swept")
    made = {"curves.png", "map.pdf", "page.html", "plot.svg", "rates.png", "run", "swept", "weights.npz"}
    assert {name for name in os.listdir(home) if name[0] != "."} == made  # Matplotlib has a folder there


@pytest.mark.parametrize(
    "args",
    [
        ["parity", *SMALL, "--out=~nobody-of-this-name/x"],
        ["results", "~nobody-of-this-name"],
        ["parity", "--data=idx:~nobody-of-this-name"],
    ],
)
def test_a_user_that_there_is_not_is_bad_usage(dfanp, home, args):
    result = dfanp(*args)
    assert result.code == 2 and "there is no such user (for a file of this name write './~nobody" in result.err


def test_output_through_a_link_goes_to_its_target(dfanp, tmp_path):
    run = tmp_path / "run"
    assert dfanp("parity", *SMALL, "--out", run).code == 0
    (tmp_path / "far").mkdir()
    for args, name in ((["plot", run], "a.png"), (["report", run], "a.html"), (["export", run], "a.npz")):
        target, link = tmp_path / "far" / name, tmp_path / name
        target.write_bytes(b"before")
        link.symlink_to(target)
        assert dfanp(*args, "--out", link).code == 0
        assert link.is_symlink() and target.read_bytes() == link.read_bytes() != b"before"
    assert sorted(os.listdir(tmp_path / "far")) == ["a.html", "a.npz", "a.png"]


def lacking(number):
    def call(*args):
        raise OSError(number, os.strerror(number))

    return call


@pytest.mark.filterwarnings("default::dfanp.RecordWarning")
@pytest.mark.parametrize("quiet", [[], ["--quiet"]])
@pytest.mark.parametrize("command", [["parity"], ["tune", "parity", "--lr", "0.1"]])
def test_a_file_system_without_sync_and_locks_keeps_what_is_trained(dfanp, tmp_path, monkeypatch, command, quiet):
    fcntl, fsync = pytest.importorskip("fcntl"), os.fsync
    of_folder = lambda descriptor: stat.S_ISDIR(os.fstat(descriptor).st_mode)
    monkeypatch.setattr(os, "fsync", lambda one: lacking(errno.EINVAL)() if of_folder(one) else fsync(one))
    monkeypatch.setattr(fcntl, "flock", lacking(errno.ENOTSUP))
    result = dfanp(*command, *SMALL, *quiet, "--out", tmp_path / "out")
    assert result.code == 0 and "Warning" not in result.err
    notices = [line for line in result.err.splitlines() if line.startswith("notice: ")]
    assert len(notices) == (0 if quiet else 1) and all(
        "another process that writes here would not be detected" in line for line in notices
    )


ELSEWHERE = """
import json, os, sys, warnings

for name in ("fcntl", "resource", "pwd", "grp", "termios", "pty"):
    sys.modules[name] = None
for name in ("sched_getaffinity", "fork", "forkpty", "register_at_fork"):
    vars(os).pop(name, None)
warnings.filterwarnings("error", category=EncodingWarning, module="dfanp")

from dfanp_cli.main import run

codes = [run(line) for line in json.loads(sys.argv[1])]
print(codes, file=sys.stderr)
sys.exit(max(codes))
"""


@pytest.mark.slow
def test_commands_on_a_system_that_is_not_posix(tmp_path):
    """No fcntl and no fork, a console that writes cp1252, and no file is in the encoding of the system."""
    lines = [
        ["parity", *SMALL, "--out", "run", "--plot", "a.png"],
        ["parity", *SMALL, "--out", "run"],
        ["plot", "run", "--out", "b.svg"],
        ["report", "run", "--out", "page.html"],
        ["export", "run", "--out", "weights.npz"],
        ["represent", "run", "--samples", "50", "--plot", "c.pdf", "--map", "pca"],
        ["tune", "parity", *SMALL, "--lr", "0.1,0.01", "--out", "swept"],
        ["results", "swept", "--csv"],
        ["data", "list"],
        ["info"],
        ["--help"],
    ]
    environment = os.environ | {
        "PYTHONIOENCODING": "cp1252",
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
    }
    command = [sys.executable, "-X", "warn_default_encoding", "-c", ELSEWHERE, json.dumps(lines)]
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True)
    out, err = ended.stdout.decode("cp1252"), ended.stderr.decode("cp1252")
    assert ended.returncode == 0, err
    assert "Traceback" not in err and "cannot be locked" in err
    assert "64 ? 4 ? 1, relu" in out and "1 797 handwritten digits of 8 × 8 pixels" in out
    assert (Path(tmp_path) / "page.html").read_text(encoding="utf-8").endswith("</html>\n")
