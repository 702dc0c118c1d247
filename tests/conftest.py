"""Fixtures that several tests share."""

import gc
import os
import shutil
import signal
import subprocess
import sys

# Before NumPy is imported: the threads of its BLAS wait awake for each other, on cores that other tests need. Tests of threads say
# how many they take.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Before SciPy is imported: scikit-learn's checks of input from other array libraries want it.
os.environ.setdefault("SCIPY_ARRAY_API", "1")

import numpy as np
import pytest

import dfanp
from dfanp.kernels import resolve
from dfanp.kernels.cuda import Cuda
from dfanp.problems import datasets
from dfanp.problems.datasets import Dataset, Images

from .kernels.emulated import EmulatedCard, need_emulator, with_tier

# Taken out of the environment, so that no test (and no process that a test starts) finds MNIST unasked.
DATA = os.environ.pop("DFANP_DATA", None)
# Ignored under nohup and in the background of a script, and then by what tests start, too.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


# Files that take longest. They go first, so that at the end no process waits long for another one.
LONGEST = (
    "system/test_threads.py", "sweeps/test_sweep.py", "cli/test_examples.py", "cli/test_degenerate.py", "test_mutations.py",
    "test_definitions.py", "kernels/test_cuda.py", "kernels/test_table.py", "experiments/test_experiments.py",
    "reports/test_report.py", "cli/test_rules.py", "fuzz/test_fuzz.py", "test_documents.py", "cli/test_tune.py", "kernels/test_steps.py",
)  # fmt: skip


@pytest.hookimpl(hookwrapper=True)
def pytest_collection():
    """Keep the garbage collector off modules and tests, which all stay: it would take a third of the time of collecting them."""
    gc.disable()
    yield
    gc.enable()
    gc.freeze()


def pytest_collection_modifyitems(items):
    """Sort tests by file, the longest first, and mark slow ones.

    Tests of the tiers that no installation builds are slow: Numba compiles them, or g++ for the emulator.
    """
    # Before a test gives the process another home: Numba's cache is where it was when the loops were declared.
    dfanp.kernels.why_not("numba")
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.nodeid.partition("::")[0].removeprefix("tests/"), len(LONGEST)))
    for item in items:
        given = item.callspec.params.values() if hasattr(item, "callspec") else ()
        if any(isinstance(value, str) and value in ("cuda", "numba") for value in given):
            item.add_marker("slow")


COMPILE = """
import dfanp
if dfanp.kernels.why_not("numba") is None:
    for dtype in ("float32", "float64"):
        backend = dfanp.Backend("cpu", threads=1, kernels="numba")
        problem = dfanp.Parity(dfanp.load("digits"), 1, train_size=256, test_size=128, dtype=dtype, backend=backend)
        network = dfanp.MLP((problem.features, 4, 1), dtype=dtype, backend=backend)
        dfanp.Training(network, problem, "dfa", dfanp.Adam(0.001)).run_epoch()
"""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes():
    """Have Numba compile its loops once, before several processes of pytest would all begin with that."""
    subprocess.run([sys.executable, "-c", COMPILE], check=True)


class StrictBackend(dfanp.Backend):
    """array-api-strict on a device that is not the host's: any silent copy to the host raises."""

    def __init__(self):
        strict = pytest.importorskip("array_api_strict")
        self.xp, self.device, self.name, self.threads = strict, "gpu", "array-api-strict", None
        self.place, self.kernels = strict.Device("device1"), resolve("numpy", strict, "gpu")
        self.kernels.backend = self

    def asarray(self, host, dtype=None):
        host = np.ascontiguousarray(host)
        return self.xp.asarray(host, dtype=getattr(self.xp, dtype) if dtype else None, device=self.place)

    def to_host(self, array):
        assert array.device == self.place
        return np.asarray(array.to_device(self.xp.Device("CPU_DEVICE")))


class StrictCard(EmulatedCard):
    """An emulated card whose arrays are those of array-api-strict, off the host."""

    def __init__(self, backend, **sizes):
        super().__init__(**sizes)
        self.backend = backend

    def host(self, array):
        assert array.device == self.backend.place
        return array._array

    def asarray(self, host):
        return self.backend.asarray(host)


@pytest.fixture
def strict_backend():
    return StrictBackend()


@pytest.fixture
def strict_cuda_backend():
    """array-api-strict off the host, with the kernels of the cuda tier."""
    need_emulator()
    backend = StrictBackend()
    return with_tier(backend, Cuda(backend.xp, StrictCard(backend)))


@pytest.fixture
def mnist_folder():
    if not DATA or datasets.find("mnist", DATA) is None:
        pytest.skip("DFANP_DATA names no folder with MNIST")
    return os.path.abspath(DATA)


@pytest.fixture
def hostile_rc():
    """What a matplotlibrc may say: each of these changes a picture, or needs what is not installed."""
    return {
        "text.usetex": True, "savefig.transparent": True, "font.size": 30, "svg.fonttype": "none", "pdf.fonttype": 42,
        "savefig.bbox": "tight", "savefig.pad_inches": 3, "axes.facecolor": "red", "lines.linewidth": 9, "axes.grid": True,
        "svg.image_inline": False, "axes.linewidth": 5, "legend.fontsize": 3, "font.family": "no such font",
    }  # fmt: skip


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def images(rng, n):
    """Images whose label can be read off them: class c lights pixel c of 12, over some noise."""
    labels = (np.arange(n) % 10).astype(np.uint8)
    pixels = rng.integers(0, 40, (n, 12), dtype=np.uint8)
    pixels[np.arange(n), labels] = 200
    return Images(pixels, labels)


@pytest.fixture
def tiny():
    """A Dataset of 40 training and 20 test images of 12 pixels."""
    rng = np.random.default_rng(1)
    return Dataset("tiny", images(rng, 40), images(rng, 20), 30.0, 50.0, 0)


@pytest.fixture
def make_training(tiny):
    """Make a small Training on parity: ``make_training(seed=…, rule=…, …)``, or one of another class, ``kind``."""

    def make(
        seed=0,
        rule="dfa",
        optimizer=None,
        hidden=(7,),
        k=2,
        backend=None,
        dtype="float32",
        bias=False,
        kind=dfanp.Training,
        **more,
    ):
        problem = dfanp.Parity(tiny, k, train_size=50, test_size=30, dtype=dtype, backend=backend)
        network = dfanp.MLP((problem.features, *hidden, 1), "relu", bias, dtype, seed, backend)
        more.setdefault("batch_size", 16)
        return kind(network, problem, rule, optimizer or dfanp.RMSProp(0.01), **more)

    return make


@pytest.fixture(scope="module")
def chromium():
    """A browser, a playwright ``Browser``; the test is skipped without one."""
    playwright = pytest.importorskip("playwright.sync_api")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium on the PATH")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()
