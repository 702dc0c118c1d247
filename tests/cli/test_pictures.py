"""Commands that draw, where Matplotlib is set up in other ways, or does not work."""

import json
import subprocess
import sys

import matplotlib
import pytest

SMALL = (
    "--data", "digits", "--k", "1", "--hidden", "8", "--epochs", "2", "--train-size", "200", "--test-size", "60", "--lr",
    "0.01", "--kernels", "numpy", "--device", "cpu", "--quiet",
)  # fmt: skip
DISKS = (
    "--n",
    "12",
    "--d",
    "5",
    "--hidden",
    "6",
    "--test-points",
    "60",
    "--epochs",
    "2",
    "--device",
    "cpu",
    "--quiet",
)


@pytest.fixture
def commands(dfanp, tmp_path):
    """name -> the words of a command that draws into a file, and that file."""
    run, tuned = tmp_path / "run", tmp_path / "tuned"
    assert dfanp("parity", *SMALL, "--out", run).code == 0
    assert dfanp("tune", "parity", *SMALL, "--lr", "0.01,0.1", "--out", tuned).code == 0
    png, html = tmp_path / "a.png", tmp_path / "a.html"
    return {
        "parity": (("parity", *SMALL, "--plot", png), png),
        "synthetic": (("synthetic", *DISKS, "--plot", png), png),
        "tune": (("tune", "parity", *SMALL, "--lr", "0.01,0.1", "--out", tuned, "--plot", png), png),
        "plot a run": (("plot", run, "--out", png), png),
        "plot a sweep": (("plot", tuned, "--out", png), png),
        "represent": (("represent", run, "--samples", "50", "--map", "pca", "--plot", png, "--quiet"), png),
        "report": (("report", run, "--out", html), html),
    }


def test_a_matplotlibrc_changes_nothing(dfanp, commands, hostile_rc):
    for words, path in commands.values():
        contents = []
        for rc in ({}, hostile_rc):
            with matplotlib.rc_context(rc):
                result = dfanp(*words)
            assert result.code == 0 and result.err == ""
            contents.append(path.read_bytes())
            path.unlink()
        assert contents[0] == contents[1]


def test_what_cannot_be_drawn_is_one_line_after_the_results(dfanp, commands, monkeypatch):
    from matplotlib.figure import Figure

    def fails(*args, **more):
        raise error

    monkeypatch.setattr(Figure, "savefig", fails)
    for error in (RuntimeError("no\nfont"), ValueError("no\nfont"), OSError(28, "No space left on device")):
        for name, (words, path) in commands.items():
            result = dfanp(*words)
            assert result.code == 1 and len(result.err.splitlines()) == 1, name
            message = "No space left on device" if isinstance(error, OSError) else f"{type(error).__name__}: no)"
            assert message in result.err and (name == "report" or f"{path}: cannot be drawn (" in result.err)
            assert bool(result.out) == (name in ("parity", "synthetic", "tune", "represent"))
            assert not path.exists()


# Commands in one process, and what each returned and printed.
EACH = """
import json, sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

from dfanp_cli.main import run

found = {}
for name, words in json.loads(sys.argv[1]).items():
    with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        code = run(words)
    found[name] = code, out.getvalue(), err.getvalue()
print(json.dumps(found))
"""


@pytest.mark.parametrize("broken", ["MPLBACKEND", "matplotlibrc"])
def test_where_matplotlib_cannot_be_loaded(process, commands, tmp_path, monkeypatch, broken):
    """One line, before anybody trains for the picture; what draws nothing works."""
    if broken == "MPLBACKEND":
        monkeypatch.setenv("MPLBACKEND", "nonsense")
    else:
        (tmp_path / "mpl").mkdir()
        (tmp_path / "mpl" / "matplotlibrc").write_bytes(b"font.size: 10 # \xff\n")
        monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "mpl"))
    figure = (("figure", "2.2", "--quick", "--out", tmp_path / "figures", "--quiet"), tmp_path / "figures")
    lines = {name: [*map(str, words)] for name, (words, _) in [*commands.items(), ("figure", figure)]}
    done = subprocess.run(
        [sys.executable, "-c", EACH, json.dumps(lines)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    for name, (code, out, err) in json.loads(done.stdout).items():
        assert code == 1 and out == "" and len(err.splitlines()) == 1, f"{name}: {err}"
        assert "cannot be drawn (" in err
    assert not (tmp_path / "figures").exists()
    words, _ = commands["parity"]
    plain = process(*words[: words.index("--plot")])
    assert plain.communicate(timeout=120)[1] == "" and plain.returncode == 0


def test_a_matplotlibrc_that_matplotlib_complains_of_is_of_no_effect(process, commands, tmp_path, monkeypatch):
    (tmp_path / "mpl").mkdir()
    (tmp_path / "mpl" / "matplotlibrc").write_text("text.usetex: True\nno.such.key: 1\nfont.size: large\n")
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "mpl"))
    words, path = commands["plot a run"]
    plotting = process(*words)
    assert plotting.communicate(timeout=120) == (f"wrote {path}\n", "") and plotting.returncode == 0
