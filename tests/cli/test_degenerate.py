"""Every command that reads runs, with runs that have little to show: an answer, or one line that says why there is none."""

import contextlib
import io
import json
import re
import shutil

import pytest

PARITY = {
    "--data": "digits", "--k": 2, "--hidden": 16, "--train-size": 200, "--test-size": 60, "--epochs": 2,
    "--batch-size": 50, "--kernels": "numpy",
}  # fmt: skip
DISKS = {"--n": 12, "--d": 5, "--hidden": 6, "--test-points": 60, "--epochs": 3, "--kernels": "numpy"}
DIVERGES = {"--method": "bp", "--opt": "sgd", "--lr": 1e30}
BAD_RATE = {"--method": "bp", "--opt": "sgd", "--lr": 50, "--hidden": "16,16", "--epochs": 4, "--bias": None}
RUNS = {  # the problem, its options, the exit code of the training
    "one unit": ("parity", {"--hidden": 1}, 0),
    "one unit in the second layer": ("parity", {"--hidden": "4,1", "--method": "fa", "--align": None}, 0),
    "one unit of a baseline": ("parity", {"--hidden": 1, "--method": "linear"}, 0),
    "few examples": ("parity", {"--test-size": 30}, 0),
    "a test of one": ("parity", {"--test-size": 1, "--align": None}, 0),
    "a training set of one": ("parity", {"--train-size": 1, "--batch-size": 1, "--align": None}, 0),
    "diverged": ("parity", DIVERGES | {"--align": None}, 1),
    "dead layers": ("parity", BAD_RATE | {"--opt": "sgd", "--lr": 1000, "--align": None}, 0),
    "saturated": ("parity", {"--activation": "sigmoid", "--opt": "sgd", "--lr": 1e10, "--align": None}, 0),
    "some diverged": ("parity", BAD_RATE | {"--repeats": 6, "--align": None}, 0),
    "huge": ("parity", {"--dtype": "float64", "--opt": "rmsprop", "--lr": 1e60, "--align": None}, 0),
    "one disk": ("synthetic", {"--c": 1, "--labels": "1"}, 0),
    "one class": ("synthetic", {"--labels": "000000000"}, 0),
    "a line of disks": ("synthetic", {"--hidden": 1}, 0),
    "a test of one point": ("synthetic", {"--test-points": 1}, 0),
    "diverged disks": ("synthetic", DIVERGES, 1),
    "dead disks": ("synthetic", {"--method": "bp", "--lr": 1000, "--bias": None, "--align": None}, 0),
    "begun": ("parity", {}, 0),  # and cut off at once
}
FEW = "representations need at least 40 examples, got "
LOST = "checkpoint.npz: seed 0 has diverged (a lower learning rate helps)"
WHY_NOT = {  # of `dfanp represent`
    "few examples": f"{FEW}30", "a test of one": f"{FEW}1", "a test of one point": f"{FEW}13", "diverged": LOST,
    "diverged disks": LOST, "begun": "checkpoint.npz: does not exist; the run has not finished an epoch yet",
}  # fmt: skip


