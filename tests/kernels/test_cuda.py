"""The cuda tier where no card is: its kernels emulated on the CPU, off the host, and compiled for the cards that they are for."""

import ctypes
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import dfanp
from dfanp import baselines
from dfanp.backend import gpu_failure
from dfanp.kernels import checked, cuda, mirror
from dfanp.kernels.cuda import card
from dfanp.kernels.cuda.card import options, source
from dfanp.kernels.cuda.shapes import GAP, shape_of, shapes
from dfanp.kernels.tier import KernelFailure
from dfanp.optimizers import OPTIMIZERS

from . import emulated
from .emulated import EmulatedCard, emulated_backend, library, need_emulator
from .test_table import OneEpoch, digits, exact, same_training, trained

pytestmark = pytest.mark.slow

ONE_LAUNCH = {
    "pass",
    "graph",
    "product",
}  # an epoch in one launch, tests as a graph of products, which are called once before
H200, A100 = (132, 227 << 10), (108, 163 << 10)
FOLDER = Path(card.__file__).parent


@pytest.mark.parametrize("opt", OPTIMIZERS)
@pytest.mark.parametrize("seed, layers", [(0, "all"), ((0, 1, 2), "all"), (0, "output")])
def test_a_pass_with_each_optimizer(rng, opt, seed, layers):
    """Joint replicas, more than the card trains at once, against the definition."""
    backend, replicas = emulated_backend(multiprocessors=3), () if seed == 0 else (3,)
    optimizer = OPTIMIZERS[opt](0.01 if seed == 0 else (0.003, 0.01, 0.02), weight_decay=0.01)
    X, y = digits(rng, 2, 50, 40, "float32", backend, replicas), rng.integers(0, 2, (*replicas, 40, 1))
    each = (y, 20, optimizer, "tanh", "dfa", seed, 16, layers)
    mine = trained(backend, "float32", X, *each)
    assert set(backend.kernels.tier.card.launched) == ONE_LAUNCH
    definition = dfanp.Backend("cpu", kernels="numpy")
    theirs = trained(definition, "float64", exact(X), *each)
    np.testing.assert_allclose(mine[1][1].train_loss, theirs[1][1].train_loss, rtol=1e-4)
    for name, array in theirs[0].arrays().items():
        np.testing.assert_allclose(mine[0].arrays()[name], array, rtol=2e-3, atol=2e-5)


@pytest.mark.parametrize("n, batch_size", [(40, 16), (300, 300)])
def test_barriers_are_where_they_must_be(rng, n, batch_size):
    """The threads of a block in their order and against it, and one launch or several: the same bytes."""
    results = []
    for descending, longest in ((False, 1e9), (True, 1e9), (False, 1)):
        backend = emulated_backend()
        backend.kernels.tier.card.descending = descending
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cuda, "LONGEST_LAUNCH", longest)
            generator = np.random.default_rng(0)
            X, y = digits(generator, 3, 200, n, "float32", backend), generator.integers(0, 2, (n, 1))
            training, records = trained(
                backend, "float32", X, y, 24, dfanp.Adam(0.01), batch_size=batch_size, rule="bp"
            )
        losses = [value for record in records for value in (record.train_loss, record.test_loss)]
        results.append((*training.arrays().values(), *losses))
        launches = backend.kernels.tier.card.launched
    for mine in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(mine, results[0], strict=True))
    assert len(launches) > 4 or n == batch_size


def test_replicas_do_not_know_how_many_they_are(rng):
    """Each has the bytes of its solo run, whatever else is trained."""
    backend = emulated_backend(multiprocessors=2)
    X, y = digits(rng, 2, 60, 30, "float32", backend, (3,)), rng.integers(0, 2, (3, 30, 1))
    rates = (0.01, 0.02, 0.03)
    joint, records = trained(backend, "float32", X, y, 30, dfanp.RMSProp(rates), seed=(4, 5, 6))
    for r in range(3):
        alone = type(X)(X.bank, X.picks[r])
        training, solo = trained(backend, "float32", alone, y[r], 30, dfanp.RMSProp(rates[r]), seed=4 + r)
        assert [record.replica(r) for record in records] == solo
        for name, theta in training.network.parameters.items():
            assert np.array_equal(joint.network.parameters[name][r], theta)


