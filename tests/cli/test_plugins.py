"""Rules of a plugin in every command: trained, swept, resumed, reported; and what is wrong with a plugin, in a line."""

import json
import os
import sys
from pathlib import Path

import pytest

from dfanp import plugins, registry
from dfanp.rules import RULES

FEEDBACK = Path(__file__).parent.parent / "plugins" / "feedback.py"
SMALL = ("--data", "digits", "--train-size", "2000", "--test-size", "200", "--hidden", "16,8", "--lr", "0.003")


@pytest.fixture
def forget():
    """Forget the plugins that are loaded, as a new process has none."""
    before = registry.registered()

    def call():
        plugins.LOADED.clear()
        registry.restore(before)

    return call


@pytest.mark.parametrize("kernels", ["numpy", "native"])
def test_feedback_that_learns_turns_to_the_weights(dfanp, kernels):
    how = (
        "--k",
        "1",
        "--train-size",
        "1500",
        "--opt",
        "sgd",
        "--lr",
        "0.5",
        "--batch-size",
        "32",
        "--weight-decay",
        "0.01",
    )
    args = ("parity", *SMALL, *how, "--plugin", FEEDBACK, "--method", "kolen-pollack", "--kernels", kernels)
    epochs = json.loads(dfanp(*args, "--epochs", "6", "--align", "--quiet", "--json").out)["runs"][0]["epochs"]
    first, *_, last = [epoch["alignment"]["feedback"] for epoch in epochs]
    assert all(after > before for before, after in zip(first, last, strict=True))
    assert min(last) > 0.9


