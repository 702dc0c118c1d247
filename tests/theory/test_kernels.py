import numpy as np
import pytest

import dfanp
from dfanp import baselines, losses, rules
from dfanp.theory import kernels

ONE = dfanp.Backend("cpu", threads=1, kernels="numpy")
H, D = 3000, 40


def gradients_of(network, X):
    """Return the features and the gradient of the output with respect to all trained weights, of each example."""
    found = []
    for x in X:
        h = network.forward(x[None])
        by_rule = rules.gradients(rules.bp, network, [], h, np.ones((1, 1)))
        trained = [np.asarray(g).ravel() for name, g in by_rule.items() if name not in network.fixed]
        found.append((h[1][0], np.concatenate(trained)))
    return (np.array(each) for each in zip(*found, strict=True))


WIDE = {
    "relu": (
        lambda: dfanp.MLP([D, H, 1], "relu", dtype="float64", backend=ONE),
        kernels.relu_features,
        kernels.relu_ntk,
    ),
    "erf": (lambda: dfanp.MLP([D, H, 1], "erf", dtype="float64", backend=ONE), kernels.erf_features, kernels.erf_ntk),
    "step": (lambda: baselines.NTK([D, H, 1], "step", "float64", backend=ONE), None, kernels.step_gated_ntk),
}


@pytest.mark.parametrize("name", WIDE)
def test_kernels_are_those_of_wide_networks(name):
    make, features, ntk = WIDE[name]
    X = np.random.default_rng(0).normal(size=(6, D)) + 0.5
    h, gradients = gradients_of(make(), X)
    for kernel, found in ((features, h), (ntk, gradients)):
        if kernel is not None:
            exact = kernel(X, X, units=H)
            assert (
                abs(found @ found.T / exact - 1).max() < 0.1
                or abs(found @ found.T - exact).max() < 0.05 * exact.max()
            )
            assert np.linalg.eigvalsh(exact).min() > 0


def test_kernels_of_inputs_of_another_scale_and_of_zero():
    rng = np.random.default_rng(1)
    X, Z = rng.normal(size=(3, 5)), rng.normal(size=(4, 5))
    for kernel in (kernels.relu_features, kernels.relu_ntk, kernels.step_gated_ntk):
        np.testing.assert_allclose(kernel(2 * X, 3 * Z), 6 * kernel(X, Z))
        assert not kernel(np.zeros((1, 5)), Z).any()
        np.testing.assert_allclose(kernel(X, Z), kernel(Z, X).T)
    # of the same input: half of the units are active, and relu(a)² has half the mean of a²
    np.testing.assert_allclose(np.diag(kernels.relu_features(X, X, 8, hidden_variance=2)), 8 * np.sum(X**2, axis=1))
    # small arguments: erf is linear, with the slope sqrt(2/pi)
    tiny = kernels.erf_features(1e-4 * X, Z * 1e-4, 1, hidden_variance=1)
    np.testing.assert_allclose(tiny, 2 / np.pi * 1e-8 * X @ Z.T, rtol=1e-6)


def test_ridge_on_parity_and_disks():
    """Parity of one digit is learnt, that of three is not; the disks are, with many points in few dimensions."""
    of = lambda k: dfanp.Parity(
        dfanp.load("digits"), k=k, train_size=400, test_size=300, dtype="float64", backend=ONE
    )
    for kernel in (kernels.relu_ntk, kernels.step_gated_ntk):
        assert kernels.accuracy(of(1), kernel) > 0.9
        assert 0.4 < kernels.accuracy(of(3), kernel) < 0.6
    disks = dfanp.Synthetic(n=500, d=4, test_points=500, backend=ONE)
    assert (
        kernels.accuracy(disks, kernels.relu_ntk)
        > 0.9
        > 0.8
        > kernels.accuracy(dfanp.Synthetic(n=64, d=25, test_points=500, backend=ONE))
    )


def test_ridge_without_penalty_is_interpolation():
    rng = np.random.default_rng(2)
    X, y = rng.normal(size=(20, 6)), rng.normal(size=(20, 2))
    np.testing.assert_allclose(kernels.ridge(X, y, X, kernels.erf_ntk, penalty=1e-12), y, atol=1e-6)
    assert abs(kernels.ridge(X, y, X, penalty=1e6)).max() < 1e-4


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda X: kernels.relu_ntk(X, X[:, :2]), r"Z must have the shape \(n, 3\).*, got \(4, 2\)"),
        (lambda X: kernels.relu_ntk(X[0], X), r"X must have the shape \(n, n\).*, got \(3,\)"),
        (lambda X: kernels.relu_ntk(X, X, units=0), "units must be a whole number of at least 1"),
        (lambda X: kernels.erf_ntk(X, X, hidden_variance=0), "hidden_variance must be a finite number above 0"),
        (lambda X: kernels.erf_ntk(X, X, output_variance=-1), "output_variance must be at least 0"),
        (lambda X: kernels.ridge(X, np.ones(4), X), r"y must have the shape \(4, n\)"),
        (lambda X: kernels.ridge(X, np.ones((4, 1)), X, penalty=0), "penalty must be a finite number above 0"),
        (lambda X: kernels.ridge(0 * X, np.ones((4, 1)), X), "X must have inputs other than zero"),
        (
            lambda X: kernels.accuracy(dfanp.Teacher(5, train_size=4, test_size=4)),
            "problem must be one of classification",
        ),
    ],
)
def test_what_does_not_fit(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.ones((4, 3)))


def test_losses_that_have_an_accuracy_are_those_that_a_kernel_classifies():
    assert {name for name in losses.LOSSES if losses.get(name).correct is None} == {"mse"}
