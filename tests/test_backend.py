import re
import sys
from pathlib import Path

import numpy as np
import pytest

import dfanp
from dfanp import backend as module


def test_cpu_is_numpy():
    backend = dfanp.Backend("cpu", threads=1)
    assert (backend.xp, backend.device, backend.name, backend.threads) == (np, "cpu", "numpy", 1)
    assert backend.asarray([1, 2], "float32").dtype == np.float32


def test_pinned_sets_and_restores_the_blas_threads():
    from dfanp.backend import blas_pools

    def threads():  # of NumPy's BLAS; SciPy, where a test has loaded it, brings one of its own that training does not use
        return [pool["num_threads"] for pool in blas_pools().info() if pool["user_api"] == "blas"]

    before = threads()
    with dfanp.Backend("cpu", threads=1).pinned():
        assert set(threads()) == {1}
    assert threads() == before


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, "2", 1025])
def test_threads_must_be_a_count(threads):
    with pytest.raises(ValueError, match="threads must be a whole number from 1 to 1024"):
        dfanp.Backend("cpu", threads)


def test_unknown_device():
    with pytest.raises(ValueError, match="unknown device 'gpuu'.*did you mean 'gpu'"):
        dfanp.Backend("gpuu")


def test_absent_cupy_is_one_clear_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(dfanp.BackendError) as caught:
        dfanp.Backend("gpu")
    assert "cupy" in str(caught.value).lower() and "--device cpu" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert dfanp.Backend("auto").device == "cpu"


class BrokenCupy:
    """A CuPy that imports, sees a device, and fails when it computes, as it does under a driver that is too old."""

    __version__ = "14.2.0"
    float32 = np.float32

    class cuda:
        class runtime:
            getDeviceCount = staticmethod(lambda: 1)

    @staticmethod
    def ones(shape, dtype):
        raise RuntimeError("CUDA driver version is insufficient for CUDA runtime version\nand more lines")


def test_broken_gpu_is_not_taken_by_auto(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", BrokenCupy)
    assert dfanp.Backend("auto").device == "cpu"
    with pytest.raises(dfanp.BackendError, match="driver version is insufficient") as caught:
        dfanp.Backend("gpu")
    assert "\n" not in str(caught.value)


def test_wrong_product_is_not_taken(monkeypatch):
    class Wrong(BrokenCupy):
        ones = staticmethod(lambda shape, dtype: np.zeros(shape, dtype))

    monkeypatch.setitem(sys.modules, "cupy", Wrong)
    assert module.usable_cupy()[0] is None


def test_import_loads_nothing_heavy():
    import subprocess

    heavy = ["sklearn", "scipy", "matplotlib", "cupy", "numba", "torch", "pooch", "joblib", "threadpoolctl"]
    code = f"import sys, dfanp; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_cupy_has_every_function_that_is_asked_of_it():
    """Where CuPy is installed, with or without a GPU."""
    cupy = pytest.importorskip("cupy")
    folder = Path(dfanp.__file__).parent
    text = "\n".join(path.read_text() for path in folder.rglob("*.py"))
    for name in sorted(set(re.findall(r"\bxp\.(\w+)", text))):
        assert hasattr(cupy, name), f"CuPy has no {name}"
    own = "\n".join((folder / "kernels" / name).read_text() for name in ("cuda/card.py", "cupy.py"))
    for name in sorted(set(re.findall(r"(?<!\w)cupy\.([\w.]+)", own))):
        if name.startswith("cuda.cublas"):  # is loaded with its library alone
            continue
        assert all(hasattr(at, last) for at, last in walk(cupy, name)), f"CuPy has no {name}"


def walk(at, dotted):
    """Yield (object, name) along a dotted name."""
    for name in dotted.split("."):
        yield at, name
        at = getattr(at, name, None)
