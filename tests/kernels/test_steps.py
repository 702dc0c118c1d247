"""Recorded steps of any multilayer perceptron: the CUDA kernels emulated, cuBLAS by cublas.cc, graphs by recording what is called."""

import ctypes
import gc
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import dfanp
from dfanp.inputs import Bank, StackedDigits, WeightGradient
from dfanp.kernels import cuda
from dfanp.kernels.cuda import card, steps
from dfanp.kernels.cuda.cublas import Cublas, Stack, loaded
from dfanp.kernels.tier import KernelFailure
from dfanp.optimizers import OPTIMIZERS

from . import emulated
from .emulated import EmulatedCard, cublas, emulated_backend, need_emulator, with_tier
from .test_table import ANY_MLP, OneEpoch, digits, exact, fused, same_any

pytestmark = pytest.mark.slow
MORE = """
7,6,5     3       cross-entropy kp   tanh       adam       float64 yes  all  all     best
7,6       1       bce           kp   sigmoid    sgd        float64 no   one  all     best
7,5       1       bce           dkp  relu       momentum   float32 yes  all  all     best
7,6,5     3       bce           sdfa tanh       sgd        float64 yes  one  all     best
7         1       bce           sdfa tanh       adagrad    float64 no   all  all     best
7,5       10      cross-entropy drtp tanh       adam       float64 yes  all  all     best
7,5       1       bce           drtp leaky-relu nesterov   float64 yes  one  all     best
7,5       1       bce           dkp  tanh       adam       float64 yes  one  output  best
"""
ROWS = [row for text in (ANY_MLP.partition("level\n")[2], MORE.strip()) for row in text.strip().split("\n")]


def trainings(rng, row, stacked, n=45, pixels=20, backend=None):
    """Yield a Training by the kernels and one by the definition, for a row of ANY_MLP, and the examples."""
    hidden, outputs, loss, rule, activation, optimizer, dtype, bias, seed, layers, _ = row.split()
    backend, replicas = backend or emulated_backend(), () if seed == "one" else (2,)
    if stacked:
        X = digits(rng, 2, pixels, n, dtype, backend, replicas)
    else:
        X = rng.standard_normal((*replicas, n, 23)).astype(dtype)
    y = rng.integers(0, max(2, int(outputs)), (*replicas, n))
    y = np.eye(int(outputs))[y] if outputs != "1" else y[..., None]
    kind = OPTIMIZERS[optimizer]
    numbers = {"eps": 1e-2} if hasattr(kind, "eps") else {}
    optimizer = kind((0.01, 0.02) if replicas else 0.02, weight_decay=0.1, **numbers)
    definition = dfanp.Backend("cpu", kernels="numpy")
    for each, examples, of in (
        (backend, X, dtype),
        (definition, exact(X) if stacked else X.astype(float), "float64"),
    ):
        problem = OneEpoch(examples, y, of, each)
        problem.outputs, problem.loss = int(outputs), loss
        sizes = X.shape[-1], *map(int, hidden.split(",")), int(outputs)
        network = dfanp.MLP(sizes, activation, bias == "yes", of, (0, 1) if replicas else 0, each)
        yield dfanp.Training(network, problem, rule, optimizer, batch_size=16, layers=layers)


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("stacked", [True, False])
def test_any_mlp(rng, row, stacked):
    """Depth, biases, outputs, losses, rules, optimizers, replicas, on stacked digits and on arrays."""
    training, definition = trainings(rng, row, stacked)
    with fused(training.backend) as calls:
        mine = training, list(training.epochs(2))
    assert len(calls) >= 4 and all(calls) and not training.backend.kernels.notes
    same_any(mine, (definition, list(definition.epochs(2))), training.network.dtype)


DEEP = "7,6,5 3 cross-entropy fa tanh adam float32 yes all all best"


def run_of(seed, epochs=2, at=None, **of_card):
    """Train a deep network on two epochs of examples of their own; return its arrays and records."""
    backend = emulated_backend()
    for name, value in of_card.items():
        setattr(backend.kernels.tier.card, name, value)
    rng = np.random.default_rng(5)
    X, y = digits(rng, 2, 20, 50, "float32", backend), np.eye(3)[rng.integers(0, 3, 50)]
    problem = OneEpoch(X, y, "float32", backend)
    problem.outputs, problem.loss = 3, "cross-entropy"
    network = dfanp.MLP((problem.features, 7, 6, 3), "tanh", True, seed=seed, backend=backend)
    training = dfanp.Training(network, problem, "fa", dfanp.Adam(0.01), batch_size=16)
    if at is not None:
        training.restore(at)
    return training.arrays() if not epochs else None, list(training.epochs(epochs)), training.arrays()