def words(options):
    return [str(word) for name, value in options.items() for word in (name, value) if word is not None]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return the folder of a run of that name, trained when it is first asked for, and the exit code."""
    from dfanp_cli.main import run

    folder, codes = tmp_path_factory.mktemp("runs"), {}

    def make(name):
        problem, options, _ = RUNS[name]
        path = folder / name.replace(" ", "-")
        if name not in codes:
            given = (PARITY if problem == "parity" else DISKS) | options
            with contextlib.redirect_stdout(io.StringIO()):
                codes[name] = run([problem, *words(given), "--out", str(path), "--plot", f"{path}.png", "--quiet"])
            if name == "begun":
                for each in ("checkpoint.npz", "log.jsonl", "timings.jsonl"):
                    (path / each).unlink()
        return path, codes[name]

    return make


@pytest.mark.parametrize("name", RUNS)
def test_training_ends_with_its_picture(made, name):
    path, code = made(name)
    assert code == RUNS[name][2] and path.with_suffix(".png").stat().st_size > 5000


@pytest.mark.parametrize("name", RUNS)
def test_represent(dfanp, made, name, tmp_path):
    layers = len(str(RUNS[name][1].get("--hidden", "16")).split(","))
    for number, view in enumerate(("--map=pca", "--map=tsne", f"--layer={layers}")):
        plot = tmp_path / f"{number}.svg"
        result = dfanp("represent", made(name)[0], view, "--plot", plot, "--samples", "50", "--json", "--quiet")
        if name in WHY_NOT:
            assert result.code == 1 and result.err.endswith(f"{WHY_NOT[name]}\n")
        else:
            assert result.code == 0 and result.err == "" and plot.stat().st_size > 5000
            json.loads(result.out, parse_constant=pytest.fail)
        assert len(result.err.splitlines()) == result.code and plot.exists() == (result.code == 0)


@pytest.mark.parametrize("name", RUNS)
def test_report_and_plot_and_export(dfanp, made, name, tmp_path):
    path, _ = made(name)
    result = dfanp("report", path, "--out", tmp_path / "a.html")
    assert result.code == 0
    page = re.sub(r"base64,[^\"]*", "", (tmp_path / "a.html").read_text())
    assert len(page) > 5000 and not re.search(r"\bnan\b|\binf\b|\d{40}", page.lower())
    messages = result.err.splitlines()
    assert messages == [] if name not in ("diverged", "diverged disks", "begun") else len(messages) == 1
    for axis in ("epoch", "lr"):
        result = dfanp("plot", path, "--x", axis, "--out", tmp_path / "a.svg")
        if name == "begun":
            assert result.code == 1 and "there is no finished run to draw" in result.err
        else:
            assert result.code == 0 and result.err == ""
    result = dfanp("export", path, "--out", tmp_path / "a.npz")
    assert len(result.err.splitlines()) == (result.code > 0)


SWEEPS = {
    "all diverge": {"--method": "bp", "--opt": "sgd", "--lr": "1e30,1e29"},
    "all diverge in rungs": {"--method": "bp", "--opt": "sgd", "--lr": "1e30,1e29,1e28,1e27", "--halving": 2},
    "some diverge": {"--method": "bp,dfa", "--opt": "sgd", "--lr": "0.01,1e30", "--keep": None},
    "all fail": {"--method": "ntk", "--activation": "tanh", "--lr": "0.1"},
    "one run": {"--lr": "0.01", "--hidden": 1},
}


@pytest.mark.parametrize("name", SWEEPS)
def test_sweeps(dfanp, tmp_path, name):
    out = tmp_path / "out"
    given = words(PARITY | SWEEPS[name])
    result = dfanp("tune", "parity", *given, "--out", out, "--plot", tmp_path / "a.png", "--json", "--quiet")
    assert result.code == (0 if name == "one run" else 1) and result.err == ""
    json.loads(result.out, parse_constant=pytest.fail)
    for axis in ("epoch", "lr"):
        result = dfanp("plot", out, "--x", axis, "--out", tmp_path / "b.png")
        assert result.code == (name == "all fail") and len(result.err.splitlines()) == result.code
    for more in ((), ("--csv",), ("--json",), ("--group-by", "method,lr"), ("--last", "1000")):
        result = dfanp("results", out, *more)
        assert result.code == 0 and result.err == "" and "nan" not in result.out.lower()
    for checkpoint in (out / "checkpoints").glob("*.npz"):
        result = dfanp("represent", checkpoint, "--samples", "50", "--quiet")
        diverged = f"dfanp: {checkpoint}: seed 0 has diverged (a lower learning rate helps)\n"
        assert (result.code, result.err) in ((0, ""), (1, diverged))


@pytest.mark.parametrize(
    "forged",
    [{"k": 99}, {"train_size": 0}, {"activation": "rlu"}, {"method": "bpp"}, {"opt": "adm"}, {"seed": -1}],
    ids=str,
)
def test_settings_that_no_run_has_are_no_bad_usage(dfanp, made, tmp_path, forged):
    """They come out of a file, not from an option."""
    shutil.copytree(made("one unit")[0], tmp_path / "run")
    path = tmp_path / "run" / "config.json"
    saved = json.loads(path.read_text())
    path.write_text(json.dumps(saved | {"config": saved["config"] | forged}))
    result = dfanp("represent", tmp_path / "run")
    assert result.code == 1 and len(result.err.splitlines()) == 1


@pytest.mark.parametrize(
    "forged", [{"seed": [0]}, {"epoch": 7}, {"test_accuracy": "high"}, {"train_loss": None}], ids=str
)
def test_a_log_that_no_run_leaves_is_refused_by_plot_and_report(dfanp, made, tmp_path, forged):
    shutil.copytree(made("one unit")[0], tmp_path / "run")
    log = tmp_path / "run" / "log.jsonl"
    first, second = map(json.loads, log.read_text().splitlines())
    log.write_text(f"{json.dumps(first | forged)}\n{json.dumps(second)}\n")
    for command, name in (("plot", "a.svg"), ("report", "a.html")):
        result = dfanp(command, tmp_path / "run", "--out", tmp_path / name)
        assert (result.code, result.err) == (1, f"dfanp: {log}: line 1 is damaged\n")
