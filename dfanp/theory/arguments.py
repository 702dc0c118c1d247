"""Checks of arrays that the theory takes."""

from typing import Any

import numpy as np

from ..errors import shown


def after(beside):
    """Return the arguments beside another one as the end of a message, "" without any."""
    return f" beside {beside}" if beside else ""


def array(name: str, value: Any, *shape: int | None, beside: str = "") -> np.ndarray:
    """Return `value` as a float64 array of `shape`, a copy.

    Args:
        name: of the argument, for the message.
        shape: the length of each axis; None: any length of at least 1.
        beside: the arguments from which the lengths follow, for the message.

    Raises:
        ValueError: it is not an array of finite real numbers of that shape.
    """
    try:
        found = None if np.iscomplexobj(value) else np.array(value, dtype=float)
    except (TypeError, ValueError):
        found = None
    wanted = (
        "(" + ", ".join("n" if each is None else str(each) for each in shape) + ("," if len(shape) == 1 else "") + ")"
    )
    if found is None:
        raise ValueError(f"{name} must be an array of real numbers of shape {wanted}, got {shown(value)}")
    fits = len(shape) == found.ndim and all(
        there > 0 if asked is None else there == asked for asked, there in zip(shape, found.shape, strict=True)
    )
    if not fits:
        raise ValueError(f"{name} must have the shape {wanted}{after(beside)}, got {found.shape}")
    if not np.isfinite(found).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    return found


def matrices(name: str, value: Any, count: int | None = None, beside: str = "") -> list[Any]:
    """Return the items of a sequence of `count` matrices (None: at least one), which are not checked.

    A ValueError says what else it is. beside: see ``array``.
    """
    found = list(value) if isinstance(value, (list, tuple)) or getattr(value, "ndim", 0) > 0 else None
    if found and count in (None, len(found)):
        return found
    wanted = "at least one matrix" if count is None else f"{count} matrices{after(beside)}"
    raise ValueError(f"{name} must be a sequence of {wanted}, got {shown(value) if found is None else len(found)}")
