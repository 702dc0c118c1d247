"""Weight perturbation: noise on all parameters, and by how much it changes the mean loss of the batch.

``gradient = (L(theta + sigma v) - L(theta)) / sigma · v`` with v ~ N(0, 1): one number for all parameters. On average
it is the gradient, as sigma goes to 0 (Jabri & Flower 1992; Spall 1992); the variance is that of the forward gradient.
"""

from ..gradients import Rule

SIGMA = 1e-4


def by_weights(at):
    """Return the gradients by one draw of noise."""
    v = {name: at.rng.normal(size=at.own_shape(theta)) for name, theta in at.trained.items()}
    moved = at.forward(parameters={name: theta + SIGMA * v[name] for name, theta in at.trained.items()})
    change = at.xp.mean(at.losses(moved) - at.losses(at.h), axis=-1)
    return at.times(change / SIGMA, v)


weight_perturbation = Rule("weight-perturbation", gradients=by_weights)
