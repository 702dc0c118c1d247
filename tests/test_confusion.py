import numpy as np
import pytest

import dfanp
from dfanp.confusion import Answers, answers, shares


@pytest.mark.parametrize("k, test_size", [(1, 20), (3, 1007)])  # fewer than a batch, and more
def test_answers_are_those_of_a_direct_count(tiny, k, test_size):
    problem = dfanp.Parity(tiny, k, test_size=test_size, dtype="float64")
    network = dfanp.MLP((problem.features, 9, 1), dtype="float64")
    X, y = problem.test(3, 4)
    told = answers(network, problem, X, y)
    assert told.digits.shape == (test_size, k)
    direct = np.zeros((2, 2), int)
    right = 0
    for row, digits in zip(X.dense(), told.digits, strict=True):
        odd, said = sum(digits) % 2, int((np.maximum(row @ network.W[0], 0) @ network.W[1])[0] > 0)
        direct[odd, said] += 1
        right += odd == said
    np.testing.assert_array_equal(told.counts(), direct)
    assert told.accuracy == pytest.approx(right / test_size) and told.true.tolist() == y[:, 0].tolist()


def test_points_know_their_disk():
    problem = dfanp.Synthetic(20, 4, test_points=300)
    told = answers(dfanp.MLP((4, 6, 1)), problem, *problem.test(0, 1))
    assert told.digits is None and told.true.tolist() == [problem.labels[disk] for disk in told.disks]


def test_other_outputs_are_refused(rng):
    problem = dfanp.Arrays(rng.normal(size=(9, 4)), np.eye(3)[np.arange(9) % 3], loss="cross-entropy")
    with pytest.raises(ValueError, match="one output"):
        answers(dfanp.MLP((4, 6, 3)), problem, *problem.test(0, 1))


def test_shares_by_group():
    told = Answers(np.array([0, 1, 1, 0]), np.array([0, 0, 1, 1]), np.array([[1, 1], [1, 2], [0, 3], [2, 2]]))
    assert told.odd.tolist() == [2, 1, 1, 0]
    np.testing.assert_array_equal(shares(told.wrong, told.odd, 4), [1, 0.5, 0, np.nan])
    # By a digit in any place: 0 in one right answer; 1 in two right places and a wrong one; 2 in three wrong ones; 3 in a right one.
    np.testing.assert_allclose(shares(told.wrong, told.digits, 5), [0, 1 / 3, 1, 0, np.nan])
