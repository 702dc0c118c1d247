"""The confusion of a network: true and predicted classes, and which examples the mistakes are on."""

from typing import NamedTuple

import numpy as np

from .. import losses

BATCH = 1000  # examples per forward pass


class Predictions(NamedTuple):
    """The classes that a network predicts for a test set.

    Attributes:
        true, predicted: the number of the class of each example, (n,).
        groups: ``groups`` of the problem, name -> whole numbers (n,) or (n, k): "digits" of parity, those in each
            example; "disks" of the synthetic problem, the number of each point's disk.
        close: number of predictions that depend on rounding: kernels that sum in another order may change them.
        classes: number of classes.
    """

    true: np.ndarray
    predicted: np.ndarray
    groups: dict = {}
    close: int = 0
    classes: int = 2

    @property
    def digits(self):
        """The digits in each example, (n, k), of parity; None of other problems."""
        return self.groups.get("digits")

    @property
    def disks(self):
        """The number of each point's disk, (n,), of the synthetic problem; None of other problems."""
        return self.groups.get("disks")

    @property
    def wrong(self):
        """Whether each prediction is wrong, (n,)."""
        return self.true != self.predicted

    @property
    def odd(self):
        """How many odd digits each example has, (n,)."""
        return (self.digits % 2).sum(axis=1)

    @property
    def accuracy(self):
        """The share of predictions that are right."""
        return 1 - float(self.wrong.mean())

    def counts(self):
        """Return the confusion matrix, (K, K): true classes by row, predicted classes by column."""
        K = self.classes
        return np.bincount(K * self.true + self.predicted, minlength=K * K).reshape(K, K)


def predictions(network, problem, X, y):
    """Return the Predictions of a network for examples (X, y) of its problem.

    It has one output, the logit of 1, or an output for each class, of which the largest is predicted.

    Args:
        network: without replicas.
        problem: see ``dfanp.problems``.
        X, y: as its ``test`` returns them.

    Raises:
        ValueError: the problem has no classes.
    """
    loss = losses.get(problem.loss)
    several = loss.correct is losses.same_class and problem.outputs > 1
    if loss.correct is None:
        raise ValueError("its labels are numbers, not classes that could be confused")
    if not several and (loss is not losses.bce or problem.outputs != 1):
        raise ValueError(f"predictions need one output under 'bce', got {problem.outputs} under {loss.name!r}")
    host, n = problem.backend.to_host, X.shape[-2]
    passes = (network.forward(X[..., at : min(at + BATCH, n), :]) for at in range(0, n, BATCH))
    below, logits = (np.concatenate(part) for part in zip(*((host(h[-2]), host(h[-1])) for h in passes), strict=True))
    groups = problem.groups(X) if hasattr(problem, "groups") else {}
    if several:
        second, first = np.partition(logits, -2, axis=1)[:, -2:].T
        true, predicted = host(y).argmax(axis=1), logits.argmax(axis=1)
        return Predictions(true, predicted, groups, in_doubt(network, below, first - second), problem.outputs)
    logits = logits[:, 0]
    true, predicted = (host(y)[:, 0] > 0.5).astype(int), (logits > 0).astype(int)
    return Predictions(true, predicted, groups, in_doubt(network, below, logits))


def in_doubt(network, below, logits):
    """Return the number of logits so close to 0 that the order of summation may change their sign.

    The rounding errors of d terms are assumed to accumulate like a random walk, to sqrt(d) units in the last place of
    |h| |W|.

    Args:
        below, logits: (n, H) and (n,): the last two of ``network.forward``; of several logits the difference of two.
    """
    last = np.asarray(network.backend.to_host(network.W[-1]), float)
    with np.errstate(over="ignore", invalid="ignore"):  # for weights that no training produces
        squares = np.sum(np.square(below, dtype=float), axis=1)
        rounding = np.finfo(logits.dtype).eps * np.sqrt(sum(network.sizes) * squares.mean()) * np.linalg.norm(last)
    return int(np.sum((squares > 0) & (np.abs(logits) < rounding)))  # a sum of zeros is 0 in any order


def shares(happened, groups, count):
    """Return, for each of the groups 0 … count - 1, the share of examples for which `happened` is true.

    NaN if it is empty.

    Args:
        happened: a boolean for each example, (n,).
        groups: the group of each example, (n,); or its k groups, (n, k).
    """
    if groups.ndim > 1:
        happened, groups = np.repeat(happened, groups.shape[1]), groups.reshape(-1)
    sizes = np.bincount(groups, minlength=count)
    with np.errstate(invalid="ignore"):
        return np.bincount(groups, weights=happened, minlength=count) / sizes
