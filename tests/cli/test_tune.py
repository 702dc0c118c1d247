import csv
import io
import json
import os
import signal

import numpy as np
import pytest
from dfanp_bench.crash_test import wait_until_gone

from ..waiting import until

TINY = ("--data", "digits", "--hidden", "8", "--k", "1", "--epochs", "2", "--device", "cpu")


def configs_of(folder):
    return [json.loads(line)["config"] for line in (folder / "store.jsonl").read_text().splitlines()]


@pytest.fixture
def tuned(dfanp, tmp_path):
    """A folder with a sweep of twelve runs."""
    args = ("--lr", "0.01,0.1,1", "--opt", "sgd,rmsprop", "--repeats", "2")
    assert dfanp("tune", "parity", *TINY, *args, "--out", tmp_path / "tuned", "--quiet").code == 0
    return tmp_path / "tuned"


def test_finds_the_best_rate_of_each_group(dfanp, tmp_path):
    args = ("tune", "parity", *TINY, "--lr", "log:0.01:1:3", "--opt", "sgd,rmsprop", "--repeats", "2")
    result = dfanp(*args, "--out", tmp_path / "a", "--plot", tmp_path / "rates.png")
    assert result.code == 0 and "12/12 runs" in result.err
    curves, bests, fresh, commands = (part.splitlines() for part in result.out.split("\n\n")[:4])
    assert result.out.endswith("score: mean validation accuracy of the last 2 epochs; worst: of a seed\n")
    assert curves[0].split()[:2] == ["opt", "lr"] and "score" in curves[0] and "worst" in curves[0]
    assert [line.split()[0] for line in curves[1:]] == ["sgd"] * 3 + ["rmsprop"] * 3 and "±" in curves[1]
    assert sum(line.endswith("best") for line in curves) == 2
    assert bests[0].split()[:3] == ["opt", "best", "lr"] and [line.split()[0] for line in bests[1:]] == [
        "sgd",
        "rmsprop",
    ]
    assert fresh[0] == "With fresh seeds (test accuracy):" and len(fresh) == 4 and len(commands) == 3
    assert (tmp_path / "rates.png").read_bytes().startswith(b"\x89PNG")
    again = dfanp(*args, "--out", tmp_path / "a", "--json")
    printed = json.loads(again.out)
    assert "(12 of 12 runs are there already)" in again.err and not printed["failed"]
    best = {each["setting"]["opt"]: each for each in printed["best"]}
    assert best["rmsprop"]["lr"] in (0.01, 0.1, 1) and best["rmsprop"]["rates"] == 3 and best["rmsprop"]["seeds"] == 2
    assert best["rmsprop"]["score"] > 0.8
    configs = configs_of(tmp_path / "a")
    assert all(config["held_out"] for config in configs) and {config["seed"] for config in configs} == {0, 1}
    evaluated = configs_of(tmp_path / "a" / "evaluated")
    assert not any(config["held_out"] for config in evaluated) and {config["seed"] for config in evaluated} == {2, 3}
    # The command that is printed trains what was evaluated.
    words = commands[2].split()[1:]
    again = dfanp(*words, "--device", "cpu", "--quiet", "--json")
    assert again.code == 0 and "--optimizer" not in words and "--seeds" in words
    runs = json.loads(again.out)["runs"]
    means = [np.mean([epoch["test_accuracy"] for epoch in run["epochs"]]) for run in runs]
    assert best["rmsprop"]["evaluated"]["seeds"] == len(runs) == 2 and [run["seed"] for run in runs] == [2, 3]
    assert best["rmsprop"]["evaluated"]["score"] == pytest.approx(np.mean(means))


def test_no_fresh_seeds_unless_asked(dfanp, tmp_path):
    args = ("tune", "parity", *TINY, "--lr", "0.01,0.1")
    result = dfanp(*args, "--out", tmp_path / "a")
    assert result.code == 0 and not (tmp_path / "a" / "evaluated").exists() and "With fresh" not in result.out
    assert "do not separate it from" in result.out and "--seed 1" in result.out  # a single seed separates nothing
    asked = dfanp(*args, "--evaluate", "3", "--out", tmp_path / "a", "--json", "--quiet")
    assert json.loads(asked.out)["best"][0]["evaluated"]["seeds"] == 3
    assert len(configs_of(tmp_path / "a" / "evaluated")) == 3


def test_published_score_tests_on_the_test_images(dfanp, tmp_path):
    assert dfanp("tune", "parity", *TINY, "--lr", "0.1", "--score", "published", "--out", tmp_path / "a").code == 0
    assert not json.loads((tmp_path / "a" / "store.jsonl").read_text())["config"]["held_out"]


def test_without_rates_it_tries_some_around_the_default(dfanp, tmp_path):
    assert dfanp("tune", "parity", *TINY, "--out", tmp_path / "a", "--quiet").code == 0
    rates = sorted(config["lr"] for config in configs_of(tmp_path / "a"))
    assert rates == pytest.approx([rates[2] * times for times in (0.25, 0.5, 1, 2, 4)])


