"""What may stand as the input X of a network: a dense array, or StackedDigits."""

from math import prod
from typing import NamedTuple


class Bank:
    """Images to draw from, and how their pixels are normalised.

    Args:
        pixels: uint8 (images, pixels), on the host.
        mean, std: the affine normalisation (raw - mean) / std of every pixel.
        dtype: of the normalised pixels, ``"float32"`` or ``"float64"``.
        backend: where the images live.

    Attributes:
        raw: the pixels as an array of the backend.
    """

    def __init__(self, pixels, mean, std, dtype, backend):
        self.raw, self.mean, self.std = backend.asarray(pixels), mean, std
        self.dtype, self.backend, self._prepared = dtype, backend, {}

    def prepared(self, tier, prepare):
        """Return ``prepare(self)``, made once for each kernel tier."""
        if tier not in self._prepared:  # of threads that come here at once the first to be done counts
            self._prepared.setdefault(tier, prepare(self))
        return self._prepared[tier]


class StackedDigits:
    """k images of a bank side by side, one row an example, kept as numbers of images: ``X @ W`` never needs them dense.

    Args:
        bank: a Bank.
        picks: which images stand in each example, int64 (n, k), or (R, n, k) with replicas, an array of its backend.

    Attributes:
        shape, dtype: of the dense array that this stands for: (n, k · pixels), or (R, n, k · pixels).
    """

    def __init__(self, bank, picks):
        self.bank, self.picks, self.dtype = bank, picks, bank.dtype
        self._dense = None

    @property
    def shape(self):
        *leading, k = self.picks.shape
        return (*leading, k * self.bank.raw.shape[1])

    def __matmul__(self, W):
        return self.bank.backend.kernels.product(self, W)

    def rows(self, start, stop):
        """Return the examples from `start` to `stop` as StackedDigits; nothing is gathered."""
        return StackedDigits(self.bank, self.picks[..., start:stop, :])

    def dense(self):
        """Return the array of `shape`: the images gathered, stacked and normalised. It is kept; do not change it."""
        if self._dense is None:
            xp, bank = self.bank.backend.xp, self.bank
            raw = xp.take(bank.raw, xp.reshape(self.picks, (prod(self.picks.shape),)), axis=0)
            self._dense = xp.reshape((xp.astype(raw, getattr(xp, self.dtype)) - bank.mean) / bank.std, self.shape)
        return self._dense


class WeightGradient(NamedTuple):
    """The gradient X.T @ delta of the weights above an input X (StackedDigits or an array), not yet computed."""

    X: object
    delta: object

    def dense(self):
        """Return the gradient as an array, (D, H) or (R, D, H)."""
        X = dense(self.X)
        return X.mT @ self.delta


def rows(X, start, stop):
    """Return the examples of X from `start` to `stop`: StackedDigits, or an array (m, D) or (R, m, D)."""
    return X.rows(start, stop) if isinstance(X, StackedDigits) else X[..., start:stop, :]


def weight_gradient(xp, h, delta):
    """Return h.T @ delta, an array, or for StackedDigits h a WeightGradient."""
    return WeightGradient(h, delta) if isinstance(h, StackedDigits) else xp.matrix_transpose(h) @ delta


def dense(X):
    """Return StackedDigits or a WeightGradient as an array; an array as it is."""
    return X.dense() if isinstance(X, StackedDigits | WeightGradient) else X
