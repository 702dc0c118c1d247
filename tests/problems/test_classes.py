import numpy as np
import pytest

import dfanp
from dfanp import losses
from dfanp.problems.datasets import Dataset

from ..conftest import images


@pytest.fixture
def tiny():
    rng = np.random.default_rng(1)
    return Dataset("tiny", images(rng, 40), images(rng, 20), 30.0, 50.0, 0)


def test_examples_are_the_images_and_their_classes(tiny):
    problem = dfanp.Classes(tiny, train_size=30, order="fixed", pixels="unit", dtype="float64")
    X, y = problem.train(0, 1)
    pixels = tiny.train.pixels[:30].astype(float)
    np.testing.assert_allclose(X.dense(), pixels / tiny.train.pixels.max())
    assert (
        y.shape == (30, 10)
        and np.array_equal(y.argmax(axis=1), tiny.train.labels[:30])
        and (y.sum(axis=1) == 1).all()
    )
    X, y = problem.test(0, 1)
    assert len(X) == 20 and problem.groups(X)["classes"][:, 0].tolist() == tiny.test.labels.tolist()


def test_orders_depend_on_seed_and_epoch_alone(tiny):
    problem = dfanp.Classes(tiny)
    picks = lambda *at: problem.train(*at)[0].picks
    assert sorted(picks(0, 1)[:, 0]) == list(range(40)) and np.array_equal(picks(0, 1), picks(0, 1))
    assert not np.array_equal(picks(0, 1), picks(0, 2)) and not np.array_equal(picks(0, 1), picks(1, 1))
    joint = picks((0, 1), 2)
    assert joint.shape == (2, 40, 1) and np.array_equal(joint[1], picks(1, 2))
    assert (
        np.array_equal(problem.probe((0, 1))[0].picks[1], problem.probe(1)[0].picks)
        and len(problem.probe(1)[0]) == 1000
    )


def test_pixels_have_mean_0_and_variance_1():
    problem = dfanp.Classes(dfanp.load("digits"), dtype="float64")
    X = problem.train(0, 1)[0].dense()
    assert abs(X.mean()) < 1e-9 and X.std() == pytest.approx(1)


@pytest.mark.parametrize("loss", ["bce", "cross-entropy"])
def test_the_largest_output_is_the_class(tiny, loss):
    problem, z = dfanp.Classes(tiny, loss=loss), np.array([[-3.0, -1.0, -2.0]])
    assert problem.loss.correct(np, z, np.array([[0.0, 1.0, 0.0]])).all()
    y = np.array([[1.0, 0.0, 0.0]])
    assert not problem.loss.correct(np, z, y).any()
    assert np.array_equal(problem.loss.error(np, z, y), losses.get(loss).error(np, z, y))


def test_a_network_learns_the_digits():
    problem = dfanp.Classes(dfanp.load("digits"))
    network = dfanp.MLP([problem.features, 32, 10], seed=0)
    *_, last = dfanp.Training(network, problem, "dfa", dfanp.Adam(0.01), batch_size=32).epochs(5)
    assert last.test_accuracy > 0.85


@pytest.mark.parametrize(
    "given, message",
    [
        (dict(train_size=41), "train_size must be at most the 40 images of tiny, got 41"),
        (dict(test_size=0), "test_size must be a whole number of at least 1|test_size must be a whole number from 1"),
        (dict(loss="mse"), "loss must be 'cross-entropy' or 'bce'"),
        (dict(pixels="raw"), "pixels must be"),
        (dict(order="random"), "order must be"),
        (dict(dtype="float16"), "unknown dtype"),
    ],
)
def test_bad_arguments(tiny, given, message):
    with pytest.raises(ValueError, match=message) as error:
        dfanp.Classes(tiny, **given)
    assert len(str(error.value).splitlines()) == 1
