import click
import pytest
from dfanp_cli import main, reference
from dfanp_cli.main import cli

from ..documents import COMMANDS as COMMITTED
from ..documents import anchors, links

LEAVES = [(path, command) for path, command in reference.leaves(cli) if not isinstance(command, click.Group)]


def test_the_committed_reference_is_of_these_commands():
    current = reference.markdown()
    assert COMMITTED.read_text() == current, "python -m dfanp_cli.reference > cli/README.md"


def test_links_between_commands_lead_somewhere():
    text = reference.markdown()
    inside = {link[1:] for link in links(text) if link.startswith("#")}
    assert len(inside) > 20 and inside <= anchors(text)


@pytest.mark.parametrize("path, command", LEAVES, ids=[" ".join(path) for path, _ in LEAVES])
def test_every_command_has_all_parts_of_a_manual(path, command):
    _, about, titled = reference.sorted_paragraphs(command)
    assert {"Output", "See also"} <= titled.keys()
    assert reference.examples(command) and all("dfanp " in line for line in reference.examples(command))
    arguments = [param for param in command.params if isinstance(param, click.Argument)]
    assert len(about) == len(arguments), "each argument has a paragraph that begins with its name"
    options = [param for param in command.params if isinstance(param, click.Option)]
    assert all(param.help and param.help.endswith((".", "]")) for param in options)
    if any(param.name in ("out", "plot") for param in options):
        assert "Files" in titled


def test_every_command_has_its_line():
    for name, line in main.summaries((), False).items():
        with click.Context(cli) as context:
            assert line.endswith(".") and len(line) < 60 and cli.get_command(context, name).name == name


def test_options_in_backticks_once():
    assert reference.quoted("--a and `--b c` or (--lr 1) of a--b") == "`--a` and `--b c` or (`--lr` 1) of a--b"
