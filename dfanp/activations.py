"""Activations f, each with its derivative written in terms of the stored output h = f(a).

Both functions take the array namespace ``xp`` first and work elementwise on arrays of any shape;
neither changes its argument. At the kink of relu and leaky relu the derivative is that of the left
side, as in PyTorch.

    >>> import numpy as np
    >>> relu = get("relu")
    >>> h = relu.f(np, np.array([-1.0, 2.0]))
    >>> h, relu.df(np, h)
    (array([0., 2.]), array([0., 1.]))
"""

import math
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

from .registry import Registry, named

LEAK = 0.01  # the slope of leaky relu left of zero


class Activation(NamedTuple):
    """An activation ``f(xp, a)``, and its derivative ``df(xp, h)`` at the output h = f(a).

    Both return an array of their argument's shape and dtype.
    """

    name: str
    f: Callable[[Any, Any], Any]
    df: Callable[[Any, Any], Any]

    def __repr__(self):
        return named(self)


def sigmoid(xp: Any, a: Any) -> Any:
    """Return 1 / (1 + exp(-a)) without overflow, whatever the sign of `a`."""
    small = xp.exp(-xp.abs(a))
    return xp.where(a >= 0, 1 / (1 + small), small / (1 + small))


def special(xp: Any) -> Any:
    """Return the module of special functions for arrays of `xp`: SciPy's, or CuPy's."""
    return import_module("cupyx.scipy.special" if xp.__name__.partition(".")[0] == "cupy" else "scipy.special")


# relu's output is never negative, so its sign is 1 where the unit is active and 0 where it is not.
relu = Activation("relu", lambda xp, a: xp.maximum(a, 0.0), lambda xp, h: xp.sign(h))
leaky_relu = Activation(
    "leaky-relu",
    lambda xp, a: xp.where(a > 0, a, LEAK * a),
    lambda xp, h: xp.where(h > 0, xp.ones_like(h), LEAK),
)
tanh = Activation("tanh", lambda xp, a: xp.tanh(a), lambda xp, h: 1 - h * h)
logistic = Activation("sigmoid", sigmoid, lambda xp, h: h * (1 - h))
# h = erf(a / sqrt(2)), of the theory of online learning (Saad & Solla 1995). The derivative is
# sqrt(2/pi) exp(-a²/2), where a²/2 is the square of the inverse of erf at h.
erf = Activation(
    "erf",
    lambda xp, a: special(xp).erf(a / math.sqrt(2)),
    lambda xp, h: math.sqrt(2 / math.pi) * xp.exp(-(special(xp).erfinv(h) ** 2)),
)
identity = Activation("identity", lambda xp, a: a, lambda xp, h: xp.ones_like(h))

ACTIVATIONS = Registry(
    "activation",
    lambda thing: isinstance(thing, Activation),
    (relu, leaky_relu, tanh, logistic, identity, erf),
)


def get(activation: str | Activation) -> Activation:
    """Return the Activation called `activation`, or one as it is.

    A ValueError lists the known names.
    """
    return ACTIVATIONS.get(activation)
