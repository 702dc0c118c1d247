"""Alignment: how far what a layer is told points the way BP would tell it.

Cosines are over whole matrices, one number a replica: <A, C> / (|A| |C|), in [-1, 1]. A zero matrix points nowhere:
its cosine with anything is 0, never 1. Matrices
whose entries are not finite have the cosine NaN.
"""

from . import rules
from .inputs import dense


def cosine(xp, A, C):
    """Return the cosine of A and C over their last two axes, float64: a number, or an array (R,) with replicas."""
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

    That is the transpose of the weights above that layer: of the next matrix for FA, of the product of all of them for
    DFA. Empty for BP.
    With one hidden layer it is the alignment of Demirbilek 2021, figures 3.2 and 3.5.
    """
    xp, W, cosines = network.backend.xp, network.W, []
    for layer, B_l in enumerate(B):
        downstream = xp.astype(W[layer + 1], xp.float64)
        if rule.name == "dfa":
            for above in W[layer + 2 :]:
                downstream = downstream @ xp.astype(above, xp.float64)
        cosines.append(cosine(xp, B_l, xp.matrix_transpose(downstream)))
    return cosines


def gradient_alignment(rule, network, B, loss, X, y):
    """Return for each weight matrix, first layer first, the cosine of the gradient by `rule` with the BP gradient.

    Both are taken at the same weights, from the same pass over X (n, D) and y (n, d_L). The last is 1 (or 0
    where e is zero): under every rule the output layer's gradient is exact.
    """
    xp = network.backend.xp
    h = network.forward(X)
    e = loss.error(xp, h[-1], y)
    told = rules.gradients(rule, network, B, h, e)
    exact = rules.gradients(rules.RULES["bp"], network, None, h, e)
    return [cosine(xp, dense(told[f"W{layer}"]), dense(exact[f"W{layer}"])) for layer in range(len(network.W))]
