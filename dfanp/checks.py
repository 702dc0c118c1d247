"""What an argument must be: one check of each kind, whose error says the argument, what was expected and what came.

>>> whole("k", 3, most=10)
3
>>> number("lr", 0, above=0)
Traceback (most recent call last):
ValueError: lr must be a finite number above 0, got 0
"""

from math import isfinite
from numbers import Integral, Real
from operator import ge, gt, le, lt

from .errors import nearest, shown

MOST_THREADS = 1024  # of BLAS and the kernels
MOST = 10**9  # examples, or columns, or units: more than any memory holds, and few enough for NumPy to say so


def is_whole(value):
    """Whether a value is a whole number (NumPy's included), and no bool."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_number(value):
    """Whether a value is a real number (NumPy's included), and no bool."""
    return isinstance(value, Real) and not isinstance(value, bool)


def whole(name, value, least=1, most=None, other=""):
    """Return a whole number of at least `least` and at most `most` (None: any) as an int.

    Args:
        other: what else the caller takes, for the message: " or None".

    Raises:
        ValueError: it is none.
    """
    if is_whole(value) and (least is None or value >= least) and (most is None or value <= most):
        return int(value)
    within = "" if least is None else f" of at least {least}" if most is None else f" from {least} to {limit(most)}"
    raise ValueError(f"{name} must be a whole number{within}{other}, got {shown(value)}")


def number(name, value, least=None, most=None, above=None, below=None, other=""):
    """Return a finite number in a range, as it is; one of NumPy as Python's.

    Args:
        least, most, above, below: of the range; None: no limit.
        other: see ``whole``.

    Raises:
        ValueError: it is none.
    """
    limits = {"at least": (least, ge), "above": (above, gt), "below": (below, lt), "at most": (most, le)}
    limits = {words: each for words, each in limits.items() if each[0] is not None}
    if is_number(value) and is_finite(value) and all(fits(value, end) for end, fits in limits.values()):
        return value if isinstance(value, (int, float)) else float(value)
    wanted = " and ".join(f"{words} {limit(end)}" for words, (end, _) in limits.items())
    if above is not None or not limits:
        wanted = f"a finite number {wanted}".rstrip()
    raise ValueError(f"{name} must be {wanted}{other}, got {shown(value)}")


def is_finite(value):
    """Whether a real number is finite as a float."""
    try:
        return isfinite(value)
    except OverflowError:  # a whole number of hundreds of digits
        return False


def limit(value):
    """Return a limit as people write it: 10^9 for 1000000000."""
    text = f"{value:.12g}" if isinstance(value, float) and value < 1e12 else str(value)
    return f"10^{len(text) - 1}" if len(text) > 6 and text.strip("0") == "1" else text


def truth(name, value, other=""):
    """Return True or False (NumPy's as Python's); a ValueError for any other value. other: see ``whole``."""
    if isinstance(value, bool):
        return value
    if type(value).__module__ == "numpy" and type(value).__name__ in ("bool", "bool_"):  # without an import of it
        return bool(value)
    raise ValueError(f"{name} must be True or False{other}, got {shown(value)}")


def choice(name, value, choices):
    """Return a text that is one of `choices`; a ValueError lists them and suggests the nearest."""
    if isinstance(value, str) and value in choices:
        return value
    *others, last = map(repr, choices)
    wanted = f"{', '.join(others)} or {last}" if others else last
    raise ValueError(f"{name} must be {wanted}, got {shown(value)}{nearest(value, choices)}")


def seed(value, name="a seed"):
    """Return a whole number of at least 0 as an int."""
    return whole(name, value, 0)
