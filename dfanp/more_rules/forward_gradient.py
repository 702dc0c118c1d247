"""Forward gradient: the derivative of the loss along a random direction, times that direction.

``gradient = (g · v) v`` with v ~ N(0, 1) for each parameter; g · v comes from one pass forwards, beside the activations
(Baydin et al. 2022). On average it is the gradient g; its variance, summed over P parameters, is (P + 1) |g|².
"""

from ..gradients import Rule


def by_direction(at):
    """Return the gradients by one random direction."""
    v = {name: at.rng.normal(size=at.own_shape(theta)) for name, theta in at.trained.items()}
    products = at.xp.astype(at.e * along(at, v), at.xp.float64)
    return at.times(at.xp.sum(at.xp.sum(products, axis=-1), axis=-1), v)


def along(at, v):
    """Return the derivative of the logits along the direction v, (n, d_L)."""
    tangent = None  # of h[l]
    for l in range(at.first, len(at.W)):
        moved = at.h[l] @ v[f"W{l}"]
        if at.network.bias:
            moved = moved + v[f"b{l}"][..., None, :]
        if tangent is not None:
            moved = moved + tangent @ at.W[l]
        tangent = moved if l == len(at.W) - 1 else moved * at.network.slope(at.h, l + 1)
    return tangent


forward_gradient = Rule("forward-gradient", gradients=by_direction)
