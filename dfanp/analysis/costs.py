"""What a step of a rule costs, counted from what it computes: multiplications in products of matrices, and bytes moved.

The step runs once by the reference implementation, on arrays that count the operations of NumPy on them. Kernels
compute the same products, but move fewer bytes.

    >>> import dfanp
    >>> problem = dfanp.Arrays([[1.0] * 4] * 8, [1] * 8)
    >>> network = dfanp.MLP([4, 5, 1], seed=0)
    >>> cost = of_step(dfanp.Training(network, problem, "bp", dfanp.SGD(0.1), batch_size=8))
    >>> cost.multiplications == 2 * 8 * (4 * 5 + 5 * 1) + 8 * 5 * 1  # forwards, gradients; one layer backwards
    True
"""

from typing import Any, NamedTuple

import numpy as np

from ..backend import Backend
from ..inputs import dense
from ..network import MLP
from ..training import Training


class Cost(NamedTuple):
    """The cost of a step.

    Attributes:
        multiplications: in products of matrices.
        bytes: read and written by all operations on arrays, each for itself.
    """

    multiplications: int
    bytes: int


class Counting(np.ndarray):
    """An array whose ufuncs add what they do to the list ``Counting.counts``."""

    counts: Any = None

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **more):
        plain = [np.asarray(each) if isinstance(each, Counting) else each for each in inputs]
        if out is not None:
            more["out"] = tuple(np.asarray(each) if isinstance(each, Counting) else each for each in out)
        result = getattr(ufunc, method)(*plain, **more)
        if Counting.counts is not None:
            arrays = [each for each in (*plain, result) if isinstance(each, np.ndarray)]
            Counting.counts[1] += sum(each.nbytes for each in arrays)
            if ufunc is np.matmul:
                Counting.counts[0] += result.size * plain[0].shape[-1]
        if out is not None:
            return out[0]
        return result.view(Counting) if isinstance(result, np.ndarray) else result


def of_step(training: Any) -> Cost:
    """Return the Cost of the second step of a training like this one; the Training is not changed.

    The second, because some rules prepare their feedback before the first. Random numbers are not counted, nor what
    turns images into numbers.

    Args:
        training: a ``Training`` of one seed.

    Raises:
        ValueError: it has replicas.
    """
    net = training.network
    if net.replicas:
        raise ValueError(f"the cost of a step is that of one seed, got {net.replicas} replicas")
    backend = Backend("cpu", threads=1, kernels="numpy")
    # Another problem on that backend: the same examples as arrays.
    X, y = (counting(dense(each)) for each in training.problem.train(training.seed, 1))
    twin = MLP(net.sizes, net.activation, net.bias, net.dtype, net.seed, backend)
    problem = Given(X, y, training.problem, backend)
    given = dict(batch_size=training.batch_size, layers="output" if training.first else "all")
    run = Training(twin, problem, training.rule, training.optimizer, training.feedback, **given)
    twin.parameters = {name: counting(theta) for name, theta in twin.parameters.items()}
    run.B = [counting(b) for b in run.B]
    for slots in run.state.slots.values():
        vars(slots).update({name: counting(array) for name, array in vars(slots).items()})
    batch = X[: run.batch_size], y[: run.batch_size]
    run.learn(*batch, 1)
    Counting.counts = [0, 0]
    try:
        run.learn(*batch, 1)
        return Cost(*Counting.counts)
    finally:
        Counting.counts = None


def counting(array):
    """Return a view of a host array that counts."""
    return np.asarray(array).view(Counting)


class Given:
    """A problem of given arrays."""

    def __init__(self, X, y, like, backend):
        self.features, self.outputs, self.train_size = X.shape[-1], y.shape[-1], X.shape[-2]
        self.loss, self.dtype, self.backend = like.loss, like.dtype, backend
        self.train = self.test = lambda seed, epoch: (X, y)
