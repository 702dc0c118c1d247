"""A problem in one file, a setting in one line: their commands, options, help, grids, completion and records."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
from dfanp_cli.derived import settings_for
from dfanp_cli.main import cli

from dfanp import plugins, registry
from dfanp.problems import PROBLEMS

PLUGINS = Path(__file__).parent.parent / "plugins"
SPIRALS, NOISY = PLUGINS / "spirals.py", PLUGINS / "noisy.py"
MINE = """\
import dfanp
from dfanp.settings import TrainingSettings, setting

@dfanp.register
class Mine(TrainingSettings):
"""
SMALL = (
    "--data",
    "digits",
    "--train-size",
    "400",
    "--test-size",
    "50",
    "--hidden",
    "8",
    "--epochs",
    "1",
    "--lr",
    "0.01",
)


@pytest.fixture
def forget():
    """Forget the plugins that are loaded, as a new process has none."""
    before = registry.registered()

    def call():
        plugins.LOADED.clear()
        registry.restore(before)

    return call


def completed(line, **environment):
    environment = {"_DFANP_COMPLETE": "bash_complete", "COMP_WORDS": line, "PATH": os.environ["PATH"]} | environment
    done = subprocess.run([sys.executable, "-m", "dfanp_cli"], env=environment, capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout.split()


def test_a_problem_of_a_plugin_has_a_command(dfanp, forget, tmp_path):
    args = (
        "spirals",
        "--plugin",
        SPIRALS,
        "--method",
        "bp",
        "--turns",
        "0.5",
        "--epochs",
        "15",
        "--out",
        tmp_path / "run",
    )
    result = dfanp(*args, "--json")
    printed = json.loads(result.out)
    assert result.code == 0 and "lr        0.01 (the default of spirals)" in result.err
    wanted = {
        "problem": "spirals",
        "turns": 0.5,
        "points": 400,
        "sampling": "uniform",
        "hidden": [32, 32],
        "bias": True,
    }
    assert wanted.items() <= printed["config"].items() and printed["config"]["plugins"][0].startswith("spirals.py ")
    assert printed["summary"]["test_accuracy"]["mean"] > 0.9
    forget()
    resumed = dfanp(*args, "--quiet")
    assert resumed.code == 0 and "spirals, turns = 0.5, points = 400, sampling = uniform: BP" in resumed.out

    page = tmp_path / "page.html"
    assert dfanp("report", tmp_path / "run", "--plugin", SPIRALS, "--out", page).err == ""
    assert (
        "Weights of this problem cannot be shown as a picture." in page.read_text()
        and "predicted 1" in page.read_text()
    )
    assert dfanp("export", tmp_path / "run", "--plugin", SPIRALS, "--out", tmp_path / "weights.npz").code == 0
    forget()
    result = dfanp("export", tmp_path / "run", "--out", tmp_path / "weights.npz")
    assert result.code == 1 and "this run needs the plugin spirals.py (SHA-256 " in result.err


@pytest.mark.parametrize("workers", [1, 2])
def test_it_is_swept(dfanp, tmp_path, workers):
    """Settings whose class a plugin defines reach the workers, which have not loaded it."""
    args = (
        "tune",
        "spirals",
        "--plugin",
        SPIRALS,
        "--turns",
        "0.25:0.5:2",
        "--sampling",
        "uniform,dense",
        "--lr",
        "0.01,0.02",
    )
    result = dfanp(
        *args,
        "--epochs",
        "2",
        "--points",
        "40",
        "--batch-size",
        "20",
        "--workers",
        workers,
        "--out",
        tmp_path / "tuned",
        "--json",
    )
    best = json.loads(result.out)["best"]
    assert result.code == 0 and [row["setting"] for row in best] == [
        {"turns": turns, "sampling": sampling} for turns in ("0.25", "0.5") for sampling in ("uniform", "dense")
    ]
    assert dfanp("tune", "spirals", "--plugin", SPIRALS, "--epochs", "1", "--out", tmp_path / "more").code == 0
    rates = {
        json.loads(line)["config"]["lr"] for line in (tmp_path / "more" / "store.jsonl").read_text().splitlines()
    }
    assert rates == {0.0025, 0.005, 0.01, 0.02, 0.04}


def test_its_help_is_made_of_its_class(dfanp, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    result = dfanp("spirals", "--plugin", SPIRALS, "--help")
    for line in (
        "Train a network to tell which of two spirals a point lies on.",
        "dfanp spirals --turns 2 --method dfa",
        "--turns NUMBER Number of turns of each spiral. [default: 1.0]",
        "--points INTEGER Number of points, and of test points. [default: 400; at least 2]",
        "One of uniform, dense.",
        "--lr NUMBER Learning rate. [default: 0.01]",
        "[default: bias]",
    ):
        assert line in " ".join(result.out.split()), line
    assert "--data" not in result.out and "--redraw" not in result.out
    swept = dfanp("tune", "spirals", "--plugin", SPIRALS, "--help").out
    assert (
        "Find the best setting for two spirals." in swept
        and "--turns LIST" in swept
        and "Some of uniform, dense." in swept
    )
    assert "five around the one of `dfanp spirals`" in " ".join(swept.split()) and "--score" not in swept


def test_it_is_listed_and_completed(dfanp, monkeypatch):
    assert completed(f"dfanp spirals --plugin {SPIRALS} --tu") == ["plain,--turns"]
    assert completed(f"dfanp spirals --plugin {SPIRALS} --sampling d") == ["plain,dense"]
    assert completed(f"dfanp tune spirals --plugin {SPIRALS} --sampling uniform,d") == ["plain,uniform,dense"]
    assert completed("dfanp sp", DFANP_PLUGINS=str(SPIRALS)) == ["plain,spirals"]
    assert completed("dfanp tune sp", DFANP_PLUGINS=str(SPIRALS)) == ["plain,spirals"]
    assert completed(f"dfanp spirals --plugin {PLUGINS}/none.py --tu") == []
    result = dfanp("spirls", "--plugin", SPIRALS)
    assert result.code == 2 and "did you mean 'spirals'?" in result.err and result.err.count("\n") == 1
    monkeypatch.setenv("DFANP_PLUGINS", str(SPIRALS))
    assert "  spirals     Train on two spirals." in dfanp("--help").out
    assert dfanp("spirals", "--epochs", "1", "--points", "9").code == 2  # mini-batches of 128


@pytest.mark.parametrize(
    "args, message",
    [
        (("--turns", "0"), "'0' is not a finite number above 0"),
        (("--points", "1"), "1 is not in the range"),
        (("--sampling", "denser"), "did you mean 'dense'?"),
        (("--turn", "1"), "did you mean '--turns'?"),
    ],
)
def test_bad_usage_of_it(dfanp, args, message):
    result = dfanp("spirals", "--plugin", SPIRALS, *args)
    assert result.code == 2 and message in result.err and result.err.count("\n") == 1


BAD = {
    "the name of a command": (
        'name = "tune"',
        2,
        "a plugin has a problem 'tune', which is the name of a command: choose another name",
    ),
    "the name of a problem": (
        'name = "parity"',
        1,
        "ValueError: 'parity' is a built-in problem of dfanp: choose another name)",
    ),
    "no name": ("", 1, "ValueError: the name of a problem must be text without spaces, commas or slashes, got None)"),
    "a type that no option has": (
        'name = "mine"\n    when: dict = setting(None, "When.")',
        1,
        "TypeError: the setting 'when' must be annotated with bool, int, float, str or tuple[int, ...]",
    ),
    "a default out of its range": (
        'name = "mine"\n    n: int = setting(0, "Points.", least=1)',
        1,
        "ValueError: n must be a whole number of at least 1, got 0)",
    ),
    "a name that it has from its class": (
        'name = "mine"\n    n: int = setting(1, "Points.", name="m")',
        1,
        "TypeError: setting() has no argument 'name')",
    ),
    "an unknown argument": (
        'name = "mine"\n    n: int = setting(1, "Points.", min=1)',
        1,
        "TypeError: setting() has no argument 'min')",
    ),
}


@pytest.mark.parametrize("body, code, message", BAD.values(), ids=BAD)
def test_settings_that_cannot_be_are_one_line(dfanp, tmp_path, body, code, message):
    path = tmp_path / "bad.py"
    path.write_text(f"{MINE}    {body or 'pass'}\n")
    result = dfanp("mine", "--plugin", path)
    assert result.code == code and message in result.err and result.err.count("\n") == 1


def test_a_setting_of_a_plugin_is_an_option(dfanp, forget, tmp_path):
    args = ("parity", *SMALL, "--plugin", NOISY, "--noise", "0.25", "--k", "1", "--out", tmp_path / "run")
    config = json.loads(dfanp(*args, "--json", "--quiet").out)["config"]
    assert config["noise"] == 0.25 and list(config)[-1] == "noise"
    assert "--noise NUMBER" in dfanp("parity", "--plugin", NOISY, "--help").out
    result = dfanp(*args, "--noise", "1.5")
    assert result.code == 2 and "1.5 is not in the range" in result.err
    both = dfanp(*args, "--redraw", "1")
    assert both.code == 2 and both.err == "dfanp: no settings of parity have all of these: noise, redraw\n"
    forget()
    result = dfanp("export", tmp_path / "run", "--out", tmp_path / "weights.npz")
    assert result.code == 1 and "this run needs the plugin noisy.py" in result.err
    plain = json.loads(dfanp("parity", *SMALL, "--k", "1", "--json", "--quiet").out)["config"]
    assert "noise" not in plain
    assert dfanp("parity", "--noise", "0.1").err.startswith("dfanp: no option '--noise'")


def test_it_is_swept_and_completed_too(dfanp, tmp_path):
    args = ("tune", "parity", *SMALL, "--k", "1", "--plugin", NOISY, "--noise", "0:0.5:2", "--workers", "2")
    result = dfanp(*args, "--out", tmp_path / "tuned", "--json", "--quiet")
    assert [row["setting"]["noise"] for row in json.loads(result.out)["best"]] == ["0", "0.5"]
    lines = [json.loads(line) for line in (tmp_path / "tuned" / "store.jsonl").read_text().splitlines()]
    loss = {line["config"]["noise"]: line["rows"][-1]["train_loss"] for line in lines}
    assert loss[0.5] > loss[0.0]
    assert completed(f"dfanp parity --plugin {NOISY} --noi") == ["plain,--noise"]
    assert completed(f"dfanp tune parity --plugin {NOISY} --noi") == ["plain,--noise"]
    assert completed("dfanp parity --noi") == []


def test_a_value_that_stands_for_several_is_for_a_sweep(dfanp):
    result = dfanp("synthetic", "--labels", "balanced")
    assert result.code == 2
    assert result.err == "dfanp: 'balanced' is 252 values of labels; use `dfanp tune synthetic`\n"


def test_where_no_rate_is_known_one_must_be_given(dfanp, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        f"{MINE}    name = 'mine'\n\n    def problem(self, dataset, backend):\n"
        "        return dfanp.Arrays([[0, 1], [1, 0]] * 64, [0, 1] * 64, dtype=self.dtype, backend=backend)\n"
    )
    for command in (("mine",), ("tune", "mine", "--out", tmp_path / "tuned")):
        result = dfanp(*command, "--plugin", path, "--epochs", "1")
        assert result.code == 2 and result.err.count("\n") == 1
        assert "no learning rate is known for the optimizer 'rmsprop': give one (--lr)" in result.err
    assert dfanp("mine", "--plugin", path, "--epochs", "1", "--lr", "0.1", "--quiet").out.startswith(
        "mine: DFA, uniform B"
    )
    assert "Train a network on the problem mine." in dfanp("mine", "--plugin", path, "--help").out


def limits():
    """Yield problem, setting, and a value beyond a limit of it, for each limit of each setting."""
    for kind in PROBLEMS.values():
        for name, each in settings_for(kind).items():
            beyond = {"least": -1, "most": 1, "above": 0}
            for limit in (limit for limit in beyond if getattr(each, limit) is not None and each.help):
                value = getattr(each, limit) + beyond[limit]
                yield kind.name, name, int(value) if each.type is not float else float(value)


def required(kind):
    """Return values of the settings of a problem that have no default."""
    return {"lr": 0.1} | ({"data": "mine.csv"} if kind.name == "train" else {})


@pytest.mark.parametrize("problem, name, value", list(limits()))
def test_a_limit_holds_on_the_command_line_in_python_and_in_records(dfanp, tmp_path, problem, name, value):
    from dfanp import RecordError
    from dfanp.settings import from_config, made

    option = f"--{name.replace('_', '-')}"
    result = dfanp(problem, f"{option}={value}")
    assert result.code == 2 and f"'{option}'" in result.err and result.err.count("\n") == 1
    swept = dfanp("tune", problem, f"{option}={value}", "--out", tmp_path / "tuned")
    assert swept.code == 2 and (name == "repeats" or f"'{option}'" in swept.err) and not (tmp_path / "tuned").exists()
    kind, value = PROBLEMS[problem], (value,) if settings_for(PROBLEMS[problem])[name].type is tuple else value
    with pytest.raises(ValueError, match=name):
        made(kind, **required(kind) | {name: value})
    config = {"problem": problem} | required(kind) | {name: list(value) if isinstance(value, tuple) else value}
    with pytest.raises(RecordError, match=f"config.json: {name} cannot be "):
        from_config(config, "config.json")


@pytest.mark.parametrize("problem", PROBLEMS)
def test_every_option_is_what_its_setting_says(dfanp, problem):
    with click.Context(cli) as context:
        options = {each.name: each for each in cli.get_command(context, problem).params}
    for name, each in settings_for(PROBLEMS[problem]).items():
        if not each.help:
            assert name not in options
            continue
        option, default = options[name], each.default
        if isinstance(option, click.Argument):  # described in the text
            continue
        assert option.help.startswith(each.help.removesuffix(".")) and (option.metavar or each.metavar is None)
        if each.type is bool and each.words:
            assert option.flag_value in each.words
        elif each.auto:
            assert option.default == "auto" and each.default != "auto"
        elif not each.unset and default is not None:
            assert option.default == (",".join(map(str, default)) if each.type is tuple else default)


def test_labels_of_the_noisy_problem_are_turned(tiny):
    plugins.load(NOISY)
    kind = PROBLEMS.variants(PROBLEMS["parity"])[-1]
    sizes = dict(lr=1.0, k=2, train_size=2000, test_size=10, data="tiny")
    from dfanp import Backend

    backend = Backend("cpu", kernels="numpy")
    y, noisy = (kind(noise=noise, **sizes).problem(tiny, backend).train(0, 1)[1] for noise in (0.0, 0.3))
    assert np.mean(y != noisy) == pytest.approx(0.3, abs=0.03) and set(noisy.ravel()) == {0, 1}
