"""Each example of the help and of the README files is run, made small by options appended to it (the last one counts)."""

import dataclasses
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
from dfanp_cli.main import cli, run
from dfanp_cli.reference import examples, leaves

from ..documents import PATHS, blocks
from ..problems.test_download import mirrors, server  # noqa: F401  (fixtures)

pytestmark = pytest.mark.slow

PLUGIN = Path(__file__).parents[1] / "plugins" / "feedback.py"
PARITY = "--data digits --epochs 2 --train-size 300 --test-size 100 --hidden 8"
BENCH = "--data digits --rounds 1"
# What makes a command small. One that has no entry fails, rather than run for hours.
SMALL = {
    "parity": PARITY,
    "classes": PARITY,
    "conv": f"{PARITY} --filters 2",
    "synthetic": "--epochs 2 --test-points 50 --hidden 8",
    "teacher": "--epochs 2 --inputs 10 --test-size 20",
    "train": "--epochs 2 --hidden 8",
    "tune train": "--epochs 2 --hidden 8 --workers 1",
    "targets": "--epochs 2 --train-size 50 --test-size 20",
    "tune targets": "--epochs 2 --train-size 50 --test-size 20 --workers 1",
    "tune teacher": "--epochs 2 --inputs 10 --test-size 20 --workers 1",
    "tune parity": f"{PARITY} --workers 1",
    "tune synthetic": "--epochs 2 --n 20 --d 5 --test-points 20 --hidden 4 --workers 1",
    "tune conv": f"{PARITY} --filters 2 --workers 1",
    "tune classes": f"{PARITY} --workers 1",
    "results": "",
    "plot": "",
    "report": "",
    "play": "",
    "represent": "--samples 80",
    "attack": "--samples 20 --steps 2",
    "export": "",
    "figure": "--quick --workers 1",
    "reproduce": "--quick --workers 1",
    "published": "--quick --workers 1",
    "data list": "",
    "data fetch": "",
    "info": "",
    "bench cpu": f"{BENCH} --quick --no-torch --no-jax --opt sgd --method bp --tiers numpy --threads 1",
    "bench gpu": f"{BENCH} --quick --no-torch",
    "bench estimator": f"{BENCH} --epochs 1",
    "bench kills": "--kills 1",
    "bench sweeps": f"{BENCH} --tiny 21 --runs 2 --epochs 1 --workers 1",
    "completion": "",
    "course": "",
}
# Folders that examples read and earlier ones wrote.
MADE = ("runs/dfa", "runs/bp", "runs/fa", "runs/iris", "runs/sign", "tuned")


def lines():
    """Return the lines of all examples, each once: of the help, and of the blocks of commands in the README files."""
    found = [line for _, command in leaves(cli) for line in examples(command)]
    for path in PATHS:
        found += [
            line
            for block in blocks(path.read_text(), "sh")
            for line in block.splitlines()
            if line.startswith("dfanp ")
        ]
    return list(dict.fromkeys(line.partition("  #")[0].strip() for line in found if not line.startswith("#")))


