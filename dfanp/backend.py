"""The array library and device of a network: resolved once, by name, at construction.

All other code is written for ``xp``, the namespace of the array API standard that NumPy and CuPy share, and does not
depend on the device.
"""

from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from .checks import MOST_THREADS, whole
from .errors import BackendError, by_name, first_line
from .kernels import resolve
from .kernels.cupy import gpu_name, is_of_cupy
from .system.threads import blas_on, blas_pools, default_threads, usable_cores

__all__ = ["Backend", "blas_pools", "check_threads", "default_threads", "gpu_name", "usable_cores", "usable_cupy"]

DEVICES = ("auto", "cpu", "gpu")


class Backend:
    """An array library on a device. Python threads may share one: each computes as if it were alone.

    Args:
        device: ``"cpu"`` (NumPy), ``"gpu"`` (CuPy), or ``"auto"``: the GPU if a tiny product on it works, else the
            CPU.
        threads: of BLAS and the kernels on the CPU; None takes every core that this process may use
            (``threads.default_threads``). The last bits of a BLAS product depend on this number (OpenBLAS splits the
            summation differently), so a run keeps the number of its first start.
        kernels: the name of a tier of ``dfanp.kernels``, or ``"auto"``: the fastest available.

    Attributes:
        xp: the array namespace.
        device: ``"cpu"`` or ``"gpu"``.
        name: of the array library, ``"numpy"`` or ``"cupy"``.
        threads: the number of BLAS threads, or None on a GPU.
        kernels: the ``Kernels`` in use.

    Raises:
        BackendError: the GPU, or a tier, was requested by name and cannot be used.
    """

    def __init__(self, device: str = "auto", threads: int | None = None, kernels: str = "auto") -> None:
        by_name("device", device, dict.fromkeys(DEVICES))
        if threads is not None:
            check_threads(threads)
        self.xp: Any = np
        self.device, self.name = "cpu", "numpy"
        if device != "cpu":
            cupy, why_not = usable_cupy()
            if cupy is not None:
                self.xp, self.device, self.name = cupy, "gpu", "cupy"
            elif device == "gpu":
                raise BackendError(f"the GPU cannot be used: {why_not}; use --device cpu (device='cpu')")
        self.kernels = resolve(kernels, self.xp, self.device)
        self.kernels.backend = self
        self.threads = None
        if self.device == "cpu":
            self.threads = self.kernels.tier.threads = threads or default_threads(self.kernels.tier.most_threads())

    def __repr__(self) -> str:
        return f"Backend(device={self.device!r}, threads={self.threads}, kernels={self.kernels.name!r})"

    def asarray(self, host: Any, dtype: str | None = None) -> Any:
        """Return a NumPy array `host` as an array of this backend, of dtype `dtype` (a name such as "float32")."""
        return self.xp.asarray(host, dtype=getattr(self.xp, dtype) if dtype else None)

    def to_host(self, array: Any) -> np.ndarray:
        """Return a NumPy array with the values of `array`; on the CPU it may be `array` itself."""
        return array if self.xp is np else self.xp.asnumpy(array)

    def free_bytes(self) -> int | None:
        """Return the number of free bytes of the GPU's memory; None on the CPU."""
        if self.device == "cpu":
            return None
        return self.xp.get_default_memory_pool().free_bytes() + self.xp.cuda.runtime.memGetInfo()[0]

    def pinned(self) -> AbstractContextManager:
        """Return a context in which kernels use exactly `threads` threads, and BLAS the number that suits them.

        BLAS usually has one number of threads per process. If Python threads need different numbers, each waits here
        for its turn. On a GPU, products have the precision of the tier within the context.
        """
        if self.threads is None:
            return self.kernels.precision()
        self.kernels.tier.threads = self.threads
        return blas_on(self.kernels.blas_threads or self.threads)


def gpu_failure(error: BaseException) -> str | None:
    """Return a line on an error raised by CuPy, the driver or a CUDA library; None for any other error."""
    if not is_of_cupy(error):
        return None
    remedy = "start again (after such an error a process cannot use the GPU), or use --device cpu"
    return f"the GPU failed ({type(error).__name__}: {first_line(error)}); {remedy}"


def check_threads(threads: Any) -> None:
    """Raise unless `threads` is a possible number of BLAS threads."""
    whole("threads", threads, most=MOST_THREADS)


def usable_cupy() -> tuple[Any, str | None]:
    """Return ``(cupy, None)`` if a product on its device works, else ``(None, why it does not)``, one line."""
    try:
        import cupy
    except ImportError as error:
        if getattr(error, "name", None) == "cupy":
            return None, "CuPy is not installed (pip install 'dfanp[gpu]')"
        return None, f"CuPy does not import ({first_line(error)})"
    try:
        if cupy.cuda.runtime.getDeviceCount() == 0:
            return None, "CUDA finds no device"
        ones = cupy.ones((2, 2), dtype=cupy.float32)
        if float((ones @ ones).sum()) != 8.0:
            return None, "a 2 × 2 product on it gives a wrong result"
    except Exception as error:  # CuPy raises its own, the driver's, the compiler's and ctypes' errors here
        return None, f"CuPy {cupy.__version__} fails on it ({first_line(error)})"
    return cupy, None