def test_bytes_repeat_resume_and_do_not_depend_on_threads_or_replicas():
    _, records, arrays = run_of(3)
    for other in (run_of(3), run_of(3, descending=True)):
        assert other[1] == records and all(np.array_equal(arrays[name], other[2][name]) for name in arrays)
    resumed = run_of(3, at=run_of(3, epochs=1)[2])
    assert resumed[1] == records[1:] and all(np.array_equal(arrays[name], resumed[2][name]) for name in arrays)
    _, both, joint = run_of((2, 3))
    assert [record.replica(1) for record in both] == records
    for name, array in arrays.items():
        assert not name.startswith("parameters") or np.array_equal(joint[name][1], array)


def test_launches_of_a_step(rng):
    """Of our own, for L layers: one to gather, one for each hidden layer forth and back, one for the output, one for all updates."""
    (training, _) = trainings(rng, DEEP, True)
    training.run_epoch()
    made = training.backend.kernels.tier.known[id(training.network)]
    of_training, of_test = made[True], made[False]
    each, graph = of_training.graph
    assert each == 2 and training.backend.kernels.tier.card.launched.count("graph") >= 2
    backend, examples = training.backend.kernels.tier.card, (training.problem.X, training.problem.y)
    kept = of_training.begin(*examples, None, 1)
    backend.launched.clear()
    of_training.step(16)
    layers = 4
    assert sorted(set(backend.launched)) == ["activate", "gather", "output", "product", "slope", "update"]
    assert len([name for name in backend.launched if name != "product"]) == 2 * layers + 1
    assert backend.launched.count("product") == 3 * layers - 1 and len(graph.calls) == each * (5 * layers)
    kept = of_test.begin(*examples, None, 1)
    backend.launched.clear()
    of_test.step(16)
    assert len(kept) == 4
    assert backend.launched.count("product") == 2 * layers  # two replicas in turn


def test_steps_are_described_anew_where_something_changed(rng):
    """Arrays bound anew, another rule or rate; and nothing is kept of networks that are gone."""
    runs = list(trainings(rng, "7,6 1 bce dfa tanh sgd float64 yes one all best", False))
    for change in (
        lambda run: None,
        lambda run: run.network.parameters.update(W0=run.network.parameters["W0"] * 2),
        lambda run: run.B.__setitem__(0, -run.B[0]),
        lambda run: setattr(run, "rule", dfanp.rules.get("bp")),
        lambda run: setattr(run, "optimizer", dfanp.SGD(0.05, weight_decay=0.1)),
        lambda run: run.state.lr.update(W0=0.2, b0=0.1),
        lambda run: setattr(run.network, "activation", dfanp.activations.get("sigmoid")),
        lambda run: setattr(run, "loss", dfanp.losses.get("mse")),
        lambda run: setattr(run, "batch_size", 20),
    ):
        for run in runs:
            change(run)
            run.run_epoch()
        for name, theta in runs[1].network.parameters.items():
            np.testing.assert_allclose(runs[0].network.parameters[name], theta, rtol=1e-9, atol=1e-12)
    known = runs[0].backend.kernels.tier.known
    assert known
    del runs, run, change
    gc.collect()
    assert not known


def test_a_graph_is_recorded_once_for_all_epochs(rng, monkeypatch):
    recorded = []
    record = steps.Steps.record
    monkeypatch.setattr(steps.Steps, "record", lambda self, full: [recorded.append(self), record(self, full)])
    (training, _) = trainings(rng, DEEP, True)
    training.run_epoch()
    recorded.clear()
    list(training.epochs(4))
    assert not recorded


def test_arrays_with_gaps_and_matrices_of_other_shapes_are_declined(rng):
    (training, definition) = trainings(rng, "7,6 1 bce fa tanh sgd float64 no one all best", False)
    for run in (training, definition):
        wide = np.zeros((6, 14))
        wide[:, ::2] = run.B[0]
        run.B[0] = wide[:, ::2]
    with fused(training.backend) as calls:
        records = [list(run.epochs(1)) for run in (training, definition)]
    assert False in calls and records[0][0].train_loss == pytest.approx(records[1][0].train_loss, rel=1e-9)


