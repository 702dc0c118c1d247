"""What may stand as the input X of a network: a dense array, or StackedDigits."""

from math import prod


class StackedDigits:
    """k images of a bank side by side, one row an example, kept as numbers of images until a batch is asked for.

    Args:
        bank: images, uint8 (images, pixels), an array of `backend`.
        picks: which images stand in each example, int64 (n, k), or (R, n, k) with replicas, an array of `backend`.
        mean, std: the affine normalisation (raw - mean) / std of every pixel.
        dtype: of the dense rows, ``"float32"`` or ``"float64"``.
        backend: where `bank` and `picks` live.

    Attributes:
        shape: of the dense array that this stands for: (n, k · pixels), or (R, n, k · pixels).
    """

    def __init__(self, bank, picks, mean, std, dtype, backend):
        self.bank, self.picks, self.mean, self.std = bank, picks, mean, std
        self.dtype, self.backend = dtype, backend

    @property
    def shape(self):
        *leading, k = self.picks.shape
        return (*leading, k * self.bank.shape[1])

    def rows(self, start, stop):
        """Return the examples from `start` to `stop` as StackedDigits; nothing is gathered."""
        picks = self.picks[..., start:stop, :]
        return StackedDigits(self.bank, picks, self.mean, self.std, self.dtype, self.backend)

    def dense(self):
        """Return a new array of `shape`: the images gathered, stacked and normalised."""
        xp = self.backend.xp
        raw = xp.take(self.bank, xp.reshape(self.picks, (prod(self.picks.shape),)), axis=0)
        return xp.reshape((xp.astype(raw, getattr(xp, self.dtype)) - self.mean) / self.std, self.shape)


def rows(X, start, stop):
    """Return the examples of X from `start` to `stop` as a dense array, (stop - start, D) or (R, stop - start, D)."""
    return X.rows(start, stop).dense() if isinstance(X, StackedDigits) else X[..., start:stop, :]
