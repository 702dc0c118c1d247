"""Means with confidence intervals."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import shown


def mean_interval(values: Any, confidence: float = 0.95) -> tuple[float, float | None]:
    """Return ``(mean, half)``: the Student-t interval is mean ± half, or half None for fewer than two values.

    Args:
        values: a sequence of numbers, not empty.
        confidence: between 0 and 1.

    Raises:
        ValueError: there are no values, a value is not a number, or the confidence is out of range.
    """
    try:
        values = np.asarray(values if np.isrealobj(values) else None, dtype=float)
    except (TypeError, ValueError):
        raise ValueError("values must be real numbers") from None
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"values must be numbers in one row, at least one, got shape {values.shape}")
    if not isinstance(confidence, float) or not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, got {shown(confidence)}")
    if len(values) < 2:
        return float(values.mean()), None
    from scipy.special import stdtrit  # quantiles of Student's t; importing scipy.stats would take a second

    standard_error = values.std(ddof=1) / len(values) ** 0.5
    return float(values.mean()), float(stdtrit(len(values) - 1, (1 + confidence) / 2) * standard_error)


def paired_differences(first: Mapping[int, float], second: Mapping[int, float]) -> list[float]:
    """Return the differences first - second over the seeds that both have, for ``mean_interval``.

    Runs of one seed share initial weights and data, so that what these do to both is not in the differences.

    Args:
        first, second: seed -> value.
    """
    return [first[seed] - second[seed] for seed in first if seed in second]
