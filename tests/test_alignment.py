import numpy as np
import pytest

import dfanp
from dfanp import alignment, losses, rules


def test_cosine():
    A = np.array([[1.0, 2.0], [0.0, -1.0]])
    assert alignment.cosine(np, A, A) == 1 and alignment.cosine(np, A, -3 * A) == -1
    np.testing.assert_allclose(alignment.cosine(np, A, np.array([[2.0, -1.0], [5.0, 0.0]])), 0, atol=1e-15)
    assert alignment.cosine(np, np.stack([A, A]), np.stack([A, -A])).tolist() == [1, -1]


def test_zero_is_aligned_with_nothing():
    with np.errstate(all="raise"):
        assert alignment.cosine(np, np.zeros((2, 2)), np.ones((2, 2))) == 0
        assert alignment.cosine(np, np.zeros((2, 2)), np.zeros((2, 2))) == 0


def test_huge_and_tiny_matrices_have_a_cosine():
    A = np.array([[3e38, 1e38]], np.float32)
    assert alignment.cosine(np, A, A) == 1 and alignment.cosine(np, A * np.float32(1e-38) * np.float32(1e-38), A) == 1


def test_feedback_that_is_the_transpose_is_aligned():
    network = dfanp.MLP((3, 5, 4, 2), dtype="float64")
    W = network.W
    np.testing.assert_allclose(alignment.feedback_alignment(rules.get("fa"), network, [W[1].T, W[2].T]), 1)
    np.testing.assert_allclose(alignment.feedback_alignment(rules.get("dfa"), network, [(W[1] @ W[2]).T, W[2].T]), 1)


def test_random_feedback_is_aligned_with_nothing_on_average():
    network = dfanp.MLP((3, 100, 1), dtype="float64")
    cosines = [
        alignment.feedback_alignment(rules.get("dfa"), network, dfanp.Feedback(seed=s).draw([(1, 100)], 0))[0]
        for s in range(200)
    ]
    assert abs(np.mean(cosines)) < 4 * 0.1 / 200**0.5  # a random cosine in 100 dimensions has deviation 0.1


@pytest.mark.parametrize("rule", ["fa", "dfa"])
def test_gradient_alignment_at_the_same_weights(rng, rule):
    sizes = (4, 6, 5, 2)
    network, loss = dfanp.MLP(sizes, dtype="float64"), losses.get("bce")
    X, y = rng.standard_normal((30, 4)), rng.integers(0, 2, (30, 2)).astype(float)
    B = dfanp.Feedback().draw(rules.feedback_shapes(rules.get(rule), sizes), 0)
    before = [W.copy() for W in network.W]
    found = alignment.gradient_alignment(rules.get(rule), network, B, loss, X, y)
    assert len(found) == 3 and found[-1] == 1 and all(-1 <= c < 1 for c in found[:-1])
    assert all(np.array_equal(a, b) for a, b in zip(before, network.W, strict=True))
    exact = alignment.gradient_alignment(rules.get("bp"), network, [], loss, X, y)
    assert exact == [1, 1, 1]


def test_a_dead_network_gives_zero_not_nan(rng):
    network, loss = dfanp.MLP((4, 3, 1), dtype="float64"), losses.get("bce")
    network.W[0][...] = -1  # with positive inputs no unit is ever active: the first gradient is zero
    X, y = rng.random((10, 4)), np.ones((10, 1))
    B = dfanp.Feedback().draw([(1, 3)], 0)
    assert alignment.gradient_alignment(rules.get("dfa"), network, B, loss, X, y) == [0, 0]


def test_random_feedback_is_aligned_with_nothing_in_expectation():
    cosines = []
    for seed in range(400):
        training = dfanp.Training(
            dfanp.MLP((3, 50, 1), seed=seed),
            dfanp.Synthetic(8, 3, test_points=4),
            "dfa",
            dfanp.SGD(0.1),
            batch_size=8,
        )
        cosines.append(float(alignment.feedback_alignment(training.rule, training.network, training.B)[0]))
    assert abs(np.mean(cosines)) < 4 * 50**-0.5 / 20 and np.std(cosines) == pytest.approx(50**-0.5, rel=0.2)
