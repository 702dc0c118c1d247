"""The examples that an estimator trains on, sparse ones among them, and networks that continue from given parameters."""

from typing import Any

import numpy as np

from ..feedback import Feedback
from ..network import MLP
from ..problems import Arrays

PROBE = 1000  # training examples on which alignment is measured


class SparseRows:
    """A SciPy CSR matrix as the input X of a network: ``X @ W`` and ``X.mT @ delta`` are dense arrays, and X never is.

    Args:
        rows: a CSR matrix (n, D).
    """

    by_steps = True  # no kernel of a whole epoch reads it

    def __init__(self, rows: Any) -> None:
        self.rows = rows

    @property
    def shape(self):
        return self.rows.shape

    @property
    def ndim(self):
        return 2

    @property
    def dtype(self):
        return self.rows.dtype

    @property
    def mT(self):
        return self.rows.T

    def __len__(self):
        return self.rows.shape[0]

    def __matmul__(self, W):
        return self.rows @ W

    def __getitem__(self, key):
        """Return some of the examples; columns cannot be selected."""
        key = key if isinstance(key, tuple) else (key,)
        some = [each for each in key if each is not Ellipsis]
        return SparseRows(self.rows[some[0]])

    def dense(self):
        """Return the array (n, D)."""
        return self.rows.toarray()


class FixedSplit(Arrays):
    """Training examples and a fixed test set; alignment is measured on training examples.

    Args:
        X, y, X_test, y_test: as in ``Arrays``; both X may be CSR matrices, which must be finite and on the CPU.
    """

    def __init__(self, X, y, X_test, y_test, loss, dtype, backend, weights):
        self.sparse = not isinstance(X, np.ndarray)
        if not self.sparse:
            super().__init__(X, y, X_test, y_test, loss, dtype, backend, weights)
            return
        if backend.device != "cpu":
            raise ValueError("X must be dense for the device 'gpu', got a sparse matrix: X.toarray() is dense")
        with np.errstate(over="ignore"):
            both = [each.astype(dtype) for each in (X, X_test)]
        if not all(np.isfinite(each.data).all() for each in both):
            raise ValueError(f"X must be finite in {dtype}, got NaN or infinity")
        rows = [np.zeros((len(each), 1)) for each in (y, y_test)]
        super().__init__(rows[0], y, rows[1], y_test, loss, dtype, backend, weights)
        self._train[0], self._test[0] = map(SparseRows, both)
        self.features = X.shape[1]

    def train(self, seed, epoch):
        if not self.sparse:
            return super().train(seed, epoch)
        order = self.order(seed, epoch)
        return [a[order] for a in self._train]

    def probe(self, seed):
        return [a[:PROBE, :] for a in self._train]


class Restored(MLP):
    """A network with copies of given parameters, name -> array; none is drawn."""

    def __init__(self, parameters, *args):
        self.given = parameters
        super().__init__(*args)

    def draw(self, seed):
        return {name: np.array(theta, self.dtype) for name, theta in self.given.items()}


class Blank(Feedback):
    """Feedback matrices of zeros, which the saved ones overwrite."""

    def draw(self, shapes, seed):
        return [np.zeros(shape) for shape in shapes]


def outputs_of(training):
    """Return the outputs of the network of a Training for the examples that it is tested on, a NumPy array (n, d_L)."""
    network = training.network
    with training.backend.pinned():
        return training.backend.to_host(network.forward(training.problem.test(training.seed, training.epoch)[0])[-1])
