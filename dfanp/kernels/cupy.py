"""What dfanp asks of CuPy beyond its arrays: the name of the device, its errors, and how cuBLAS computes products."""

from contextlib import contextmanager, nullcontext
from typing import Any

from ..system.threads import ProcessSetting, once

TF32_TENSOR_OP_MATH = 3  # of cublasMath_t


def gpu_name(cupy: Any) -> str:
    """Return the name of CuPy's device."""
    return cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)["name"].decode()


def is_of_cupy(error: BaseException) -> bool:
    """Whether CuPy raised an error: its own, or one of the driver, the compiler or a library of CUDA."""
    return type(error).__module__.split(".")[0] in ("cupy", "cupy_backends")


@once
def compute_type(cupy):
    """Return the ProcessSetting of the precision of cuBLAS in float32 products."""
    linalg = cupy._core._routines_linalg
    return ProcessSetting(lambda: linalg.get_compute_type("f"), lambda kind: linalg.set_compute_type("f", kind))


def products(xp, tf32=False):
    """Return a context in which cuBLAS rounds factors of float32 products to TF32, or keeps its outside setting."""
    if not hasattr(getattr(xp, "_core", None), "_routines_linalg"):  # not CuPy
        return nullcontext()
    return rounded(xp, tf32)


@contextmanager
def rounded(cupy, tf32):
    """Do ``products`` for CuPy. Products of matrices have a compute type; those of stacks of matrices ask cuBLAS' math mode."""
    setting, linalg, cublas = compute_type(cupy), cupy._core._routines_linalg, cupy.cuda.cublas
    handle = cupy.cuda.device.get_cublas_handle()  # of this thread
    mode = cublas.getMathMode(handle)
    with setting.held(linalg.COMPUTE_TYPE_TF32 if tf32 else setting.outside()):
        if tf32:
            cublas.setMathMode(handle, TF32_TENSOR_OP_MATH)
        try:
            yield
        finally:
            if tf32:
                cublas.setMathMode(handle, mode)