@pytest.fixture
def changed(monkeypatch):
    """Change lines of the kernels that are emulated: ``changed(line, other)``."""

    def change(*pairs):
        before = emulated.source

        def source(file):
            text = before(file)
            for line, other in pairs:
                assert text.count(line) == 1, line
                text = text.replace(line, other)
            return text

        monkeypatch.setattr(emulated, "source", lambda file: source(file) if file == "cuda_pass.cu" else before(file))
        monkeypatch.setattr(emulated, "library", emulated.library.__wrapped__)
        monkeypatch.setattr(checked, "VERDICTS", {})

    return change


@pytest.mark.parametrize("lost", ["*counter", "of_group", "of_team"])
def test_a_barrier_that_some_never_reach_ends_with_an_error(rng, changed, lost):
    """And does not hang."""
    never = "if (threadIdx.x == 0 && blockIdx.x) count(counter);"
    late = {"*counter": ("if (threadIdx.x == 0) count(counter);", never)}
    late |= {
        each: (f"arrive({each});", f"if (blockIdx.x) arrive({each}); else __syncthreads();")
        for each in ("of_group", "of_team")
    }
    changed(("(1LL << 33)", "(1LL << 25)"), late[lost])
    backend = emulated_backend()
    X, y = digits(rng, 3, 200, 32, "float32", backend), rng.integers(0, 2, (32, 1))
    with pytest.raises(RuntimeError, match="unspecified launch failure"):
        trained(backend, "float32", X, y, 16, dfanp.SGD(0.01), batch_size=16)


def test_blocks_of_a_team_that_is_not_whole_end_at_once(rng):
    backend = emulated_backend()
    X, y = digits(rng, 2, 60, 30, "float32", backend), rng.integers(0, 2, (30, 1))
    theirs = trained(backend, "float32", X, y, 30, dfanp.SGD(0.01))
    launch = backend.kernels.tier.card.launch
    more = lambda file, name, defines, p, blocks, *sizes: launch(
        file, name, defines, p, blocks + (name == "pass"), *sizes
    )
    backend.kernels.tier.card.launch = more
    mine = trained(backend, "float32", X, y, 30, dfanp.SGD(0.01))
    assert all(
        np.array_equal(a, b) for a, b in zip(mine[0].arrays().values(), theirs[0].arrays().values(), strict=True)
    )


class Refusing(EmulatedCard):
    """A card for which the pass cannot be compiled where a batch has 16 examples, or never."""

    always = False

    def blocks_at_once(self, file, name, defines, *sizes):
        if self.always or defines["N"] == 16:
            raise KernelFailure("kernel pass (N 16) cannot be compiled on this card: no room")
        return super().blocks_at_once(file, name, defines, *sizes)


@pytest.mark.parametrize("always", [False, True])
def test_a_kernel_that_cannot_be_compiled_gives_way_or_is_an_error(rng, monkeypatch, always):
    need_emulator()
    monkeypatch.setattr(checked, "VERDICTS", {})
    monkeypatch.setattr(Refusing, "always", always)
    make = lambda by_name: emulated.with_tier(
        dfanp.Backend("cpu", kernels="numpy", threads=1), cuda.Cuda(np, Refusing()), by_name
    )
    backend, y = make(by_name=False), rng.integers(0, 2, (32, 1))
    X = digits(rng, 2, 60, 32, "float32", backend)
    with pytest.warns(
        dfanp.KernelWarning, match=r"cannot compute an? .* \(kernel pass \(N 16\) cannot be compiled on this card"
    ):
        mine = trained(backend, "float32", X, y, 30, dfanp.SGD(0.05), batch_size=16)
    assert backend.kernels.notes and "update" in backend.kernels.tier.card.launched
    theirs = trained(
        dfanp.Backend("cpu", kernels="numpy"), "float64", exact(X), y, 30, dfanp.SGD(0.05), batch_size=16
    )
    same_training(mine, theirs, "float32")
    with pytest.raises(dfanp.BackendError, match="cannot be compiled on this card: no room"):
        trained(make(by_name=True), "float32", X, y, 30, dfanp.SGD(0.05), batch_size=16)


