"""Alignment: how far what a layer is told points the way BP would tell it.

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

from . import rules
from .inputs import dense, weight_gradient


def cosine(xp, A, C):
    """Return the cosine of A and C over their last two axes, float64: a number, or an array (R,) with replicas.

    Raises:
        TypeError: A or C is no array of real numbers with two axes or more, not empty. ValueError: their last two axes differ.
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


def published(rule, network, B, h, e):
    """Return ``{"feedback": [a], "gradient": [b, 1]}`` as Demirbilek 2021 measured them, on the last batch of an epoch.

    a: the cosine of B with W1.T. b: of the gradient of W0 by `rule` with the one by BP, row by row (an input each), the mean over
    the rows; a row that is zero counts 0. Slips included: h and e are of the weights before the step, the W1 that BP takes
    here is the one after it.

    Args:
        network: with one hidden layer, after the step. h, e: of the batch, before the step.
    """
    xp, slope = network.backend.xp, network.slope(h, 1)
    signals = [each.signal(xp, network.W[1], B[0] if B else None, e, e) for each in (rule, rules.RULES["bp"])]
    told, exact = (dense(weight_gradient(xp, h[0], signal * slope)) for signal in signals)
    by_row = cosine(xp, told[..., :, None, :], exact[..., :, None, :])
    first = xp.mean(by_row, axis=-1)
    return {"feedback": feedback_alignment(rule, network, B), "gradient": [first, xp.ones_like(first)]}
