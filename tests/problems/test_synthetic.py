import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dfanp
from dfanp.problems.synthetic import THESIS, balanced, centres, points


@settings(max_examples=40, deadline=None)
@given(c=st.integers(1, 6), d=st.integers(3, 9), n=st.integers(1, 200), seed=st.integers(0, 2**40))
def test_points_lie_in_their_disks(c, d, n, seed):
    X, disk = points(n, d, c, seed, "train")
    assert X.shape == (n, d) and (X[:, 0] == 1).all() and (np.abs(X[:, 1:]) <= 0.5 + 1e-12).all()
    distance = np.linalg.norm(X[:, None, 1:3] - centres(c), axis=-1)
    assert (distance[np.arange(n), disk] <= 1 / (3 * c - 1) + 1e-12).all()
    # no other disk has them: the gaps are as wide as a radius
    assert (np.delete(distance, 0, axis=1).shape[1] == 0) or ((distance <= 1 / (3 * c - 1)).sum(axis=1) <= 1).all()


def test_the_grid_fills_the_square():
    for c in range(1, 6):
        assert centres(c).min() - 1 / (3 * c - 1) == pytest.approx(-0.5)
        assert centres(c).max() + 1 / (3 * c - 1) == pytest.approx(0.5)
    # the first coordinate runs first
    assert centres(3)[0] == pytest.approx([-0.375, -0.375]) and centres(3)[1] == pytest.approx([0, -0.375])


def test_the_distance_is_uniform_not_the_area():
    X, disk = points(40_000, 3, 3, 0, "train")
    radius = np.linalg.norm(X[:, 1:] - centres(3)[disk], axis=1) * 8
    assert np.quantile(radius, [0.25, 0.5, 0.75]) == pytest.approx([0.25, 0.5, 0.75], abs=0.01)
    assert np.bincount(disk) / len(disk) == pytest.approx(np.full(9, 1 / 9), abs=0.01)


def test_a_smaller_set_is_a_part_of_a_larger_one():
    (small, large) = (dfanp.Synthetic(n, d) for n, d in ((32, 5), (512, 25)))
    for one, other in zip(small._train + small._test, large._train + large._test, strict=True):
        assert np.array_equal(one, other[: len(one), : one.shape[1]])
    assert not np.array_equal(small._train[0][:, 1:], small._test[0][:32, 1:])


def test_labels():
    assert dfanp.Synthetic().labels == THESIS == (0, 1, 1, 1, 1, 0, 1, 0, 0)
    assert dfanp.Synthetic(labels="000000001").labels == (0,) * 8 + (1,)
    assert dfanp.Synthetic(labels=np.arange(4) % 2, c=2).labels == (0, 1, 0, 1)
    drawn = {dfanp.Synthetic(labels="random", seed=seed).labels for seed in range(20)}
    assert len(drawn) > 15 and dfanp.Synthetic(labels="random", seed=3).labels in drawn
    assert {sum(labels) for labels in drawn} == {4, 5}
    assert {sum(dfanp.Synthetic(labels="random", c=2, seed=seed).labels) for seed in range(9)} == {2}
    coins = [dfanp.Synthetic(labels="coins", seed=seed).labels for seed in range(20)]
    assert len({sum(labels) for labels in coins}) > 2 and coins[3] == dfanp.Synthetic(labels="coins", seed=3).labels
    X, y = dfanp.Synthetic(n=400, labels="100000000").train(0, 1)
    first = np.linalg.norm(X[:, 1:3] - centres(3)[0], axis=1) <= 1 / 8 + 1e-6
    assert np.array_equal(y[:, 0] == 1, first) and first.sum() > 20


def test_balanced_assignments():
    assert balanced(1) == [(0,), (1,)]
    assert balanced(2) == sorted(balanced(2), reverse=True) and len(balanced(2)) == 6
    found = balanced(3)
    assert len(found) == len(set(found)) == 252 and {sum(each) for each in found} == {4, 5} and THESIS in found


@pytest.mark.parametrize(
    "given_, message",
    [
        ({"n": 0}, "n must be a whole number from 1 to 10.9, got 0$"),
        ({"d": 2}, "d must be a whole number from 3 to"),
        ({"c": 1.5}, "c must be"),
        ({"test_points": True}, "test_points must be"),
        ({"labels": "thesis", "c": 2}, "give 4 labels for c = 2"),
        ({"labels": "0101"}, "labels must be 'thesis', 'random', 'coins', or 9 of 0 and 1"),
        ({"labels": [0, 1, 2] * 3}, "labels must be"),
        ({"labels": "01x010101"}, "labels must be"),
        ({"labels": None}, "labels must be"),
        ({"seed": -1}, "a seed must be"),
    ],
)
def test_what_does_not_fit(given_, message):
    with pytest.raises(ValueError, match=message):
        dfanp.Synthetic(**given_)


def test_both_layers_learn_what_the_output_layer_alone_does_not():
    """Figure 2.2 at n = 512, d = 15, one seed: the test error of both layers is far below."""
    problem = dfanp.Synthetic(n=512)

    def error(layers):
        network = dfanp.MLP((15, 512, 1))
        training = dfanp.Training(network, problem, "bp", dfanp.SGD(0.5), batch_size=512, layers=layers)
        return 1 - list(training.epochs(300))[-1].test_accuracy

    assert error("all") < 0.05 < 0.1 < error("output")
