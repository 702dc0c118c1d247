"""The precision of cuBLAS in products of CuPy, which other code in the process may set, too."""

from contextlib import contextmanager, nullcontext

from ..system.threads import ProcessSetting, once

TF32_TENSOR_OP_MATH = 3  # of cublasMath_t


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
