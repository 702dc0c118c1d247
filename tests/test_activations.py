import numpy as np
import pytest

from dfanp import activations

A = np.array([-1000.0, -3.0, -0.5, -1e-3, 1e-3, 0.5, 3.0, 1000.0])


@pytest.mark.parametrize("name", activations.ACTIVATIONS)
def test_derivative_against_finite_differences(name):
    f = activations.get(name)
    step = 1e-6
    slope = (f.f(np, A + step) - f.f(np, A - step)) / (2 * step)
    np.testing.assert_allclose(f.df(np, f.f(np, A)), slope, atol=1e-8)


@pytest.mark.parametrize("name", activations.ACTIVATIONS)
def test_stable_at_extremes_and_keeps_dtype(name):
    f = activations.get(name)
    for dtype in (np.float32, np.float64):
        h = f.f(np, A.astype(dtype))
        assert h.dtype == dtype and np.isfinite(h).all()
        assert f.df(np, h).dtype == dtype


@pytest.mark.parametrize("name", activations.ACTIVATIONS)
def test_nan_stays_nan(name):
    assert np.isnan(activations.get(name).f(np, np.array([np.nan]))).all()


def test_relu_is_zero_at_and_below_zero():
    relu = activations.get("relu")
    assert relu.df(np, relu.f(np, np.array([-1.0, 0.0, 2.0]))).tolist() == [0, 0, 1]


def test_misspelt_name_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="unknown activation 'rlu'.*did you mean 'relu'"):
        activations.get("rlu")
