import math

import numpy as np
import pytest

from dfanp import RecordError
from dfanp.runs.history import History, by_seed, is_measured, row_of
from dfanp.training import Record


def row(epoch, **more):
    return {
        "epoch": epoch,
        "train_loss": 0.7,
        "train_accuracy": 0.5,
        "test_loss": 0.6,
        "test_accuracy": epoch / 10,
    } | more


LOST = {"epoch": 3, "status": "diverged"}


def test_values_last_and_mean():
    history = History.checked([row(1), row(2), row(3)])
    assert len(history) == 3 and not history.diverged
    assert history.values() == [0.1, 0.2, 0.3] and history.last() == 0.3 and history.last("train_loss") == 0.7
    assert history.mean(last=2) == 0.25 and history.mean() == pytest.approx(0.2)
    assert History().last() is None and History().mean() is None and History().values() == []


def test_the_row_of_an_epoch_that_diverged_is_the_last():
    history = History.checked([row(1), row(2), LOST])
    assert history.diverged and history.last() == 0.2 and history.measured == [row(1), row(2)]
    assert not history.add(row(4)) and not history.add(LOST | {"epoch": 4}) and len(history) == 3


@pytest.mark.parametrize(
    "bad",
    [
        row(1),
        row(3),
        row(2.0),
        row(True),
        row(2, test_loss="0.6"),
        row(2, test_loss=None),
        row(2, train_accuracy=1.5),
        row(2, of_a_plugin="high"),
        row(2, of_a_plugin=[1]),
        row(2, alignment={"feedback": [0.5], "gradient": [2.0, 1.0]}),
        row(2, alignment={"feedback": [0.5, 0.5], "gradient": [0.5, 0.5, 1.0]}),
        {"epoch": 2},
        None,
        [],
    ],
)
def test_a_row_that_is_not_that_of_the_next_epoch_is_refused(bad):
    first = row(1, alignment={"feedback": [0.5], "gradient": [0.5, 1.0]})
    history = History.checked([first])
    assert not history.add(bad) and history.rows == [first]
    with pytest.raises(RecordError, match="the row after epoch 1 is damaged"):
        History.checked([first, bad])


def test_a_loss_without_accuracies_is_measured():
    assert is_measured({"epoch": 1, "train_loss": 0.5, "test_loss": 0.5})
    assert not is_measured({"epoch": 1, "train_loss": 0.5})


def test_arrays_and_a_frame():
    history = History([row(1, mine=3), row(2, mine=None), LOST])
    arrays = history.arrays()
    assert list(arrays) == ["epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "mine"]
    np.testing.assert_array_equal(arrays["epoch"], [1, 2, 3])
    np.testing.assert_array_equal(arrays["mine"], [3, np.nan, np.nan])
    pytest.importorskip("pandas")
    frame = history.to_pandas()
    assert set(frame.columns) == set(arrays) and frame["test_accuracy"].tolist()[:2] == [0.1, 0.2]


def test_the_log_of_several_seeds_is_divided():
    rows = [row(1, seed=4), row(1, seed=2), row(2, seed=4)]
    found = by_seed(rows)
    assert list(found) == [4, 2] and len(found[4]) == 2 and found[2].rows == [row(1, seed=2)]


def test_a_record_as_a_row():
    record = Record(2, 0.5, None, 0.25, None, {"feedback": [0.5], "gradient": [math.nan, 1.0]}, {"mine": math.inf})
    cosines = {"feedback": [0.5], "gradient": [None, 1.0]}
    assert row_of(record) == {"epoch": 2, "train_loss": 0.5, "test_loss": 0.25, "mine": None, "alignment": cosines}
    assert row_of(Record(2, math.nan, 0.5, 0.5, 0.5)) == {"epoch": 2, "status": "diverged"}
