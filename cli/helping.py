"""The layout of help: up to a limit as wide as the terminal, with examples that can be pasted."""

import re
import shutil
import textwrap

import click
from click.shell_completion import CompletionItem

WIDEST = 100  # longer lines are hard to read
NARROW = 60  # in a narrower terminal, an option and its help are on separate lines
WHOLE = 1000  # characters of a summary: it continues on further lines where click would cut it
UNBROKEN = "\u2011"  # a non-breaking hyphen, for names and options


class Formatter(click.HelpFormatter):
    """Click's, for terminals of any width; names are never broken at a hyphen."""

    def __init__(self, indent_increment=2, width=None, max_width=None):
        width = width or max(min(shutil.get_terminal_size().columns, max_width or WIDEST) - 2, 24)
        super().__init__(indent_increment, width)

    def write(self, string):
        super().write(string.replace(UNBROKEN, "-"))

    def write_usage(self, prog, args="", prefix=None):
        super().write_usage(prog, args.replace("-", UNBROKEN), prefix)

    def write_text(self, text):
        width = self.width - self.current_indent
        paragraphs = text.split("\n\n")
        for i, paragraph in enumerate(paragraphs):
            if paragraph.lstrip().startswith("\b"):
                lines = [short for line in paragraph.splitlines() for short in fitted(line, width)]
                paragraphs[i] = "\n".join(lines)
        super().write_text("\n\n".join(paragraphs).replace("-", UNBROKEN))

    def write_dl(self, rows, col_max=30, col_spacing=2):
        rows = [(first, second.replace("-", UNBROKEN)) for first, second in rows]
        if self.width >= NARROW:
            super().write_dl(rows, col_max, col_spacing)
            return
        indent = " " * (self.current_indent + 4)
        for first, second in rows:
            self.write(f"{'':>{self.current_indent}}{first}\n")
            if second:
                self.write(click.wrap_text(second, self.width, indent, indent) + "\n")


def fitted(line, width):
    """Return a preformatted line as lines of that width: a command continues after a backslash, as in a shell."""
    if len(line) <= width:
        return [line]
    indent = " " * (len(line) - len(line.lstrip()))
    command, hash_, comment = line.partition("  # ")
    if "dfanp " not in command:
        return textwrap.wrap(line, width, subsequent_indent=indent, break_on_hyphens=False)
    options = dict(break_on_hyphens=False, break_long_words=False, subsequent_indent=f"{indent}    ")
    command = re.sub(
        r"( --?[a-z][-a-z]*) (?=[^- ])", "\\1\xa0", command.rstrip()
    )  # an option and its value share a line
    parts = [part.replace("\xa0", " ") for part in textwrap.wrap(command, width - 2, **options)]
    parts = [*(f"{part} \\" for part in parts[:-1]), parts[-1]]
    if not hash_:
        return parts
    return [
        *textwrap.wrap(f"# {comment.strip()}", width, initial_indent=indent, subsequent_indent=f"{indent}# "),
        *parts,
    ]


class Context(click.Context):
    formatter_class = Formatter


class Option(click.Option):
    """An option whose help lists its permitted names, and limits that are not obvious."""

    def get_help_record(self, ctx):
        record = super().get_help_record(ctx)
        names = self.names()
        if record is None or not names:
            return record
        term, text = record
        many = getattr(self.type, "name", "") in ("list", "names")
        listing = f"{'Some' if many else 'One'} of {', '.join(names)}."
        phrase, gap, default = self.help.partition("  [default")  # a default that click does not know
        return term, f"{phrase} {listing}{gap}{default}{text.removeprefix(self.help)}"

    def names(self):
        """The permitted names of the option; empty if its values are not names."""
        return getattr(getattr(self.type, "of", self.type), "choices", ())

    def get_help_extra(self, ctx):
        extra = super().get_help_extra(ctx)
        if "range" in extra:
            low, high = self.type.min, self.type.max
            extra.pop("range")
            if high is not None and high < 10**6:
                extra["range"] = f"{low} to {high}"
            elif low is not None and low > 1:
                extra["range"] = f"at least {low}"
        return extra


class Group(click.Group):
    """A group whose commands have such help; for a misspelt command it suggests the nearest name."""

    context_class = Context

    def get_command(self, ctx, name):
        found = super().get_command(ctx, name)
        if found is not None:
            found.context_class = Context
        return found

    def parse_args(self, ctx, args):
        return super().parse_args(ctx, args or ["--help"] * (not ctx.resilient_parsing))

    def resolve_command(self, ctx, args):
        names = self.names_for(ctx, args)
        if not ctx.resilient_parsing and not args[0].startswith("-") and args[0] not in names:
            from dfanp.errors import nearest

            ctx.fail(f"no command {args[0]!r}: expected one of {', '.join(names)}{nearest(args[0], names)}")
        return super().resolve_command(ctx, args)

    def names_for(self, ctx, args):
        """Return the names of the commands that are available for the words of a command line."""
        return self.list_commands(ctx)

    def format_commands(self, ctx, formatter):
        whole = lambda name: self.get_command(ctx, name).get_short_help_str(WHOLE)
        with formatter.section("Commands"):
            formatter.write_dl([(name, whole(name)) for name in self.list_commands(ctx)])


class LazyGroup(Group):
    """A group that creates a command when it is called, not when it is listed.

    Args:
        load: ``load(name)`` returns a command, or None if it has no such command.
        summaries: ``summaries(words, silent)`` returns name -> its summary, one line. words: of a command line, the
            command's name first; plugins named there may add commands. silent: whether to ignore errors.
    """

    def __init__(self, *args, load=None, summaries=None, **more):
        super().__init__(*args, **more)
        self.load, self.summaries = load, summaries

    def list_commands(self, ctx):
        return list(self.summaries((), ctx.resilient_parsing))

    def names_for(self, ctx, args):
        return list(self.summaries(args, ctx.resilient_parsing))

    def get_command(self, ctx, name):
        found = self.load(name)
        if found is not None:
            found.context_class = Context
        return found

    def format_commands(self, ctx, formatter):
        with formatter.section("Commands"):
            formatter.write_dl(list(self.summaries((), False).items()))

    def shell_complete(self, ctx, incomplete):
        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        commands = self.summaries((), True).items()
        return [CompletionItem(name, help=line) for name, line in commands if name.startswith(incomplete)]