def test_images_that_are_ordered_by_columns(rng):
    """By a product, by recorded steps, and by a pass."""
    for hidden, bias in (((7, 5), True), ((9,), False)):
        backend, found = emulated_backend(), []
        X, y = digits(rng, 2, 20, 40, "float32", backend), rng.integers(0, 2, (40, 1))
        W = rng.standard_normal((40, 5)).astype(np.float32)
        for raw in (X.bank.raw, np.asfortranarray(X.bank.raw)):
            bank = Bank(raw, 33.3, 78.5, "float32", backend)
            examples = StackedDigits(bank, X.picks)
            network = dfanp.MLP((40, *hidden, 1), bias=bias, backend=backend)
            problem = OneEpoch(examples, y, "float32", backend)
            record = dfanp.Training(network, problem, "dfa", dfanp.SGD(0.1), batch_size=16).run_epoch()
            found.append((examples @ W, record))
        assert found[0][1] == found[1][1] and np.array_equal(found[0][0], found[1][0])


@pytest.mark.parametrize("full, each", [(468, 13), (16, 16), (7, 7), (1, 1), (10, 10), (17, 16), (400, 16)])
def test_graphs_cover_the_steps(full, each):
    assert steps.recorded_steps(full) == each


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", [0, (0, 3)])
@pytest.mark.parametrize("rule", ["bp", "kp", "drtp"])
def test_nothing_leaves_the_device(make_training, strict_cuda_backend, rule, seed, dtype):
    """On array-api-strict off the host, where each silent copy raises; with a rate for each replica."""
    optimizer = dfanp.RMSProp(0.01 if seed == 0 else (0.01, 0.02))
    arguments = dict(seed=seed, rule=rule, optimizer=optimizer, hidden=(7, 5), dtype=dtype, bias=True)
    there, here = (make_training(backend=each, **arguments) for each in (strict_cuda_backend, None))
    for a, b in zip(there.epochs(2), here.epochs(2), strict=True):
        np.testing.assert_allclose(a.train_loss, b.train_loss, rtol=1e-4)
    assert "graph" in strict_cuda_backend.kernels.tier.card.launched


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shared", ["none", "A", "B"])
@pytest.mark.parametrize("transposed", [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_products(rng, dtype, shared, transposed):
    """Each factor transposed or not, of its own for each replica or shared; the sizes all differ."""
    need_emulator()
    device, (R, m, k, n) = EmulatedCard(), (3, 4, 5, 6)
    arrays, stacks = [], []
    for name, shape, flip in (("A", (m, k), transposed[0]), ("B", (k, n), transposed[1])):
        leading = () if shared == name else (R,)
        array = rng.standard_normal((*leading, *(shape[::-1] if flip else shape))).astype(dtype)
        stack = Stack(array.ctypes.data, *array.shape[-2:], array.shape[-1] * array.shape[-2] if leading else 0)
        arrays.append(array.mT if flip else array)
        stacks.append(stack.mT if flip else stack)
        assert (stacks[-1].rows, stacks[-1].columns) == shape
    C = np.full((R, m, n), np.nan, dtype)
    device.product(*stacks, Stack(C.ctypes.data, m, n, m * n), R, np.dtype(dtype))
    np.testing.assert_allclose(C, arrays[0] @ arrays[1], rtol=1e-5 if dtype == "float32" else 1e-12, atol=1e-6)


@pytest.mark.parametrize("R", [1, 2])
def test_products_of_tf32_are_rounded(rng, R):
    """More than rounding of float32 would do it, with one replica and with several."""
    need_emulator()
    device, A, B = EmulatedCard(), *rng.standard_normal((2, R, 8, 8)).astype(np.float32)
    found = np.empty((2, R, 8, 8), np.float32)
    stack = lambda array: Stack(array.ctypes.data, 8, 8, 64)
    for C, tf32 in zip(found, (False, True), strict=True):
        device.product(stack(A), stack(B), stack(C), R, np.dtype("float32"), tf32)
    assert np.abs(found[0] - A @ B).max() < 1e-5
    assert 1e-4 < np.abs(found[1] - found[0]).max() < 2e-2


@pytest.mark.parametrize("shared", [False, True])
def test_gradients_of_replicas_copy_no_transpose(rng, monkeypatch, shared):
    backend = emulated_backend()
    X = digits(rng, 2, 20, 9, "float32", backend, () if shared else (3,))
    delta = rng.standard_normal((3, 9, 5)).astype(np.float32)
    monkeypatch.setattr(np, "matrix_transpose", None)
    g = backend.kernels.tier.gradient(WeightGradient(X, delta))
    np.testing.assert_allclose(g, X.dense().mT @ delta, rtol=1e-4, atol=1e-4)
    assert backend.kernels.tier.card.launched.count("product") == 1


def test_tf32_trains_in_recorded_steps(rng):
    need_emulator()
    found = []
    for kind in (cuda.Cuda, cuda.CudaTF32):
        backend = with_tier(dfanp.Backend("cpu", kernels="numpy", threads=1), kind(np, EmulatedCard()))
        (training, _) = trainings(
            np.random.default_rng(0), "30 1 bce dfa relu sgd float32 no all all best", True, 45, 20, backend
        )
        found.append(training.run_epoch().train_loss)
        assert ("pass" in backend.kernels.tier.card.launched) == (kind is cuda.Cuda)
    assert np.all(np.abs(found[0] - found[1]) > 3e-7) and np.allclose(*found, rtol=1e-2)


def test_an_error_of_cublas_is_a_kernel_failure(monkeypatch):
    need_emulator()
    workspace = np.empty(1 << 20, np.uint8)
    blas = Cublas(cublas(), (workspace.ctypes.data, workspace.nbytes))
    one = Stack(workspace.ctypes.data, 1, 1, 0)
    with pytest.raises(KernelFailure, match=r"cuBLAS cannot multiply \(1, 1\) by \(1, 1\) \(status 7\)"):
        blas.product(0, one, one, one, -1, np.dtype("float32"))
    blas.workspace = 0, 0
    with pytest.raises(KernelFailure, match="status 15"):
        blas.product(0, one, one, one, 1, np.dtype("float32"))
    with pytest.raises(KernelFailure, match="cuBLAS is not loaded"):
        loaded()


def test_cublas_is_found_by_the_name_under_which_it_is_loaded(tmp_path):
    """A library of that name in the process, wherever it lies; it is not loaded a second time."""
    need_emulator()
    made = tmp_path / "elsewhere.so"
    text = emulated.HERE / "cublas.cc"
    subprocess.run([*emulated.GCC, "-shared", "-Wl,-soname,libcublas.so.12", "-o", made, text], check=True)
    code = f"""
import ctypes
from dfanp.kernels.cuda.cublas import loaded
first = ctypes.CDLL({str(made)!r})
address = lambda library: ctypes.cast(library.cublasCreate_v2, ctypes.c_void_p).value
print(loaded()._name, address(loaded()) == address(first))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "libcublas.so.12 True\n"


class Stream:
    """A stream of CuPy, which notes what is asked of it."""

    def __init__(self, log):
        self.log, self.ptr = log, 7

    def __enter__(self):
        self.log.append("enter")

    def __exit__(self, *exception):
        self.log.append("exit")

    def begin_capture(self):
        self.log.append("begin")

    def end_capture(self):
        self.log.append("end")
        return "graph"


def test_a_capture_is_ended_whatever_happens():
    log, error = [], type("CUDARuntimeError", (Exception,), {"__module__": "cupy_backends.cuda.api.runtime"})
    runtime = SimpleNamespace(getDeviceProperties=lambda _: {"name": b"Some GPU"}, driverGetVersion=lambda: 12080)
    device = SimpleNamespace(id=0, attributes=dict.fromkeys(
        ("MultiProcessorCount", "MaxSharedMemoryPerBlockOptin", "CooperativeLaunch", "ComputeCapabilityMajor"), 9
    ))  # fmt: skip
    asked = []
    stream = lambda non_blocking: asked.append(non_blocking) or Stream(log)
    found = card.Card(SimpleNamespace(cuda=SimpleNamespace(runtime=runtime, Device=lambda: device, Stream=stream)))
    assert found.recorded(lambda: log.append("run")) == "graph"
    assert log == ["enter", "begin", "run", "end", "exit"] and asked == [True]

    def fails():
        raise error("operation not permitted when stream is capturing\nand more")

    log.clear()
    with pytest.raises(KernelFailure, match="of a step cannot be recorded on Some GPU.*not permitted"):
        found.recorded(fails)
    assert log == ["enter", "begin", "end", "exit"]


def test_cells_are_those_of_the_kernels():
    text = card.source("cuda.cu")
    names = text.partition("enum { NEXT")[2].partition("}")[0]
    assert tuple(name.strip().lower() for name in ("NEXT" + names).split(",")) == steps.CELLS
    assert f"enum {{ MOST = {steps.MOST} }};" in text and "enum { SIGN = 1, LABEL };" in text
    assert ctypes.sizeof(ctypes.c_void_p) == 8
