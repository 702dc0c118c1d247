"""The native tier: C with OpenMP (native.c), called through ctypes.

A batch of stacked digits is read as the list of its non-zero pixels. Normalisation is affine, so with raw pixels r the product is
((r - mean) / std) @ W = (r / std) @ W - mean / std · (column sums of W), and the gradient has the same rank-one term.
"""

import ctypes
import importlib.machinery
import os
from pathlib import Path

import numpy as np

from .nonzero import nonzero

KINDS = ("SGD", "Momentum", "Nesterov", "Adagrad", "Adadelta", "RMSProp", "Adam")  # the enum of arithmetic.h
POINTER, INT = ctypes.c_void_p, ctypes.c_int64
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


ACTIVATIONS = ("identity", "relu", "leaky-relu", "tanh", "sigmoid")  # the enum of native.c
REALS = {"float32": ("f", ctypes.c_float), "float64": ("d", ctypes.c_double)}
RULES = {dtype: rule_type(real) for dtype, (_, real) in REALS.items()}


def library():
    """Return the loaded C library; an OSError if it was not built, or does not load."""
    # How long a thread waits awake for its next work before it sleeps: long enough for the pause between two kernels of a
    # step (waking up costs more), too short to starve BLAS and other processes. Read once, when libgomp loads.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    here = Path(__file__).parent
    for ending in importlib.machinery.EXTENSION_SUFFIXES:
        path = here / f"_native{ending}"
        if path.exists():
            return ctypes.CDLL(str(path))
    raise FileNotFoundError("it was not built, since no C compiler with OpenMP was found when dfanp was installed")


def address(array):
    """Return where the data of a C-contiguous array begin."""
    return array.__array_interface__["data"][0]


class Workspace:
    """The lists of non-zero pixels of one batch, in memory that the next batch takes over."""

    def __init__(self):
        self.owner, self.transposed, self.room = None, False, 0

    def hold(self, bank, picks):
        """Make room for the lists of the examples `picks` (n, k)."""
        n, k = picks.shape
        images = picks.reshape(-1) * bank.blocks
        size = int((bank.start[images + bank.blocks] - bank.start[images]).sum())
        if (n, k) != getattr(self, "shape", None):
            self.shape = (n, k)
            self.by_block = np.empty(k * bank.blocks * (n + 1), np.int32)
            self.by_pixel = np.empty(k * bank.pixels + 1, np.int32)
        if size > self.room:
            self.room = size + size // 8
            self.in_block, self.in_pixel = np.empty(self.room, np.uint16), np.empty(self.room, np.uint32)
        self.batch = Batch(n, k, *map(address, (self.by_block, self.by_pixel, self.in_block, self.in_pixel)))


