"""CuPy's device for the cuda tier: memory, sizes, and launches of kernels whose only argument is a struct."""

import ctypes
from contextlib import contextmanager, suppress
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from ...errors import first_line
from ..cupy import gpu_name, is_of_cupy
from ..tier import KernelFailure
from .cublas import WORKSPACE, Cublas, loaded

SHAPE = (
    "WORDS",
    "COLUMNS",
    "RANKS",
    "GROUPS",
    "THREADS",
    "BUFFERS",
    "N",
    "K",
    "KIND",
    "LEARN",
)  # macros that a failure names


@cache
def source(name):
    """Return the text of a CUDA file, named from this folder, with the included files inserted."""
    lines = (Path(__file__).parent / name).read_text(encoding="utf-8").splitlines()
    return "\n".join(source(line.split('"')[1]) if line.startswith("#include") else line for line in lines)


def options(file, defines):
    """Return the compiler's options for a file with `defines` (macro -> number)."""
    # In a pass the cost of an update is instructions, not bytes: exact quotients and roots would take a third longer
    # (sm_90, RMSProp). These are within 2 units in the last place.
    fast = ("-prec-div=false", "-prec-sqrt=false") if file == "cuda_pass.cu" else ()
    return ("-std=c++17", *fast, *(f"-D{macro}={value}" for macro, value in defines.items()))


class Card:
    """The current device of CuPy.

    Attributes:
        multiprocessors: how many.
        shared: bytes of shared memory that a block can have.
        tensor: whether it has tensor cores for factors of 11 bits (TF32).
        cooperative: whether all blocks of a launch can wait for each other, as those of a pass do.
    """

    def __init__(self, cupy):
        self.cupy, self.kernels = cupy, {}
        attributes = cupy.cuda.Device().attributes
        self.multiprocessors = attributes["MultiProcessorCount"]
        self.shared = attributes["MaxSharedMemoryPerBlockOptin"]
        self.tensor = attributes["ComputeCapabilityMajor"] >= 8
        # Before 7.0 there are no loads that acquire.
        self.cooperative = bool(attributes["CooperativeLaunch"]) and attributes["ComputeCapabilityMajor"] >= 7

    @property
    def title(self):
        """The device and its driver, for messages."""
        return f"{gpu_name(self.cupy)}, driver for CUDA {self.cupy.cuda.runtime.driverGetVersion()}"

    @contextmanager
    def starting(self, what, name, defines):
        """Turn an error of CuPy, the driver or the compiler in a block into a KernelFailure that names card, kernel and shape."""
        try:
            yield
        except Exception as error:
            if isinstance(error, MemoryError) or not is_of_cupy(error):
                raise
            shape = ", ".join(f"{macro} {defines[macro]}" for macro in SHAPE if macro in defines)
            kernel = f"kernel {name}" + (f" ({shape})" if shape else "")
            raise KernelFailure(f"{kernel} cannot be {what} on {self.title}: {first_line(error)}") from error

    def address(self, array):
        """Return the address of the data of an array on the device."""
        return array.data.ptr

    def strides(self, array):
        """Return the strides of an array, in items."""
        return [stride // array.itemsize for stride in array.strides]

    def asarray(self, host):
        """Return a NumPy array as an array of the device."""
        return self.cupy.asarray(host)

    def to_host(self, array):
        """Return an array of the device as a NumPy array."""
        return self.cupy.asnumpy(array)

    def empty(self, shape, dtype):
        """Return an uninitialised array on the device."""
        return self.cupy.empty(shape, dtype)

    def zeros(self, shape, dtype):
        """Return an array of zeros on the device."""
        return self.cupy.zeros(shape, dtype)

    def kernel(self, file, name, defines):
        """Return kernel `name` of a file, compiled with `defines` (macro -> number)."""
        key = file, name, tuple(defines.items())
        if key not in self.kernels:
            # The blocks of a pass wait for each other: all must be resident at once, or the launch is refused.
            together = name == "pass"
            code = {"code": source(file), "options": options(file, defines)}
            with self.starting("compiled", name, defines):
                module = self.cupy.RawModule(**code, enable_cooperative_groups=together)
                self.kernels[key] = module.get_function(f"dfanp_{name}")
        return self.kernels[key]

    def blocks_at_once(self, file, name, defines, threads, shared):
        """Return the number of resident blocks of a kernel; 0 if blocks cannot wait for each other."""
        if not self.cooperative:
            return 0
        kernel = self.kernel(file, name, defines)
        kernel.max_dynamic_shared_size_bytes = shared
        count = self.cupy.cuda.driver.occupancyMaxActiveBlocksPerMultiprocessor
        return self.multiprocessors * count(kernel.kernel.ptr, threads, shared)

    def launch(self, file, name, defines, struct, blocks, threads, shared=0):
        """Launch kernel `name` with `struct`, of ctypes, as its only argument, asynchronously."""
        argument = np.frombuffer(bytes(struct), np.dtype((np.void, ctypes.sizeof(struct))))
        kernel = self.kernel(file, name, defines)
        with self.starting("launched", name, defines):
            kernel((blocks,), (threads,), (argument,), shared_mem=shared)

    @cached_property
    def blas(self):
        """The ``Cublas`` of this device; a KernelFailure if it cannot be used."""
        with self.starting("started", "of cuBLAS", {}):
            self.cupy.cuda.device.get_cublas_handle()  # loads the library
            self._workspace = self.cupy.empty(WORKSPACE, "uint8")
        return Cublas(loaded(), (self._workspace.data.ptr, WORKSPACE))

    @property
    def multiplies(self):
        """Whether ``product`` works."""
        with suppress(KernelFailure):
            return self.blas is not None
        return False

    def product(self, A, B, C, replicas, dtype, tf32=False):
        """Compute C = A @ B for Stacks, asynchronously: see ``Cublas.product``."""
        self.blas.product(self.cupy.cuda.get_current_stream().ptr, A, B, C, replicas, dtype, tf32)

    def recorded(self, run):
        """Return a graph of the launches and products of ``run()``, which are recorded, not executed: ``launch()`` executes them."""
        stream = self.cupy.cuda.Stream(non_blocking=True)
        with self.starting("recorded", "of a step", {}), stream:
            stream.begin_capture()
            try:
                run()
            except BaseException:
                with suppress(Exception):
                    stream.end_capture()
                raise
            return stream.end_capture()
