"""Option types whose values are names: for a misspelt one they suggest the nearest, and the shell completes them.

The names are in tables of the library, which is imported only when they are needed, not to list commands and options.
"""

import importlib

import click
from click.shell_completion import CompletionItem


def completing(ctx):
    """Whether the command line is parsed for completion, where every value is accepted."""
    return ctx is not None and ctx.resilient_parsing


class Name(click.Choice):
    """One of a set of names.

    Args:
        names: names that are known here.
        table: further names: their place in the library, such as "rules.RULES"; a function that returns them; or a
            tuple.
    """

    def __init__(self, names=(), table=()):
        self.names, self.table, self.case_sensitive = tuple(names), table, True

    @property
    def choices(self):
        found = self.table
        if isinstance(found, str):
            module, _, name = found.rpartition(".")
            found = getattr(importlib.import_module(f"dfanp.{module}"), name)
        return (*self.names, *(found() if callable(found) else found))

    def get_metavar(self, param, ctx=None):
        return "NAME"  # the help lists them

    def convert(self, value, param, ctx):
        if completing(ctx) or value in self.choices:
            return value
        from dfanp.errors import nearest

        self.fail(f"{value!r} is not one of {', '.join(self.choices)}{nearest(value, self.choices)}", param, ctx)

    def shell_complete(self, ctx, param, incomplete):
        return [CompletionItem(name) for name in self.choices if name.startswith(incomplete)]


def last_of(of, separator, ctx, param, incomplete):
    """Return what completes the last part of a list of values of the type `of`."""
    before, comma, last = incomplete.rpartition(separator)
    given = before.split(separator)
    items = of.shell_complete(ctx, param, last)
    return [
        CompletionItem(f"{before}{comma}{item.value}", item.type, item.help)
        for item in items
        if item.value not in given
    ]


class Names(Name):
    """A list of names from a set, such as sgd,adam; duplicates are removed."""

    name = "names"

    def get_metavar(self, param, ctx=None):
        return "NAMES"

    def convert(self, value, param, ctx):
        if isinstance(value, tuple):
            return value
        return tuple(dict.fromkeys(super(Names, self).convert(part, param, ctx) for part in value.split(",")))

    def shell_complete(self, ctx, param, incomplete):
        return last_of(Name(self.choices), ",", ctx, param, incomplete)


class Word(Name):
    """One of several words, each with a value.

    Args:
        words: word -> value.
    """

    def __init__(self, words):
        super().__init__(words)
        self.words = words

    def convert(self, value, param, ctx):
        word = super().convert(value, param, ctx)
        return self.words.get(word, word)


class Parsed(Name):
    """A name and its parameters, separated by colons: adam:beta1=0.8.

    Args:
        table: see ``Name``. parse, parameters: see ``dfanp.problems.fields.setting``.
    """

    def __init__(self, table, parse, parameters=None):
        super().__init__(table=table)
        self.parse, self.parameters = parse, parameters

    def convert(self, value, param, ctx):
        if completing(ctx):
            return value
        try:
            return self.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(self, ctx, param, incomplete):
        name, *given = incomplete.split(":")
        if not given:
            return super().shell_complete(ctx, param, incomplete)
        if name not in self.choices or self.parameters is None:
            return []
        before, named = incomplete.rpartition(":")[0], {each.partition("=")[0] for each in given[:-1]}
        return [
            CompletionItem(f"{before}:{more}=")
            for more in self.parameters(name)
            if more not in named and more.startswith(given[-1])
        ]


class Setting(click.ParamType):
    """The name of a setting, of any problem. The command checks it against the settings of its sweep."""

    def __init__(self, name, after=""):
        self.name, self.after = name, after

    def shell_complete(self, ctx, param, incomplete):
        from dfanp.problems import PROBLEMS

        from .derived import settings_for

        known = dict.fromkeys(name for kind in PROBLEMS.values() for name in settings_for(kind))
        found = [
            CompletionItem(f"{name}{self.after}") for name in known if name.startswith(incomplete.rpartition(",")[2])
        ]
        before = incomplete[: len(incomplete) - len(incomplete.rpartition(",")[2])]
        return [CompletionItem(f"{before}{item.value}") for item in found]
