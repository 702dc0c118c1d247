import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dfanp


def test_initial_weights_are_uniform_within_one_over_root_fan_in():
    network = dfanp.MLP((400, 300, 7), bias=True)
    for name, fan_in in (("W0", 400), ("W1", 300), ("b0", 400), ("b1", 300)):
        values, bound = network.parameters[name], fan_in**-0.5
        assert np.abs(values).max() <= bound * (1 + 1e-6) and np.abs(values).max() > 0.5 * bound
    np.testing.assert_allclose(network.W[0].std(), 400**-0.5 / 3**0.5, rtol=0.02)


def test_weights_do_not_depend_on_bias_or_dtype():
    plain, other = dfanp.MLP((5, 4, 3)), dfanp.MLP((5, 4, 3), bias=True, dtype="float64")
    for a, b in zip(plain.W, other.W, strict=True):
        assert a.dtype == np.float32 and np.array_equal(a, b.astype(np.float32))


@given(
    sizes=st.lists(st.integers(1, 6), min_size=2, max_size=5),
    n=st.integers(1, 5),
    bias=st.booleans(),
    activation=st.sampled_from(["relu", "leaky-relu", "tanh", "sigmoid", "identity"]),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_forward_is_the_textbook_line(sizes, n, bias, activation, dtype):
    network = dfanp.MLP(sizes, activation, bias, dtype)
    X = np.linspace(-1, 1, n * sizes[0]).reshape(n, -1).astype(dtype)
    h = network.forward(X)
    assert [each.shape for each in h] == [(n, d) for d in sizes] and {each.dtype for each in h} == {np.dtype(dtype)}
    a = X
    for layer, W in enumerate(network.W):
        a = a @ W + (network.parameters[f"b{layer}"] if bias else 0)
        if layer < len(sizes) - 2:
            a = network.activation.f(np, a)
    np.testing.assert_allclose(h[-1], a, rtol=1e-5)


@pytest.mark.parametrize("bias", [False, True])
def test_replicas_are_the_solo_networks(rng, bias):
    X = rng.standard_normal((6, 5)).astype(np.float32)
    joint = dfanp.MLP((5, 4, 3), bias=bias, seed=(2, 9))
    h = joint.forward(X)
    assert joint.replicas == 2 and joint.W[0].shape == (2, 5, 4) and h[-1].shape == (2, 6, 3)
    for r, seed in enumerate((2, 9)):
        solo = dfanp.MLP((5, 4, 3), bias=bias, seed=seed)
        assert all(np.array_equal(joint.parameters[name][r], solo.parameters[name]) for name in solo.parameters)
        assert np.array_equal(h[-1][r], solo.forward(X)[-1])


@pytest.mark.parametrize("sizes", [(), (3,), (3, 0), (3, -1, 1), (3, 1.5), (3, True), ("3", 1), 5])
def test_bad_sizes(sizes):
    with pytest.raises(ValueError, match="sizes must be at least two whole numbers"):
        dfanp.MLP(sizes)


def test_bad_names_seeds_and_inputs():
    with pytest.raises(ValueError, match="unknown dtype 'float16'"):
        dfanp.MLP((2, 1), dtype="float16")
    with pytest.raises(ValueError, match="seed must be"):
        dfanp.MLP((2, 1), seed=(0, -1))
    with pytest.raises(ValueError, match="must not be empty"):
        dfanp.MLP((2, 1), seed=())
    with pytest.raises(ValueError, match=r"X must be an array of shape \(n, 2\)"):
        dfanp.MLP((2, 1)).forward(np.zeros((3, 5), np.float32))
    for X in (np.zeros(2, np.float32), [[1.0, 2.0]], np.zeros((4, 3, 2), np.float32)):
        with pytest.raises(ValueError, match="X must be an array of shape"):
            dfanp.MLP((2, 1), seed=(0, 1)).forward(X)
    with pytest.raises(ValueError, match="X must have the network's dtype float32, got float64"):
        dfanp.MLP((2, 1)).forward(np.zeros((3, 2)))
    for seed in (None, 1.5, "0"):
        with pytest.raises(ValueError, match="a seed must be a whole number"):
            dfanp.MLP((2, 1), seed=seed)
