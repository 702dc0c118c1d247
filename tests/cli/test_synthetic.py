import json

import pytest

QUICK = ("synthetic", "--hidden", "64", "--epochs", "60", "--device", "cpu", "--threads", "1")


def test_trains_on_the_disks(dfanp):
    result = dfanp(*QUICK, "--method", "bp", "--repeats", "2")
    assert result.code == 0 and "3² disks, n = 256, d = 15: BP, sgd at lr 0.5, 64 relu" in result.out
    assert "mean of 2 seeds" in result.out and "lr        0.5 (Demirbilek 2021" in result.err
    assert len(result.err.splitlines()) < 20  # a line a second, not one an epoch
    assert result.err.splitlines()[-1].startswith("epoch  60/60")


def test_options_reach_the_problem(dfanp):
    args = ("--n", "50", "--d", "4", "--c", "2", "--labels", "0110", "--test-points", "70", "--points-seed", "3")
    result = dfanp(*QUICK, *args, "--layers", "output", "--batch-size", "20", "--json", "--quiet")
    config = json.loads(result.out)["config"]
    wanted = {"problem": "synthetic", "n": 50, "d": 4, "c": 2, "labels": "0110", "test_points": 70, "points_seed": 3}
    assert result.code == 0 and result.err == "" and wanted.items() <= config.items() and config["batch_size"] == 20
    assert json.loads(dfanp(*QUICK, "--c", "2", "--json", "--quiet").out)["config"]["labels"] == "random"


def test_a_run_is_kept_and_gone_on_with(dfanp, tmp_path):
    assert dfanp(*QUICK, "--epochs", "3", "--out", tmp_path / "run").code == 0
    assert json.loads((tmp_path / "run" / "config.json").read_text())["config"]["problem"] == "synthetic"
    again = dfanp(*QUICK, "--epochs", "3", "--out", tmp_path / "run")
    assert again.code == 0 and "resuming" in again.err
    other = dfanp("parity", "--hidden", "64", "--epochs", "3", "--data", "digits", "--out", tmp_path / "run")
    assert other.code == 1 and "holds a run with" in other.err


@pytest.mark.parametrize(
    "args, message",
    [
        (("--labels", "0101"), "labels must be 'thesis', 'random', 'coins', or 9 of 0 and 1"),
        (("--d", "2"), "2 is not in the range"),
        (("--n", "0"), "0 is not in the range"),
        (("--batch-size", "999"), "batch_size must be at most the 256 examples"),
    ],
)
def test_bad_usage(dfanp, args, message):
    result = dfanp(*QUICK, *args)
    assert result.code == 2 and message in result.err.splitlines()[-1]


def test_tune_synthetic(dfanp, tmp_path):
    args = (
        "--method",
        "bp,dfa",
        "--lr",
        "0.1,0.5",
        "--d",
        "5:10:2",
        "--hidden",
        "32",
        "--epochs",
        "20",
        "--repeats",
        "2",
    )
    result = dfanp("tune", "synthetic", *args, "--out", tmp_path / "a", "--json", "--quiet")
    best = json.loads(result.out)["best"]
    assert result.code == 0 and len(best) == 4 and {each["seeds"] for each in best} == {2}
    assert (
        dfanp("tune", "synthetic", "--labels", "random,011110100", "--epochs", "2", "--out", tmp_path / "b").code == 0
    )
    labels = [
        json.loads(line)["config"]["labels"] for line in (tmp_path / "b" / "store.jsonl").read_text().splitlines()
    ]
    assert sorted(set(labels)) == ["011110100", "random"] and len(labels) == 10


def test_options_have_the_names_of_the_library_too(dfanp):
    own = ["--rule", "bp", "--optimizer", "adam", "--seeds", "2", "--alignment"]
    short = ["--method", "bp", "--opt", "adam", "--repeats", "2", "--align"]
    same = ["--epochs", "1", "--n", "20", "--test-points", "10", "--hidden", "4", "--json", "--quiet"]
    found = [json.loads(dfanp("synthetic", *names, *same).out) for names in (own, short)]
    assert found[0]["config"] == found[1]["config"]
    assert [len(each["runs"]) for each in found] == [2, 2]
    assert "--rule" in dfanp("tune", "synthetic", "--help").out and "--rule" in dfanp("bench", "cpu", "--help").out
