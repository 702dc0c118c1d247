import json

import pytest

TINY = (
    "--data",
    "digits",
    "--hidden",
    "16",
    "--k",
    "2",
    "--epochs",
    "1",
    "--train-size",
    "512",
    "--test-size",
    "200",
    "--device",
    "cpu",
)


@pytest.fixture
def run(dfanp, tmp_path):
    """A folder with a run of two seeds."""
    assert dfanp("parity", *TINY, "--repeats", "2", "--out", tmp_path / "run", "--quiet").code == 0
    return tmp_path / "run"


def test_before_and_after(dfanp, run, tmp_path):
    result = dfanp("represent", run, "--place", "2")
    assert result.code == 0 and "seed 0" in result.err
    head, *lines = result.out.splitlines()
    assert head.split() == ["label", "read", "by", "before", "after"]
    assert {line.split()[0] for line in lines} == {"digit", "parity", "variance"}
    first, second = (json.loads(dfanp("represent", run, "--seed", seed, "--json", "--quiet").out) for seed in (0, 1))
    assert (
        first["before"] != first["after"]
        and first["after"] != second["after"]
        and set(first["after"]) >= {"target", "digit"}
    )
    assert dfanp("represent", run, "--plot", tmp_path / "map.png", "--map", "pca", "--samples", "60").code == 0
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")


def test_of_a_sweep_that_keeps(dfanp, tmp_path):
    args = ("tune", "parity", *TINY, "--lr", "0.01", "--keep", "--out", tmp_path / "sweep", "--quiet")
    assert dfanp(*args).code == 0
    (checkpoint,) = (tmp_path / "sweep" / "checkpoints").iterdir()
    assert dfanp("represent", checkpoint, "--samples", "100").code == 0
    stranger = checkpoint.with_name("0" * 64 + ".npz")
    stranger.write_bytes(checkpoint.read_bytes())
    result = dfanp("represent", stranger)
    assert result.code == 1 and "no such run" in result.err


@pytest.mark.parametrize(
    "args, line",
    [
        (("--layer", "2"), "from 1 to 1"),
        (("--place", "3"), "place must be"),
        (("--seed", "7"), "a seed of the run, 0, 1"),
        (("--layer", "1", "--place", "1"), "exclude each other"),
        (("--plot", "map.gif"), "must end in"),
    ],
)
def test_bad_usage(dfanp, run, args, line):
    result = dfanp("represent", run, *args)
    assert result.code == 2 and line in result.err and len(result.err.splitlines()) == 1


def test_what_is_no_run(dfanp, run, tmp_path):
    assert dfanp("represent", tmp_path / "absent").code == 1
    (run / "checkpoint.npz").write_bytes(b"PK")
    result = dfanp("represent", run)
    assert result.code == 1 and "corrupt" in result.err
    (run / "checkpoint.npz").unlink()
    assert "has not finished an epoch" in dfanp("represent", run).err
    config = json.loads((run / "config.json").read_text())
    config["config"]["problem"] = "chess"
    (run / "config.json").write_text(json.dumps(config))
    result = dfanp("represent", run)
    assert result.code == 1 and "not the settings of a run" in result.err


@pytest.mark.parametrize(
    "forged",
    [
        {"hidden": 5},
        {"hidden": ["5"]},
        {"hidden": [-1]},
        {"k": "3"},
        {"k": True},
        {"lr": [0.1]},
        {"seed": 0.5},
        {"repeats": 10**9},
        {"repeats": 0},
        {"dtype": None},
    ],
)
def test_forged_settings_are_reported(dfanp, run, forged):
    """Of another type, or so many that they alone would fill the memory."""
    config = json.loads((run / "config.json").read_text())
    config["config"] |= forged
    (run / "config.json").write_text(json.dumps(config))
    result = dfanp("represent", run)
    assert result.code == 1 and "not the settings of a run" in result.err and len(result.err.splitlines()) == 1


def test_a_network_larger_than_its_checkpoint_is_not_made(dfanp, run):
    config = json.loads((run / "config.json").read_text())
    config["config"]["hidden"] = [10**9]
    (run / "config.json").write_text(json.dumps(config))
    result = dfanp("represent", run)
    assert result.code == 1 and "fewer bytes than the run has weights" in result.err
