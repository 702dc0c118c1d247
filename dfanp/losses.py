"""Losses of the logits z = a[L], and the output error e = d(mean loss)/dz that every rule starts from.

Each loss is a sum over the outputs of an example and a mean over the n examples of the batch. The
mean is in e, once: no layer divides by n again. Arrays are (n, d_L), or (R, n, d_L) with replicas;
targets y have the shape of z.

A finite difference confirms that e is this derivative:

    >>> import numpy as np
    >>> bce, z, y = get("bce"), np.array([[0.0], [2.0]]), np.array([[1.0], [1.0]])
    >>> bce.error(np, z, y).round(4).tolist()
    [[-0.25], [-0.0596]]
    >>> mean = lambda z: bce.per_example(np, z, y).mean()
    >>> round(float(mean(z + [[1e-6], [0]]) - mean(z - [[1e-6], [0]])) / 2e-6, 4)
    -0.25
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from .activations import sigmoid
from .registry import Registry, named


class Loss(NamedTuple):
    """A loss, as functions of ``(xp, z, y)`` that change neither z nor y.

    Attributes:
        per_example: the loss of each example, shape (n,) or (R, n).
        predict: ``predict(xp, z)``, the output y_hat for the logits, shape of z.
        error: e = d(mean loss)/dz, shape of z: the mean over the n examples is in it.
        correct: whether each example is classified correctly, boolean (n,) or (R, n); None for
            regression, which has no accuracy.
        check: ``check(y)`` of targets on the host, (n, d_L): None if they are valid, else a text
            that says what they must be. Without it all finite targets are valid.
    """

    name: str
    per_example: Callable[[Any, Any, Any], Any]
    predict: Callable[[Any, Any], Any]
    error: Callable[[Any, Any, Any], Any]
    correct: Callable[[Any, Any, Any], Any] | None = None
    check: Callable[[Any], str | None] | None = None

    def __repr__(self):
        return named(self)


def binary_cross_entropy(xp, z, y):
    # -y log s(z) - (1-y) log(1-s(z)) = max(z, 0) - z y + log(1 + exp(-|z|)), which neither
    # overflows nor cancels.
    return xp.sum(xp.maximum(z, 0.0) - z * y + xp.log1p(xp.exp(-xp.abs(z))), axis=-1)


def softmax(xp, z):
    exps = xp.exp(z - xp.max(z, axis=-1, keepdims=True))
    return exps / xp.sum(exps, axis=-1, keepdims=True)


def categorical_cross_entropy(xp, z, y):
    shifted = z - xp.max(z, axis=-1, keepdims=True)
    log_sum = xp.log(xp.sum(xp.exp(shifted), axis=-1, keepdims=True))
    # Written with the sum of y (1 for one-hot and soft labels alike) inside, so that e is exact for
    # both.
    return xp.sum(y * (log_sum - shifted), axis=-1)


def squared_error(xp, z, y):
    return xp.sum((z - y) ** 2, axis=-1) / 2


def same_side(xp, z, y):
    return xp.all((z > 0) == (y > 0.5), axis=-1)


def same_class(xp, z, y):
    return xp.argmax(z, axis=-1) == xp.argmax(y, axis=-1)


def weighted(loss, weights):
    """Return the loss whose mean is the weighted one, sum_i w_i loss_i / n, for the n examples of a batch.

    Args:
        loss: a Loss.
        weights: w, (n,) or (R, n), of mean 1 over the training set: so they do not change the
            size of a step on average.
    """
    return loss._replace(
        per_example=lambda xp, z, y: weights * loss.per_example(xp, z, y),
        error=lambda xp, z, y: weights[..., None] * loss.error(xp, z, y),
    )


def probabilities(y):
    return None if y.min() >= 0 and y.max() <= 1 else f"lie in [0, 1], got {y.min():g} to {y.max():g}"


def distributions(y):
    if y.shape[1] > 1 and y.min() >= 0 and abs(y.sum(axis=1) - 1).max() <= 1e-4:
        return None
    return "have rows that sum to 1 over two or more classes; numpy.eye(classes)[labels] makes them from labels"


# Independent binary outputs: y in [0, 1], y_hat = sigmoid(z). Thesis, appendix A.
bce = Loss(
    "bce",
    binary_cross_entropy,
    predict=sigmoid,
    error=lambda xp, z, y: (sigmoid(xp, z) - y) / z.shape[-2],
    correct=same_side,
    check=probabilities,
)
# One class of d_L: y one-hot (rows sum to 1), y_hat = softmax(z).
cross_entropy = Loss(
    "cross-entropy",
    categorical_cross_entropy,
    predict=softmax,
    error=lambda xp, z, y: (softmax(xp, z) - y) / z.shape[-2],
    correct=same_class,
    check=distributions,
)
# Half the squared distance, so that e has no further factor; for regression, which has no accuracy.
mse = Loss(
    "mse",
    squared_error,
    predict=lambda xp, z: z,
    error=lambda xp, z, y: (z - y) / z.shape[-2],
)

LOSSES = Registry("loss", lambda thing: isinstance(thing, Loss), (bce, cross_entropy, mse))


def get(loss: str | Loss) -> Loss:
    """Return the Loss called `loss`, or one as it is; a ValueError lists the known names."""
    return LOSSES.get(loss)