def test_an_error_of_the_driver_names_card_kernel_and_shape():
    error = type("CompileException", (Exception,), {"__module__": "cupy.cuda.compiler"})
    runtime = SimpleNamespace(getDeviceProperties=lambda _: {"name": b"Some GPU"}, driverGetVersion=lambda: 12080)
    attributes = {
        "MultiProcessorCount": 4,
        "MaxSharedMemoryPerBlockOptin": 1 << 16,
        "CooperativeLaunch": 0,
        "ComputeCapabilityMajor": 9,
    }
    device = SimpleNamespace(id=0, attributes=attributes)

    def fails(**_):
        raise error("error: no such thing\nand more")

    cupy = SimpleNamespace(cuda=SimpleNamespace(runtime=runtime, Device=lambda: device), RawModule=fails)
    found = card.Card(cupy)
    assert found.blocks_at_once("cuda_pass.cu", "pass", {}, 64, 0) == 0  # it has no cooperative launch
    named = (
        r"kernel pass \(WORDS 3, N 16\) cannot be compiled on Some GPU, driver for CUDA 12080: error: no such thing$"
    )
    with pytest.raises(KernelFailure, match=named):
        found.kernel("cuda_pass.cu", "pass", {"WORDS": 3, "N": 16, "STATES": 1})
    line = gpu_failure(error("out of order\nmore"))
    assert line.startswith("the GPU failed (CompileException: out of order); start again") and "\n" not in line
    assert gpu_failure(ValueError("x")) is None


def test_what_does_not_fit_goes_by_recorded_steps(rng):
    backend = emulated_backend(shared=20_000)
    X, y = digits(rng, 2, 200, 45, "float32", backend), rng.integers(0, 2, (45, 1))
    trained(backend, "float32", X, y, 70, dfanp.SGD(0.05))  # compares the kernels with the definition
    backend.kernels.tier.card.launched.clear()
    mine = trained(backend, "float32", X, y, 70, dfanp.SGD(0.05))
    assert {"graph", "update"} <= set(
        backend.kernels.tier.card.launched
    ) and "pass" not in backend.kernels.tier.card.launched
    definition = dfanp.Backend("cpu", kernels="numpy")
    same_training(mine, trained(definition, "float64", exact(X), y, 70, dfanp.SGD(0.05)), "float32")


def test_a_step_is_few_launches(rng):
    """Of our own: one to gather, one for the output layer, one for all updates."""
    backend = emulated_backend()
    X, y = digits(rng, 2, 60, 16, "float64", backend), rng.integers(0, 2, (16, 1))
    problem = OneEpoch(X, y, "float64", backend)
    network = dfanp.MLP((problem.features, 7, 5, 1), bias=True, dtype="float64", backend=backend)
    training = dfanp.Training(network, problem, "fa", dfanp.Adam(0.01), batch_size=16)
    training.learn(X, problem.y, 1)  # compares the kernels with the definition
    X._dense = None
    backend.kernels.tier.card.launched.clear()
    training.learn(X, problem.y, 1)
    assert sorted(backend.kernels.tier.card.launched) == ["gather", "output", "product", "update"]  # X.T @ delta


@pytest.mark.parametrize("layers", ["all", "output"])
def test_without_cublas_a_pass_tests_too(rng, layers):
    """Any other network is then trained by the definition."""
    backend = emulated_backend(multiplies=False)
    X, y = digits(rng, 2, 60, 150, "float32", backend), rng.integers(0, 2, (150, 1))
    mine = trained(backend, "float32", X, y, 30, dfanp.SGD(0.05), layers=layers)
    assert set(backend.kernels.tier.card.launched) == {"pass"}
    definition = dfanp.Backend("cpu", kernels="numpy")
    same_training(mine, trained(definition, "float64", exact(X), y, 30, dfanp.SGD(0.05), layers=layers), "float32")
    backend.kernels.by_name = False
    with pytest.MonkeyPatch.context() as patch, pytest.warns(dfanp.KernelWarning, match="cuBLAS is not loaded"):
        patch.setattr(checked, "VERDICTS", {})
        trained(backend, "float32", X, y, 30, dfanp.SGD(0.05), bias=True, layers=layers)
    assert "update" in backend.kernels.tier.card.launched


@pytest.mark.parametrize("seed", [0, (0, 3)])
@pytest.mark.parametrize(
    "rule, hidden, dtype", [("bp", (7,), "float32"), ("dfa", (7, 5), "float32"), ("fa", (7, 5), "float64")]
)
def test_nothing_leaves_the_device(make_training, strict_cuda_backend, rule, hidden, dtype, seed):
    """The tier on array-api-strict off the host, where each silent copy raises: a pass, or steps, with alignment."""
    arguments = dict(seed=seed, rule=rule, optimizer=dfanp.RMSProp(0.01), hidden=hidden, dtype=dtype)
    for align in (False, True):
        there, here = (make_training(backend=each, align=align, **arguments) for each in (strict_cuda_backend, None))
        for a, b in zip(there.epochs(2), here.epochs(2), strict=True):
            np.testing.assert_allclose(a.train_loss, b.train_loss, rtol=1e-5)
            np.testing.assert_allclose(a.test_accuracy, b.test_accuracy, atol=0.04)
    launched = strict_cuda_backend.kernels.tier.card.launched
    assert ("pass" in launched) == (hidden == (7,)) and "graph" in launched


