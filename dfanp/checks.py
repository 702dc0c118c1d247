"""Checks of arguments, one per kind. Their errors name the argument, the expected and the received value.

>>> whole("k", 3, most=10)
3
>>> number("lr", 0, above=0)
Traceback (most recent call last):
ValueError: lr must be a finite number above 0, got 0
"""

from collections.abc import Iterable
from math import isfinite
from numbers import Integral, Real
from operator import ge, gt, le, lt
from typing import Any

from .errors import nearest, shown

MOST_THREADS = 1024  # of BLAS and the kernels
MOST = 10**9  # examples, columns or units: more than fit into memory, yet few enough for NumPy to raise MemoryError


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number (NumPy's included) and not a bool."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether a value is a real number (NumPy's included) and not a bool."""
    return isinstance(value, Real) and not isinstance(value, bool)


def whole(name: str, value: Any, least: float | None = 1, most: float | None = None, other: str = "") -> int:
    """Return a whole number of at least `least` and at most `most` (None: any) as an int.

    Args:
        other: what else the caller accepts, for the message: " or None".

    Raises:
        ValueError: it is not such a number.
    """
    if is_whole(value) and (least is None or value >= least) and (most is None or value <= most):
        return int(value)
    within = "" if least is None else f" of at least {least}" if most is None else f" from {least} to {limit(most)}"
    raise ValueError(f"{name} must be a whole number{within}{other}, got {shown(value)}")


def number(
    name: str,
    value: Any,
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    below: float | None = None,
    other: str = "",
) -> float:
    """Return a finite number in a range, NumPy's converted to Python's.

    Args:
        least, most, above, below: of the range; None: no limit.
        other: see ``whole``.

    Raises:
        ValueError: it is not such a number.
    """
    possible = {"at least": (least, ge), "above": (above, gt), "below": (below, lt), "at most": (most, le)}
    limits = {words: (end, fits) for words, (end, fits) in possible.items() if end is not None}
    if is_number(value) and is_finite(value) and all(fits(value, end) for end, fits in limits.values()):
        return value if isinstance(value, (int, float)) else float(value)
    wanted = " and ".join(f"{words} {limit(end)}" for words, (end, _) in limits.items())
    if above is not None or not limits:
        wanted = f"a finite number {wanted}".rstrip()
    raise ValueError(f"{name} must be {wanted}{other}, got {shown(value)}")


def is_finite(value: Any) -> bool:
    """Whether a real number is finite as a float."""
    try:
        return isfinite(value)
    except OverflowError:  # a whole number of hundreds of digits
        return False


def limit(value: float) -> str:
    """Return a limit as readable text: 10^9 for 1000000000."""
    text = f"{value:.12g}" if isinstance(value, float) and value < 1e12 else str(value)
    return f"10^{len(text) - 1}" if len(text) > 6 and text.strip("0") == "1" else text


def truth(name: str, value: Any, other: str = "") -> bool:
    """Return True or False (NumPy's as Python's); a ValueError for any other value. other: see ``whole``."""
    if isinstance(value, bool):
        return value
    if type(value).__module__ == "numpy" and type(value).__name__ in ("bool", "bool_"):  # without an import of it
        return bool(value)
    raise ValueError(f"{name} must be True or False{other}, got {shown(value)}")


def choice(name: str, value: Any, choices: Iterable[str]) -> str:
    """Return a text that is one of `choices`; a ValueError lists them and suggests the nearest."""
    if isinstance(value, str) and value in choices:
        return value
    *others, last = map(repr, choices)
    wanted = f"{', '.join(others)} or {last}" if others else last
    raise ValueError(f"{name} must be {wanted}, got {shown(value)}{nearest(value, choices)}")


def seed(value: Any, name: str = "a seed") -> int:
    """Return a whole number of at least 0 as an int."""
    return whole(name, value, 0)
