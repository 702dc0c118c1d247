"""A measure in one line: in commands, records, resumed runs, sweeps, reports, pictures and completion."""

import json

import pytest

from .test_problems import PLUGINS, SMALL, completed, forget  # noqa: F401

SIZES, WAVES = PLUGINS / "sizes.py", PLUGINS / "waves.py"


@pytest.fixture
def measured(dfanp, forget, tmp_path):  # noqa: F811
    """Return a folder of a run of two seeds that a plugin's measure was taken of, and what the command printed."""
    result = dfanp(
        "parity", *SMALL, "--epochs", "3", "--repeats", "2", "--plugin", SIZES, "--out", tmp_path / "run", "--json"
    )
    assert result.code == 0
    return tmp_path / "run", json.loads(result.out)


def test_a_measure_is_in_the_record_and_what_the_command_prints(measured, dfanp, tmp_path):
    folder, printed = measured
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    sizes = [[row["size"] for row in rows if row["seed"] == seed] for seed in (0, 1)]
    assert sizes == [[row["size"] for row in run["epochs"]] for run in printed["runs"]]
    assert all(0 < size < 10 for own in sizes for size in own) and sizes[0] != sizes[1]
    again = dfanp("parity", *SMALL, "--epochs", "3", "--repeats", "2", "--plugin", SIZES, "--out", folder)
    assert again.code == 0 and "size" in again.out and f"{sizes[0][-1]:.4f}" in again.out


def test_a_replica_has_the_measure_of_its_run_alone(measured, dfanp):
    alone = dfanp("parity", *SMALL, "--epochs", "3", "--seed", "1", "--plugin", SIZES, "--json")
    own = json.loads(alone.out)["runs"][0]["epochs"]
    drop = lambda rows: [{name: value for name, value in row.items() if name != "seconds"} for row in rows]
    assert drop(own) == drop(measured[1]["runs"][1]["epochs"])


def test_a_measure_is_drawn_and_reported(measured, dfanp, tmp_path):
    folder, _ = measured
    drawn = dfanp("plot", folder, "--plugin", SIZES, "--measure", "size", "--out", tmp_path / "size.svg")
    assert drawn.code == 0 and (tmp_path / "size.svg").stat().st_size > 1000
    page = dfanp("report", folder, "--plugin", SIZES, "--out", tmp_path / "page.html")
    assert page.code == 0 and "Mean size of the last weights over the epochs" in (tmp_path / "page.html").read_text()


def test_a_measure_is_in_a_sweep(dfanp, forget, tmp_path):  # noqa: F811
    args = (*SMALL, "--seed", "0,1", "--plugin", SIZES, "--out", tmp_path / "sweep", "--quiet")
    assert dfanp("tune", "parity", *args).code == 0
    rows = [json.loads(line)["rows"] for line in (tmp_path / "sweep" / "store.jsonl").read_text().splitlines()]
    assert len({run[0]["size"] for run in rows}) == 2


def test_a_measure_is_completed_and_a_misspelt_one_answered(dfanp):
    assert "plain,size" in completed("dfanp plot --measure si", COMP_CWORD="3", DFANP_PLUGINS=str(SIZES))
    assert "plain,test_loss" in completed("dfanp plot --measure test_l", COMP_CWORD="3")
    wrong = dfanp("plot", ".", "--measure", "test_los", "--out", "a.svg")
    assert wrong.code == 2 and "did you mean 'test_loss'" in wrong.err


def test_a_forged_measure_is_one_line(measured, dfanp, tmp_path):
    """Also where its plugin is not loaded, so that its range is not known."""
    log = measured[0] / "log.jsonl"
    log.write_text(log.read_text().replace('"seed"', '"forged": "high", "seed"', 1))
    for args in (
        ("report", measured[0], "--out", tmp_path / "a.html"),
        ("plot", measured[0], "--out", tmp_path / "a.svg"),
    ):
        result = dfanp(*args)
        assert (
            result.code == 1 and result.err.endswith("log.jsonl: line 1 is damaged\n") and result.err.count("\n") == 1
        )


def test_a_run_of_regression_is_resumed_and_reported(dfanp, forget, tmp_path):  # noqa: F811
    """Its loss has no accuracies."""
    args = ("waves", "--plugin", WAVES, "--hidden", "4", "--out", tmp_path / "run")
    assert dfanp(*args, "--epochs", "2").code == 0
    result = dfanp(*args, "--epochs", "3", "--plot", tmp_path / "run.svg")
    assert "test loss" in result.out and "train acc" not in result.out and (tmp_path / "run.svg").exists()
    assert result.code == 0 and "after epoch 2" in result.err and "test loss" in result.err
    assert dfanp("report", tmp_path / "run", "--plugin", WAVES, "--out", tmp_path / "page.html").code == 0
    assert "Test loss over the epochs" in (tmp_path / "page.html").read_text()
    assert (
        dfanp("plot", tmp_path / "run", "--plugin", WAVES, "--measure", "test_loss", "--out", tmp_path / "a.svg").code
        == 0
    )
