import numpy as np
import pytest

import dfanp
from dfanp import DataError
from dfanp.problems import own
from dfanp.runs.run import build
from dfanp.settings import OwnSettings


@pytest.fixture
def file(tmp_path):
    def written(y, n=40, **more):
        rng = np.random.default_rng(0)
        np.savez(tmp_path / "a.npz", X=rng.normal(3, 2, size=(n, 3)), y=np.asarray(y), **more)
        own._loaded.cache_clear()
        return str(tmp_path / "a.npz")

    return written


@pytest.mark.parametrize(
    "y, task, classes",
    [
        (np.arange(40) % 3, "classification", ("0", "1", "2")),
        (np.array(["b", "a"] * 20), "classification", ("a", "b")),
        (np.eye(4)[np.arange(40) % 4], "classification", ("0", "1", "2", "3")),
        (np.arange(40), "regression", None),
        (np.arange(40) / 7, "regression", None),
        (np.arange(80.0).reshape(40, 2), "regression", None),
    ],
)
def test_what_is_learned(file, y, task, classes):
    data = own.load(file(y))
    assert (data.task, data.classes) == (task, classes) and 6 <= len(data.y_test) <= 8
    problem = own.Own(data, dtype="float64")
    assert problem.outputs == (1 if classes and len(classes) == 2 else len(classes) if classes else data.y.shape[1])
    X, _ = problem.train(0, 1)
    np.testing.assert_allclose([X.mean(axis=0), X.std(axis=0)], [[0] * 3, [1] * 3], atol=1e-12)
    if classes:  # each class is tested on alike
        assert np.ptp(np.bincount(data.y_test)) <= 1


def test_the_split_depends_on_its_seed_alone(file):
    path = file(np.arange(40) % 2)
    first, again, other = (own.load(path, split_seed=seed) for seed in (0, 0, 1))
    assert first.digest == again.digest != other.digest
    held = first.hold_out()
    assert len(held.y) + len(held.y_test) == len(first.y) and {*map(tuple, held.X)} <= {*map(tuple, first.X)}


@pytest.mark.parametrize(
    "y, given, why",
    [
        (np.zeros(40), {}, "a single class"),
        (np.arange(40), {"task": "classification"}, "40 classes for 40 examples"),
        (np.array(["b", "a"] * 20), {"task": "regression"}, "is text, which cannot be regressed"),
    ],
)
def test_labels_that_do_not_fit_the_task(file, y, given, why):
    with pytest.raises(DataError, match=why):
        own.load(file(y), **given)


@pytest.mark.parametrize("y, loss", [(np.arange(40) % 3, "mse"), (np.arange(40) / 7, "bce")])
def test_losses_that_do_not_fit_the_task(file, y, loss):
    with pytest.raises(ValueError, match="the loss"):
        own.Own(own.load(file(y)), loss)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("y", [np.arange(40) / 7 + 100, np.arange(40) % 2])
def test_weights_without_the_scaling_answer_in_the_units_of_the_data(file, y, bias):
    data = own.load(file(y))
    problem = own.Own(data, dtype="float64")
    network = dfanp.MLP([3, 5, problem.outputs], "tanh", bias, "float64", 0)
    before = network.forward(problem.test(0, 1)[0])[-1] * problem.target_spread + problem.target_shift
    np.testing.assert_allclose(own.unscaled(network, problem).forward(data.X_test)[-1], before, rtol=1e-10)


def test_settings_in_python(file):
    settings = OwnSettings(data=file(np.arange(40) % 2), lr=0.01, batch_size=1000)
    training = build(settings)
    assert training.batch_size == 32 and settings.about_data()[1] == (
        "label",
        "y, an array: 2 classes (0 20, 1 20)",
    )


@pytest.mark.parametrize("share", [0.05, 0.2, 0.3, 0.4, 0.5, 0.75, 0.9])
def test_the_share_that_is_tested_on_is_the_one_asked_for_in_each_class(share):
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1, 2, 3], [60, 41, 7, 3]))
    mask = own.share_of_each(labels, share)
    assert abs(mask.sum() - share * len(labels)) <= 0.5
    for label, count in enumerate(np.bincount(labels)):
        assert abs(mask[labels == label].sum() - share * count) < 1