def test_the_next_examples_are_drawn_while_this_epoch_runs(make_training, strict_cuda_backend):
    training, whole = (make_training(backend=strict_cuda_backend) for _ in range(2))
    records = list(whole.epochs(3))
    drawn = []
    train = training.problem.train
    training.problem.train = lambda seed, epoch: drawn.append(epoch) or train(seed, epoch)
    assert [training.run_epoch() for _ in range(3)] == records
    assert drawn == [1, 2, 3, 4]
    training.restore(whole.arrays())
    assert training.run_epoch() == whole.run_epoch()


def test_tf32_is_cuda_with_other_products():
    own = set(vars(cuda.CudaTF32)) - {"__module__", "__doc__", "__static_attributes__", "__firstlineno__"}
    assert own == {"name", "one_launch", "tf32", "precision", "tolerance"}


SIZES = {  # words, H, n, dense, states, learn_W0
    "MNIST, k = 3": (588, 512, 128, False, 1, True),
    "Adam": (588, 512, 128, False, 2, True),
    "test": (588, 512, 128, False, 0, False),
    "k = 1": (196, 512, 128, False, 1, True),
    "disks": (7, 512, 256, True, 0, True),
    "digits": (48, 512, 128, False, 2, True),
    "one unit": (1, 1, 1, True, 0, False),
}


@pytest.mark.parametrize("card", [H200, A100], ids=["H200", "A100"])
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_shapes_cover_the_network_and_fit(card, sizes):
    words, H, n, *_ = sizes
    assert shape_of(*card, *sizes) is not None
    for shape in shapes(*card, *sizes):
        assert shape.words * shape.ranks >= words and shape.columns * shape.groups >= H and shape.rows >= n
        assert shape.blocks <= card[0] and shape.bytes <= card[1]
        assert shape.threads % 32 == 0 and shape.threads >= shape.columns
    assert shape_of(*card, 10**6, H, n, False, 1, True) is None


