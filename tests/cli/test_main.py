import shlex
import subprocess
import sys
from importlib.metadata import version

import click
import pytest
from dfanp_cli.main import cli


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


def leaves(command, *path):
    """Yield the words of each command that runs something, and the command."""
    if isinstance(command, click.Group):
        with click.Context(command) as context:
            for name in command.list_commands(context):
                yield from leaves(command.get_command(context, name), *path, name)
    else:
        yield path, command


@pytest.mark.parametrize(
    "path, command", list(leaves(cli)), ids=lambda each: " ".join(each) if isinstance(each, tuple) else ""
)
def test_every_command_shows_an_example_that_its_options_allow(path, command, tmp_path, monkeypatch):
    """Each line of an example parses: its command is there, and so are its options, with such values."""
    examples = [line.strip() for line in command.help.replace("Example:", "\n").replace(" && ", "\n").splitlines()]
    examples = [line.partition("  ")[0] for line in examples if line.startswith("dfanp ")]
    monkeypatch.chdir(tmp_path)
    for folder in ("tuned", "runs/dfa", "runs/bp"):
        (tmp_path / folder).mkdir(parents=True)
    assert examples, f"the help of {' '.join(path)} has no example"
    for line in examples:
        words = shlex.split(line.partition(" > ")[0])[1:]
        (found,) = [each for each in leaves(cli) if tuple(words[: len(each[0])]) == each[0]]
        found[1].make_context(line, words[len(found[0]) :])
