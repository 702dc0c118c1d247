"""Your own data at the command line, settings from files, and a week in miniature."""

import json
import os
import signal
import time

import numpy as np
import pytest

from dfanp import interchange
from dfanp.problems import own

SMALL = ("--hidden", "6", "--batch-size", "20", "--device", "cpu", "--opt", "adam", "--lr", "0.03")


@pytest.fixture
def flowers(tmp_path, monkeypatch):
    """Write a table of three kinds, and work in its folder."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    kinds = np.arange(90) % 3
    X = rng.normal(size=(90, 2)) + 4 * np.stack([kinds == 1, kinds == 2], axis=1) + 10
    rows = [f"{a:.4f},{b:.4f},{'abc'[kind]}" for (a, b), kind in zip(X, kinds, strict=True)]
    (tmp_path / "flowers.csv").write_text("\n".join(["length,width,kind", *rows]) + "\n")
    return "flowers.csv"


def test_a_week_in_miniature(dfanp, process, flowers, tmp_path):
    """Tune (interrupted once), results, the best on fresh seeds, a plot, a report, and the same predictions in PyTorch."""
    tune = ("tune", "train", flowers, *SMALL[:-2], "--method", "bp,dfa", "--lr", "0.003,0.03", "--epochs", "40")
    tune += ("--repeats", "2", "--evaluate", "2", "--weight-decay", "0,1e-9", "--out", "tuned", "--kernels", "numpy")
    running = process(*tune, cwd=tmp_path)
    store = tmp_path / "tuned" / "store.jsonl"
    while not (store.exists() and store.read_bytes()):
        assert running.poll() is None
        time.sleep(0.005)
    os.kill(running.pid, signal.SIGINT)
    err = running.communicate()[1]
    assert running.returncode == 130 and "of 16 runs are finished" in err and "Traceback" not in err
    waiting = json.loads(dfanp("results", "tuned", "--json").out)
    assert len(waiting) == 16 and {row["status"] for row in waiting} <= {"waiting", "done"}
    tuned = dfanp(*tune)
    assert tuned.code == 0 and "With fresh seeds" in tuned.out and "3 classes (a 30, b 30, c 30)" in tuned.err
    assert {row["status"] for row in json.loads(dfanp("results", "tuned", "--json").out)} == {"done"}
    best = next(line for line in tuned.out.splitlines() if line.startswith("dfanp train"))
    assert "None" not in best
    words = [*best.split()[1:], *SMALL[:2], "--epochs", "12", "--batch-size", "20", "--device", "cpu", "--quiet"]
    assert dfanp(*words, "--out", "runs/best").code == 0
    assert dfanp("plot", "tuned", "--x", "weight_decay", "--facet", "method", "--out", "a.svg").code == 0
    assert dfanp("report", "tuned", "runs/best", "--out", "week.html").code == 0
    page = (tmp_path / "week.html").read_text()
    assert "tuned: rates" in page and "predicted c" in page and "The best learning rate of each setting" in page
    assert dfanp("represent", "runs/best", "--quiet").code == 0
    assert dfanp("export", "runs/best", "--out", "best.npz").code == 0
    data = own.load(flowers)
    ours = interchange.load("best.npz").forward(data.X_test.astype("float32"))[-1]
    assert (ours.argmax(axis=1) == data.y_test).mean() > 0.7
    torch = pytest.importorskip("torch")
    there = torch.nn.Sequential(torch.nn.Linear(2, 6), torch.nn.ReLU(), torch.nn.Linear(6, 3))
    state = {name: array for name, array in np.load("best.npz").items() if name.endswith(("weight", "bias"))}
    there.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})
    theirs = there(torch.from_numpy(data.X_test.astype("float32"))).detach().numpy()
    np.testing.assert_allclose(theirs, ours, rtol=1e-3, atol=1e-4)


def test_seeds_as_a_list_and_a_run_again_from_its_config(dfanp, flowers, tmp_path):
    first = dfanp("train", flowers, *SMALL, "--epochs", "2", "--seed", "5,1", "--out", "a", "--json")
    assert first.code == 0 and [run["seed"] for run in json.loads(first.out)["runs"]] == [5, 1]
    assert "label     kind, column 3 of 3: 3 classes" in first.err
    for words in (("train", "a/config.json"), ("train", "a"), ("train", flowers, "--config", "a")):
        assert dfanp(*words, "--out", "b").code == 0
        assert (tmp_path / "a" / "log.jsonl").read_bytes() == (tmp_path / "b" / "log.jsonl").read_bytes()
    other = dfanp("train", "a", "--seed", "7", "--epochs", "1", "--json", "--quiet")
    assert [run["seed"] for run in json.loads(other.out)["runs"]] == [7]
    assert (
        dfanp("synthetic", "--config", "a").code == 2 and dfanp("parity", "--seed", "1,1", "--epochs", "0").code == 2
    )
    (tmp_path / flowers).write_text((tmp_path / flowers).read_text().replace(",a", ",z"))
    own._loaded.cache_clear()
    changed = dfanp("train", "a", "--out", "c")
    assert changed.code == 1 and "the data have the SHA-256" in changed.err and "Traceback" not in changed.err


def test_a_sweep_from_a_file(dfanp, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = """problem = "parity"
    method = ["bp", "dfa"]
    lr = "log:0.01:0.1:2"
    hidden = [[4], [3, 2]]
    data = "digits"
    epochs = 1
    train-size = 200
    test_size = 50
    out = "tuned"
    """
    (tmp_path / "sweep.toml").write_text(text)
    result = dfanp("tune", "sweep.toml", "--method", "fa", "--device", "cpu")
    assert result.code == 0 and "4 runs (2 hidden × 2 lr)" in result.err
    assert "hidden      4, 3-2  (2 networks of 1 and 2 layers; 2 of one layer are written 3/2)" in result.err
    assert {row["config"]["method"] for row in json.loads(dfanp("results", "tuned", "--json").out)} == {"fa"}
    for broken, why in (
        ("problem = 3", "problem must be one of parity"),
        ("problem = ", "no file of settings"),
        (text.replace("lr", "lrate"), "no setting 'lrate'"),
        (text + "seed = {a = 1}", "must be a value or a list"),
    ):
        (tmp_path / "sweep.toml").write_text(broken)
        result = dfanp("tune", "sweep.toml")
        assert result.code == 2 and why in result.err and result.err.count("\n") == 1
    (tmp_path / "one.toml").write_text('method = ["bp", "dfa"]')
    assert "method takes one value" in dfanp("parity", "--config", "one.toml").err


def test_widths_with_hyphens(dfanp, tmp_path):
    from dfanp_cli.options import Grid, Widths

    grid = Grid(Widths(1, 999), "/")
    parsed = {text: grid.convert(text, None, None) for text in ("8,4", "8/4", "8-4", "8-4,2", "8-4/2")}
    assert parsed == {
        "8,4": ((8, 4),),
        "8/4": ((8,), (4,)),
        "8-4": ((8, 4),),
        "8-4,2": ((8, 4), (2,)),
        "8-4/2": ((8, 4), (2,)),
    }


@pytest.mark.parametrize(
    "name, content", [("a.csv", "a,b\n1\n"), ("a.npz", "x"), ("a.parquet", "x"), ("a.json", "[")]
)
def test_data_that_cannot_be_read_are_one_line(dfanp, tmp_path, monkeypatch, name, content):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text(content)
    result = dfanp("train", name, "--out", "run")
    assert result.code in (1, 2) and result.out == "" and result.err.count("\n") == 1 and name in result.err
    assert os.listdir() == [name]