@pytest.mark.parametrize("columns", [8, 16, 32, 64])
def test_threads_that_write_pre_activations_at_once_meet_different_banks(columns):
    """Eight of them, four floats each, in one cycle; without a gap half of these would meet."""
    quarters = lambda pitch: {example * pitch // 4 % 8 for example in range(8)}
    assert quarters(columns + GAP) == set(range(8)) and len(quarters(columns)) < 8


def macros(shape, sizes, activation=1):
    """Return the macros of a pass whose last word has one input."""
    words, _, n, dense, states, learn_W0 = sizes
    kind = mirror.number(mirror.OPTIMIZERS, ("sgd", "rmsprop", "adam")[states])
    return cuda.pass_macros(shape, n, 1, 4 * words - 3, dense, activation, kind, states, learn_W0, learn_W0)


def compilations():
    """Yield (name, file, macros) of what is compiled for real cards."""
    yield "float", "cuda.cu", cuda.sizes_of(**cuda.STRUCTS[cuda.FLOAT])
    yield "double", "cuda.cu", {"DOUBLE": 1} | cuda.sizes_of(**cuda.STRUCTS[cuda.DOUBLE])
    for name, sizes in SIZES.items():
        yield name, "cuda_pass.cu", macros(shape_of(*A100, *sizes), sizes, activation=len(name) % 5)


@pytest.mark.parametrize(
    "file, structs", [("cuda.cu", cuda.STRUCTS[cuda.FLOAT]), ("cuda_pass.cu", {"pass": cuda.Pass})]
)
def test_a_struct_of_another_size_does_not_compile(file, structs, capfd):
    """Each of them, by one word; the host's compiler says so as NVRTC does."""
    need_emulator()
    for name in structs:
        defines = macros(shape_of(*A100, *SIZES["disks"]), SIZES["disks"]) | cuda.sizes_of(**structs)
        defines[f"SIZE_OF_{name.upper()}"] += 8
        with pytest.raises(subprocess.CalledProcessError):
            library(file, name, tuple(defines.items()))
        assert f"cuda.py has another struct {name}" in capfd.readouterr().err


def nvrtc():
    """Return NVRTC as ctypes finds it: in NVIDIA's wheel, or on the system; None if it is nowhere."""
    from importlib.util import find_spec

    found = []
    for package in ("nvidia.cuda_nvrtc", "nvidia.cu13"):
        try:
            spec = find_spec(package)
        except ModuleNotFoundError:
            continue
        for folder in spec.submodule_search_locations if spec else ():
            found += sorted(map(str, Path(folder).glob("lib/libnvrtc.so.*")))
    for name in (*found, "libnvrtc.so", "libnvrtc.so.12", "libnvrtc.so.13"):
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


@pytest.mark.parametrize("arch", ["sm_75", "sm_80", "sm_90", "sm_100", "sm_120"])
@pytest.mark.parametrize(
    "name, file, defines", compilations := list(compilations()), ids=[c[0] for c in compilations]
)
def test_nvrtc_compiles(name, file, defines, arch):
    """The kernels of a step for every card, and passes for the two whose code differs (before and after Ampere) and one more."""
    if file == "cuda_pass.cu" and arch not in ("sm_80", "sm_90") and name != "digits":
        pytest.skip("like sm_90")
    compiled_by_nvrtc(file, defines, arch)


def compiled_by_nvrtc(file, defines, arch):
    """Compile a file for an architecture as CuPy does; skip where there is no NVRTC."""
    lib = nvrtc()
    if lib is None:
        pytest.skip("NVRTC is not installed (pip install nvidia-cuda-nvrtc-cu12)")
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    assert lib.nvrtcCreateProgram(ctypes.byref(program), source(file).encode(), file.encode(), 0, None, None) == 0
    flags = [f"--gpu-architecture={arch}", "-ftz=true", *options(file, defines)]  # as CuPy does
    array = (ctypes.c_char_p * len(flags))(*(each.encode() for each in flags))
    result = lib.nvrtcCompileProgram(program, len(flags), array)
    lib.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    lib.nvrtcGetProgramLog(program, log)
    assert result == 0, log.value.decode()
    assert lib.nvrtcGetCUBINSize(program, ctypes.byref(size)) == 0 and size.value > 1000
    lib.nvrtcDestroyProgram(ctypes.byref(program))


@pytest.mark.parametrize("arch", ["sm_80", "sm_90"])
def test_nvcc_finds_no_spilled_state(tmp_path, arch):
    """The pass on MNIST keeps sums and state in registers: nothing of them is in slow memory, but for a few words."""
    if shutil.which("nvcc") is None:
        pytest.skip("no nvcc")
    sizes = SIZES["MNIST, k = 3"]
    of = {"sm_80": A100, "sm_90": H200}[arch]
    flags = options("cuda_pass.cu", macros(shape_of(*of, *sizes), sizes))
    command = ["nvcc", *flags, "-ftz=true", "-cubin", f"-arch={arch}", "-Xptxas", "-v", FOLDER / "cuda_pass.cu"]
    remarks = subprocess.run(
        [*command, "-o", tmp_path / "a.cubin"], capture_output=True, text=True, check=True
    ).stderr
    stack = int(remarks.partition(" bytes stack frame")[0].split()[-1])
    assert stack <= 256, remarks


@pytest.mark.parametrize("method", baselines.BASELINES)
@pytest.mark.parametrize("seed", [0, (0, 1)])
def test_baselines_off_the_host(tiny, strict_cuda_backend, method, seed):
    def losses_on(backend):
        problem = dfanp.Parity(tiny, 2, train_size=50, test_size=30, backend=backend)
        network = baselines.get(method).network(
            (problem.features, 9, 1), "float32", seed, problem.backend, *problem.scale
        )
        training = dfanp.Training(network, problem, "bp", dfanp.Adam(0.01), batch_size=16)
        return [(record.train_loss, record.test_loss) for record in training.epochs(2)]

    np.testing.assert_allclose(losses_on(strict_cuda_backend), losses_on(None), rtol=1e-4)


def test_disks_are_one_pass(strict_cuda_backend):
    def losses_on(backend):
        problem = dfanp.Synthetic(n=40, d=15, test_points=50, backend=backend)
        network = dfanp.MLP((15, 20, 1), "tanh", backend=backend)
        training = dfanp.Training(network, problem, "dfa", dfanp.Momentum(0.1), batch_size=40)
        return [(record.train_loss, record.test_loss) for record in training.epochs(3)]

    np.testing.assert_allclose(losses_on(strict_cuda_backend), losses_on(None), rtol=1e-4)
    assert set(strict_cuda_backend.kernels.tier.card.launched) == ONE_LAUNCH
