import contextlib
import os
import struct
import subprocess
import sys

import matplotlib
import pytest

from dfanp import plugins, registry
from dfanp.experiments import published  # noqa: F401  (every command registers its things)
from dfanp.problems import folders

FONTS = matplotlib.get_cachedir()  # with a list of fonts, which takes seconds to make


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch, tmp_path):
    """No test sees, or writes to, the cache of whoever runs it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("MPLCONFIGDIR", FONTS)
    monkeypatch.setattr(folders, "cache", lambda: tmp_path / "cache" / "dfanp")


@pytest.fixture(autouse=True)
def no_plugin_stays_loaded(monkeypatch):
    """Each test begins without a plugin, as a process of its own does, and leaves none behind."""
    monkeypatch.setattr(plugins, "LOADED", {})
    before = registry.registered()
    yield
    registry.restore(before)


@pytest.fixture
def terminal():
    """Run the command line in a terminal so wide: ``terminal("parity", columns=40)`` -> exit code, all that it showed."""
    fcntl, pty, termios = (pytest.importorskip(name) for name in ("fcntl", "pty", "termios"))
    open_ends = []

    def call(*args, columns=80, **environment):
        ours, theirs = pty.openpty()
        open_ends.append(ours)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        without = ("COLUMNS", "NO_COLOR", "FORCE_COLOR")
        env = {name: value for name, value in os.environ.items() if name not in without} | {"TERM": "xterm"}
        command = [sys.executable, "-m", "dfanp_cli", *map(str, args)]
        process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=env | environment)
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # a terminal whose other end is closed ends so
            while part := os.read(ours, 1 << 16):
                shown += part
        return process.wait(), shown.decode().replace("\r\n", "\n")

    yield call
    for each in open_ends:
        os.close(each)


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def dfanp(capsys):
    """Run the command line in this process: ``dfanp("parity", "--k", "3")`` -> code, out, err."""
    from dfanp_cli.main import run

    def call(*args):
        code = run([str(arg) for arg in args])
        return Result(code, *capsys.readouterr())

    return call


@pytest.fixture
def process():
    """Start the command line as a process of its own; what is still open of it when the test ends is closed."""
    started = []

    def start(*args, **more):
        command = [sys.executable, "-m", "dfanp_cli", *map(str, args)]
        more = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | more
        started.append(subprocess.Popen(command, env=os.environ | {"PYTHONUNBUFFERED": "1"}, **more))
        return started[-1]

    yield start
    for each in started:
        with each:  # waits, and closes its pipes
            each.kill()
