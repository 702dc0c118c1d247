from dataclasses import replace
from math import cos, radians
from types import SimpleNamespace

import numpy as np
import pytest

import dfanp
from dfanp.experiments import literature
from dfanp.experiments.literature import Cell, Row, Size, Table, compared
from dfanp.experiments.published_settings import PublishedClasses, normal_weights
from dfanp.runs.run import build
from dfanp.runs.store import Result, key_of
from dfanp.settings import ClassesSettings, from_config, made

FULL, QUICK = Size(False, (0, 1, 2)), Size(True, (0, 1), kernels="numpy")


def results_of(*accuracies, angles=None, status="ok"):
    """Return the settings of one run per seed and their Results: accuracies of each epoch, and the angle of B and W."""
    settings = tuple(ClassesSettings(lr=0.1, seed=seed, data="digits") for seed in range(len(accuracies)))
    found = {}
    for one, values in zip(settings, accuracies, strict=True):
        rows = [{"epoch": epoch, "test_accuracy": value} for epoch, value in enumerate(values, 1)]
        for row in rows:
            row["alignment"] = angles and {"feedback": [0.1, cos(radians(angles[one.seed]))], "gradient": []}
        found[key_of(one.config())] = Result(key_of(one.config()), one.config(), "done", rows)
    return settings, found


def table(**more):
    return Table("t", "title", "source", "notes", None, **more)


def only(cell, *accuracies, **more):
    """Return the one Comparison of a cell."""
    settings, results = results_of(*accuracies, **more)
    (found,) = compared(table(), [Row("BP", settings, (cell,), "784-10")], results)
    return found


def test_within_a_bound_a_number_agrees():
    found = only(Cell("accuracy", 2, 88.5, 0.7), (0.5, 0.88), (0.6, 0.89))
    assert (found.row, found.mean, found.n, found.verdict) == ("784-10, BP", 88.5, 2, "agrees")
    assert found.difference == pytest.approx(0.0) and found.half > 0
    assert only(Cell("accuracy", 2, 87.7, 0.7), (0.5, 0.88), (0.6, 0.89)).verdict == "differs"
    assert only(Cell("error", 2, 11.5, 0.7), (0.5, 0.88), (0.6, 0.89)).verdict == "agrees"


def test_without_a_bound_the_two_intervals_decide():
    accuracies = [(0.97 + step,) for step in (-0.001, 0.0, 0.001)]
    published = 0.12  # a standard deviation over ten trials
    found = only(Cell("error", 1, 3.2, None, published), *accuracies)
    assert found.within == pytest.approx((0.2484**2 + (2.262 * published / 10**0.5) ** 2) ** 0.5, rel=1e-3)
    assert (
        found.verdict == "agrees" and only(Cell("error", 1, 3.4, None, published), *accuracies).verdict == "differs"
    )
    assert only(Cell("error", 1, 3.4, None, published, reading=0.2), *accuracies).verdict == "agrees"
    assert only(Cell("error", 1, 3.2), (0.97,)).verdict == "one seed"


def test_the_mean_of_the_last_ten_epochs():
    found = only(Cell("error", 0, 5.0, 1.0), [0.1] * 5 + [0.94, 0.96] * 5)
    assert found.mean == pytest.approx(5.0)


def test_the_angle_is_that_of_the_uppermost_layer():
    found = only(Cell("angle", 1, 37.0, 4.0), (0.5,), (0.5,), angles=(30.0, 40.0))
    assert found.mean == pytest.approx(35.0) and found.verdict == "agrees"
    assert only(Cell("angle", 1, 37.0, 4.0), (0.5,)).verdict == "diverged"  # not measured


def test_what_is_not_verified_or_not_published_decides_nothing():
    assert only(Cell("error", 1, 3.2, 1.0, verified=False), (0.97,)).verdict == "not verified"
    assert only(Cell("error", 1, None, 1.0), (0.97,)).verdict == "nothing published"


def test_a_row_whose_runs_are_not_complete_is_left_out():
    settings, results = results_of((0.9,), (0.8,))
    del results[key_of(settings[1].config())]
    assert compared(table(), [Row("BP", settings, (Cell("error", 1, 1.0),))], results) == []


