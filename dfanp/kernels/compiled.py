"""What the compiled tiers share: the contracts, the walk along the replicas, and the lists of a batch's non-zero pixels.

A batch of stacked digits is read as the list of its non-zero pixels. Normalisation is affine, so with raw pixels r the product is
((r - mean) / std) @ W = (r / std) @ W - mean / std · (column sums of W), and the gradient has the same rank-one term.
"""

import os
from contextlib import contextmanager
from threading import RLock, local

import numpy as np

from ..inputs import StackedDigits
from ..system.threads import free_in_children
from . import mirror
from .mirror import hyperparameters, slots
from .nonzero import nonzero
from .tier import Tier

SGD = mirror.number(mirror.OPTIMIZERS, "sgd")


LOADING = free_in_children(RLock())


@contextmanager
def awake_shortly():
    """Let libgomp, if it loads meanwhile, have its threads wait awake for a short time for more work before they sleep.

    Long enough for the pause between two kernels of a step (waking up costs more), too short to starve BLAS and other
    processes. It reads the environment once, when it loads; what others start afterwards gets the environment as it was.
    """
    with LOADING:
        if {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
            yield
            return
        os.environ["GOMP_SPINCOUNT"] = "10000"
        try:
            yield
        finally:
            os.environ.pop("GOMP_SPINCOUNT", None)


class Digits:
    """What the kernels read of a Bank: its non-zero pixels, and the table and shift with which a raw pixel is table[raw] + shift."""

    def __init__(self, bank):
        self.nonzero = nonzero(bank.raw)
        self.table = (np.arange(256) / bank.std).astype(bank.dtype)
        self.shift = -bank.mean / bank.std


class SparseBatch:
    """The lists of non-zero pixels of one batch, in memory that the next batch takes over.

    Attributes:
        by_block, in_block: by block c (of k · blocks), example by example, those of example i from by_block[c, i], as in the bank.
        by_pixel, in_pixel: by pixel j (of k · pixels) from by_pixel[j], each the number of its example times 256, plus its
            raw value.
    """

    def __init__(self):
        self.owner, self.transposed, self.shape, self.room = None, False, None, 0

    def hold(self, nonzero, picks):
        """Make room for the lists of the examples `picks` (n, k)."""
        n, k = picks.shape
        images = picks.reshape(-1) * nonzero.blocks
        size = int((nonzero.start[images + nonzero.blocks] - nonzero.start[images]).sum())
        if (n, k) != self.shape:
            self.shape = (n, k)
            self.by_block = np.empty((k * nonzero.blocks, n + 1), np.int32)
            self.by_pixel = np.empty(k * nonzero.pixels + 1, np.int32)
        if size > self.room:
            self.room = size + size // 8
            self.in_block, self.in_pixel = np.empty(self.room, np.uint16), np.empty(self.room, np.uint32)


class Workspace(local):
    """Memory that the kernels of a tier use again from call to call; each thread that calls them has its own.

    Attributes:
        lists: SparseBatch, by the number of a replica (None: of all).
    """

    def __init__(self):
        self.lists = {}

    def __reduce__(self):  # a copy, or one in another process, begins empty
        return type(self), ()


class Compiled(Tier):
    """The operations of the kernel table for float32 and float64, but for the loops over pixels and parameters.

    A tier has the classes ``Digits``, ``SparseBatch`` and ``Workspace``, and these, each for arrays without a replica axis:

        gather(digits, picks, lists)             fill by_block and in_block for the examples `picks` (n, k)
        transpose(digits, lists)                 fill by_pixel and in_pixel from them
        numbers(hyperparameters, dtype)          what the next two take, of mirror.hyperparameters
        multiply(digits, lists, W, a)            a = X @ W
        fuse(digits, lists, delta, numbers, lr, W, state)   one step of W and its state, in place, by X.T @ delta
        apply(numbers, lr, g, theta, state)      one step of theta and its state, in place, by g

    and may have ``fused_epoch``. Products of arrays are left to BLAS, on one thread: its others would wait awake, on the cores
    that the next kernel needs.

    Results do not depend on the number of threads: work is split by output, never by summand. Threads of Python may call one tier
    at once, and what they share (a Bank's Digits) is not changed once it is made.
    """

    Digits, SparseBatch, Workspace = Digits, SparseBatch, Workspace
    xp = np
    blas_threads = 1
    optimizers = mirror.OPTIMIZERS

    def __init__(self):
        self.workspace = self.Workspace()

    def listed(self, X, r):
        """Return Digits and SparseBatch with the non-zero pixels of replica r of StackedDigits X (r None: of all)."""
        digits = X.bank.prepared(self.name, self.Digits)
        r = r if X.picks.ndim == 3 else None
        lists = self.workspace.lists.get(r)
        if lists is None:
            lists = self.workspace.lists[r] = self.SparseBatch()
        if lists.owner is not X:
            picks = np.ascontiguousarray(X.picks if r is None else X.picks[r], np.int64)
            lists.owner = None
            lists.hold(digits.nonzero, picks)
            self.gather(digits, picks, lists)
            lists.owner, lists.transposed = X, False
        return digits, lists

    def product(self, X, W):
        """Return X @ W for StackedDigits or an array X, (n, H) or (R, n, H); W is not changed."""
        if not isinstance(X, StackedDigits):
            return X @ W
        W = np.ascontiguousarray(W)
        out = np.empty((*(W.shape[:-2] or X.shape[:-2]), X.shape[-2], W.shape[-1]), W.dtype)
        for r, w, a in replicas(W, out):
            self.multiply(*self.listed(X, r), w, a)
        return out

    def gradient(self, gradient):
        """Return a WeightGradient as an array, (D, H) or (R, D, H)."""
        X, delta = gradient
        if not isinstance(X, StackedDigits):
            return gradient.dense()
        found = np.zeros((*delta.shape[:-2], X.shape[-1], delta.shape[-1]), delta.dtype)
        self.apply_gradient(
            dict.fromkeys((*mirror.FLAGS, *mirror.NUMBERS), 0) | {"kind": SGD}, gradient, found, (), -1.0
        )
        return found

    def fused_update(self, optimizer, gradient, theta, s, lr, t):
        """Do one step of `optimizer` on `theta` and its state `s`, in place, by a WeightGradient."""
        if not isinstance(gradient.X, StackedDigits):
            return self.update(optimizer, gradient.dense(), theta, s, lr, t)
        self.apply_gradient(hyperparameters(optimizer, t), gradient, theta, slots(s), lr)

    def apply_gradient(self, numbers, gradient, theta, state, lr):
        """Do one step of the optimizer that `numbers` describe on `theta` and its state arrays, in place."""
        X, delta = gradient
        numbers = self.numbers(numbers, theta.dtype)
        for r, w, d, *s in replicas(theta, np.ascontiguousarray(delta), *state):
            digits, lists = self.listed(X, r)
            if not lists.transposed:
                self.transpose(digits, lists)
                lists.transposed = True
            self.fuse(digits, lists, d, numbers, rate_of(lr, r), w, s)

    def update(self, optimizer, g, theta, s, lr, t):
        """Do one step of `optimizer` on `theta` and its state `s`, in place, by the gradient `g` of their shape."""
        g = np.ascontiguousarray(g)
        numbers = self.numbers(hyperparameters(optimizer, t), theta.dtype)
        arrays = theta, g, *slots(s)
        # With a rate for each replica all arrays have that axis first, those of biases too.
        each = [(None, *arrays)] if isinstance(lr, float) else zip(range(len(theta)), *arrays, strict=True)
        for r, w, gradient, *state in each:
            self.apply(numbers, rate_of(lr, r), gradient, w, state)


def replicas(first, *more):
    """Yield (r, first[r], …) along the replica axis of 3-d arrays, or (None, first, …) without one."""
    if first.ndim < 3:
        yield None, first, *more
    else:
        yield from zip(range(len(first)), first, *more, strict=True)


def rate_of(lr, r):
    """Return the learning rate of replica r: `lr` is a number, or an array with a leading replica axis."""
    return lr if isinstance(lr, float) else float(lr.reshape(-1)[r or 0])
