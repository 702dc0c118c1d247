"""The products of a pass by tensor cores: fragments, accuracy, and that nothing uses them where they compute something else."""

import ctypes
import subprocess

import numpy as np
import pytest

import dfanp
from dfanp.inputs import Bank, StackedDigits
from dfanp.kernels import checked, cuda
from dfanp.kernels.cuda.shapes import shape_of, shapes
from dfanp.kernels.tier import KernelFailure
from dfanp.kernels.whole import call
from dfanp.optimizers import OPTIMIZERS

from . import emulated
from .emulated import EmulatedCard, emulated_backend, need_emulator, with_tier
from .test_cuda import A100, H200, compiled_by_nvrtc, macros
from .test_table import digits, exact, trained

pytestmark = pytest.mark.slow
PRODUCT = """
struct product { const float *A, *B; float *C; };
extern "C" __global__ void dfanp_product(product p) {
    const int t0 = threadIdx.x % 4, t1 = threadIdx.x / 4 % 8;
    p.A += threadIdx.x / 32 * 128, p.B += threadIdx.x / 32 * 64, p.C += threadIdx.x / 32 * 128;
    float a[4], b[2], c[4];
    for (int v = 0; v < 4; v++) a[v] = p.A[16 * t0 + t1 + v % 2 * 8 + v / 2 * 64];
    for (int v = 0; v < 2; v++) b[v] = p.B[8 * t0 + t1 + v * 32];
    for (int v = 0; v < 4; v++) c[v] = p.C[32 * t0 + t1 + v % 2 * 16 + v / 2 * 8];
    if (threadIdx.x < 64 || ALL) emulated_mma(c, a, b);
    __syncthreads();
    for (int v = 0; v < 4; v++) p.C[32 * t0 + t1 + v % 2 * 16 + v / 2 * 8] = c[v];
}
LAUNCHES(product)
"""


class Product(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in "ABC"]


@pytest.mark.parametrize("descending", [False, True])
def test_fragments_are_those_of_the_manual(rng, tmp_path, descending):
    """Each number at t0, t1 (of thread t0 + 4 t1) and v by CUTLASS' layouts of SM80_16x8x8_F32TF32TF32F32_TN, matrices by columns."""
    need_emulator()
    (tmp_path / "a.cc").write_text('#include "emulator.h"\nenum { ALL = 0 };\n' + PRODUCT)
    command = [*emulated.GCC, f"-I{emulated.HERE}", "-shared", "-o", tmp_path / "a.so", tmp_path / "a.cc"]
    subprocess.run(command, check=True)
    launch = ctypes.CDLL(str(tmp_path / "a.so")).launch_product
    launch.argtypes = [ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint, ctypes.c_long, ctypes.c_int]
    warps = 3  # the last one has nothing to multiply
    A, B, C = (rng.integers(-8, 9, (warps, *shape)).astype(np.float32) for shape in ((8, 16), (8, 8), (8, 16)))
    wanted = C.mT.copy()
    wanted[:2] += A[:2].mT @ B[:2]
    p = Product(*(array.ctypes.data for array in (A, B, C)))
    assert launch(ctypes.addressof(p), 1, 32 * warps, 0, descending) == 0
    assert np.array_equal(C.mT, wanted)


