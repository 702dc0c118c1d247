"""A card for the cuda tier that is none: its kernels are compiled by g++ and run on the CPU (emulator.h)."""

import contextlib
import ctypes
import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pooch
import pytest

import dfanp
from dfanp.kernels import Kernels
from dfanp.kernels.cuda import Cuda
from dfanp.kernels.cuda.card import source
from dfanp.kernels.cuda.cublas import WORKSPACE, Cublas
from dfanp.kernels.cuda.structs import FLOAT, STRUCTS
from dfanp.kernels.numpy import Plain
from dfanp.kernels.tier import KernelFailure

HERE = Path(__file__).parent


GCC = ["g++", "-std=c++17", "-O1", "-fPIC", "-pthread", "-fno-strict-aliasing", "-w"]
CACHE = Path(pooch.os_cache("dfanp")) / "emulator"  # found now: some tests have a cache of their own


def key_of(*content):
    """Return a name for what a compiler makes of some content."""
    return hashlib.sha256(repr((*content, GCC, compiler())).encode()).hexdigest()[:20]


@functools.cache
def compiler():
    """Return the version of g++, as it says it."""
    return subprocess.run(["g++", "--version"], capture_output=True, check=True).stdout.splitlines()[0]


@functools.cache
def workshop():
    """Return a folder with the emulator, precompiled: it is made once for each version of the emulator and of the compiler."""
    text = (HERE / "emulator.h").read_text()
    folder = CACHE / key_of(text)
    if not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=CACHE))
        (made / "emulator.h").write_text(text)
        subprocess.run([*GCC, "-x", "c++-header", "emulator.h"], cwd=made, check=True)
        with contextlib.suppress(OSError):  # another process was faster
            made.rename(folder)
        shutil.rmtree(made, ignore_errors=True)
    return folder


def with_shared_memory(text):
    """Return the text of kernels in which the memory that the threads of a block share is that of the emulator."""
    return text.replace("extern __shared__ float4 shared[];", "float4 *const shared = shared_memory;")


@functools.cache
def library(file, name, defines):
    """Return the function that launches kernel `name`, compiled with `defines`, ((macro, number), …)."""
    names = ["pass"] if file == "cuda_pass.cu" else list(STRUCTS[FLOAT])
    # The precompiled header must come before everything else, the macros too.
    macros = "\n".join(f"#define {macro} {value}" for macro, value in defines)
    launches = "\n".join(f"LAUNCHES({each})" for each in names)
    code = f'#include "emulator.h"\n{macros}\n{with_shared_memory(source(file))}\n{launches}\n'
    built = workshop() / f"{key_of(code)}.so"
    if not built.exists():
        with tempfile.TemporaryDirectory(dir=workshop()) as folder:
            (Path(folder) / "kernel.cc").write_text(code)
            made = Path(folder) / "kernel.so"
            subprocess.run([*GCC, "-I..", "-shared", "-o", made, "kernel.cc"], cwd=folder, check=True)
            os.replace(made, built)
    launch = getattr(ctypes.CDLL(str(built)), f"launch_{name}")
    launch.argtypes = [ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint, ctypes.c_long, ctypes.c_int]
    launch.restype = ctypes.c_long
    return launch


@functools.cache
def cublas():
    """Return cublas.cc, compiled, as a library of ctypes."""
    text = (HERE / "cublas.cc").read_text()
    built = workshop() / f"{key_of(text)}.so"
    if not built.exists():
        with tempfile.TemporaryDirectory(dir=workshop()) as folder:
            made = Path(folder) / "cublas.so"
            subprocess.run([*GCC, "-O2", "-shared", "-o", made, HERE / "cublas.cc"], check=True)
            os.replace(made, built)
    return ctypes.CDLL(str(built))


class Graph:
    """Launches and products that were recorded, with their arguments as they were then."""

    def __init__(self, card):
        self.card, self.calls = card, []

    def launch(self):
        self.card.launched.append("graph")
        for call in self.calls:
            call()


class EmulatedCard:
    """What ``Card`` is for CuPy, for arrays of NumPy.

    Args:
        multiprocessors: how many, each with room for two blocks. shared: bytes that a block can have.
        multiplies: whether there is a cuBLAS. tensor: whether there are tensor cores.

    Attributes:
        descending: in which order the threads of a block take turns. launched: the kernels so far, by name.
    """

    def __init__(self, multiprocessors=6, shared=227 << 10, multiplies=True, tensor=False):
        self.multiprocessors, self.shared, self.descending, self.launched = multiprocessors, shared, False, []
        self.multiplies, self.tensor, self.recording, self._blas = multiplies, tensor, None, None

    @property
    def blas(self):
        if not self.multiplies:
            raise KernelFailure("cuBLAS is not loaded")
        if self._blas is None:
            self._workspace = np.empty(WORKSPACE, np.uint8)
            self._blas = Cublas(cublas(), (self._workspace.ctypes.data, WORKSPACE))
        return self._blas

    def product(self, *what):
        blas = self.blas
        self.do("product", lambda: blas.product(7, *what))

    def do(self, name, call):
        """Call, or record the call."""
        if self.recording is not None:
            self.recording.calls.append(call)
        else:
            self.launched.append(name)
            call()

    def recorded(self, run):
        self.recording = graph = Graph(self)
        try:
            run()
        finally:
            self.recording = None
        return graph

    def kernel(self, file, name, defines):
        return library(file, name, tuple(defines.items()))

    def host(self, array):
        """Return the NumPy array behind an array of this card."""
        return array

    def address(self, array):
        host = self.host(array)
        assert host.flags.c_contiguous or host.base is not None
        return host.ctypes.data

    def strides(self, array):
        host = self.host(array)
        return [stride // host.itemsize for stride in host.strides]

    def to_host(self, array):
        return np.array(self.host(array))

    def asarray(self, host):
        return np.array(host)

    def empty(self, shape, dtype):
        return self.asarray(np.full(shape, np.nan, dtype))

    def zeros(self, shape, dtype):
        return self.asarray(np.zeros(shape, dtype))

    def blocks_at_once(self, file, name, defines, threads, shared):
        return 2 * self.multiprocessors

    def launch(self, file, name, defines, struct, blocks, threads, shared=0):
        assert threads % 32 == 0 and threads <= 1024 and shared <= self.shared
        run, argument = self.kernel(file, name, defines), type(struct).from_buffer_copy(struct)
        self.do(name, lambda: self.run(run, argument, blocks, threads, shared))

    def run(self, run, struct, blocks, threads, shared):
        changed = run(ctypes.addressof(struct), blocks, threads, shared, self.descending)
        if changed == -1:
            raise RuntimeError("unspecified launch failure")
        assert changed != -2, "threads of a block wait at different barriers"
        assert changed == 0, f"{changed} bytes beyond the shared memory were written"


def need_emulator():
    """Skip where there is no compiler for the kernels."""
    if shutil.which("g++") is None or os.name != "posix":
        pytest.skip("no g++ to emulate CUDA with")


def with_tier(backend, tier, by_name=True):
    """Return a Backend with the kernels of a tier in place of its own."""
    backend.kernels = Kernels(tier, Plain(tier.xp), by_name)
    backend.kernels.backend = backend
    return backend


def emulated_backend(**card):
    """Return a Backend on NumPy whose kernels are those of the cuda tier, emulated."""
    need_emulator()
    return with_tier(dfanp.Backend("cpu", kernels="numpy", threads=1), Cuda(np, EmulatedCard(**card)))
