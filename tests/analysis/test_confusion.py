import numpy as np
import pytest

import dfanp
from dfanp.analysis.confusion import Predictions, in_doubt, predictions, shares


@pytest.mark.parametrize("k, test_size", [(1, 20), (3, 1007)])  # fewer than a batch, and more
def test_answers_are_those_of_a_direct_count(tiny, k, test_size):
    problem = dfanp.Parity(tiny, k, test_size=test_size, dtype="float64")
    network = dfanp.MLP((problem.features, 9, 1), dtype="float64")
    X, y = problem.test(3, 4)
    found = predictions(network, problem, X, y)
    assert found.digits.shape == (test_size, k)
    direct = np.zeros((2, 2), int)
    right = 0
    for row, digits in zip(X.dense(), found.digits, strict=True):
        odd, predicted = sum(digits) % 2, int((np.maximum(row @ network.W[0], 0) @ network.W[1])[0] > 0)
        direct[odd, predicted] += 1
        right += odd == predicted
    np.testing.assert_array_equal(found.counts(), direct)
    assert found.accuracy == pytest.approx(right / test_size) and found.true.tolist() == y[:, 0].tolist()


def test_points_know_their_disk():
    problem = dfanp.Synthetic(20, 4, test_points=300)
    found = predictions(dfanp.MLP((4, 6, 1)), problem, *problem.test(0, 1))
    assert found.digits is None and found.true.tolist() == [problem.labels[disk] for disk in found.disks]


def test_several_classes(rng):
    problem = dfanp.Arrays(rng.normal(size=(9, 4)), np.eye(3)[np.arange(9) % 3], loss="cross-entropy")
    network, (X, y) = dfanp.MLP((4, 6, 3), seed=0), problem.test(0, 1)
    found = predictions(network, problem, X, y)
    assert found.true.tolist() == (np.arange(9) % 3).tolist() and found.counts().shape == (3, 3)
    assert found.predicted.tolist() == network.forward(X)[-1].argmax(axis=1).tolist() and found.close == 0
    network.parameters["W1"][:] = network.parameters["W1"][:, :1]  # equal outputs
    assert predictions(network, problem, X, y).close > 0


@pytest.mark.parametrize("loss, why", [("mse", "labels are numbers"), ("bce", "one output")])
def test_other_outputs_are_refused(rng, loss, why):
    problem = dfanp.Arrays(rng.normal(size=(9, 4)), np.eye(3)[np.arange(9) % 3], loss=loss)
    with pytest.raises(ValueError, match=why):
        predictions(dfanp.MLP((4, 6, 3)), problem, *problem.test(0, 1))


def test_shares_by_group():
    found = Predictions(
        np.array([0, 1, 1, 0]), np.array([0, 0, 1, 1]), {"digits": np.array([[1, 1], [1, 2], [0, 3], [2, 2]])}
    )
    assert found.odd.tolist() == [2, 1, 1, 0]
    np.testing.assert_array_equal(shares(found.wrong, found.odd, 4), [1, 0.5, 0, np.nan])
    # By a digit in any place: 0 in one right answer; 1 in two right places and a wrong one; 2 in three wrong ones; 3 in a right one.
    np.testing.assert_allclose(shares(found.wrong, found.digits, 5), [0, 1 / 3, 1, 0, np.nan])


def test_an_output_at_zero_is_in_doubt_and_those_beside_it_are_not(tiny):
    problem = dfanp.Parity(tiny, 2, test_size=50)
    network = dfanp.MLP((problem.features, 9, 1), bias=True, seed=1)
    X, y = problem.test(0, 1)
    assert predictions(network, problem, X, y).close == 0
    network.parameters["b1"] -= network.forward(X)[-1][0]
    assert predictions(network, problem, X, y).close == 1


@pytest.mark.parametrize("hidden", [(9,), (200, 30)])
def test_what_is_in_doubt_covers_rounding(tiny, hidden):
    """Logits in float32 lie nearer to those in float64 than what makes an output doubtful."""
    problem = dfanp.Parity(tiny, 3, test_size=400)
    sizes = (problem.features, *hidden, 1)
    network, exact = dfanp.MLP(sizes, seed=2), dfanp.MLP(sizes, dtype="float64", seed=2)
    exact.load({name: theta.astype(float) for name, theta in network.parameters.items()})
    X = problem.test(0, 1)[0].dense()
    h, errors = network.forward(X), network.forward(X)[-1] - exact.forward(X.astype(float))[-1]
    assert in_doubt(network, h[-2], errors[:, 0].astype(np.float32)) == len(X)
    assert in_doubt(network, h[-2], 1000 * np.abs(h[-1][:, 0]).max() * np.ones(len(X), np.float32)) == 0


def test_a_sum_of_zeros_is_in_no_doubt():
    network = dfanp.MLP((4, 3, 1))
    h = np.zeros((5, 3), np.float32)
    h[0] = 1
    assert in_doubt(network, h, np.zeros(5, np.float32)) == 1
