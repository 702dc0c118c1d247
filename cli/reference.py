"""The reference of the command line, made of the commands themselves: ``python -m dfanp_cli.reference > cli/README.md``.

The end of a command's docstring may have paragraphs that begin with one of SECTIONS. A paragraph that begins with an argument's name
is about that argument.
"""

import inspect
import re

import click

from .main import cli

SECTIONS = ("Files", "Output", "Exit status", "See also")
HEAD = """\
# The command line

Made by `python -m dfanp_cli.reference > cli/README.md`, from the commands' own help: change that, not this file.

## Every command

`dfanp COMMAND --help` (or `-h`) tells what is below. Results go to stdout; progress and messages to stderr, where `--quiet` leaves errors
alone. What goes wrong is one line on stderr that begins with `dfanp:`; a misspelt name is answered with the nearest one.

**Exit status**

| code | meaning |
|---|---|
| 0 | done |
| 1 | failed: the line on stderr says why. Also when whoever reads the output has left |
| 2 | bad usage: a command, an option or a value that there is not |
| 130 | interrupted (Ctrl-C, SIGTERM, or SIGHUP as of a terminal that closes); the line on stderr says what was kept |

**Environment**

| variable | meaning |
|---|---|
| `DFANP_DATA` | the folder that has the data sets, as `--data-dir` |
| `NO_COLOR` | set and not empty: no colours (no-color.org) |
| `FORCE_COLOR` | set and not empty: colours also where the stream is no terminal; `NO_COLOR` goes before it |
| `TERM` | `dumb`: no colours, and lines in place of moving bars |
| `COLUMNS` | the width of the terminal, where it is not what the terminal says |
| `_DFANP_COMPLETE` | set by the scripts of `dfanp completion` alone |

There are no colours in files, in pipes and in `--json`. Help is as wide as the terminal, up to 100 columns. A table that is wider than the
terminal becomes a list, an entry a row; in a pipe it stays a table.
"""


def leaves(command, *path):
    """Yield the words of each command, and the command, groups before theirs."""
    yield path, command
    if isinstance(command, click.Group):
        with click.Context(command) as context:
            for name in command.list_commands(context):
                yield from leaves(command.get_command(context, name), *path, name)


def paragraphs(command):
    """Return the paragraphs of a docstring, each a text without line ends; those that are not to be filled begin with ``\\b``."""
    texts = inspect.cleandoc(command.help or "").split("\n\n")
    return [text if text.startswith("\b") else " ".join(text.split()) for text in texts]


def examples(command):
    """Return the lines of a command's examples, comments included."""
    found = []
    for text in paragraphs(command):
        head, _, rest = text.removeprefix("\b").strip().partition(":")
        if head in ("Example", "Examples"):
            found += [line.strip() for line in rest.strip().splitlines()]
    return found


def section(path, command):
    """Return the lines of a command's section."""
    name = " ".join(("dfanp", *path))
    with click.Context(command, info_name=name, **cli.context_settings | command.context_settings) as context:
        usage = " ".join((name, *command.collect_usage_pieces(context)))
        records = [param.get_help_record(context) for param in command.get_params(context)]
    text, about, titled = sorted_paragraphs(command)
    lines = [f"{'#' * (len(path) + 1)} {name}", "", text[0], "", "```text", usage, "```", ""]
    lines += [line for paragraph in text[1:] for line in (quoted(paragraph), "")]
    if isinstance(command, click.Group):
        names = [" ".join((name, each)) for each in command.list_commands(context)]
        return [*lines, f"Commands: {', '.join(map(link, names))}.", ""]
    if about:
        lines += ["**Arguments**", "", *(f"- `{word}` {quoted(rest)}" for word, rest in about), ""]
    rows = [option_row(*record) for record in records if record]
    lines += ["**Options**", "", "| option | meaning | default, limits |", "|---|---|---|", *rows, ""]
    for title in SECTIONS[:-1]:
        lines += [f"**{title}**", "", quoted(titled[title]), ""] if title in titled else []
    lines += ["**Examples**", "", "```sh", *examples(command), "```", ""]
    if "See also" in titled:
        lines += [f"**See also** {', '.join(link(each) for each in titled['See also'].rstrip('.').split(', '))}.", ""]
    return lines


def sorted_paragraphs(command):
    """Return the paragraphs of a docstring: the text, those about an argument as (name, text), title -> text of the SECTIONS."""
    arguments = {
        param.make_metavar(click.Context(command)) for param in command.params if isinstance(param, click.Argument)
    }
    text, about, titled = [], [], {}
    for paragraph in paragraphs(command):
        title, colon, rest = paragraph.partition(": ")
        word, _, more = paragraph.partition(" ")
        if paragraph.startswith("\b"):
            continue
        if colon and title in SECTIONS:
            titled[title] = rest[0].upper() + rest[1:] if title != "See also" else rest
        elif word in arguments:
            about.append((word, more))
        else:
            text.append(paragraph)
    return text, about, titled


def quoted(text):
    """Return a text with its options in backticks, but for those that are."""
    parts = text.split("`")
    parts[::2] = [re.sub(r"(?<![\w-])--[a-z][-a-z]*", r"`\g<0>`", part) for part in parts[::2]]
    return "`".join(parts)


def option_row(names, told):
    """Return a row of the table of options, from what help says of one."""
    meaning, *extras = told.split("  [")
    extras = "; ".join(each.rstrip("]").removeprefix("default: ") for each in extras)
    cells = (f"`{names}`", meaning, extras)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def link(name):
    """Return a link to a command's section."""
    return f"[{name}](#{name.replace(' ', '-')})"


def markdown():
    """Return the reference."""
    lines = HEAD.splitlines() + [""]
    for path, command in leaves(cli):
        if path:
            lines += section(path, command)
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    click.echo(markdown(), nl=False)