def test_grids_of_widths_and_ranges_of_whole_numbers(dfanp, tmp_path):
    args = ("--lr", "0.1", "--k", "1:2:2", "--hidden", "8/8,4", "--epochs", "1")
    assert dfanp("tune", "parity", *TINY, *args, "--out", tmp_path / "a", "--quiet").code == 0
    configs = configs_of(tmp_path / "a")
    assert sorted((config["k"], config["hidden"]) for config in configs) == [
        (1, [8]),
        (1, [8, 4]),
        (2, [8]),
        (2, [8, 4]),
    ]


def test_halving(dfanp, tmp_path):
    args = ("--lr", "log:0.001:1:4", "--halving", "2", "--epochs", "4")
    result = dfanp("tune", "parity", *TINY, *args, "--out", tmp_path / "a", "--json", "--quiet")
    assert result.code == 0 and json.loads(result.out)["best"][0]["rates"] == 2
    configs = configs_of(tmp_path / "a")
    assert sorted(config["epochs"] for config in configs) == [2] * 4 + [4] * 2


def test_divergence_is_reported_and_is_no_success(dfanp, tmp_path):
    result = dfanp(
        "tune", "parity", *TINY, "--lr", "1e30,0.1", "--method", "bp", "--opt", "sgd", "--out", tmp_path / "a"
    )
    assert result.code == 1 and "1 runs diverged" in result.out and "best" in result.out.splitlines()[1]
    shown = dfanp("results", tmp_path / "a")
    assert shown.code == 0 and "diverged" in shown.out


@pytest.mark.parametrize(
    "args, message",
    [
        (("--lr", "log:0:1:3"), "is not a range: write start:stop:count"),
        (("--lr", "0.1,-1"), "'-1' is not a finite number above 0"),
        (("--opt", "sgd,adma"), "did you mean 'adam'"),
        (("--k", "0:11:12"), "0 is not in the range 1<=x<=10"),
        (("--k", "1:2:3"), "is not a valid integer"),
        (("--hidden", "8/x"), "is not a list of widths"),
        (("--epochs", "2,3", "--halving", "2"), "--halving takes a single --epochs"),
        (("--plot", "a.gif"), "must end in .png, .svg, .pdf"),
    ],
)
def test_bad_usage(dfanp, tmp_path, args, message):
    result = dfanp("tune", "parity", *TINY, *args, "--out", tmp_path / "a")
    assert result.code == 2 and message in result.err and len(result.err.splitlines()) == 1
    assert not (tmp_path / "a").exists()


def test_folders_that_do_not_do(dfanp, tmp_path):
    (tmp_path / "notes.txt").touch()
    result = dfanp("tune", "parity", *TINY, "--lr", "0.1", "--out", tmp_path)
    assert result.code == 1 and "holds other files" in result.err
    assert dfanp("results", tmp_path).code == 1 and dfanp("plot", tmp_path, "--out", tmp_path / "a.png").code == 1
    assert dfanp("results", tmp_path / "nowhere").err.strip().endswith("holds no sweep (no store.jsonl)")


def test_results_filter_group_and_formats(dfanp, tuned):
    table = dfanp("results", tuned, "--where", "opt=sgd", "--where", "lr=0.01", "--where", "lr=1")
    head, *lines = table.out.splitlines()
    assert head.split()[:2] == ["lr", "seed"] and len(lines) == 4 and "done" in lines[0]
    grouped = json.loads(dfanp("results", tuned, "--group-by", "opt,lr", "--json").out)
    assert len(grouped) == 6 and all(row["runs"] == 2 and row["95 %"] is not None for row in grouped)
    rows = list(csv.DictReader(io.StringIO(dfanp("results", tuned, "--csv").out)))
    assert len(rows) == 12 and {row["kernels"] for row in rows} and float(rows[0]["score"]) > 0.4
    assert "validation accuracy" in rows[0] and "test accuracy" not in rows[0]
    top = json.loads(dfanp("results", tuned, "--group-by", "opt,lr", "--sort=-score", "--top", "2", "--json").out)
    assert [row["score"] for row in top] == sorted((row["score"] for row in grouped), reverse=True)[:2]
    compared = dfanp("results", tuned, "--compare", "opt", "--format", "markdown").out.splitlines()
    assert compared[0] == "| lr | opt | seeds | difference | 95 % | rms |" and len(compared) == 2 + 3
    assert "rmsprop - sgd" in compared[2] and dfanp("results", tuned, "--format", "latex").out.startswith(r"\begin")
    by_run = json.loads(dfanp("results", tuned, "--json").out)
    assert float(rows[3]["score"]) == by_run[3]["score"]
    for args, message in (
        (("--where", "optt=sgd"), "no setting 'optt'"),
        (("--where", "sgd"), "write NAME=VALUE"),
        (("--group-by", "opt,lrr"), "no setting 'lrr'"),
        (("--csv", "--json"), "exclude each other"),
    ):
        bad = dfanp("results", tuned, *args)
        assert bad.code == 2 and message in bad.err
    assert dfanp("results", tuned, "--where", "opt=adam").code == 0


