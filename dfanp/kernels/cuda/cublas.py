"""Products of matrices by cuBLAS, called without CuPy, which copies a transposed stack and captures no product into a graph."""

import contextlib
import ctypes
import os
from threading import Lock
from typing import NamedTuple

import numpy as np

from ..tier import KernelFailure

# Of cublas_api.h and library_types.h.
REAL_32F, REAL_64F = 0, 1
COMPUTE_32F, COMPUTE_64F, COMPUTE_32F_FAST_TF32 = 68, 70, 77
GEMM_DEFAULT = -1
WORKSPACE = 32 << 20  # bytes, as NVIDIA advises for Hopper; a product that is captured may not allocate its own
NAMES = [f"libcublas.so.{major}" for major in (13, 12, 11)] + [f"cublas64_{major}.dll" for major in (13, 12, 11)]

ALPHA_BETA = {  # dtype -> (type, compute type, 1, 0)
    np.dtype("float32"): (REAL_32F, COMPUTE_32F, ctypes.c_float(1), ctypes.c_float(0)),
    np.dtype("float64"): (REAL_64F, COMPUTE_64F, ctypes.c_double(1), ctypes.c_double(0)),
}


class Stack(NamedTuple):
    """Matrices (rows, columns) without gaps, one for each replica, ``stride`` numbers apart; 0: all replicas share one.

    ``mT`` are their transposes, which are not copied.
    """

    address: int
    rows: int
    columns: int
    stride: int
    transposed: bool = False

    @property
    def mT(self):
        return self._replace(rows=self.columns, columns=self.rows, transposed=not self.transposed)

    def of_replica(self, r, itemsize):
        """Return the matrix of replica r alone."""
        return self._replace(address=self.address + r * self.stride * itemsize)


def loaded():
    """Return the cuBLAS that is loaded in this process, as ctypes finds it; a KernelFailure if there is none."""
    mode = os.RTLD_NOW | getattr(os, "RTLD_NOLOAD", 0) if os.name == "posix" else ctypes.DEFAULT_MODE
    for name in NAMES:
        with contextlib.suppress(OSError):
            return ctypes.CDLL(name, mode=mode)
    raise KernelFailure("cuBLAS is not loaded under any name that is known here")


class Cublas:
    """A handle of cuBLAS.

    Args:
        library: of ctypes.
        workspace: (address, bytes) of memory on the device, which outlives the handle.
    """

    def __init__(self, library, workspace):
        self.library, self.workspace, self.lock, self.handle = library, workspace, Lock(), ctypes.c_void_p()
        self.products = library.cublasGemmStridedBatchedEx
        real, each = ctypes.c_void_p, ctypes.c_int
        factor = [real, each, each, ctypes.c_longlong]  # address, type, distance of columns, distance of matrices
        sizes = [each] * 5  # transposed?, transposed?, m, n, k
        self.products.argtypes = [real, *sizes, real, *factor, *factor, real, *factor, each, each, each]
        library.cublasCreate_v2.argtypes = [ctypes.POINTER(ctypes.c_void_p)]
        library.cublasSetStream_v2.argtypes = [real, real]
        library.cublasSetWorkspace_v2.argtypes = [real, real, ctypes.c_size_t]
        self.check(library.cublasCreate_v2(ctypes.byref(self.handle)), "be started")

    @staticmethod
    def check(status, what):
        """Raise a KernelFailure unless a function of cuBLAS has returned 0."""
        if status:
            raise KernelFailure(f"cuBLAS cannot {what} (status {status})")

    def product(self, stream, A, B, C, replicas, dtype, tf32=False):
        """Compute C = A @ B for each replica, asynchronously.

        Args:
            stream: its address.
            A, B, C: Stacks; C is not transposed.
            tf32: whether the factors may be rounded to 10 bits.
        """
        # cuBLAS sees each array by columns, which is the transpose: it computes C.T = B.T @ A.T.
        kind, compute, one, zero = ALPHA_BETA[dtype]
        compute = COMPUTE_32F_FAST_TF32 if tf32 and kind == REAL_32F else compute
        factor = lambda M: (M.address, kind, M.rows if M.transposed else M.columns, M.stride)
        numbers = B.transposed, A.transposed, C.columns, C.rows, A.columns
        with self.lock:
            self.check(self.library.cublasSetStream_v2(self.handle, stream), "take a stream")
            self.check(self.library.cublasSetWorkspace_v2(self.handle, *self.workspace), "take its memory")
            status = self.products(
                self.handle,
                *numbers,
                ctypes.addressof(one),
                *factor(B),
                *factor(A),
                ctypes.addressof(zero),
                *factor(C),
                replicas,
                compute,
                GEMM_DEFAULT,
            )
        self.check(status, f"multiply ({A.rows}, {A.columns}) by ({B.rows}, {B.columns})")
