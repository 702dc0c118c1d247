"""The base of all tiers: the operations of the reference implementation, which a tier overrides by faster ones."""

from typing import Any, NamedTuple

from ..inputs import WeightGradient
from .cupy import products


class KernelFailure(Exception):
    """A kernel could not be compiled, or not be launched. Nothing has changed; the message is one line."""


class Learning(NamedTuple):
    """The arguments of a kernel that learns for an epoch.

    Attributes:
        optimizer, state: an ``Optimizer`` that the tier has a kernel for, and its ``State``.
        rule: the name of the rule.
        B: the feedback matrix of each hidden layer, lowest first; empty for a rule without B.
        first: the lowest layer that is trained, counted from 0.
        epoch: 1, 2, …, for the optimizer's ``clock``.
    """

    optimizer: object
    state: object
    rule: str
    B: list
    first: int
    epoch: int


class Tier:
    """A tier of the kernel table. A subclass has ``name``, ``xp``, ``product``, ``fused_update`` and ``update``.

    A tier does not check whether its kernels agree with the reference implementation; ``Kernels`` does.

    Attributes:
        threads: of the kernels; a Backend sets it.
        blas_threads: number of BLAS threads beside them; None means as many.
        tolerance: dtype -> permitted difference from the reference implementation, relative to the largest number.
        fused_epoch: all steps of an epoch in one call; None if the tier has no such kernel. Its arguments: the
            network, the name of its loss, X and y of the epoch, the mini-batch size, and a ``Learning``, or None to
            test. Parameters, optimizer states and the step count change in place. It returns the loss summed over the
            examples, each before its update, and the number of correct ones, float64 (2,) or (2, R); None if the
            network is too large for it.
        rules: names of the supported rules: bp, fa and dfa, whose signals are products with the weights or with B.
        activations, losses: names of the supported ones.
        optimizers: names of the supported ones (``Optimizer.kernel``).
    """

    threads: int = 1
    blas_threads: int | None = None
    tolerance = {"float32": 1e-3, "float64": 1e-9}
    fused_epoch: Any = None
    rules: tuple[str, ...] = ()
    activations: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()
    optimizers: tuple[str, ...] = ()

    def takes(self, network, loss, trained):
        """Whether ``fused_epoch`` is for such networks, as far as their shape and loss go.

        Args:
            loss: the name of a loss of dfanp, or None for any other.
            trained: names of the parameters that are trained; None to test.
        """
        known = self.fused_epoch is not None and loss in self.losses and len(network.sizes) > 2
        return known and (trained is None or set(trained) <= set(network.parameters))

    def most_threads(self):
        """Return the maximal number of threads of the kernels by the limits of the process; None without a limit."""
        return None

    def precision(self):
        """Return the context in which this tier computes on a GPU."""
        return products(self.xp)

    def gradient(self, gradient):
        """Return a WeightGradient as an array, (D, H) or (R, D, H)."""
        return gradient.dense()

    def update_all(self, optimizer, parameters, t, replicas=None):
        """Do one step of `optimizer` on several parameters.

        Args:
            parameters: (gradient, theta, state, lr) of each; the gradient is an array or a WeightGradient; theta and
                its state change in place.
            t: see ``Optimizer.clock``.
            replicas: the length of the replica axis of all arrays, or None.
        """
        for g, *one in parameters:
            (self.fused_update if isinstance(g, WeightGradient) else self.update)(optimizer, g, *one, t)

    def output(self, loss, z, y, learning=True):
        """Return the error e of the output, shape of z (None unless `learning`), and totals over the examples.

        Args:
            loss: a Loss.
            z: logits (n, d_L) or (R, n, d_L).
            y: targets of that shape, or without R.

        Returns:
            e, and the sum of the loss over the examples and the number of correct ones (0 for a loss without
            ``correct``), float64 (2,) or (2, R).
        """
        xp = self.xp
        each = loss.per_example(xp, z, y)
        right = xp.zeros_like(each) if loss.correct is None else loss.correct(xp, z, y)
        # Cast before the sum: otherwise replicas and solo runs would be summed in different orders.
        totals = xp.stack([xp.sum(xp.astype(value, xp.float64), axis=-1) for value in (each, right)])
        return loss.error(xp, z, y) if learning else None, totals
