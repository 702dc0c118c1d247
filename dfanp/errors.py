"""Exceptions, and messages about wrong values and misspelt names.

A wrong argument raises a ``ValueError`` or ``TypeError``, as everywhere in Python. A failure outside the caller's
control (a broken file, an absent device, a full disk) raises a ``DfanpError``, whose message is one line with a
remedy.
"""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")
LONGEST = 100  # characters of a wrong value in a message
NEAR = 0.65  # least similarity of a name that is suggested (difflib's ratio)
NEAR_SHORT = 0.5  # of one with two letters, one of which is right


class DfanpError(Exception):
    """Something outside the program failed. The message is a single line for the user."""

    def __init__(self, message: object = "") -> None:
        super().__init__(" ".join(str(message).splitlines()))


class BackendError(DfanpError):
    """A device or array library was requested by name and is not usable."""


class DataError(DfanpError):
    """A data set is missing, unreadable or invalid."""


class PluginError(DfanpError):
    """A file of definitions cannot be loaded, or a run needs one that is not loaded."""


class RecordError(DfanpError):
    """A run folder cannot be read, written or continued."""


class RecordWarning(UserWarning):
    """A folder of records lacks a safeguard that its file system does not support."""


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's text, or the name of its type."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def shown(value: Any) -> str:
    """Return the beginning of the ``repr`` of a wrong argument, in one line, for a message."""
    return " ".join(repr(value).split())[:LONGEST]


def nearest(name: object, names: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the closest of `names`, or an empty string if none is near.

    Dashes before an option do not count. The beginning of a name, three letters or more, is near.
    """
    bare = {each.lstrip("-") or each: each for each in names}
    word = str(name)[:LONGEST].lower()
    word = word.lstrip("-") or word
    close = difflib.get_close_matches(word, list(bare), n=1, cutoff=NEAR if len(word) > 2 else NEAR_SHORT)
    close = close or [each for each in bare if len(word) >= 3 and each.startswith(word)]
    return f"; did you mean {bare[close[0]]!r}?" if close else ""


def by_name(what: str, name: Any, table: Mapping[str, T]) -> T:
    """Return ``table[name]``; a ValueError lists the known names and suggests the nearest.

    Args:
        what: the kind of thing, for the message ("rule", "optimizer").
    """
    if isinstance(name, str) and name in table:
        return table[name]
    raise ValueError(f"unknown {what} {shown(name)}: expected one of {', '.join(table)}{nearest(name, table)}")
