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


RELU = lambda a: np.maximum(a, 0)
SQUARES = [np.random.default_rng(seed).standard_normal((8, 8)).astype(np.float32) for seed in range(3)]
INPUT = np.random.default_rng(3).standard_normal((4, 8)).astype(np.float32)
ANSWER = RELU(RELU(INPUT @ SQUARES[0].T) @ SQUARES[1].T) @ SQUARES[2].T


def stored(names, arrays=SQUARES):
    return {f"{name}.weight": W for name, W in zip(names, arrays, strict=True)}


def answers_rightly(network):
    np.testing.assert_allclose(network.forward(INPUT)[-1], ANSWER, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "names",
    [
        ("fc1", "fc2", "out"),
        ("encoder.0", "encoder.2", "classifier.0"),
        ("layers.0", "layers.1", "head"),
        ("input", "hidden", "output"),
        ("2.stem", "1.body", "head"),  # numbers that count nothing in common
        ("block1.fc1", "block1.fc2", "block2.fc1"),
        ("layer9", "layer10", "layer11"),
        ("module.model.0", "module.model.2", "module.model.4"),
    ],
)
def test_layers_follow_on_each_other_as_they_are_stored(names, tmp_path):
    answers_rightly(interchange.from_state_dict(stored(names)))
    for write in (np.savez, np.savez_compressed):
        write(tmp_path / "others.npz", **stored(names))
        answers_rightly(interchange.load(tmp_path / "others.npz", "relu"))


def test_numbers_that_contradict_the_order_are_reported_and_not_guessed():
    mixed = stored(("layers.1", "layers.0", "head"))
    with pytest.raises(ValueError, match="order of the layers contradicts the numbers in their names: give it"):
        interchange.from_state_dict(mixed)
    answers_rightly(interchange.from_state_dict(mixed, layers=("layers.1", "layers.0", "head")))


UNLIKE = [W[:rows, :columns] for W, rows, columns in zip(SQUARES, (7, 6, 5), (8, 7, 6), strict=True)]


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0), (2, 0, 1)])
@pytest.mark.parametrize(
    "names", [("encoder.0", "encoder.2", "classifier.0"), ("layers.0", "layers.1", "head"), ("a", "b", "c")]
)
def test_shapes_decide_where_they_can(names, order):
    """Sorted names, as a .safetensors file has them, or a dict that was put together in another order."""
    state = stored(names, UNLIKE)
    network = interchange.from_state_dict({f"{names[at]}.weight": UNLIKE[at] for at in order})
    assert network.sizes == (8, 7, 6, 5)
    assert all(np.array_equal(W, state[f"{name}.weight"].T) for W, name in zip(network.W, names, strict=True))


def test_shapes_that_fit_as_stored_alone_go_before_numbers():
    """A decoder may count down."""
    network = interchange.from_state_dict(stored(("up3", "up2", "up1"), UNLIKE))
    assert network.sizes == (8, 7, 6, 5)


@pytest.mark.parametrize("number", [300, 3000])
def test_many_layers_without_numbers_are_no_riddle(number):
    """As stored, or undecided: no search through their orders."""
    names = ["".join("abcdefghij"[int(digit)] for digit in f"{at:04}") for at in range(number)]
    state = {f"{name}.weight": np.eye(2, dtype=np.float32) for name in names}
    assert len(interchange.from_state_dict(state).sizes) == number + 1
    with pytest.raises(ValueError, match="the order of the layers does not follow"):
        interchange.in_order({name: (2, 2) for name in names}, stored=False)


def test_layers_names_those_to_take():
    state = stored(("body.0", "body.2", "head")) | {
        "body.1.running_mean": np.zeros(8),
        "conv.weight": np.zeros((1, 1, 3, 3)),
        "step": np.array(3),
    }
    answers_rightly(interchange.from_state_dict(state, layers=("body.0", "body.2", "head")))
    with pytest.raises(ValueError, match=r"'body.1.running_mean'.*is not a weight.*layers=\(…\) selects layers"):
        interchange.from_state_dict(state)
    with pytest.raises(ValueError, match="a weight for each layer, but 'tail' has none"):
        interchange.from_state_dict(state, layers=("body.0", "tail"))
    for wrong in ("body.0", ("body.0", "body.0"), (0, 1), 3):
        with pytest.raises(ValueError, match="layers must be the names of the layers, each once"):
            interchange.from_state_dict(state, layers=wrong)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
@pytest.mark.parametrize("half", [None, "float16", "bfloat16"])
@pytest.mark.parametrize("prefix", ["", "module.", "model.layers."])
def test_a_file_of_pytorch_is_read(tmp_path, metadata, half, prefix):
    torch, safetensors = pytest.importorskip("torch"), pytest.importorskip("safetensors.torch")
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Linear(8, 8), torch.nn.Tanh(), torch.nn.Linear(8, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3)
    )
    module = module.to(getattr(torch, half)) if half else module
    state = {f"{prefix}{name}": tensor for name, tensor in module.state_dict().items()}
    safetensors.save_file(state, tmp_path / "theirs.safetensors", metadata)
    with torch.no_grad():
        want = module.float()(torch.from_numpy(INPUT)).numpy()
    for network in (
        interchange.load(tmp_path / "theirs.safetensors", activation="tanh"),
        interchange.from_state_dict(state, "tanh"),
    ):
        assert network.dtype == "float32" and network.bias
        np.testing.assert_allclose(network.forward(INPUT)[-1], want, rtol=1e-4, atol=1e-5)
    with pytest.raises(RecordError, match=r"does not name the activation .* give it: load.path, activation='relu'."):
        interchange.load(tmp_path / "theirs.safetensors")


