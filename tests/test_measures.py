import numpy as np
import pytest

import dfanp
from dfanp import measures


@pytest.fixture
def registered():
    """Register a measure for a test: ``registered(of)``."""
    added = []

    def add(of, name="mine"):
        added.append(dfanp.register(dfanp.Measure(name, of)))
        return added[-1]

    yield add
    for measure in added:
        measures.MEASURES.remove(measure.name)


def training(seed=0):
    network = dfanp.MLP([2, 3, 1], seed=seed)
    return dfanp.Training(network, dfanp.Arrays([[0, 1], [1, 0]], [1, 0]), "dfa", dfanp.SGD(lr=0.1), batch_size=2)


def test_a_measure_is_taken_after_each_epoch(registered):
    of = training()
    registered(lambda given: given.network.W[0][0, 0] if given is of else np.nan)
    for record in of.epochs(3):
        assert record.own == {"mine": of.network.W[0][0, 0]}
        assert list(record.measures) == ["train_loss", "train_accuracy", "test_loss", "test_accuracy", "mine"]


def test_a_measure_of_replicas_is_theirs(registered):
    registered(lambda given: abs(given.network.W[0]).sum(axis=(-2, -1)))
    joint = next(training((3, 4)).epochs(1))
    for r, seed in enumerate((3, 4)):
        assert joint.replica(r).own == next(training(seed).epochs(1)).own
    assert measures.title_of("mine") == "mine" and measures.title_of("test_loss") == "Test loss"


@pytest.mark.parametrize("wrong", [[1.0, 2.0], "high", None, np.zeros((2, 2))])
def test_what_is_no_number_is_refused_by_name(registered, wrong):
    registered(lambda given: wrong)
    with pytest.raises(ValueError, match="the measure 'mine' must return a number, got"):
        next(training().epochs(1))
    registered(lambda given: 1.0)
    with pytest.raises(ValueError, match=r"must return a number for each replica, \(2,\), got"):
        next(training((0, 1)).epochs(1))


def test_the_four_of_the_library_are_not_replaced():
    with pytest.raises(ValueError, match="'test_loss' is a built-in measure"):
        dfanp.register(dfanp.Measure("test_loss", lambda given: 0.0))
    for name in ("epoch", "seed", "status", "alignment", "seconds"):
        with pytest.raises(ValueError, match=f"'{name}' is another field of a record"):
            dfanp.register(dfanp.Measure(name, lambda given: 0.0))
