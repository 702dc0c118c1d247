"""Alignment: how far the signal of a layer points the way of the one that BP would send.

Cosines are over whole matrices, one number a replica: <A, C> / (|A| |C|), in [-1, 1]. A zero matrix points nowhere:
its cosine with anything is 0, never 1. Matrices
whose entries are not finite have the cosine NaN.

Learning by DFA turns the weights towards B:

    >>> import dfanp
    >>> problem = dfanp.Parity(dfanp.load("digits"), k=2, train_size=5000, test_size=1000)
    >>> network = dfanp.MLP([problem.features, 64, 1], seed=0)
    >>> training = dfanp.Training(network, problem, "dfa", dfanp.RMSProp(lr=0.002), align=True)
    >>> cosines = [record.alignment["feedback"][0] for record in training.epochs(6)]
    >>> cosines[0] < 0.4, cosines[-1] > 0.55
    (True, True)
"""

import numpy as np

from . import rules
from .inputs import dense


def cosine(xp, A, C):
    """Return the cosine of A and C over their last two axes, float64: a number, or an array (R,) with replicas.

    Raises:
        TypeError: A or C is no array of real numbers with two axes or more, not empty.
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
    """Return A in float64 and divided by its largest entry, so that no square over- or underflows; a zero A as it is."""
    A = xp.astype(A, xp.float64)
    largest = xp.max(xp.abs(A), axis=(-2, -1), keepdims=True)
    return A / xp.where(largest > 0, largest, xp.ones_like(largest))


def feedback_alignment(rule, network, B):
    """Return for each hidden layer, lowest first, the cosine of B[l] with what BP would use in a linear network.

    That is the transpose of the weights in whose place the B of the rule stands (``stands_for``): of the next matrix for FA, of
    the product of all of them for DFA. NaN where B has the shape of neither; empty for a rule without B.
    With one hidden layer it is the alignment of Demirbilek 2021, figures 3.2 and 3.5.
    """
    xp, W, cosines = network.backend.xp, network.W, []
    for layer, B_l in enumerate(B):
        stop = stands_for(rule, network.sizes, layer + 1)
        if stop is None:
            cosines.append(network.backend.asarray(np.full(network.replicas or (), np.nan)))
            continue
        downstream = xp.astype(W[layer + 1], xp.float64)
        for above in W[layer + 2 : stop]:
            downstream = downstream @ xp.astype(above, xp.float64)
        cosines.append(cosine(xp, B_l, xp.matrix_transpose(downstream)))
    return cosines


def stands_for(rule, sizes, l):
    """Return the stop of the weights W[l] … W[stop - 1] in whose place the B of hidden layer l stands; None if it has the shape of none."""
    if rule.feedback_shape is rules.output:  # also where the next layer is as wide as the output
        return len(sizes) - 1
    shape = tuple(rule.feedback_shape(sizes, l))
    return next((stop for stop in (l + 1, len(sizes) - 1) if shape == (sizes[stop], sizes[l])), None)


def gradient_alignment(rule, network, B, loss, X, y, draws=None):
    """Return for each weight matrix, first layer first, the cosine of the gradient by `rule` with the BP gradient.

    Both are taken at the same weights, from the same pass over X (n, D) and y (n, d_L). The last is 1 (or 0
    where e is zero): under every rule the output layer's gradient is exact.

    Args:
        draws: see ``rules.gradients``.
    """
    xp = network.backend.xp
    h = network.forward(X)
    e = loss.error(xp, h[-1], y)
    found = rules.gradients(rule, network, B, h, e, y, draws=draws)
    exact = rules.gradients(rules.bp, network, None, h, e)
    return [cosine(xp, dense(found[f"W{layer}"]), dense(exact[f"W{layer}"])) for layer in range(len(network.W))]
