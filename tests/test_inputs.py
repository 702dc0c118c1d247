import numpy as np
import pytest

import dfanp
from dfanp.inputs import Bank, StackedDigits, dense


@pytest.fixture(params=[(), (2,)], ids=["one run", "replicas"])
def leading(request):
    return request.param


@pytest.fixture(params=["float32", "float64"])
def both(request, rng, leading):
    """StackedDigits, and the array that they stand for."""
    dtype, bank, picks = (
        request.param,
        rng.integers(0, 256, (9, 5), dtype=np.uint8),
        rng.integers(0, 9, (*leading, 6, 3)),
    )
    X = StackedDigits(Bank(bank, 33.0, 78.0, dtype, dfanp.Backend("cpu", kernels="numpy")), picks)
    return X, ((bank.astype(dtype) - 33.0) / 78.0)[picks].reshape(*leading, 6, 15)


def test_they_are_the_dense_array(both):
    X, array = both
    assert (X.shape, X.ndim, len(X), X.dtype) == (array.shape, array.ndim, len(array), str(array.dtype))
    assert np.array_equal(X.dense(), array) and dense(X) is X.dense() and dense(array) is array


def test_slices(both):
    X, array = both
    for index in (np.s_[..., 2:5, :], np.s_[..., :, :], np.s_[1:], np.s_[..., 4:100, :], np.s_[::2]):
        part = X[index]
        assert isinstance(part, StackedDigits) and part.bank is X.bank and part is not X
        assert np.array_equal(part.dense(), array[index])


@pytest.mark.parametrize("index", [3, np.s_[..., 2:5], np.s_[..., 2:5, 0:3], [1, 2], None, np.s_[0, :]])
def test_what_is_no_slice_of_examples_is_refused(both, index):
    with pytest.raises(IndexError, match=r"slices of its examples, such as X\[..., 0:10, :\], got "):
        both[0][index]


def test_products(both, rng, leading):
    X, array = both
    W, delta = (rng.normal(size=(*leading, *shape)).astype(array.dtype) for shape in ((15, 4), (6, 4)))
    np.testing.assert_allclose(X @ W, array @ W, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose((X.mT @ delta).dense(), array.mT @ delta, rtol=1e-5, atol=1e-5)


def test_numpy_is_not_given_them_by_mistake(both):
    with pytest.raises(TypeError, match=r"StackedDigits is not a NumPy array.*X\.dense\(\) returns an array"):
        np.asarray(both[0])
    with pytest.raises(TypeError, match=r"X\.dense\(\)"):
        np.mean(both[0])
