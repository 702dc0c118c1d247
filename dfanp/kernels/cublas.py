"""The precision of cuBLAS in products of CuPy, which other code in the process may set, too."""

from contextlib import nullcontext

from ..system.threads import ProcessSetting, once


@once
def compute_type(cupy):
    """Return the ProcessSetting of the precision of cuBLAS in float32 products."""
    linalg = cupy._core._routines_linalg
    return ProcessSetting(lambda: linalg.get_compute_type("f"), lambda kind: linalg.set_compute_type("f", kind))


def products(xp, tf32=False):
    """Return a context in which cuBLAS rounds the factors of float32 products to TF32, or uses the setting from outside of dfanp."""
    if not hasattr(getattr(xp, "_core", None), "_routines_linalg"):  # not CuPy
        return nullcontext()
    setting = compute_type(xp)
    return setting.held(xp._core._routines_linalg.COMPUTE_TYPE_TF32 if tf32 else setting.outside())