def name_of(words):
    """Return the command in the words of a line."""
    names = {" ".join(path) for path, command in leaves(cli) if not isinstance(command, click.Group)}
    (name,) = {name for name in (" ".join(words[1:2]), " ".join(words[1:3])) if name in names}
    return name


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder that has MADE."""
    folder = tmp_path_factory.mktemp("made")
    for method in ("dfa", "bp"):
        out = ["--quiet", "--out", str(folder / f"runs/{method}")]
        assert run(["parity", "--method", method, *PARITY.split(), *out]) == 0
    for other in ("fa", "iris"):
        shutil.copytree(folder / "runs/dfa", folder / "runs" / other)
    command = [sys.executable, "-m", "dfanp_cli", "parity", "--plugin", str(PLUGIN), "--method", "sign-symmetric"]
    # In a process of its own, which ends with its plugin.
    subprocess.run(
        [*command, *PARITY.split(), "--quiet", "--out", str(folder / "runs/sign")], check=True, capture_output=True
    )
    axes = ["--lr", "0.001,0.01", "--opt", "sgd,rmsprop", "--method", "bp,dfa"]
    assert run(["tune", "parity", *PARITY.split(), *axes, "--quiet", "--out", str(folder / "tuned")]) == 0
    return folder


@pytest.fixture
def smaller(monkeypatch, mirrors):  # noqa: F811
    """What no option makes small: the quick scale of the figures, and some sizes of the benchmarks."""
    import dfanp_bench.crash_test
    import dfanp_bench.growth
    import dfanp_bench.suite
    import dfanp_bench.sweeps
    import dfanp_cli.bench

    from dfanp.experiments import experiment

    quick = experiment.quick
    sizes = dict(train_size=300, test_size=100, most_epochs=1, most_passes=2, assignments=1, samples=100)
    monkeypatch.setattr(experiment, "quick", lambda *args: dataclasses.replace(quick(*args), **sizes))
    monkeypatch.setattr(dfanp_bench.growth, "AXES", {"k": (1, 2)})
    monkeypatch.setattr(dfanp_bench.growth, "usable_cores", lambda: 1)
    monkeypatch.setattr(dfanp_bench.suite, "MEASUREMENTS", (dfanp_bench.suite.epochs,))
    monkeypatch.setattr(dfanp_bench.crash_test, "start", start_few)
    whole = dfanp_bench.sweeps.options
    monkeypatch.setattr(
        dfanp_bench.sweeps, "options", lambda *of: [*whole(*of), "--train-size", "300", "--hidden", "8"]
    )
    monkeypatch.setitem(dfanp_cli.bench.QUICK, "steps", 2)
    mirrors("mnist", "good")


def few_experiments():
    """Return one experiment in place of all: tests/experiments trains them."""
    from dfanp.experiments import experiments

    return {"3.1": experiments()["3.1"]}


def start_few(folder, workers):
    """Start a sweep of ``dfanp_bench.crash_test`` with a few of its runs, and these small."""
    code = (
        "from dataclasses import replace; from dfanp_bench import crash_test; every = crash_test.settings; "
        "crash_test.settings = lambda: [replace(one, epochs=2, train_size=300, test_size=100) for one in every()[:4]]; "
        f"crash_test.child({str(folder)!r}, {workers})"
    )
    return subprocess.Popen([sys.executable, "-c", code], start_new_session=True, stderr=subprocess.PIPE)


def no_gpu(words):
    """Whether a line asks for a GPU where none can be used."""
    from dfanp.backend import usable_cupy

    return ("gpu" in words[-2:] or "--device gpu" in " ".join(words) or words[1:3] == ["bench", "gpu"]) and bool(
        usable_cupy()[1]
    )


def written(words):
    """Return the paths that the options of a line name for its results."""
    return [Path(value) for option, value in zip(words, words[1:], strict=False) if option in ("--out", "--plot")]


def own_data():
    """Write the files of data that examples name."""
    rng = np.random.default_rng(0)
    X, species = rng.normal(size=(60, 2)), ("setosa", "virginica")
    np.savez("mine.npz", X=X, y=X[:, 0])
    rows = [f"{a},{b},{species[int(a > b)]}" for a, b in X]
    Path("iris.csv").write_text("\n".join(["length,width,species", *rows]) + "\n")


def test_every_command_is_made_small():
    commands = {" ".join(path) for path, command in leaves(cli) if not isinstance(command, click.Group)}
    assert commands <= SMALL.keys(), "an entry in SMALL is missing: its examples would run as large as they are"
    assert {name_of(shlex.split(line.rpartition("&& ")[2])) for line in lines()} == commands


@pytest.mark.parametrize("line", lines())
def test_an_example_works(dfanp, made, smaller, tmp_path, monkeypatch, line):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    shutil.copy(PLUGIN, "mine.py")
    own_data()
    for part in line.split(" && "):
        words, _, target = part.partition(" > ")
        words = shlex.split(words)
        if words[:2] == ["mkdir", "-p"]:
            Path(words[2]).expanduser().mkdir(parents=True)
            continue
        assert words[0] == "dfanp", part
        for before, word in zip(words, words[1:], strict=False):
            if word in MADE and before != "--out" and not Path(word).exists():
                shutil.copytree(made / word, word)
        if words[1] == "reproduce":
            monkeypatch.setattr("dfanp.experiments.experiments", lambda some=few_experiments(): some)
        result = dfanp(*words[1:], *shlex.split(SMALL[name_of(words)]))
        if no_gpu(words):
            assert result.code == 1 and result.out == "" and result.err.count("\n") == 1
            assert result.err.startswith("dfanp: the GPU cannot be used: ")
            continue
        assert result.code == 0, result.err
        assert "Traceback" not in result.err and (result.out or "wrote " in result.err)
        assert all(path.exists() and (path.is_file() or any(path.iterdir())) for path in written(words))
        if words[1] in ("figure", "reproduce"):
            assert list(Path().glob("*/records/*.json")) and list(Path().glob("*/figures/*.svg"))
        if target:
            Path(target.strip()).expanduser().write_text(result.out)
