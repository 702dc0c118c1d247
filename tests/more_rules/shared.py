"""What the tests of rules of another shape share: a small network, and gradients by many draws."""

import numpy as np

import dfanp
from dfanp import losses, rules
from dfanp.streams import Draws

SIZES = (4, 5, 3, 2)


def batch(sizes=SIZES, activation="tanh", loss="bce", bias=True, n=6, seed=0):
    """Return a float64 network, its loss, and what a pass of n examples makes: h, e, y."""
    rng, loss = np.random.default_rng(7), losses.get(loss)
    network = dfanp.MLP(sizes, activation, bias, "float64", seed)
    y = np.eye(sizes[-1])[rng.integers(0, sizes[-1], n)] if sizes[-1] > 1 else rng.integers(0, 2, (n, 1)) * 1.0
    h = network.forward(rng.normal(size=(n, sizes[0])))
    return network, loss, h, loss.error(np, h[-1], y), y


def gradients(rule, network, loss, h, e, y, step=1, B=None, first=0):
    """Return the gradients by a rule, at the draws of a step."""
    draws = lambda l: Draws(0, step, l, dfanp.Backend("cpu", kernels="numpy"), "float64")
    rule = rules.get(rule)
    B = dfanp.Feedback().draw(rules.feedback_shapes(rule, network.sizes), 0) if B is None else B
    return rules.gradients(rule, network, B, h, e, y, first, draws, loss)


def flat(found):
    """Return all gradients as one vector."""
    return np.concatenate([found[name].ravel() for name in sorted(found)])


def many(rule, draws, *of):
    """Return the gradients by many draws, (draws, P), and that of backpropagation, (P,)."""
    network, loss, h, e, y = of
    each = np.array([flat(gradients(rule, *of, step=step)) for step in range(1, draws + 1)])
    return each, flat(rules.gradients(rules.bp, network, None, h, e))


def assert_unbiased(each, exact, sigmas=5):
    """The mean of all draws is the gradient, within so many standard errors of the mean, over all parameters together."""
    error = np.sqrt(each.var(axis=0).sum() / len(each))
    assert np.linalg.norm(each.mean(axis=0) - exact) < sigmas * error
    assert error < 0.2 * np.linalg.norm(exact)  # otherwise this would show nothing
