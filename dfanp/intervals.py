"""Means with confidence intervals."""

import numpy as np


def mean_interval(values, confidence=0.95):
    """Return ``(mean, half)``: the Student-t interval is mean ± half, or half None for fewer than two values.

    Args:
        values: a sequence of numbers, not empty.
        confidence: between 0 and 1.
    """
    values = np.asarray(values, dtype=float)
    if len(values) < 2:
        return float(values.mean()), None
    from scipy.stats import sem, t

    return float(values.mean()), float(t.ppf((1 + confidence) / 2, len(values) - 1) * sem(values))