def test_plot_draws_sweeps_and_runs(dfanp, tuned, tmp_path):
    run = tmp_path / "run"
    assert dfanp("parity", *TINY, "--lr", "0.1", "--out", run, "--repeats", "2", "--quiet").code == 0
    for name, args in {
        "rates.svg": (tuned,),
        "curves.pdf": (tuned, "--x", "epoch"),
        "run.png": (run,),
        "both.png": (run, tuned, "--x", "epoch"),
    }.items():
        result = dfanp("plot", *args, "--out", tmp_path / name)
        assert result.code == 0 and (tmp_path / name).stat().st_size > 5000, result.err
    assert "opt" in (tmp_path / "rates.svg").read_text()
    assert dfanp("plot", run, "--out", tmp_path / "a.txt").code == 2


@pytest.mark.parametrize(
    "workers, sent", [(1, signal.SIGINT), (2, signal.SIGINT), (2, signal.SIGTERM), (1, signal.SIGHUP)]
)
def test_ctrl_c_ends_after_the_epoch_and_the_same_command_goes_on(process, dfanp, tmp_path, workers, sent):
    """So does what a batch system sends to all of a job, and a terminal that closes."""
    # Five runs that are not joined, so that one is done long before the others.
    args = ("tune", "parity", "--data", "digits", "--hidden", "32", "--k", "1", "--epochs", "6", "--device", "cpu")
    args += (
        "--weight-decay",
        "0,1e-9,2e-9,3e-9,4e-9",
        "--lr",
        "0.1",
        "--workers",
        workers,
        "--keep",
    )
    running = process(*args, "--out", tmp_path / "parts", start_new_session=True)
    store = tmp_path / "parts" / "store.jsonl"
    until(lambda: running.poll() is not None or (store.exists() and store.read_bytes()))
    os.killpg(running.pid, sent)
    err = running.stderr.read()
    assert running.wait(60) == 130
    assert "stopping after the running epochs" in err and "Traceback" not in err
    there = len(store.read_bytes().splitlines())
    assert err.splitlines()[-1] == (
        f"dfanp: interrupted; {there} of 5 runs are finished and in {tmp_path / 'parts'}: the same command resumes there"
    )
    assert 1 <= there < 5
    again = dfanp(*args, "--out", tmp_path / "parts")
    assert again.code == 0 and f"({there} of 5 runs {'is' if there == 1 else 'are'} there already)" in again.err
    assert dfanp(*args, "--out", tmp_path / "whole").code == 0
    lines = [sorted((tmp_path / name / "store.jsonl").read_bytes().splitlines()) for name in ("parts", "whole")]
    assert lines[0] == lines[1]


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_the_second_ctrl_c_stops_at_once_and_loses_nothing(process, dfanp, tmp_path, sent):
    args = ("tune", "parity", "--data", "digits", "--hidden", "2048", "--k", "3", "--epochs", "3", "--device", "cpu")
    args += ("--lr", "0.1", "--workers", "2")
    running = process(*args, "--weight-decay", "0,1e-9", "--out", tmp_path / "parts", start_new_session=True)
    until(lambda: running.poll() is not None or list(tmp_path.glob("parts/progress/*.running")))
    os.killpg(running.pid, sent)
    while not running.stderr.readline().startswith("stopping"):
        assert running.poll() is None
    os.killpg(running.pid, sent)
    err = running.stderr.read()
    assert running.wait(20) == 130 and "Traceback" not in err and "the same command resumes" in err
    wait_until_gone(running.pid)


def test_other_disks_than_nine_get_random_labels_as_in_a_single_run(dfanp, tmp_path):
    args = ("--c", "2", "--n", "32", "--test-points", "20", "--epochs", "1", "--hidden", "4", "--lr", "0.1")
    assert dfanp("tune", "synthetic", *args, "--out", tmp_path / "a", "--quiet").code == 0
    assert [config["labels"] for config in configs_of(tmp_path / "a")] == ["random"]


def test_all_balanced_labels(dfanp, tmp_path):
    args = (
        "tune",
        "synthetic",
        "--c",
        "2",
        "--n",
        "8",
        "--test-points",
        "8",
        "--hidden",
        "4",
        "--epochs",
        "1",
        "--lr",
        "0.5",
    )
    assert dfanp(*args, "--labels", "balanced", "--out", tmp_path / "all", "--quiet").code == 0
    labels = [config["labels"] for config in configs_of(tmp_path / "all")]
    assert len(set(labels)) == len(labels) == 6 and all(sorted(each) == list("0011") for each in labels)
    many = dfanp("tune", "synthetic", "--c", "5", "--labels", "balanced", "--out", tmp_path / "many")
    assert many.code == 2 and "at most 4" in many.err


def test_a_sweep_of_more_runs_than_memory_holds_is_refused(dfanp, tmp_path):
    for args in (("--seed", "1:10000:10000", "--repeats", "10000"), ("--lr", "1:2:10000", "--epochs", "1:9999:9999")):
        result = dfanp("tune", "parity", *TINY, *args, "--out", tmp_path / "tuned")
        assert result.code == 2 and "runs, more than 100000" in result.err and not (tmp_path / "tuned").exists()
