"""The input X of a network: an array, or StackedDigits, which behaves like one."""

from functools import cache
from math import prod
from typing import NamedTuple

import numpy as np


class Bank:
    """Images to draw from, and how their pixels are normalised.

    Args:
        pixels: uint8 (images, pixels), on the host.
        mean, std: the affine normalisation (raw - mean) / std of every pixel.
        dtype: of the normalised pixels, ``"float32"`` or ``"float64"``.
        backend: of the images.

    Attributes:
        raw: the pixels as an array of the backend.
    """

    def __init__(self, pixels, mean, std, dtype, backend):
        self.raw, self.mean, self.std = backend.asarray(pixels), mean, std
        self.dtype, self.backend, self._prepared = dtype, backend, {}

    def prepared(self, tier, prepare):
        """Return ``prepare(self)``, made once for each kernel tier."""
        if tier not in self._prepared:  # if several threads get here at once, the first result is used
            self._prepared.setdefault(tier, prepare(self))
        return self._prepared[tier]


class StackedDigits:
    """k images of a bank side by side, one row per example, stored as indices of images. In the maths it is an array:

        X @ W              the product, without ever being dense
        X.mT @ delta       a WeightGradient, which is computed when it is needed
        X[..., i:j, :]     some of its examples (X[i:j] without replicas); no image is copied

    Args:
        bank: a Bank.
        picks: the indices of the images of each example, int64 (n, k), or (R, n, k) with replicas, on its backend.

    Attributes:
        shape, dtype: of the dense array that this represents: (n, k · pixels), or (R, n, k · pixels).
    """

    def __init__(self, bank, picks):
        self.bank, self.picks, self.dtype = bank, picks, bank.dtype
        self._dense = None

    @property
    def shape(self):
        *leading, k = self.picks.shape
        return (*leading, k * self.bank.raw.shape[1])

    @property
    def ndim(self):
        return len(self.picks.shape)

    def __len__(self):
        return self.picks.shape[0]

    def __matmul__(self, W):
        return self.bank.backend.kernels.product(self, W)

    @property
    def mT(self):
        return Transposed(self)

    def __getitem__(self, key):
        """Return some of the examples as StackedDigits; all indices are slices, and columns cannot be selected."""
        parts = key if isinstance(key, tuple) else (key,)
        whole = (*parts, slice(None)) if len(parts) == 1 and parts[0] is not Ellipsis and self.ndim == 2 else parts
        reaches_columns = Ellipsis in whole or len(whole) == self.ndim
        if not all(part is Ellipsis or isinstance(part, slice) for part in whole) or (
            reaches_columns and whole[-1] != slice(None)
        ):
            raise IndexError(f"StackedDigits takes slices of its examples, such as X[..., 0:10, :], got {key!r}")
        return StackedDigits(self.bank, self.picks[whole])

    def __array__(self, dtype=None, copy=None):
        raise TypeError("StackedDigits is not a NumPy array, but indices of images: X.dense() returns an array")

    def dense(self):
        """Return the array of `shape`: the images stacked and normalised. It is cached; do not change it."""
        if self._dense is None:
            xp, bank = self.bank.backend.xp, self.bank
            raw = xp.take(bank.raw, xp.reshape(self.picks, (prod(self.picks.shape),)), axis=0)
            self._dense = xp.reshape((xp.astype(raw, getattr(xp, self.dtype)) - bank.mean) / bank.std, self.shape)
        return self._dense


class Transposed(NamedTuple):
    """StackedDigits with the last two axes exchanged, only for ``X.mT @ delta``."""

    X: StackedDigits

    def __matmul__(self, delta):
        return WeightGradient(self.X, delta)


class WeightGradient(NamedTuple):
    """The gradient X.mT @ delta of the weights above StackedDigits X, not yet computed."""

    X: object
    delta: object

    def dense(self):
        """Return the gradient as an array, (D, H) or (R, D, H)."""
        return dense(self.X).mT @ self.delta


def dtype_name(dtype):
    """Return the name of an array's dtype, "float32", in any namespace."""
    return numpy_name(dtype) if isinstance(dtype, np.dtype) else str(dtype).rpartition(".")[2]


@cache
def numpy_name(dtype):
    """Return the name of a dtype of NumPy, ">f8" in another byte order.

    Cached, because NumPy takes longer for it than a small kernel runs.
    """
    return str(dtype)


def dense(X):
    """Return StackedDigits, a WeightGradient or sparse rows as an array; an array as it is."""
    return X.dense() if hasattr(X, "dense") else X
