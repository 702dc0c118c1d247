"""Losses of the logits z = a[L], and the output error e = d(mean loss)/dz that every rule starts from.

Each loss is a sum over the outputs of an example and a mean over the n examples of the batch. The mean is in e, once:
no layer divides by n again. Arrays are (n, d_L), or (R, n, d_L) with replicas; targets y have the shape of z.

That e is this derivative can be seen by moving a logit a little:

    >>> import numpy as np
    >>> bce, z, y = get("bce"), np.array([[0.0], [2.0]]), np.array([[1.0], [1.0]])
    >>> bce.error(np, z, y).round(4).tolist()
    [[-0.25], [-0.0596]]
    >>> mean = lambda z: bce.per_example(np, z, y).mean()
    >>> round(float(mean(z + [[1e-6], [0]]) - mean(z - [[1e-6], [0]])) / 2e-6, 4)
    -0.25
"""

from collections.abc import Callable
from typing import NamedTuple

from .activations import sigmoid
from .errors import by_name


class Loss(NamedTuple):
    """A loss, as three functions of ``(xp, z, y)`` that change neither z nor y.

    Attributes:
        per_example: the loss of each example, shape (n,) or (R, n).
        predict: the output y_hat that belongs to the logits, shape of z, ``predict(xp, z)``.
        correct: whether each example is classified right, a boolean (n,) or (R, n).
    """

    name: str
    per_example: Callable
    predict: Callable
    correct: Callable

    def error(self, xp, z, y):
        """Return e = d(mean loss)/dz = (y_hat - y) / n, shape of z: the same line for all three losses here."""
        return (self.predict(xp, z) - y) / z.shape[-2]


def binary_cross_entropy(xp, z, y):
    # -y log s(z) - (1-y) log(1-s(z)) = max(z, 0) - z y + log(1 + exp(-|z|)), which neither overflows nor cancels.
    return xp.sum(xp.maximum(z, 0.0) - z * y + xp.log1p(xp.exp(-xp.abs(z))), axis=-1)


def softmax(xp, z):
    exps = xp.exp(z - xp.max(z, axis=-1, keepdims=True))
    return exps / xp.sum(exps, axis=-1, keepdims=True)


def cross_entropy(xp, z, y):
    shifted = z - xp.max(z, axis=-1, keepdims=True)
    log_sum = xp.log(xp.sum(xp.exp(shifted), axis=-1, keepdims=True))
    # Written with the sum of y (1 for one-hot and soft labels alike) inside, so that e is exact for both.
    return xp.sum(y * (log_sum - shifted), axis=-1)


def squared_error(xp, z, y):
    return xp.sum((z - y) ** 2, axis=-1) / 2


def same_side(threshold):
    return lambda xp, z, y: xp.all((z > threshold) == (y > 0.5), axis=-1)


def same_class(xp, z, y):
    return xp.argmax(z, axis=-1) == xp.argmax(y, axis=-1)


def same_class_or_side(xp, z, y):
    return (same_class if z.shape[-1] > 1 else same_side(0.5))(xp, z, y)


LOSSES = {
    loss.name: loss
    for loss in (
        # Each output is a yes or no of its own: y in [0, 1], y_hat = sigmoid(z). Thesis, appendix A.
        Loss("bce", binary_cross_entropy, sigmoid, same_side(0.0)),
        # One class of d_L: y one-hot (rows sum to 1), y_hat = softmax(z).
        Loss("cross-entropy", cross_entropy, softmax, same_class),
        # Half the squared distance, so that e = (z - y) / n has no factor of its own. Right is the larger output,
        # or with one output the side of 1/2.
        Loss("mse", squared_error, lambda xp, z: z, same_class_or_side),
    )
}


def get(name):
    """Return the Loss called `name`; a ValueError names those there are."""
    return by_name("loss", name, LOSSES)
