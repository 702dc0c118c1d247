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
