"""Learning rules: what each layer is told. They differ by one line; the loop below is shared.

W leads from the layer that is told to the next one, shape (width, next width); B has the shape that the rule needs
in its place: (next width, width) for FA, (d_L, width) for DFA. e is the error of the output, (n, d_L); delta that of
the next layer.

So FA is BP where B is W.T, and DFA is FA where the next layer is the output:

    >>> import numpy as np
    >>> from dfanp import MLP
    >>> network, rng = MLP([3, 4, 1], "tanh", dtype="float64", seed=0), np.random.default_rng(0)
    >>> h, e = network.forward(rng.normal(size=(5, 3))), rng.normal(size=(5, 1))
    >>> told = lambda name, B: gradients(get(name), network, [B], h, e)["W0"]
    >>> np.allclose(told("fa", network.W[1].T), told("bp", None))
    True
    >>> B = rng.normal(size=(1, 4))
    >>> np.allclose(told("dfa", B), told("fa", B)), np.allclose(told("dfa", B), told("bp", None))
    (True, False)
"""

from collections.abc import Callable
from typing import NamedTuple

from .errors import by_name
from .inputs import weight_gradient


class Rule(NamedTuple):
    """A learning rule.

    Attributes:
        signal: ``signal(xp, W, B, e, delta)``, what the layer below W is told, (n, width).
        feedback_rows: ``feedback_rows(next_width, d_L)``, how many rows B has; None for a rule without B.
    """

    name: str
    signal: Callable
    feedback_rows: Callable | None


RULES = {
    rule.name: rule
    for rule in (
        # Rumelhart, Hinton & Williams 1986; Demirbilek 2021, section 1.1
        Rule("bp", lambda xp, W, B, e, delta: delta @ xp.matrix_transpose(W), None),
        # Lillicrap et al. 2016
        Rule("fa", lambda xp, W, B, e, delta: delta @ B, lambda next_width, outputs: next_width),
        # Nøkland 2016; Demirbilek 2021, section 1.2
        Rule("dfa", lambda xp, W, B, e, delta: e @ B, lambda next_width, outputs: outputs),
    )
}


def get(name):
    """Return the Rule called `name`; a ValueError names those there are."""
    return by_name("rule", name, RULES)


def feedback_shapes(rule, sizes):
    """Return the shape of B for each hidden layer of a network of `sizes`: an empty list for BP."""
    if rule.feedback_rows is None:
        return []
    return [(rule.feedback_rows(sizes[l + 1], sizes[-1]), sizes[l]) for l in range(1, len(sizes) - 1)]


def gradients(rule, network, B, h, e, first=0):
    """Return the gradient of the mean loss as `rule` sees it, for the parameters of layers `first` … L-1.

    The gradient of the last layer is exact under every rule: its delta is e itself. So is every gradient under BP.

    Args:
        rule: a Rule.
        network: the MLP that made `h`; it is not changed.
        B: a list with the feedback matrix of each hidden layer, lowest first; not read under BP.
        h: ``network.forward(X)``.
        e: the output error d(mean loss)/dh[L], shape of h[L]. It holds the only mean over the batch.
        first: the lowest layer that is trained; below it nothing is computed.

    Returns:
        name -> array, for each of these parameters one of its shape; a WeightGradient for the weights of StackedDigits.
    """
    xp, W = network.backend.xp, network.W
    found, delta = {}, e
    for l in reversed(range(first, len(W))):
        found[f"W{l}"] = weight_gradient(xp, h[l], delta)
        if network.bias:
            found[f"b{l}"] = xp.sum(delta, axis=-2)
        if l > first:
            delta = rule.signal(xp, W[l], B[l - 1] if B else None, e, delta) * network.slope(h, l)
    return found
