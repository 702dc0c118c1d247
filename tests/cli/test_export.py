import numpy as np
import pytest

from dfanp import interchange
from dfanp.files.npz import read_checkpoint

SMALL = [
    "--data",
    "digits",
    "--k",
    "1",
    "--hidden",
    "4",
    "--train-size",
    "200",
    "--test-size",
    "60",
    "--epochs",
    "1",
    "--device",
    "cpu",
]


@pytest.fixture
def diverged(dfanp, tmp_path):
    folder = tmp_path / "div"
    assert (
        dfanp(
            "parity", *SMALL, "--method", "bp", "--opt", "sgd", "--lr", "1e30", "--epochs", "2", "--out", folder
        ).code
        == 1
    )
    return folder


@pytest.mark.parametrize("suffix", interchange.SUFFIXES)
def test_a_run_that_has_diverged_is_one_line_and_no_file(dfanp, diverged, tmp_path, suffix):
    out = tmp_path / f"div{suffix}"
    result = dfanp("export", diverged, "--out", out)
    assert result.code == 1 and result.out == "" and not out.exists()
    assert result.err == f"dfanp: {diverged}: seed 0 has diverged: there are no weights to export\n"


def test_a_seed_that_has_not_is_named(dfanp, tmp_path):
    run = tmp_path / "run"
    assert dfanp("parity", *SMALL, "--repeats", "2", "--out", run).code == 0
    with np.load(run / "checkpoint.npz") as kept:
        arrays = dict(kept)
    arrays["alive"] = np.array([False, True])
    np.savez(run / "checkpoint.npz", **arrays)
    assert read_checkpoint(run / "checkpoint.npz", arrays)["alive"].tolist() == [False, True]
    result = dfanp("export", run, "--out", tmp_path / "a.npz")
    assert result.code == 1 and result.err.endswith("no weights to export; --seed 1 has not\n")
    assert dfanp("export", run, "--seed", "1", "--out", tmp_path / "a.npz").code == 0
    assert np.array_equal(interchange.load(tmp_path / "a.npz").W[0], arrays["parameters/W0"][1])


def test_what_is_written_is_read_back(dfanp, tmp_path):
    """Of every activation, with and without biases, in both formats."""
    for number, more in enumerate(
        (["--activation", "tanh", "--bias"], ["--activation", "identity", "--dtype", "float64"])
    ):
        run = tmp_path / f"run{number}"
        assert dfanp("parity", *SMALL, *more, "--out", run).code == 0
        for suffix in interchange.SUFFIXES:
            if suffix == ".safetensors":
                pytest.importorskip("safetensors")
            assert dfanp("export", run, "--out", tmp_path / f"a{suffix}").code == 0
            network = interchange.load(tmp_path / f"a{suffix}")
            assert network.activation.name == more[1] and network.bias == ("--bias" in more)
