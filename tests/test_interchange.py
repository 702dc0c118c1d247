"""Weights in and out, and through PyTorch."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest

import dfanp
from dfanp import RecordError, baselines, interchange


def network_of(activation="tanh", bias=True, dtype="float32", sizes=(5, 7, 4, 2)):
    return dfanp.MLP(sizes, activation, bias, dtype, seed=3)


def same(a, b):
    assert (a.sizes, a.bias, a.dtype, a.activation) == (b.sizes, b.bias, b.dtype, b.activation)
    assert all(np.array_equal(theta, b.parameters[name]) for name, theta in a.parameters.items())


@pytest.mark.parametrize("suffix", interchange.SUFFIXES)
@pytest.mark.parametrize("bias, dtype, activation", [(True, "float32", "tanh"), (False, "float64", "leaky-relu")])
def test_a_file_brings_the_network_back(tmp_path, suffix, bias, dtype, activation):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    network, path = network_of(activation, bias, dtype), tmp_path / f"weights{suffix}"
    interchange.save(network, path)
    same(interchange.load(path), network)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("bias", [False, True])
def test_pytorch_computes_the_same(rng, bias):
    torch = pytest.importorskip("torch")
    network = network_of("relu", bias)
    widths = list(zip(network.sizes, network.sizes[1:], strict=False))
    parts = [part for a, b in widths for part in (torch.nn.Linear(a, b, bias=bias), torch.nn.ReLU())]
    module = torch.nn.Sequential(*parts[:-1])
    state = interchange.state_dict(network)
    module.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})
    X = rng.standard_normal((6, 5)).astype(np.float32)
    with torch.no_grad():
        np.testing.assert_allclose(module(torch.from_numpy(X)).numpy(), network.forward(X)[-1], rtol=1e-5, atol=1e-6)
    same(interchange.from_state_dict(module.state_dict(), "relu"), network)


def test_more_than_ten_layers_stay_in_their_order():
    network = network_of(sizes=(3,) * 13)
    prefixed = {f"model.layers.{name}": array for name, array in interchange.state_dict(network).items()}
    same(interchange.from_state_dict(prefixed, "tanh"), network)


def test_what_does_not_fit_is_named():
    state = interchange.state_dict(network_of())
    for change, message in (
        ({"0.weight": np.zeros((7, 5, 1), np.float32)}, "'0.weight' of shape"),
        ({"2.weight": np.zeros((4, 6), np.float32)}, "do not fit onto each other"),
        ({"0.bias": np.zeros(6, np.float32)}, "as long as their output"),
        ({"0.weight": np.full((7, 5), np.nan, np.float32)}, "must be finite"),
        ({"0.weight": np.zeros((7, 5))}, "the same dtype"),
        ({"0.weight": np.zeros((7, 5), int)}, "dtype float32 or float64"),
        ({"0.running_mean": np.zeros(5, np.float32)}, "no weight"),
    ):
        with pytest.raises(ValueError, match=message):
            interchange.from_state_dict(state | change)
    with pytest.raises(ValueError, match="a weight for each layer"):
        interchange.from_state_dict({})
    for network in (dfanp.MLP((2, 3, 1), seed=(0, 1)), baselines.NTK((2, 3, 1))):
        with pytest.raises(ValueError, match="without replicas"):
            interchange.state_dict(network)
    with pytest.raises(ValueError, match="ends in .npz or .safetensors"):
        interchange.save(network_of(), "weights.pt")


@pytest.mark.parametrize("suffix", interchange.SUFFIXES)
def test_damaged_files_are_one_line(tmp_path, suffix):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    path = tmp_path / f"weights{suffix}"
    interchange.save(network_of(), path)
    content = path.read_bytes()
    for damaged in (
        b"",
        b"x" * 100,
        content[:50],
        content[: len(content) // 2],
        content[:-30],
        b"\xff" * 8 + content[8:],
    ):
        path.write_bytes(damaged)
        with pytest.raises(RecordError) as caught:
            interchange.load(path)
        assert "\n" not in str(caught.value) and str(path) in str(caught.value)
    with pytest.raises(RecordError, match="cannot be read"):
        interchange.load(tmp_path / f"absent{suffix}")


def test_a_forged_shape_costs_no_memory(tmp_path):
    """A header that promises terabytes, and an array of objects."""
    for dtype in ("<f4", "|O"):
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            header, {"descr": dtype, "fortran_order": False, "shape": (1 << 20, 1 << 20)}
        )
        with zipfile.ZipFile(tmp_path / "forged.npz", "w") as archive:
            archive.writestr("0.weight.npy", header.getvalue())
        with pytest.raises(RecordError, match="fewer bytes than it says|is object of shape"):
            interchange.load(tmp_path / "forged.npz")


def test_a_size_that_the_archive_claims_costs_no_memory(tmp_path):
    """The directory of the archive may be forged along with the header: what counts is the file's own size."""
    header, path = io.BytesIO(), tmp_path / "forged.npz"
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (0xFFFFF000,)})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("0.weight.npy", header.getvalue())
    content = bytearray(path.read_bytes())
    place = content.index(b"PK\1\2") + 20
    content[place : place + 8] = (0xFFFFFFF0).to_bytes(4, "little") * 2
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(RecordError, match="fewer bytes than it says"):
            interchange.load(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_export_of_a_run(tmp_path):
    from click.testing import CliRunner
    from dfanp_cli.main import cli

    run, out = str(tmp_path / "run"), str(tmp_path / "weights.npz")
    quick = [
        "--data",
        "digits",
        "--hidden",
        "8",
        "--epochs",
        "1",
        "--batch-size",
        "2000",
        "--repeats",
        "2",
        "--quiet",
    ]
    assert CliRunner().invoke(cli, ["parity", *quick, "--device", "cpu", "--out", run]).exit_code == 0
    done = CliRunner().invoke(cli, ["export", run, "--seed", "1", "--out", out])
    assert done.exit_code == 0 and "192 → 8 → 1" in done.output
    with np.load(tmp_path / "run" / "checkpoint.npz") as kept:
        assert np.array_equal(interchange.load(out).parameters["W0"], kept["parameters/W0"][1])
    assert CliRunner().invoke(cli, ["export", run, "--out", "weights.pt"]).exit_code == 2
    assert CliRunner().invoke(cli, ["export", run, "--seed", "7", "--out", out]).exit_code == 2
