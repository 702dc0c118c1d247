"""Grids: the values of each setting in a sweep, and all their combinations."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from itertools import product as combinations
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ..errors import shown

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

S = TypeVar("S", bound="DataclassInstance")
T = TypeVar("T")
MOST = 10_000  # values in the ranges of one text


def values(text: str, convert: Callable[[str], T]) -> tuple[T, ...]:
    """Return the values of a text such as ``1,2``, ``1e-4:4e-4:6`` or ``log:1e-4:1e-1:8``, without repetitions.

    Args:
        text: values and ranges, separated by commas. A range is ``start:stop:count`` (equally spaced) or
            ``log:start:stop:count`` (logarithmically spaced), both ends included.
        convert: converts the text of each value, and of each number of a range.

    Raises:
        ValueError: a range is malformed, all ranges together have more than MOST values, or from `convert`.
    """
    if not isinstance(text, str):
        raise TypeError(f"text must be a str such as '1,2', got {shown(text)}")
    parts: list[str] = []
    left = MOST
    for part in text.split(","):
        found = spaced(part, left) if ":" in part else [part.strip()]
        left -= len(found) if ":" in part else 0
        parts += found
    return tuple(dict.fromkeys(map(convert, parts)))


def spaced(text, most=MOST):
    """Return the numbers of a range, at most `most` of them, as texts with at most ten digits."""
    log = text.strip().startswith("log:")
    ends = text.strip().removeprefix("log:").split(":")
    wanted = f"{text!r} is not a range: write start:stop:count or log:start:stop:count, such as log:1e-4:1e-1:8"
    try:
        (start, stop), count = map(float, ends[:-1]), int(ends[-1])
    except ValueError:
        raise ValueError(wanted) from None
    if not np.isfinite([start, stop]).all() or not 1 <= count <= MOST or (log and min(start, stop) <= 0):
        raise ValueError(wanted)
    if count > most:
        raise ValueError(f"{text!r} is too long: ranges have at most {MOST} values, all of an option together")
    with np.errstate(all="ignore"):  # what overflows is reported below
        numbers = np.geomspace(start, stop, count) if log else np.linspace(start, stop, count)
    texts = [f"{number:.10g}" for number in numbers]
    if not np.isfinite([float(number) for number in texts]).all():
        raise ValueError(f"{text!r} has numbers that are not finite")
    return texts


def product(settings: S, **axes: Any) -> list[S]:
    """Return `settings` with every combination of the values of `axes`, the last axis fastest.

    Args:
        settings: a dataclass, such as those of ``dfanp.settings``.
        axes: name of a field -> a value, or a list (tuple, range, array) of values; for a field that is a tuple, such
            as `hidden`, a list of tuples.

    Raises:
        ValueError: a name is not a field.
    """
    known = {field.name for field in fields(settings)}
    for name in axes:
        if name not in known:
            raise ValueError(f"no setting {name!r}: expected some of {', '.join(sorted(known))}")
    lists = [many(value, isinstance(getattr(settings, name), tuple)) for name, value in axes.items()]
    return [replace(settings, **dict(zip(axes, each, strict=True))) for each in combinations(*lists)]


def many(value, of_tuples):
    """Return the values of an axis as a list of Python numbers."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    single = isinstance(value, str) or not isinstance(value, Sequence) or (of_tuples and isinstance(value, tuple))
    return [value] if single else list(value)


def varied(configs: Iterable[dict]) -> list[str]:
    """Return the names of the settings that differ among `configs` (dicts), in their order."""
    names = dict.fromkeys(name for config in configs for name in config)
    distinct = lambda name: {repr(config.get(name)) for config in configs}
    return [name for name in names if len(distinct(name)) > 1]