def test_an_order_is_compared_by_paired_seeds():
    fa, results = results_of((0.90,), (0.80,), (0.85,))
    better = tuple(replace(one, method="usf") for one in fa)
    for one, accuracy in zip(better, (0.92, 0.83, 0.87), strict=True):
        rows = [{"epoch": 1, "test_accuracy": accuracy, "alignment": None}]
        results[key_of(one.config())] = Result(key_of(one.config()), one.config(), "done", rows)

    def verdict(theirs):
        rows = [Row("FA", fa, (Cell("error", 1, 2.0),)), Row("USF", better, (Cell("error", 1, theirs),))]
        reference, other = compared(table(reference="FA"), rows, results)
        assert reference.verdict == "-"
        return other.verdict

    # The seeds differ by far more than the rules, but in each seed one is better.
    assert verdict(1.0) == "agrees: below FA" and verdict(3.0) == "differs: above FA"


@pytest.mark.parametrize("name", literature.tables())
def test_every_table_has_runs_and_numbers(name, monkeypatch):
    of = literature.get(name)
    rows = of.rows(FULL)
    assert len({literature.name_of(row) for row in rows}) == len(rows) > 3
    assert all(row.cells and all(0 < cell.value < 100 for cell in row.cells) for row in rows)
    assert all(len(row.settings) in (1, 3) for row in rows)
    assert of.reference is None or of.reference in {row.label for row in rows}
    small = of.rows(QUICK)
    assert [literature.name_of(row) for row in small] == [literature.name_of(row) for row in rows]
    assert all(one.data == "digits" and one.epochs <= 4 for row in small for one in row.settings)
    assert all(cell.value is None for row in small for cell in row.cells)


def test_akrout_is_run_as_it_was():
    rows = {row.label: row for row in literature.get("akrout-2019").rows(FULL)}
    assert {label: row.settings[0].lr for label, row in rows.items()} == {"BP": 0.2, "FA": 0.2, "WM": 0.05, "KP": 0.3}
    one = rows["WM"].settings[0]
    assert type(one) is PublishedClasses and one.train_size == 59904 and one.order == "fixed" and one.loss == "bce"
    assert [cell.value for cell in rows["KP"].cells] == [88.9, 95.41, 97.0, 97.84, 19.8, 11.2, 8.7, 6.8]
    (B,) = dfanp.Feedback(one.feedback).draw([(10, 500)], seed=0)
    assert B.std() == pytest.approx(510**-0.5, rel=0.05)


def test_the_24_numbers_of_the_thesis():
    assert sum(len(row.cells) for row in literature.get("demirbilek-2021").rows(FULL)) == 24


def test_rows_can_be_chosen():
    table = literature.get("frenkel-2021")
    rows = literature.rows_of(table, QUICK, only=("784-500-10, Adam, DRTP", "Nesterov, DRTP"))
    assert [(row.panel, row.label) for row in rows] == [
        ("784-500-10, Adam", "DRTP"),
        ("784-500-10, Nesterov", "DRTP"),
    ]
    with pytest.raises(ValueError, match="no row of frenkel-2021 contains nothing: 784-500-10, Adam, BP"):
        literature.rows_of(table, QUICK, only=("nothing",))


@pytest.mark.parametrize("bias", [False, True])
def test_initial_weights_are_normal(bias):
    given = dict(lr=0.1, data="digits", hidden=(300, 200), bias=bias, init="normal")
    run = build(made(ClassesSettings, repeats=2, seed=3, **given))
    solo = build(made(ClassesSettings, seed=4, **given)).network
    for name, theta in run.network.parameters.items():
        assert np.array_equal(theta[1], solo.parameters[name])
    for W in solo.W:
        assert W.std() == pytest.approx(sum(W.shape) ** -0.5, rel=0.05)
    if bias:
        assert solo.parameters["b0"].std() == pytest.approx(364**-0.5, rel=0.15)
    plain = SimpleNamespace(sizes=(2, 3), bias=False, seed=0)
    assert normal_weights(plain)["W0"].shape == (2, 3)


def test_settings_of_published_runs_are_read_from_records():
    one = literature.get("akrout-2019").rows(QUICK)[0].settings[0]
    assert from_config(one.config(), "config.json") == one and one.config()["init"] == "normal"
