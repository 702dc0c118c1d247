"""What the compiled tiers share: the contracts, the walk along the replicas, and the lists of a batch's non-zero pixels.

A batch of stacked digits is read as the list of its non-zero pixels. Normalisation is affine, so with raw pixels r the product is
((r - mean) / std) @ W = (r / std) @ W - mean / std · (column sums of W), and the gradient has the same rank-one term.
"""

import os

import numpy as np

from ..inputs import StackedDigits
from .nonzero import nonzero
from .tier import Tier

KINDS = ("SGD", "Momentum", "Nesterov", "Adagrad", "Adadelta", "RMSProp", "Adam")  # the order that the kernels know


def wait_awake_shortly():
    """Set how long libgomp's threads wait awake for more work before they sleep; it reads that once, when it loads.

    Long enough for the pause between two kernels of a step (waking up costs more), too short to starve BLAS and other
    processes.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")


class Digits:
    """What the kernels read of a Bank: its non-zero pixels, and the table and shift with which a raw pixel is table[raw] + shift."""

    def __init__(self, bank):
        self.nonzero = nonzero(bank.raw)
        self.table = (np.arange(256) / bank.std).astype(bank.dtype)
        self.shift = -bank.mean / bank.std


class Lists:
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


class Compiled(Tier):
    """The operations of the kernel table for float32 and float64, but for the loops over pixels and parameters.

    A tier has the classes ``Digits`` and ``Lists``, and these, each for arrays without a replica axis:

        gather(digits, picks, lists)             fill by_block and in_block for the examples `picks` (n, k)
        transpose(digits, lists)                 fill by_pixel and in_pixel from them
        rule(numbers, dtype)                     what the next two take, from ``hyperparameters``
        multiply(digits, lists, W, a)            a = X @ W
        fuse(digits, lists, delta, rule, lr, W, state)   one step of W and its state, in place, by X.T @ delta
        apply(rule, lr, g, theta, state)         one step of theta and its state, in place, by g

    and may have ``pass_over``. Products of arrays are left to BLAS, on one thread: its others would wait awake, on the cores
    that the next kernel needs.

    Results do not depend on the number of threads: work is split by output, never by summand.
    """

    Digits, Lists = Digits, Lists
    xp = np
    blas_threads = 1

    def __init__(self):
        self.lists = {}

    def listed(self, X, r):
        """Return Digits and Lists with the non-zero pixels of replica r of StackedDigits X (r None: of all)."""
        digits = X.bank.prepared(self.name, self.Digits)
        r = r if X.picks.ndim == 3 else None
        lists = self.lists.setdefault(r, self.Lists())
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

    def descend(self, optimizer, gradient, theta, s, lr, step, epoch):
        """Do one step of `optimizer` on `theta` and its state `s`, in place, by a WeightGradient."""
        X, delta = gradient
        if not isinstance(X, StackedDigits):
            return self.update(optimizer, gradient.dense(), theta, s, lr, step, epoch)
        rule = self.rule(hyperparameters(optimizer, step, epoch), theta.dtype)
        for r, w, d, *state in replicas(theta, np.ascontiguousarray(delta), *slots(s)):
            digits, lists = self.listed(X, r)
            if not lists.transposed:
                self.transpose(digits, lists)
                lists.transposed = True
            self.fuse(digits, lists, d, rule, rate_of(lr, r), w, state)

    def update(self, optimizer, g, theta, s, lr, step, epoch):
        """Do one step of `optimizer` on `theta` and its state `s`, in place, by the gradient `g` of their shape."""
        g = np.ascontiguousarray(g)
        rule = self.rule(hyperparameters(optimizer, step, epoch), theta.dtype)
        arrays = theta, g, *slots(s)
        # With a rate for each replica all arrays have that axis first, those of biases too.
        each = [(None, *arrays)] if isinstance(lr, float) else zip(range(len(theta)), *arrays, strict=True)
        for r, w, gradient, *state in each:
            self.apply(rule, rate_of(lr, r), gradient, w, state)


def replicas(first, *more):
    """Yield (r, first[r], …) along the replica axis of 3-d arrays, or (None, first, …) without one."""
    if first.ndim < 3:
        yield None, first, *more
    else:
        yield from zip(range(len(first)), first, *more, strict=True)


def slots(s):
    """Return the state arrays of a parameter, in the order in which the kernels take them."""
    return vars(s).values()


def rate_of(lr, r):
    """Return the learning rate of replica r: `lr` is a number, or an array with a leading replica axis."""
    return lr if isinstance(lr, float) else float(lr.reshape(-1)[r or 0])


def hyperparameters(optimizer, step, epoch):
    """Return the numbers of an optimizer at a step (and epoch): the struct `rule` of arithmetic.h, name by name, in its order."""
    get = lambda name, default=0.0: getattr(optimizer, name, default)
    t = step if get("count") == "steps" else epoch
    return {
        "kind": KINDS.index(type(optimizer).__name__),
        "outside": get("eps_placement") == "outside",
        "unscaled": get("accumulate") == "unscaled",
        "weight_decay": get("weight_decay"),
        "rho": get("rho") or get("momentum"),
        "beta1": get("beta1"),
        "beta2": get("beta2"),
        "eps": get("eps"),
        # 1 - rho is taken in Python's precision and rounded once, as in the definition.
        "one_rho": 1 - get("rho"),
        "one_beta1": 1 - get("beta1"),
        "one_beta2": 1 - get("beta2"),
        "correction1": 1 / (1 - get("beta1") ** t),
        "correction2": 1 / (1 - get("beta2") ** t),
    }


def corrections(optimizer, steps, dtype):
    """Return Adam's corrections 1 / (1 - beta^t) at some `steps`, (steps, 2), or None for an optimizer that has none at a step."""
    if getattr(optimizer, "count", None) != "steps":
        return None
    pairs = [(1 / (1 - optimizer.beta1**t), 1 / (1 - optimizer.beta2**t)) for t in steps]
    return np.array(pairs, dtype)
