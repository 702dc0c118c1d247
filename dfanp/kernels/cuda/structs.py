"""The structs that the kernels of cuda.cu take, as ctypes fills them."""

import ctypes

import numpy as np

from .. import mirror
from ..mirror import HYPERPARAMETERS, INT, POINTER, REALS

FLOAT, DOUBLE = np.dtype("float32"), np.dtype("float64")
THREADS = 256  # of the kernels in cuda.cu
MOST = 16  # parameters of one update
SHARED_OF_OUTPUT = 2 * THREADS * 8  # bytes


def structs(real, numbers):
    """Return the structs of cuda.cu, by the names of its kernels, for a C type and its struct of hyperparameters."""
    many = POINTER * MOST
    return {
        "gather": mirror.struct(
            "Gather",
            (POINTER, "raw picks out cell"),
            (INT, "replicas rows stride k pixels first batch"),
            (real, "mean std"),
        ),
        "activate": mirror.struct(
            "Activate", (POINTER, "a b"), (INT, "replicas rows width"), (ctypes.c_int, "activation"), (real, "leak")
        ),
        "slope": mirror.struct(
            "Slope", (POINTER, "signal h"), (INT, "size"), (ctypes.c_int, "activation"), (real, "leak")
        ),
        "output": mirror.struct(
            "Output",
            (POINTER, "z y b e carried totals cell"),
            (INT, "replicas n outputs y_stride first all batch"),
            (ctypes.c_int, "loss carry last"),
        ),
        "update": mirror.struct(
            "Update",
            (many, "w s0 s1 g"),
            (INT * MOST, "size rows"),
            (POINTER, "lrs cell"),
            (INT, "parameters replicas apart"),
            (real, "lr"),
            (numbers, "o"),
        ),
    }


STRUCTS = {dtype: structs(real, HYPERPARAMETERS[dtype]) for dtype, (_, real) in REALS.items()}


def sizes_of(**structs):
    """Return the macros with which the compiler checks the size of each struct."""
    return {"CHECK_SIZES": 1} | {f"SIZE_OF_{name.upper()}": ctypes.sizeof(each) for name, each in structs.items()}
