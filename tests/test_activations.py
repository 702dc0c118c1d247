import math

import numpy as np
import pytest

import dfanp
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


@pytest.mark.parametrize("kernels", ["native", "numba"])
def test_erf_has_no_kernels_and_is_computed_as_defined_on_every_tier(kernels):
    X = np.random.default_rng(0).normal(size=(12, 4))

    def trained(tier):
        backend = dfanp.Backend("cpu", threads=1, kernels=tier)
        network = dfanp.MLP([4, 5, 3, 1], "erf", dtype="float64", backend=backend)
        problem = dfanp.Arrays(X, X[:, 0] > 0, dtype="float64", backend=backend)
        records = list(dfanp.Training(network, problem, "dfa", dfanp.SGD(0.5), batch_size=5).epochs(2))
        return [*network.W, records[-1].test_loss]

    for found, defined in zip(trained(kernels), trained("numpy"), strict=True):
        np.testing.assert_allclose(found, defined, rtol=1e-12)


def test_erf_is_that_of_the_theory_and_its_slope_that_of_a_gaussian():
    a = np.linspace(-3, 3, 7)
    h = activations.erf.f(np, a)
    np.testing.assert_allclose(h, [math.erf(each / 2**0.5) for each in a], rtol=1e-14)
    np.testing.assert_allclose(activations.erf.df(np, h), (2 / np.pi) ** 0.5 * np.exp(-(a**2) / 2), rtol=1e-10)


def test_relu_is_zero_at_and_below_zero():
    relu = activations.get("relu")
    assert relu.df(np, relu.f(np, np.array([-1.0, 0.0, 2.0]))).tolist() == [0, 0, 1]


def test_misspelt_name_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="unknown activation 'rlu'.*did you mean 'relu'"):
        activations.get("rlu")