@pytest.mark.parametrize("method", ["kolen-pollack", "sign-symmetric"])
def test_a_run_is_kept_resumed_and_reported(dfanp, forget, tmp_path, method):
    args = ("parity", *SMALL, "--plugin", FEEDBACK, "--method", method, "--quiet", "--epochs", "3", "--repeats", "2")
    assert dfanp(*args, "--out", tmp_path / "whole").code == 0
    config = json.loads((tmp_path / "whole" / "config.json").read_text())["config"]
    assert config["method"] == method and config["plugins"][0].startswith("feedback.py ")

    from dfanp.runs.run import Run
    from dfanp.settings import from_config

    with Run(from_config(config, "config.json"), tmp_path / "cut") as run:
        next(run.epochs())  # and then the process ends
    forget()
    assert dfanp(*args, "--out", tmp_path / "cut").code == 0
    for name in ("log.jsonl", "checkpoint.npz"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()

    page = tmp_path / "page.html"
    assert dfanp("report", tmp_path / "whole", "--out", page, "--plugin", FEEDBACK).err == ""
    assert method.upper() in page.read_text()
    forget()
    result = dfanp("export", tmp_path / "whole", "--out", tmp_path / "weights.npz")
    assert result.code == 1 and result.err.count("\n") == 1
    assert "this run needs the plugin feedback.py (SHA-256 " in result.err and "--plugin feedback.py" in result.err
    exported = dfanp("export", tmp_path / "whole", "--out", tmp_path / "weights.npz", "--plugin", FEEDBACK)
    assert exported.code == 0


def test_a_page_without_the_plugin_says_which_one_is_missing(dfanp, forget, tmp_path):
    args = ("parity", *SMALL, "--plugin", FEEDBACK, "--method", "sign-symmetric", "--quiet", "--epochs", "1")
    assert dfanp(*args, "--out", tmp_path / "run").code == 0
    forget()
    result = dfanp("report", tmp_path / "run", "--out", tmp_path / "page.html")
    assert result.code == 0 and "this run needs the plugin feedback.py" in result.err
    assert "SIGN-SYMMETRIC" in (tmp_path / "page.html").read_text()


def test_another_version_is_not_resumed(dfanp, forget, tmp_path):
    mine = tmp_path / "mine.py"
    mine.write_text(FEEDBACK.read_text())
    args = ("parity", *SMALL, "--plugin", mine, "--method", "sign-symmetric", "--quiet", "--epochs", "1")
    assert dfanp(*args, "--out", tmp_path / "run").code == 0
    forget()
    mine.write_text(mine.read_text().replace("xp.sign(at.W.mT)", "xp.sign(at.W.mT) / 2"))
    result = dfanp(*args, "--out", tmp_path / "run")
    assert result.code == 1 and "holds a run with plugins ['mine.py " in result.err and result.err.count("\n") == 1
    result = dfanp("export", tmp_path / "run", "--out", tmp_path / "weights.npz", "--plugin", mine)
    assert result.code == 1 and "made with another version of the plugin mine.py: SHA-256 " in result.err


@pytest.mark.parametrize("workers", [1, 2])
def test_a_sweep(dfanp, tmp_path, workers):
    args = ("tune", "parity", *SMALL, "--plugin", FEEDBACK, "--method", "kolen-pollack,sign-symmetric")
    result = dfanp(*args, "--epochs", "2", "--workers", workers, "--out", tmp_path / "tuned", "--json")
    best = json.loads(result.out)["best"]
    assert result.code == 0 and [row["setting"]["method"] for row in best] == ["kolen-pollack", "sign-symmetric"]
    assert dfanp(*args, "--epochs", "2", "--out", tmp_path / "tuned", "--quiet").code == 0


def test_the_variable_names_it_too(dfanp, monkeypatch):
    monkeypatch.setenv("DFANP_PLUGINS", os.pathsep.join([str(FEEDBACK), str(FEEDBACK)]))
    assert dfanp("parity", *SMALL, "--method", "sign-symmetric", "--epochs", "1").code == 0
    assert "sign-symmetric" in dfanp("parity", "--plugin", FEEDBACK, "--help").out


def test_a_shell_completes_its_names(process):
    words = f"dfanp parity --plugin {FEEDBACK} --method sign"
    environment = {"_DFANP_COMPLETE": "bash_complete", "COMP_WORDS": words, "PATH": os.environ["PATH"]}
    import subprocess

    shown = subprocess.run([sys.executable, "-m", "dfanp_cli"], env=environment, capture_output=True, text=True)
    assert shown.stdout.split() == ["plain,sign-symmetric"]


BAD = {
    "a missing file": (None, "cannot be read (No such file or directory)"),
    "no Python": ("def", "fails (line 1: SyntaxError: "),
    "no text": (b"\xff\xfe\x00", "fails ("),
    "an error in line 3": ("import dfanp\n\n1 / 0\n", "fails (line 3: ZeroDivisionError: division by zero)"),
    "an exit": ("raise SystemExit(0)", "fails (line 1: SystemExit: 0)"),
    "nothing registered": ("import dfanp\n", "registers nothing: it should call dfanp.register"),
    "a name of dfanp's own": (
        'import dfanp\ndfanp.register(dfanp.Rule("dfa", lambda at: at.e @ at.B))\n',
        "fails (line 2: ValueError: 'dfa' is a built-in rule of dfanp: choose another name)",
    ),
    "no thing": (
        "import dfanp\ndfanp.register(3)\n",
        "fails (line 2: TypeError: only things of these kinds can be registered: ",
    ),
}


@pytest.mark.parametrize("source, said", BAD.values(), ids=BAD)
def test_a_plugin_that_fails_is_one_line(dfanp, tmp_path, source, said):
    path = tmp_path / "bad.py"
    if source is not None:
        path.write_bytes(source if isinstance(source, bytes) else source.encode())
    result = dfanp("parity", *SMALL, "--plugin", path, "--epochs", "1")
    assert result.code == 1 and result.out == "" and result.err.count("\n") == 1
    assert result.err.startswith(f"dfanp: the plugin {path} ") and said in result.err


@pytest.mark.parametrize("command", ["parity", "tune parity"])
def test_a_rule_that_fails_while_it_trains_is_one_line_too(dfanp, tmp_path, command):
    path = tmp_path / "late.py"
    path.write_text('import dfanp\ndfanp.register(dfanp.Rule("late", lambda at:\n    at.missing))\n')
    more = ("--out", tmp_path / "out") if command != "parity" else ()
    result = dfanp(*command.split(), *SMALL, "--plugin", path, "--method", "late", "--epochs", "1", "--quiet", *more)
    shown = result.err if command == "parity" else result.out
    assert result.code == 1 and "'At' object has no attribute 'missing'" in shown
    assert result.err.count("\n") == (1 if command == "parity" else 0)
    if command == "parity":
        assert result.err.startswith(f"dfanp: the plugin {path} fails (line 3: AttributeError: ")


def test_what_a_failing_plugin_registered_is_forgotten(tmp_path):
    path = tmp_path / "half.py"
    path.write_text(FEEDBACK.read_text() + "\nraise RuntimeError('half way')\n")
    with pytest.raises(plugins.PluginError, match="RuntimeError: half way"):
        plugins.load(path)
    assert "sign-symmetric" not in RULES and path not in plugins.LOADED
