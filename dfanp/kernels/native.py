"""The native tier: C with OpenMP (native.c), called through ctypes."""

import ctypes
import importlib.machinery
import os
from pathlib import Path

import numpy as np

from . import compiled

POINTER, INT = ctypes.c_void_p, ctypes.c_int64


class Bank(ctypes.Structure):
    _fields_ = [(name, INT) for name in ("pixels", "blocks", "block")] + [("start", POINTER), ("entries", POINTER)]


class Batch(ctypes.Structure):
    _fields_ = [(name, INT) for name in ("n", "k")] + [
        (name, POINTER) for name in ("by_block", "by_pixel", "in_block", "in_pixel")
    ]


def rule_type(real):
    """Return the struct `rule` of arithmetic.h for the C type `real`."""
    flags = [(name, ctypes.c_int) for name in ("kind", "outside", "unscaled")]
    numbers = "weight_decay rho beta1 beta2 eps one_rho one_beta1 one_beta2 correction1 correction2"
    return type("Rule", (ctypes.Structure,), {"_fields_": flags + [(name, real) for name in numbers.split()]})


REALS = {"float32": ("f", ctypes.c_float), "float64": ("d", ctypes.c_double)}
RULES = {dtype: rule_type(real) for dtype, (_, real) in REALS.items()}


def library():
    """Return the loaded C library; an OSError if it was not built, or does not load."""
    # Threads that spin while they wait would starve BLAS, and BLAS them. Read once, when OpenMP starts.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    here = Path(__file__).parent
    for ending in importlib.machinery.EXTENSION_SUFFIXES:
        path = here / f"_native{ending}"
        if path.exists():
            return ctypes.CDLL(str(path))
    raise FileNotFoundError("it was not built, since no C compiler with OpenMP was found when dfanp was installed")


def address(array):
    """Return where the data of a C-contiguous array begin."""
    return array.__array_interface__["data"][0]


def addresses(state):
    """Return where the two state arrays begin that C takes; None for one that is not there."""
    return [*map(address, state), None, None][:2]


class Digits(compiled.Digits):
    """Digits, with the struct `bank` of native.c."""

    def __init__(self, bank):
        super().__init__(bank)
        self.struct = Bank(*self.nonzero[:3], *map(address, self.nonzero[3:]))
        self.bank, self.table_at = ctypes.byref(self.struct), address(self.table)


class Lists(compiled.Lists):
    """Lists, with the struct `batch` of native.c."""

    def hold(self, nonzero, picks):
        """Make room for the lists of the examples `picks` (n, k)."""
        super().hold(nonzero, picks)
        self.struct = Batch(*picks.shape, *map(address, (self.by_block, self.by_pixel, self.in_block, self.in_pixel)))
        self.batch = ctypes.byref(self.struct)


class Native(compiled.Compiled):
    """The operations of the kernel table in C."""

    name = "native"
    Digits, Lists = Digits, Lists

    def __init__(self, xp=np):
        super().__init__()
        lib = library()
        self.c_gather, self.c_transpose, self.threads = lib.dfanp_gather, lib.dfanp_transpose, lib.dfanp_threads
        self.c_gather.argtypes, self.c_transpose.argtypes, self.threads.argtypes = [POINTER] * 3, [POINTER] * 2, [INT]
        self.real = {}
        for dtype, (suffix, real) in REALS.items():
            product, descend, update = (
                getattr(lib, f"dfanp_{name}_{suffix}") for name in ("product", "descend", "update")
            )
            product.argtypes = [POINTER] * 3 + [real, INT] + [POINTER] * 2
            descend.argtypes = [POINTER] * 3 + [real, INT] + [POINTER] * 2 + [real] + [POINTER] * 3
            update.argtypes = [POINTER, real, INT] + [POINTER] * 4
            for function in (product, descend, update):
                function.restype = None
            self.real[dtype] = (product, descend, update)

    @staticmethod
    def why_not():
        """Return None if the C library is there and loads, else why not."""
        try:
            library()
        except OSError as error:
            return str(error)
        return None

    def set_threads(self, threads):
        """Use that many threads from now on, in the calling thread."""
        self.threads(threads)

    def gather(self, digits, picks, lists):
        self.c_gather(digits.bank, address(picks), lists.batch)

    def transpose(self, digits, lists):
        self.c_transpose(digits.bank, lists.batch)

    def rule(self, numbers, dtype):
        return RULES[dtype](**numbers)

    def multiply(self, digits, lists, W, a):
        product = self.real[digits.table.dtype.name][0]
        product(digits.bank, lists.batch, digits.table_at, digits.shift, W.shape[-1], address(W), address(a))

    def fuse(self, digits, lists, delta, rule, lr, W, state):
        descend, H = self.real[digits.table.dtype.name][1], W.shape[-1]
        scale, by = (digits.table_at, digits.shift, H, address(delta)), (ctypes.byref(rule), lr)
        descend(digits.bank, lists.batch, *scale, *by, address(W), *addresses(state))

    def apply(self, rule, lr, g, theta, state):
        update = self.real[theta.dtype.name][2]
        update(ctypes.byref(rule), lr, theta.size, address(g), address(theta), *addresses(state))
