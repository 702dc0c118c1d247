import numpy as np
import pytest

from dfanp.theory.arguments import array


def test_returns_a_copy_in_float64():
    given = np.ones((2, 3), np.float32)
    found = array("X", given, None, 3)
    assert found.dtype == np.float64 and not np.shares_memory(found, given)
    assert array("v", (1, 2), 2).tolist() == [1, 2]


@pytest.mark.parametrize(
    "value, message",
    [
        (None, r"X must have the shape \(n, 3\), got \(\)|X must be finite"),
        ("text", r"X must be an array of real numbers of shape \(n, 3\), got 'text'"),
        ([[1, 2, 3], [4]], "X must be an array of real numbers"),
        (np.ones((2, 3)) * 1j, "X must be an array of real numbers"),
        (np.ones((0, 3)), r"X must have the shape \(n, 3\), got \(0, 3\)"),
        (np.ones((2, 2)), r"X must have the shape \(n, 3\), got \(2, 2\)"),
        (np.ones(3), r"X must have the shape \(n, 3\), got \(3,\)"),
        ([[1, 2, np.inf]], "X must be finite, got NaN or infinity"),
    ],
)
def test_what_does_not_fit(value, message):
    with pytest.raises(ValueError, match=message):
        array("X", value, None, 3)