class Native:
    """The operations of the kernel table in C, for float32 and float64.

    Results do not depend on the number of threads: work is split by output, never by summand.
    """

    name = "native"

    def __init__(self, xp=np):
        lib = library()
        self.gather, self.transpose, self.threads = lib.dfanp_gather, lib.dfanp_transpose, lib.dfanp_threads
        self.gather.argtypes, self.transpose.argtypes, self.threads.argtypes = [POINTER] * 3, [POINTER] * 2, [INT]
        self.real = {}
        for dtype, (suffix, real) in REALS.items():
            names = ("product", "descend", "update", "head", "dense_product", "dense_descend")
            product, descend, update, head, dense_product, dense_descend = functions = [
                getattr(lib, f"dfanp_{name}_{suffix}") for name in names
            ]
            product.argtypes = [POINTER, POINTER, POINTER, real, INT, POINTER, POINTER]
            descend.argtypes = [
                POINTER,
                POINTER,
                POINTER,
                real,
                INT,
                POINTER,
                POINTER,
                real,
                POINTER,
                POINTER,
                POINTER,
            ]
            update.argtypes = [POINTER, real, INT, POINTER, POINTER, POINTER, POINTER]
            head.argtypes = [INT, INT, ctypes.c_int, *[POINTER] * 7]
            dense_product.argtypes = [INT] * 3 + [POINTER] * 3
            dense_descend.argtypes = [INT] * 3 + [POINTER] * 3 + [real] + [POINTER] * 3
            for function in functions:
                function.restype = None
            self.real[dtype] = functions
        self.workspaces = {}

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

    def lists(self, X, r):
        """Return bank and workspace with the non-zero pixels of replica r of StackedDigits X (r None: of all)."""
        bank = X.bank.prepared("native", prepare)
        workspace = self.workspaces.setdefault(r, Workspace())
        if workspace.owner is not X:
            picks = X.picks if r is None else X.picks[r]
            picks = np.ascontiguousarray(picks, np.int64)
            workspace.owner = None
            workspace.hold(bank.nonzero, picks)
            self.gather(bank.address, address(picks), ctypes.byref(workspace.batch))
            workspace.owner, workspace.transposed = X, False
        return bank, workspace

    def product(self, X, W):
        """Return X @ W for StackedDigits or an array X, (n, H) or (R, n, H); W is not changed."""
        if isinstance(X, np.ndarray):
            return self.dense_product(X, W)
        product = self.real[X.dtype][0]
        W = np.ascontiguousarray(W)
        out = np.empty((*(W.shape[:-2] or X.shape[:-2]), X.shape[-2], W.shape[-1]), W.dtype)
        for r, w, a in replicas(W, out):
            bank, workspace = self.lists(X, r if X.picks.ndim == 3 else None)
            batch = ctypes.byref(workspace.batch)
            product(bank.address, batch, address(bank.table), bank.shift, W.shape[-1], address(w), address(a))
        return out

    def dense_product(self, X, W):
        """Return X @ W for an array X: by BLAS, unless X has so few columns that waking its threads costs more."""
        if X.shape[-1] > FEW:
            return X @ W
        (n, D), H = X.shape[-2:], W.shape[-1]
        X, W = np.ascontiguousarray(X), np.ascontiguousarray(W)
        out = np.empty((*(W.shape[:-2] or X.shape[:-2]), n, H), W.dtype)
        for r, w, a in replicas(W, out):
            x = X if r is None or X.ndim == 2 else X[r]
            self.real[W.dtype.name][4](n, D, H, *map(address, (x, w, a)))
        return out

    def dense_descend(self, optimizer, gradient, theta, s, lr, step, epoch):
        """Do what ``descend`` does, for the gradient of an array X."""
        X, delta = gradient
        if X.shape[-1] > FEW:
            return self.update(optimizer, gradient.dense(), theta, s, lr, step, epoch)
        (n, D), H = X.shape[-2:], theta.shape[-1]
        rule, X = rule_of(optimizer, theta.dtype.name, step, epoch), np.ascontiguousarray(X)
        for r, w, d, *state in replicas(theta, np.ascontiguousarray(delta), *slots(s)):
            x = X if r is None or X.ndim == 2 else X[r]
            u, v = [*map(address, state), None, None][:2]
            function = self.real[theta.dtype.name][5]
            function(n, D, H, address(x), address(d), ctypes.byref(rule), rate_of(lr, r), address(w), u, v)

    def descend(self, optimizer, gradient, theta, s, lr, step, epoch):
        """Do one step of `optimizer` on `theta` and its state `s`, in place, by a WeightGradient."""
        X, delta = gradient
        if isinstance(X, np.ndarray):
            return self.dense_descend(optimizer, gradient, theta, s, lr, step, epoch)
        descend = self.real[X.dtype][1]
        rule = rule_of(optimizer, X.dtype, step, epoch)
        for r, w, d, *state in replicas(theta, np.ascontiguousarray(delta), *slots(s)):
            bank, workspace = self.lists(X, r if X.picks.ndim == 3 else None)
            if not workspace.transposed:
                self.transpose(bank.address, ctypes.byref(workspace.batch))
                workspace.transposed = True
            u, v = [*map(address, state), None, None][:2]
            table, rate = address(bank.table), rate_of(lr, r)
            batch = ctypes.byref(workspace.batch)
            H = theta.shape[-1]
            descend(bank.address, batch, table, bank.shift, H, address(d), ctypes.byref(rule), rate, address(w), u, v)

    def update(self, optimizer, g, theta, s, lr, step, epoch):
        """Do one step of `optimizer` on `theta` and its state `s`, in place, by the gradient `g` of their shape."""
        dtype = theta.dtype.name
        update, g = self.real[dtype][2], np.ascontiguousarray(g)
        rule = rule_of(optimizer, dtype, step, epoch)
        each = [(None, theta, g, *slots(s))] if isinstance(lr, float) else replicas(theta, g, *slots(s))
        for r, w, gradient, *state in each:
            u, v = [*map(address, state), None, None][:2]
            update(ctypes.byref(rule), rate_of(lr, r), w.size, address(gradient), address(w), u, v)

    def head(self, activation, a, W, y, M):
        """Return what follows the last hidden layer of a network with one output and the loss "bce".

        Args:
            activation: of the hidden layer. a: its pre-activation (n, H) or (R, n, H), which becomes h = f(a) in place.
            W: the output weights, (H, 1) or (R, H, 1). y: targets (n, 1) or (R, n, 1).
            M: what carries e back, W.T or B: (1, H), or (R, 1, H).

        Returns:
            the loss summed over the examples and the number that are right, float64, () or (R,); the gradient of W, of its
            shape; and delta = (e @ M) * f'(h), of the shape of a.
        """
        function, number = self.real[a.dtype.name][3], ACTIVATIONS.index(activation)
        (n, H), g, delta, told = a.shape[-2:], np.empty_like(W), np.empty_like(a), np.empty((*a.shape[:-2], 2))
        y, M = (np.ascontiguousarray(each) for each in (y, M))
        for r, a_r, w, g_r, delta_r, told_r in replicas(a, W, g, delta, told):
            y_r, M_r = (each if r is None or each.ndim == 2 else each[r] for each in (y, M))
            function(n, H, number, *map(address, (a_r, w, y_r, M_r, g_r, delta_r, told_r)))
        return told[..., 0], told[..., 1], g, delta


