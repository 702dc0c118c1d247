"""How a rule's update compares with the gradient of backpropagation, layer by layer; for a rule that draws, over many draws.

>>> import dfanp
>>> problem = dfanp.Arrays([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0], dtype="float64")
>>> network = dfanp.MLP([2, 32, 1], "tanh", dtype="float64", seed=0)
>>> training = dfanp.Training(network, problem, "node-perturbation", dfanp.SGD(0.1), batch_size=4)
>>> found = measured(training, draws=2000)
>>> max(found["bias"]) < 0.2, min(found["variance"]) > 1  # of each weight matrix, in squares of its gradient
(True, True)
"""

from typing import Any

import numpy as np

from .. import rules
from ..alignment import cosine, feedback_alignment
from ..checks import whole
from ..inputs import dense
from ..measures import Measure
from ..streams import Draws

KINDS = {
    "cosine": "cosine of the mean update with the gradient",
    "norm_ratio": "norm of an update by that of the gradient",
    "bias": "distance of the mean update from the gradient, by the norm of the gradient",
    "variance": "variance of an update, by the squared norm of the gradient",
    "snr": "signal-to-noise ratio, the squared norm of the mean update by its variance",
}
MOST_DRAWS = 10**6
# In the random streams, from the layers of one draw to those of the next; no step of a training has such layers.
APART = 1000


def measured(training: Any, draws: int = 16) -> dict[str, list[Any]]:
    """Return the measures of the next update of a Training on its probe set; nothing is changed.

    g is the gradient of backpropagation, u an update before the optimizer, at the same weights; E and Var are over the
    draws of a rule that draws, and any other rule has one u. Squared norms are summed over a weight matrix.

    Args:
        training: a ``Training``.
        draws: how many draws, at least 2.

    Returns:
        lists with a number (an array (R,) with replicas) for each trained weight matrix, lowest first:

        cosine        of E u with g
        norm_ratio    sqrt(E |u|²) / |g|
        bias          |E u - g| / |g|, where the share that so few draws leave is subtracted
        variance      Var u / |g|²; 0 for a rule that does not draw
        snr           |E u|² / Var u, likewise corrected; infinite where the variance is 0

        and ``weight_alignment``, for each hidden layer with a B, as in ``alignment.feedback_alignment``. Where g is 0
        the ratios are not finite.
    """
    draws = whole("draws", draws, 2, MOST_DRAWS)
    with training.backend.pinned(), np.errstate(all="ignore"):
        return training.on_host(of_updates(training, draws))


def of_updates(training, draws):
    """Return what ``measured`` returns, on the device."""
    net, xp, first = training.network, training.backend.xp, training.first
    X, y = training.problem.probe(training.seed)
    X = X[..., :, :]
    h = net.forward(X)
    e = training.loss.error(xp, h[-1], y)
    names = [f"W{l}" for l in range(first, len(net.W))]
    exact = wide(xp, rules.gradients(rules.bp, net, None, h, e, y, first), names)
    total, squares, done = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0), 0
    for number in range(1, draws + 1):
        given = Counted(training, number * APART)
        found = rules.gradients(training.rule, net, training.B, h, e, y, first, given, training.loss)
        for name, u in wide(xp, found, names).items():
            total[name], squares[name] = total[name] + u, squares[name] + square(xp, u)
        done = number
        if not given.drawn:
            break
    result = {kind: [] for kind in KINDS}
    for name in names:
        for kind, value in of_layer(xp, exact[name], total[name] / done, squares[name] / done, done).items():
            result[kind].append(value)
    return result | {"weight_alignment": feedback_alignment(training.rule, net, training.B)}


def of_layer(xp, g, mean, mean_square, n):
    """Return kind -> measure of a weight matrix, from the mean of n updates and of their squared norms."""
    norm, own = square(xp, g), square(xp, mean)
    variance = (mean_square - own) * n / (n - 1) if n > 1 else 0 * own
    variance = xp.where(variance > 0, variance, 0 * variance)  # which rounding may make negative
    left = variance / n  # of the mean
    above_0 = lambda value: xp.where(value > 0, value, 0 * value)
    return {
        "cosine": cosine(xp, mean, g),
        "norm_ratio": (mean_square / norm) ** 0.5,
        "bias": (above_0(square(xp, mean - g) - left) / norm) ** 0.5,
        "variance": variance / norm,
        "snr": above_0(own - left) / variance,
    }


def square(xp, array):
    """Return the squared norm of a matrix, or of R of them."""
    return xp.sum(array * array, axis=(-2, -1))


def wide(xp, found, names):
    """Return some gradients as float64 arrays."""
    return {name: xp.astype(dense(found[name]), xp.float64) for name in names}


class Counted:
    """The random arrays of one draw, which remembers whether any were asked for."""

    def __init__(self, training, apart):
        self.training, self.apart, self.drawn = training, apart, False

    def __call__(self, l):
        self.drawn, training = True, self.training
        return Draws(training.seed, training.state.step + 1, l + self.apart, training.backend, training.network.dtype)


def measures(training_sizes: Any, rule: Any, draws: int) -> list[Measure]:
    """Return ``measured`` as Measures for a Training: ``update_bias_W0`` and so on, and ``weight_alignment_1`` ….

    Args:
        training_sizes: the sizes of the network.
        rule: a Rule or its name.
        draws: see ``measured``.
    """
    layers, last = len(training_sizes) - 1, dict[str, Any]()

    def of(kind, place):
        def value(training):
            if last.get("epoch") != training.epoch or last.get("of") is not training:
                last.update(epoch=training.epoch, of=training, found=measured(training, draws))
            layer = place - training.first if kind != "weight_alignment" else place
            found = last["found"][kind]
            return found[layer] if 0 <= layer < len(found) else np.full(training.network.replicas or 1, np.nan)

        return value

    found = [
        Measure(f"update_{kind}_W{l}", of(kind, l), f"W{l}: {about}")
        for kind, about in KINDS.items()
        for l in range(layers)
    ]
    rule = rules.get(rule)
    if rule.feedback_shape is not None and rule.signal is not None:
        found += [
            Measure(f"weight_alignment_{l}", of("weight_alignment", l - 1), f"Weight alignment, layer {l}")
            for l in range(1, layers)
        ]
    return found