CASES = [  # images, pixels, hidden units, examples, batch, optimizer, rule, seed, layers, card
    (2, 50, 20, 40, 16, "rmsprop", "dfa", 0, "all", {}),
    (3, 200, 40, 60, 60, "adam", "bp", 0, "all", {}),
    (3, 30, 9, 37, 20, "momentum", "fa", (0, 1), "all", {"multiprocessors": 3}),
    (2, 129, 64, 45, 45, "sgd", "dfa", 0, "all", {"shared": 60_000}),
    (2, 60, 30, 40, 16, "adagrad", "bp", (0, 1, 2), "output", {}),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_training_agrees_with_the_definition(rng, case):
    k, pixels, hidden, n, batch, opt, rule, seed, layers, of_card = case
    backend, replicas = emulated_backend(tensor=True, **of_card), () if seed == 0 else (len(seed),)
    X, y = digits(rng, k, pixels, n, "float32", backend, replicas), rng.integers(0, 2, (*replicas, n, 1))
    each = (y, hidden, OPTIMIZERS[opt](0.01, weight_decay=0.01), "tanh", rule, seed, batch, layers)
    used = []
    launch = backend.kernels.tier.card.launch
    backend.kernels.tier.card.launch = lambda *what: [used.append(what[2].get("TENSOR")), launch(*what)][1]
    mine = trained(backend, "float32", X, *each)
    assert used[-1] == 1 and backend.kernels.tier.tensor_cores is True
    theirs = trained(dfanp.Backend("cpu", kernels="numpy"), "float64", exact(X), *each)
    for name, array in theirs[0].arrays().items():
        np.testing.assert_allclose(mine[0].arrays()[name], array, rtol=2e-3, atol=2e-5)


def test_bytes_depend_neither_on_the_order_of_threads_nor_on_replicas(rng):
    results = []
    X = digits(rng, 2, 60, 40, "float32", dfanp.Backend("cpu", kernels="numpy"), (2,))
    y = rng.integers(0, 2, (2, 40, 1))
    for descending, seed in ((False, (3, 4)), (True, (3, 4)), (False, 4)):
        backend = emulated_backend(tensor=True)
        backend.kernels.tier.card.descending = descending
        examples = StackedDigits(
            Bank(X.bank.raw, 33.3, 78.5, "float32", backend), X.picks if seed != 4 else X.picks[1]
        )
        training, records = trained(
            backend, "float32", examples, y if seed != 4 else y[1], 20, dfanp.Adam(0.01), seed=seed
        )
        results.append((training.network.parameters, records))
    (joint, records), (again, same), (alone, solo) = results
    for r in range(2):
        assert [record.replica(r) for record in records] == [record.replica(r) for record in same]
    assert [record.replica(1) for record in records] == solo
    for name, theta in joint.items():
        assert np.array_equal(theta, again[name]) and np.array_equal(theta[1], alone[name])


@pytest.fixture
def planted(monkeypatch):
    """Change a line of the kernel that is emulated."""

    def plant(line, other):
        before = emulated.source
        assert before("cuda_pass.cu").count(line) == 1
        monkeypatch.setattr(emulated, "source", lambda file: before(file).replace(line, other))
        monkeypatch.setattr(emulated, "library", emulated.library.__wrapped__)
        monkeypatch.setattr(checked, "VERDICTS", {})

    return plant


BUGS = {
    "the lower bits of weights are lost": ("                    mma(sums[e], inputs, low);\n", ""),
    "the lower bits of deltas are lost": ("                mma(g[j] + 4 * e, inputs, low[e]);\n", ""),
    "a fragment's column": ("2 * k + c % 2;", "k + 4 * (c % 2);"),
    "a fragment's row": ("lane / 4 + 8 * (c / 2 % 2), column", "lane / 4 * 2 + c / 2 % 2, column"),
}


@pytest.mark.parametrize("bug", BUGS)
def test_tensor_cores_that_compute_something_else_are_not_used(rng, planted, bug):
    planted(*BUGS[bug])
    backend = emulated_backend(tensor=True)
    X, y = digits(rng, 2, 50, 40, "float32", backend), rng.integers(0, 2, (40, 1))
    with pytest.warns(dfanp.KernelWarning, match="do without tensor cores, which do not compute the same"):
        mine = trained(backend, "float32", X, y, 20, dfanp.SGD(0.05))
    assert backend.kernels.tier.tensor_cores is False and "pass" in backend.kernels.tier.card.launched
    theirs = trained(dfanp.Backend("cpu", kernels="numpy"), "float64", exact(X), y, 20, dfanp.SGD(0.05))
    np.testing.assert_allclose(mine[1][1].train_loss, theirs[1][1].train_loss, rtol=1e-5)


def test_a_kernel_that_does_not_compile_with_them_is_compiled_without(rng):
    class Refusing(EmulatedCard):
        def blocks_at_once(self, file, name, defines, *sizes):
            if defines["TENSOR"]:
                raise KernelFailure("kernel pass cannot be compiled on this card: no such instruction")
            return super().blocks_at_once(file, name, defines, *sizes)

    need_emulator()
    backend = with_tier(dfanp.Backend("cpu", kernels="numpy", threads=1), cuda.Cuda(np, Refusing(tensor=True)))
    X, y = digits(rng, 2, 50, 40, "float32", backend), rng.integers(0, 2, (40, 1))
    with pytest.warns(dfanp.KernelWarning, match="no such instruction"):
        trained(backend, "float32", X, y, 20, dfanp.SGD(0.05))
    assert "pass" in backend.kernels.tier.card.launched


@pytest.mark.parametrize("tensor, stacked", [(False, True), (True, False)])
def test_older_cards_and_floats_go_without(rng, tensor, stacked):
    backend = emulated_backend(tensor=tensor)
    X = digits(rng, 2, 50, 40, "float32", backend)
    X = X if stacked else X.dense()
    assert not backend.kernels.tier.uses_tensor_cores(X)
    assert shape_of(*H200, 588, 512, 128, False, 1, True).tensor == 0


@pytest.mark.parametrize("of_card", [H200, A100], ids=["H200", "A100"])
@pytest.mark.parametrize("words, states", [(588, 1), (588, 2), (196, 0), (48, 2), (1, 0)])
def test_shapes_cover_the_network_and_fit(of_card, words, states):
    sizes = words, 512, 128, False, states, True, True
    best = shape_of(*of_card, *sizes)
    assert best.tensor == 1 and best.cycles < shape_of(*of_card, *sizes[:-1]).cycles
    for shape in shapes(*of_card, *sizes):
        assert shape.words * shape.ranks >= words and shape.columns * shape.groups >= 512
        assert shape.blocks <= of_card[0] and shape.bytes <= of_card[1] and shape.threads <= 384


@pytest.mark.parametrize("arch", ["sm_80", "sm_90", "sm_100", "sm_120"])
@pytest.mark.parametrize("words, states", [(588, 1), (196, 0)])
def test_nvrtc_compiles_them(arch, words, states):
    sizes = words, 512, 128, False, states, True
    compiled_by_nvrtc("cuda_pass.cu", macros(shape_of(*A100, *sizes, True), sizes), arch)


@pytest.mark.parametrize("seed", [0, 1])
def test_accuracy_on_mnist(seed, mnist_folder):
    """The change of W in a step of SGD at k = 3, against float64: by tensor cores, without, and by NumPy (shown by pytest -rP)."""
    dataset = dfanp.load("mnist", mnist_folder)
    found = {}
    for name, backend, dtype in (
        ("exact", dfanp.Backend("cpu", kernels="numpy"), "float64"),
        ("numpy", dfanp.Backend("cpu", kernels="numpy"), "float32"),
        ("float32", emulated_backend(), "float32"),
        ("tensor", emulated_backend(tensor=True), "float32"),
    ):
        problem = dfanp.Parity(dataset, 3, 128, 10, dtype, backend)
        network = dfanp.MLP((problem.features, 16, 1), "tanh", dtype=dtype, seed=seed, backend=backend)
        training = dfanp.Training(network, problem, "dfa", dfanp.SGD(1.0))
        before = np.array(network.W[0])
        X, y = problem.train(seed, 1)
        if name in ("exact", "numpy"):
            training.learn(X, y, 1)
        else:
            assert call(training, backend.kernels.tier, X, y, 1) is not None
        found[name] = np.array(network.W[0], float) - before
    size = np.abs(found["exact"]).max()
    errors = {name: np.abs(found[name] - found["exact"]).max() / size for name in ("numpy", "float32", "tensor")}
    print(errors)
    assert errors["tensor"] < 3e-6 and errors["tensor"] < 5 * errors["float32"], errors


def test_a_part_of_a_warp_is_an_error(tmp_path):
    """A product in which not all threads of a warp take part."""
    need_emulator()
    text = PRODUCT.replace("threadIdx.x < 64 || ALL", "threadIdx.x % 32 < 31")
    (tmp_path / "a.cc").write_text('#include "emulator.h"\nenum { ALL = 0 };\n' + text)
    command = [*emulated.GCC, f"-I{emulated.HERE}", "-shared", "-o", tmp_path / "a.so", tmp_path / "a.cc"]
    subprocess.run(command, check=True)
    launch = ctypes.CDLL(str(tmp_path / "a.so")).launch_product
    launch.argtypes = [ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint, ctypes.c_long, ctypes.c_int]
    A, B, C = (np.zeros(shape, np.float32) for shape in ((8, 16), (8, 8), (8, 16)))
    p = Product(*(array.ctypes.data for array in (A, B, C)))
    assert launch(ctypes.addressof(p), 1, 32, 0, False) == -2