def test_a_safetensors_file_has_no_order(tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    path, names = tmp_path / "sorted.safetensors", ("encoder.0", "encoder.2", "classifier.0")
    safetensors.save_file(stored(names), path)
    with pytest.raises(
        RecordError, match=r"does not follow from their names and shapes: give it, first to last, as layers=\('"
    ):
        interchange.load(path, "relu")
    answers_rightly(interchange.load(path, "relu", layers=names))
    safetensors.save_file(stored(names, UNLIKE), path)
    assert interchange.load(path, "relu").sizes == (8, 7, 6, 5)


def test_what_a_file_says_of_its_activation(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, **stored(("0", "2", "4")), activation="tanh")
    assert interchange.load(path).activation.name == "tanh"
    answers_rightly(interchange.load(path, activation="relu"))
    np.savez(path, **stored(("0", "2", "4")), activation="swish")
    with pytest.raises(RecordError, match="names the activation 'swish', which is not registered"):
        interchange.load(path)
    np.savez(path, **stored(("0", "2", "4")), activation=np.zeros((2, 2)))
    with pytest.raises(RecordError, match="does not name the activation"):
        interchange.load(path)
    with pytest.raises(ValueError, match="unknown activation 'rely'.*did you mean 'relu'"):
        interchange.load(path, activation="rely")
    np.savez(path, **stored(["weights"], SQUARES[:1]))
    assert interchange.load(path).sizes == (8, 8)  # without hidden layers it makes no difference


def test_an_activation_of_ones_own(tmp_path):
    path, (f, df) = tmp_path / "a.npz", (dfanp.activations.tanh.f, dfanp.activations.tanh.df)
    swish, named_alike = dfanp.Activation("swish", f, df), dfanp.Activation("relu", f, df)
    for activation in (swish, named_alike):  # a name that does not lead back to it is not written
        network = dfanp.MLP((5, 7, 2), activation, seed=3)
        interchange.save(network, path)
        with pytest.raises(RecordError, match="does not name the activation"):
            interchange.load(path)
        same(interchange.load(path, activation), network)
    dfanp.register(swish)
    try:
        interchange.save(dfanp.MLP((5, 7, 2), swish, seed=3), path)
        assert interchange.load(path).activation is swish
    finally:
        dfanp.activations.ACTIVATIONS.remove("swish")


@pytest.mark.parametrize("suffix", interchange.SUFFIXES)
@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_what_cannot_be_read_back_is_not_written(tmp_path, suffix, value):
    network, path = network_of(), tmp_path / f"a{suffix}"
    path.write_bytes(b"before")
    network.W[1][2, 3] = value
    with pytest.raises(
        ValueError, match="'2.weight' must be finite, but 1 of its 28 values are not: the network has diverged"
    ):
        interchange.save(network, path)
    assert path.read_bytes() == b"before"


@pytest.mark.parametrize("state, message", [
    (None, "state must be a dict, such as module.state_dict"),
    ([("0.weight", np.eye(2))], "state must be a dict"),
])  # fmt: skip
def test_what_is_no_state_dict(state, message):
    with pytest.raises(TypeError, match=message):
        interchange.from_state_dict(state)


def test_tensors_without_values_are_named():
    torch = pytest.importorskip("torch")
    with pytest.raises(ValueError, match="'0.weight' cannot be read as an array"):
        interchange.from_state_dict({"0.weight": torch.empty(2, 2, device="meta")})
    with pytest.raises(
        ValueError, match="'0.weight' must be of dtype float32 or float64, or of half precision, got int64"
    ):
        interchange.from_state_dict({"0.weight": torch.ones(2, 2, dtype=torch.int64)})
    with pytest.raises(TypeError, match="state must be a dict, such as module.state_dict.., got Linear"):
        interchange.from_state_dict(torch.nn.Linear(2, 2))
    with pytest.raises(ValueError, match="'model' of shape|'model' cannot be read"):
        interchange.from_state_dict({"model": {"0.weight": torch.ones(2, 2)}})


def test_a_file_of_pickles_gets_a_message_that_says_how_to_read_it():
    with pytest.raises(ValueError, match=r"from_state_dict\(torch.load\(path\), activation=…\)"):
        interchange.load("model.pth")


def test_what_does_not_fit_is_named():
    state = interchange.state_dict(network_of())
    for change, message in (
        ({"0.weight": np.zeros((7, 5, 1), np.float32)}, "'0.weight' of shape"),
        ({"2.weight": np.zeros((4, 6), np.float32)}, "do not fit onto each other"),
        ({"0.bias": np.zeros(6, np.float32)}, "as long as their output"),
        (
            {"0.weight": np.full((7, 5), np.nan, np.float32)},
            "'0.weight' must be finite, but 35 of its 35 values are not",
        ),
        ({"0.weight": np.zeros((7, 5))}, "the same dtype"),
        ({"0.weight": np.zeros((7, 5), int)}, "dtype float32 or float64"),
        ({"0.running_mean": np.zeros(5, np.float32)}, "is not a weight"),
    ):
        with pytest.raises(ValueError, match=message):
            interchange.from_state_dict(state | change)
    with pytest.raises(ValueError, match="a weight for each layer"):
        interchange.from_state_dict({})
    for network in (dfanp.MLP((2, 3, 1), seed=(0, 1)), baselines.NTK((2, 3, 1))):
        with pytest.raises(ValueError, match="without replicas"):
            interchange.state_dict(network)
    with pytest.raises(ValueError, match="must be .npz or .safetensors"):
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
        with pytest.raises(RecordError, match="fewer bytes than it claims|is object of shape"):
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
        with pytest.raises(RecordError, match="fewer bytes than it claims"):
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
