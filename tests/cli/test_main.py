import subprocess
import sys
from importlib.metadata import version

import pytest


def test_version(dfanp):
    result = dfanp("--version")
    assert result.code == 0 and result.out == f"dfanp {version('dfanp')}\n"


def test_version_needs_no_numpy():
    code = "import sys, dfanp_cli.main as m; m.run(['--version']); print('numpy' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert out.splitlines()[-1] == "False"


@pytest.mark.parametrize("args", [(), ("parity",), ("data",), ("data", "list"), ("data", "fetch"), ("info",)])
def test_help(dfanp, args):
    for flag in ("--help", "-h"):
        result = dfanp(*args, flag)
        assert result.code == 0 and result.out.startswith("Usage: dfanp")


def test_misspelt_command(dfanp):
    result = dfanp("party")
    assert result.code == 2 and "did you mean 'parity'?" in result.err and result.err.count("\n") == 1


def test_installed_as_a_command():
    from pathlib import Path

    command = Path(sys.executable).with_name("dfanp")
    out = subprocess.run([command, "--version"], capture_output=True, text=True)
    assert out.returncode == 0 and out.stdout.startswith("dfanp ")


def test_python_m_is_the_command():
    out = subprocess.run([sys.executable, "-m", "dfanp", "--version"], capture_output=True, text=True)
    assert out.returncode == 0 and out.stdout == f"dfanp {version('dfanp')}\n"


@pytest.mark.parametrize("kind", [ValueError, OverflowError, KeyError])
def test_a_value_that_a_command_cannot_compute_with_is_one_line(dfanp, monkeypatch, tmp_path, kind):

    def refuses(*args):
        raise kind("two\nlines")

    monkeypatch.setattr("dfanp.runs.saved.SavedRun", refuses)
    if kind is KeyError:  # a fault of ours, whose traceback is to be sent in
        with pytest.raises(KeyError):
            dfanp("represent", tmp_path)
        return
    result = dfanp("represent", tmp_path)
    assert (result.code, result.out, result.err) == (1, "", "dfanp: two lines\n")


@pytest.mark.parametrize("flags, shown", [((), False), (("-W", "default"), True)])
def test_warnings_of_the_library_are_no_lines_of_a_command(flags, shown):
    code = "import warnings; from dfanp_cli import main; main.run = lambda args: warnings.warn('noise') or 0; main.main([])"
    ended = subprocess.run([sys.executable, *flags, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0 and ("noise" in ended.stderr) == shown
