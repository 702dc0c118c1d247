"""What can go wrong outside a caller's control, and how a misspelt name is answered.

A wrong argument is a ``ValueError`` or ``TypeError``, as everywhere in Python. What the caller could not have known
(a broken file, an absent device, a full disk) is a ``DfanpError``: one line that says what to do about it.
"""

import difflib

LONGEST = 100  # of what was given, in a message


class DfanpError(Exception):
    """Something outside the program failed; the message is one line meant for the user, whatever a file or its name put into it."""

    def __init__(self, message=""):
        super().__init__(" ".join(str(message).splitlines()))


class BackendError(DfanpError):
    """A device or array library was asked for by name and is not usable."""


class DataError(DfanpError):
    """A data set is absent, unreadable, or not what it claims to be."""


class PluginError(DfanpError):
    """A file of definitions cannot be loaded, or a run needs one that is not loaded."""


class RecordError(DfanpError):
    """A run folder cannot be read, written or continued."""


class RecordWarning(UserWarning):
    """A folder of records goes without a safeguard, since the file system does not have it."""


def first_line(error):
    """Return the first line of an exception's text, or the name of its type."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def shown(value):
    """Return what stands for a wrong argument in a message: the beginning of its ``repr``, in one line, be it an array."""
    return " ".join(repr(value).split())[:LONGEST]


def nearest(name, names):
    """Return ``"; did you mean 'x'?"`` for the closest of `names`, or an empty string."""
    close = difflib.get_close_matches(str(name)[:LONGEST].lower(), list(names), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


def by_name(what, name, table):
    """Return ``table[name]``; a ValueError lists the names there are and suggests the nearest.

    Args:
        what: what the name stands for, for the message ("rule", "optimizer").
    """
    if isinstance(name, str) and name in table:
        return table[name]
    raise ValueError(f"unknown {what} {shown(name)}: expected one of {', '.join(table)}{nearest(name, table)}")
