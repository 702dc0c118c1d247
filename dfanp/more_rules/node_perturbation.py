"""Node perturbation: noise on every pre-activation, and by how much it changes the loss of the example.

``delta = (L(noise) - L(0)) · noise / (sigma² n)`` for each example, noise ~ N(0, sigma²), without f' and without any
feedback. On average it is the delta of backpropagation, as sigma goes to 0 (Williams 1992; Werfel, Xie & Seung 2005).
"""

from ..gradients import Rule
from ..network import MLP
from ..registry import overrides

SIGMA = 1e-3


def by_nodes(at):
    """Return the gradients by one draw of noise."""
    noise = [SIGMA * at.rng.normal(size=(at.n, W.shape[-1])) for W in at.W[at.first :]]
    change = (at.losses(noisy(at, noise)) - at.losses(at.h)) / (SIGMA**2 * at.n)
    change = at.xp.astype(change, at.e.dtype)[..., None]
    return at.of_deltas([change * xi for xi in noise])


def noisy(at, noise):
    """Return what every layer puts out when the layers from `first` on have noise on their pre-activations."""
    own = overrides(at.network, MLP, ("forward", "hidden"))
    if own:
        raise ValueError(
            f"node-perturbation needs the forward pass of dfanp.MLP, got a network with its own {own[0]}"
        )
    h = list(at.h[: at.first + 1])
    for l, xi in enumerate(noise, at.first):
        a = at.network.preactivation(l, h[l]) + xi
        h.append(a if l == len(at.W) - 1 else at.network.activation.f(at.xp, a))
    return h


node_perturbation = Rule("node-perturbation", gradients=by_nodes)
