"""Alignment: the cosine between the signals or gradients of a rule and those of BP.

Cosines are over whole matrices, one number per replica: <A, C> / (|A| |C|), in [-1, 1]. The cosine
of a zero matrix with any other is 0, never 1. The cosine of matrices with entries that are not
finite is NaN.

Learning by DFA turns the weights towards B:

    >>> import dfanp
    >>> problem = dfanp.Parity(dfanp.load("digits"), k=2, train_size=5000, test_size=1000)
    >>> network = dfanp.MLP([problem.features, 64, 1], seed=0)
    >>> training = dfanp.Training(network, problem, "dfa", dfanp.RMSProp(lr=0.002), align=True)
    >>> cosines = [record.alignment["feedback"][0] for record in training.epochs(6)]
    >>> cosines[0] < 0.4, cosines[-1] > 0.55
    (True, True)
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import rules
from .inputs import dense
from .losses import Loss
from .network import MLP
from .rules import Rule


def cosine(xp: Any, A: Any, C: Any) -> Any:
    """Return the cosine of A and C over their last two axes, float64: a number, or an array (R,) with replicas.

    Raises:
        TypeError: A or C is not a non-empty array of real numbers with two axes or more.
        ValueError: their last two axes differ.
    """
    for name, each in (("A", A), ("C", C)):
        if getattr(each, "ndim", 0) < 2 or 0 in each.shape or getattr(each.dtype, "kind", "f") not in "fiu":
            raise TypeError(
                f"{name} must be an array of real numbers, not empty, with two axes or more, "
                f"got {getattr(each, 'dtype', type(each).__name__)} of shape {getattr(each, 'shape', ())}"
            )
    if tuple(A.shape[-2:]) != tuple(C.shape[-2:]):
        raise ValueError(f"A and C must have the same last two axes, got shapes {A.shape} and {C.shape}")
    A, C = unit_scale(xp, A), unit_scale(xp, C)
    dot = xp.sum(A * C, axis=(-2, -1))
    norms = xp.sqrt(xp.sum(A * A, axis=(-2, -1)) * xp.sum(C * C, axis=(-2, -1)))
    return xp.where(norms > 0, dot / xp.where(norms > 0, norms, xp.ones_like(norms)), xp.zeros_like(norms))


def unit_scale(xp, A):
    """Return A in float64, divided by its largest entry so that no square over- or underflows.

    A zero A is returned unchanged.
    """
    A = xp.astype(A, xp.float64)
    largest = xp.max(xp.abs(A), axis=(-2, -1), keepdims=True)
    return A / xp.where(largest > 0, largest, xp.ones_like(largest))


def feedback_alignment(rule: Rule, network: MLP, B: Sequence[Any]) -> list[Any]:
    """Return the weight alignment of each hidden layer, lowest first.

    It is the cosine of B[l] with the weights that it replaces. These are the transpose of the next
    weight matrix for FA, and of the product of all later ones for DFA (exact in a linear network).
    NaN if B has neither shape; empty for a rule without B, or whose B is of no signal. With one hidden layer it is the
    alignment of Demirbilek 2021, figures 3.2 and 3.5.
    """
    xp = network.backend.xp
    cosines: list[Any] = []
    if rule.signal is None:
        return cosines
    for l, B_l in enumerate(B, 1):
        W = downstream(rule, network, l)
        unknown = network.backend.asarray(np.full(network.replicas or (), np.nan))
        cosines.append(unknown if W is None else cosine(xp, B_l, W))
    return cosines


def downstream(rule: Rule, network: MLP, l: int) -> Any:
    """Return the transposed product of the weights that the B of hidden layer l replaces, float64.

    None if no weights have the shape of that B.
    """
    xp, W = network.backend.xp, network.W
    stop = replaced(rule, network.sizes, l)
    if stop is None:
        return None
    product = xp.astype(W[l], xp.float64)
    for above in W[l + 1 : stop]:
        product = product @ xp.astype(above, xp.float64)
    return xp.matrix_transpose(product)


def replaced(rule, sizes, l):
    """Return the stop of the weights W[l] … W[stop - 1] that the B of hidden layer l replaces.

    None if no shape fits.
    """
    if rule.feedback_shape is rules.output:  # also where the next layer is as wide as the output
        return len(sizes) - 1
    shape = tuple(rule.feedback_shape(sizes, l))
    return next((stop for stop in (l + 1, len(sizes) - 1) if shape == (sizes[stop], sizes[l])), None)


def gradient_alignment(
    rule: Rule,
    network: MLP,
    B: Sequence[Any],
    loss: Loss,
    X: Any,
    y: Any,
    draws: Callable[[int], Any] | None = None,
) -> list[Any]:
    """Return the gradient alignment of each weight matrix, lowest first.

    It is the cosine of the gradient of `rule` with the gradient of BP. Both are taken at the same
    weights, from the same pass over X (n, D) and y (n, d_L). The last is 1 (or 0 if e is zero): the
    gradient of the output layer is exact under every rule with a signal.

    Args:
        draws: see ``rules.gradients``.
    """
    xp = network.backend.xp
    h = network.forward(X)
    e = loss.error(xp, h[-1], y)
    found = rules.gradients(rule, network, B, h, e, y, draws=draws, loss=loss)
    exact = rules.gradients(rules.bp, network, None, h, e)
    return [cosine(xp, dense(found[f"W{layer}"]), dense(exact[f"W{layer}"])) for layer in range(len(network.W))]
