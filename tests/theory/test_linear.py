import numpy as np
import pytest

import dfanp
from dfanp.theory import linear


def zeroed(sizes, activation="identity"):
    network = dfanp.MLP(sizes, activation, dtype="float64", backend=dfanp.Backend("cpu", threads=1, kernels="numpy"))
    for w in network.W:
        w[...] = 0
    return network


@pytest.mark.parametrize("loss, batch, lr", [("mse", 7, 0.05), ("cross-entropy", 30, 0.4)])
def test_weights_of_dfa_from_zero_are_their_alignment_matrices(loss, batch, lr):
    """The whole training loop against the theorem, in every layer, whatever the batches: to 1e-12."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 6))
    y = np.eye(3)[rng.integers(0, 3, 30)]
    network = zeroed([6, 9, 4, 5, 3])
    problem = dfanp.Arrays(X, y, loss=loss, dtype="float64", backend=network.backend)
    feedback = dfanp.Feedback("standard-gaussian")
    training = dfanp.Training(network, problem, "dfa", dfanp.SGD(lr), feedback, batch_size=batch, seed=3)
    list(training.epochs(20))
    batches = []
    for epoch in range(1, 21):
        X_, y_ = problem.train(3, epoch)
        batches += [(X_[i : i + batch], y_[i : i + batch]) for i in range(0, 30, batch)]
    C, A = linear.alignment_matrices(batches, training.B, lr, loss)
    for trained, exact in zip(network.W, linear.weights(C, A, training.B), strict=True):
        assert abs(trained).max() > 1e-2
        np.testing.assert_allclose(trained, exact, rtol=0, atol=1e-12 * abs(trained).max())
    cosines = linear.weight_alignment(network.W, training.B)
    assert len(cosines) == 3 and min(cosines) > 0
    last = dfanp.alignment.feedback_alignment(training.rule, network, training.B)[-1]
    assert cosines[-1] == pytest.approx(float(last), rel=1e-12)


def test_alignment_is_complete_where_the_matrices_are_multiples_of_the_identity():
    rng = np.random.default_rng(1)
    B = [rng.normal(size=(2, 5)), rng.normal(size=(2, 4))]
    W = linear.weights(np.ones((3, 2)), [0.5 * np.eye(2), 2 * np.eye(2)], B)
    assert linear.weight_alignment(W, B) == pytest.approx([1, 1])


def drift(rule, activation, lr, time=2.0):
    """Return the change of what is conserved, and how far the weights went, over the same time."""
    rng = np.random.default_rng(2)
    X, y = rng.normal(size=(16, 4)), rng.normal(size=(16, 2))
    backend = dfanp.Backend("cpu", threads=1, kernels="numpy")
    network = dfanp.MLP([4, 6, 5, 2], activation, dtype="float64", seed=0, backend=backend)
    problem = dfanp.Arrays(X, y, loss="mse", dtype="float64", backend=backend)
    training = dfanp.Training(network, problem, rule, dfanp.SGD(lr), dfanp.Feedback("uniform"), batch_size=16)
    before, W = linear.conserved(rule, network.W, training.B), [w.copy() for w in network.W]
    list(training.epochs(round(time / lr)))
    moved = [abs(np.sum(w**2) - np.sum(old**2)) for w, old in zip(network.W, W, strict=True)]
    return linear.conserved(rule, network.W, training.B) - before, max(moved)


@pytest.mark.parametrize("rule, activation, laws", [("fa", "relu", 2), ("dfa", "relu", 1), ("bp", "identity", 2)])
def test_drift_of_what_is_conserved_is_in_proportion_to_the_rate(rule, activation, laws):
    (coarse, moved), (fine, _) = (drift(rule, activation, lr) for lr in (0.02, 0.01))
    assert coarse.shape == (laws,) and moved > 20 * abs(coarse).max()
    np.testing.assert_allclose(coarse / fine, 2, rtol=0.2)


def test_tanh_conserves_nothing():
    (coarse, _), (fine, _) = (drift("fa", "tanh", lr) for lr in (0.02, 0.01))
    assert abs(fine / coarse - 1).max() < 0.2


B = [np.ones((2, 4)), np.ones((2, 3))]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: linear.alignment_matrices([], B, 0.1), "batches must have at least one"),
        (
            lambda: linear.alignment_matrices([(np.ones((3, 2)), np.ones((3, 1)))], B, 0.1),
            r"y of a batch must have the shape \(3, 2\)",
        ),
        (
            lambda: linear.alignment_matrices([(np.ones(3), np.ones((3, 2)))], B, 0.1),
            r"X of a batch must have the shape \(n, n\)",
        ),
        (lambda: linear.alignment_matrices([], B, 0), "eta must be a finite number above 0"),
        (lambda: linear.alignment_matrices([], [], 0.1), "B must be a sequence of at least one matrix"),
        (
            lambda: linear.alignment_matrices([], [np.ones((2, 4)), np.ones((3, 4))], 0.1),
            r"B\[1\] must have the shape \(2, n\)",
        ),
        (
            lambda: linear.weights(np.ones((3, 2)), [np.eye(2)], B),
            "A must be a sequence of 2 matrices beside B, got 1",
        ),
        (lambda: linear.weight_alignment([np.ones((5, 4))], B), "W must be a sequence of 3 matrices beside B, got 1"),
        (
            lambda: linear.weight_alignment([np.ones((5, 4)), np.ones((4, 4)), np.ones((3, 2))], B),
            r"W\[1\] must have the shape \(4, 3\)",
        ),
        (lambda: linear.conserved("kp", B), "rule must be"),
        (lambda: linear.conserved("bp", [np.ones((2, 2))]), "W must have at least two matrices"),
        (
            lambda: linear.conserved("fa", [np.ones((3, 2)), np.ones((2, 1))]),
            "B must be a sequence of 1 matrices beside W, got",
        ),
        (
            lambda: linear.conserved("fa", [np.ones((3, 2)), np.ones((2, 1))], [np.ones((2, 2))]),
            r"B\[0\] must have the shape \(1, 2\)",
        ),
    ],
)
def test_what_does_not_fit(call, message):
    with pytest.raises(ValueError, match=message):
        call()