class prepare:
    """What C reads of a bank: its non-zero pixels, and the table and shift with which a raw pixel is table[raw] + shift."""

    def __init__(self, bank):
        self.nonzero = nonzero(bank.raw)
        self.table = (np.arange(256) / bank.std).astype(bank.dtype)
        self.shift = -bank.mean / bank.std
        start, entries = map(address, self.nonzero[3:])
        self.struct = Bank(*self.nonzero[:3], start, entries)
        self.address = ctypes.byref(self.struct)


def replicas(first, *more):
    """Yield (r, first[r], …) along the replica axis of 3-d arrays, or (None, first, …) without one."""
    if first.ndim < 3:
        yield None, first, *more
    else:
        yield from zip(range(len(first)), first, *more, strict=True)


def slots(s):
    """Return the state arrays of a parameter, in the order in which C takes them."""
    return vars(s).values()


def rate_of(lr, r):
    """Return the learning rate of replica r: `lr` is a number, or an array with a leading replica axis."""
    return lr if isinstance(lr, float) else float(lr.reshape(-1)[r or 0])


def rule_of(optimizer, dtype, step, epoch):
    """Return the struct `rule` of arithmetic.h for an optimizer at a step (and epoch)."""
    rule, get = RULES[dtype](), lambda name, default=0.0: getattr(optimizer, name, default)
    rule.kind = KINDS.index(type(optimizer).__name__)
    rule.outside = get("eps_placement") == "outside"
    rule.unscaled = get("accumulate") == "unscaled"
    rule.weight_decay, rule.eps = get("weight_decay"), get("eps")
    rule.rho = get("rho") or get("momentum")
    rule.beta1, rule.beta2 = get("beta1"), get("beta2")
    # 1 - rho is taken in Python's precision and rounded once, as in the definition.
    rule.one_rho, rule.one_beta1, rule.one_beta2 = 1 - get("rho"), 1 - get("beta1"), 1 - get("beta2")
    t = step if get("count") == "steps" else epoch
    rule.correction1, rule.correction2 = 1 - get("beta1") ** t, 1 - get("beta2") ** t
    return rule
