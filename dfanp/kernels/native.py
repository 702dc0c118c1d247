"""The native tier: C with OpenMP (native.c), called through ctypes."""

import ctypes
import importlib.machinery
from pathlib import Path

import numpy as np

from . import compiled

POINTER, INT = ctypes.c_void_p, ctypes.c_int64
ACTIVATIONS = ("identity", "relu", "leaky-relu", "tanh", "sigmoid")  # the enum of native.c
FEW = 128  # columns of a dense X; more are left to BLAS


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
    compiled.wait_awake_shortly()
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
            arguments = {
                "product": [POINTER] * 3 + [real, INT] + [POINTER] * 2,
                "descend": [POINTER] * 3 + [real, INT] + [POINTER] * 2 + [real] + [POINTER] * 3,
                "update": [POINTER, real, INT] + [POINTER] * 4,
                "head": [INT, INT, ctypes.c_int] + [POINTER] * 7,
                "dense_product": [INT] * 3 + [POINTER] * 3,
                "dense_descend": [INT] * 3 + [POINTER] * 3 + [real] + [POINTER] * 3,
            }
            self.real[dtype] = {name: getattr(lib, f"dfanp_{name}_{suffix}") for name in arguments}
            for name, function in self.real[dtype].items():
                function.argtypes, function.restype = arguments[name], None

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
        product = self.real[W.dtype.name]["product"]
        product(digits.bank, lists.batch, digits.table_at, digits.shift, W.shape[-1], address(W), address(a))

    def fuse(self, digits, lists, delta, rule, lr, W, state):
        descend, H = self.real[W.dtype.name]["descend"], W.shape[-1]
        scale, by = (digits.table_at, digits.shift, H, address(delta)), (ctypes.byref(rule), lr)
        descend(digits.bank, lists.batch, *scale, *by, address(W), *addresses(state))

    def apply(self, rule, lr, g, theta, state):
        update = self.real[theta.dtype.name]["update"]
        update(ctypes.byref(rule), lr, theta.size, address(g), address(theta), *addresses(state))

    def dense_product(self, X, W):
        """Return X @ W for an array X: by BLAS, unless X has so few columns that waking its threads costs more."""
        if X.shape[-1] > FEW:
            return X @ W
        (n, D), H = X.shape[-2:], W.shape[-1]
        X, W = np.ascontiguousarray(X), np.ascontiguousarray(W)
        out = np.empty((*(W.shape[:-2] or X.shape[:-2]), n, H), W.dtype)
        for r, w, a in compiled.replicas(W, out):
            self.real[W.dtype.name]["dense_product"](n, D, H, *map(address, (of_replica(X, r), w, a)))
        return out

    def dense_descend(self, optimizer, gradient, theta, s, lr, step, epoch):
        """Do what ``descend`` does, for the gradient of an array X; the same choice as in ``dense_product``."""
        X, delta = gradient
        if X.shape[-1] > FEW:
            return super().dense_descend(optimizer, gradient, theta, s, lr, step, epoch)
        dtype, (n, D), H = theta.dtype.name, X.shape[-2:], theta.shape[-1]
        rule, X = self.rule(compiled.hyperparameters(optimizer, step, epoch), dtype), np.ascontiguousarray(X)
        for r, w, d, *state in compiled.replicas(theta, np.ascontiguousarray(delta), *compiled.slots(s)):
            read = (address(of_replica(X, r)), address(d), ctypes.byref(rule), compiled.rate_of(lr, r))
            self.real[dtype]["dense_descend"](n, D, H, *read, address(w), *addresses(state))

    def head(self, activation, a, W, y, M):
        """Return what follows the last hidden layer of a network with one output and the loss "bce".

        Args:
            activation: of the hidden layer. a: its pre-activation (n, H) or (R, n, H), which becomes h = f(a) in place.
            W: the output weights, (H, 1) or (R, H, 1). y: targets (n, 1) or (R, n, 1).
            M: what carries e back, W.T or B: (1, H), or (R, 1, H).

        Returns:
            the loss summed over the examples and the number that are right, float64, () or (R,); the gradient of W, of
            its shape; and delta = (e @ M) * f'(h), of the shape of a.
        """
        (n, H), number = a.shape[-2:], ACTIVATIONS.index(activation)
        g, delta, told = np.empty_like(W), np.empty_like(a), np.empty((*a.shape[:-2], 2))
        y, M = (np.ascontiguousarray(each) for each in (y, M))
        for r, a_r, w, g_r, delta_r, told_r in compiled.replicas(a, W, g, delta, told):
            each = (a_r, w, of_replica(y, r), of_replica(M, r), g_r, delta_r, told_r)
            self.real[a.dtype.name]["head"](n, H, number, *map(address, each))
        return told[..., 0], told[..., 1], g, delta


def of_replica(array, r):
    """Return array[r], or the array itself where all replicas share it."""
    return array if r is None or array.ndim == 2 else array[r]
