"""The confusion of a network: what it took for what, and where its mistakes lie."""

from typing import NamedTuple

import numpy as np

from .inputs import StackedDigits, rows
from .problems import synthetic

BATCH = 1000  # examples a forward pass


class Answers(NamedTuple):
    """What a network said of a test set.

    Attributes:
        true, said: 0 or 1 for each example, (n,).
        digits: of parity, those in each example, (n, k); else None.
        disks: of the synthetic problem, the number of each point's disk, (n,); else None.
    """

    true: np.ndarray
    said: np.ndarray
    digits: np.ndarray | None = None
    disks: np.ndarray | None = None

    @property
    def wrong(self):
        """Whether each answer is wrong, (n,)."""
        return self.true != self.said

    @property
    def odd(self):
        """How many odd digits each example has, (n,)."""
        return (self.digits % 2).sum(axis=1)

    @property
    def accuracy(self):
        """The share of answers that are right."""
        return 1 - float(self.wrong.mean())

    def counts(self):
        """Return how often each answer was given, (2, 2): a row for what was true, a column for what was said."""
        return np.bincount(2 * self.true + self.said, minlength=4).reshape(2, 2)


def answers(network, problem, X, y):
    """Return the Answers of a network to examples (X, y) of its problem, which has one output: the logit of 1.

    Args:
        network: without replicas. problem: ``Parity`` or ``Synthetic``. X, y: as its ``test`` returns them.

    Raises:
        ValueError: the problem has another loss, or more outputs.
    """
    if problem.loss != "bce" or problem.outputs != 1:
        raise ValueError(f"answers are those of one output under 'bce', got {problem.outputs} under {problem.loss!r}")
    host, n = problem.backend.to_host, X.shape[-2]
    logits = [host(network.forward(rows(X, at, min(at + BATCH, n)))[-1])[:, 0] for at in range(0, n, BATCH)]
    true, said = (host(y)[:, 0] > 0.5).astype(int), (np.concatenate(logits) > 0).astype(int)
    if isinstance(X, StackedDigits):
        return Answers(true, said, digits=problem.dataset.test.labels[host(X.picks)].astype(int))
    if isinstance(problem, synthetic.Synthetic):
        return Answers(true, said, disks=problem.test_disks)
    return Answers(true, said)


def shares(happened, groups, count):
    """Return for each of the groups 0 … count - 1 the share of examples in which something happened, NaN for an empty group.

    Args:
        happened: a boolean for each example, (n,). groups: the group of each, (n,); or (n, k), where an example is in k of them.
    """
    if groups.ndim > 1:
        happened, groups = np.repeat(happened, groups.shape[1]), groups.reshape(-1)
    sizes = np.bincount(groups, minlength=count)
    with np.errstate(invalid="ignore"):
        return np.bincount(groups, weights=happened, minlength=count) / sizes
