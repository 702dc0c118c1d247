import numpy as np
import pytest

import dfanp
from dfanp.inputs import Bank, StackedDigits, rows


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("leading", [(), (2,)])
def test_stacked_digits_are_the_dense_array(rng, dtype, leading):
    bank = rng.integers(0, 256, (9, 5), dtype=np.uint8)
    picks = rng.integers(0, 9, (*leading, 6, 3))
    X = StackedDigits(Bank(bank, 33.0, 78.0, dtype, dfanp.Backend("cpu")), picks)
    dense = ((bank.astype(dtype) - 33.0) / 78.0)[picks].reshape(*leading, 6, 15)
    assert X.shape == dense.shape and X.dense().dtype == dtype
    assert np.array_equal(X.dense(), dense)
    assert np.array_equal(rows(X, 2, 5).dense(), dense[..., 2:5, :])
    assert np.array_equal(rows(dense, 2, 5), dense[..., 2:5, :])
