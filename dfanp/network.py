"""The multilayer perceptron: sizes, parameters, forward pass.

>>> network = MLP([3, 4, 1], dtype="float64", seed=0)
>>> X = np.ones((5, 3))
>>> h = network.forward(X)
>>> W0, W1 = network.W
>>> np.allclose(h[1], np.maximum(X @ W0, 0)), np.allclose(h[2], h[1] @ W1)
(True, True)
"""

from itertools import pairwise
from math import prod

import numpy as np

from . import activations
from .backend import Backend
from .checks import is_whole, truth
from .errors import by_name, shown
from .inputs import dtype_name
from .registry import provider
from .streams import checked_seeds, per_replica, streams

DTYPES = ("float32", "float64")


FORWARD = ("forward", "preactivation", "hidden", "slope", "delta", "W")  # what defines an MLP, forwards and backwards


class MLP:
    """A multilayer perceptron with L weight matrices, its last layer linear: the outputs are logits.

    The initial weights (and biases) of a layer are uniform in ±1/sqrt(fan_in), fan_in the width below it (Demirbilek
    2021, chapter 3). They depend on the seed and the sizes alone: not on the dtype, the device, the rule or `bias`.

    Args:
        sizes: (D, d_1, …, d_L), at least two whole numbers of at least 1.
        activation: of the hidden layers, an ``Activation`` or its name.
        bias: whether the layers have biases.
        dtype: ``"float32"`` or ``"float64"``.
        seed: a whole number, or a sequence of R of them: then every parameter gets a leading replica axis R, and
            replica r is the network of ``seed[r]``.
        backend: a ``Backend``; None takes the CPU.

    Attributes:
        parameters: name -> array. Layers count from 0 in the code, so "W0" has the shape (d_0, d_1), and with biases "b0"
            has (d_1,), each
            after an optional replica axis. W0 leads from the input to the first hidden layer. Optimizers change these
            arrays in place; nothing replaces them.

    Raises:
        ValueError: a size, a seed or a name is not as above.
    """

    fixed: frozenset[str] = frozenset()  # names of parameters that are never trained

    def __init__(self, sizes, activation="relu", bias=False, dtype="float32", seed=0, backend=None):
        self.sizes = checked_sizes(sizes)
        self.activation = activations.get(activation)
        by_name("dtype", dtype, dict.fromkeys(DTYPES))
        self.dtype, self.bias, self.backend = dtype, truth("bias", bias), backend or Backend("cpu")
        self.seed, self.parameters = checked_seeds(seed), {}
        self.redraw(self.seed)

    def __repr__(self):
        widths, numbers = "-".join(map(str, self.sizes)), sum(prod(theta.shape) for theta in self.parameters.values())
        bias = ", biases" if self.bias else ""
        return f"{type(self).__name__}({widths}, {self.activation.name}{bias}, {numbers} parameters, {self.dtype}, seed {self.seed})"

    def draw(self, seed):
        """Return name -> host array (float64): the initial parameters for a seed, or R of them along a leading axis."""
        drawn = {}
        for stream, letter in (("weights", "W"), ("biases", "b"))[: 1 + self.bias]:
            shapes = [(fan_in, width)[letter == "b" :] for fan_in, width in pairwise(self.sizes)]
            bounds = [bound(fan_in) for fan_in in self.sizes[:-1]]

            def one_seed(one, stream=stream, shapes=shapes, bounds=bounds):
                rng = getattr(streams(one), stream)  # one stream for all layers, cut into their arrays
                return np.concatenate([rng.uniform(-a, a, s).ravel() for a, s in zip(bounds, shapes, strict=True)])

            flat, start = per_replica(seed, one_seed), 0
            for layer, shape in enumerate(shapes):
                part = flat[..., start : start + prod(shape)]
                drawn[f"{letter}{layer}"] = part.reshape(*flat.shape[:-1], *shape)
                start += prod(shape)
        return drawn

    def redraw(self, seed):
        """Draw all parameters anew, in place, as a network of this shape with that seed (or R of them) has them."""
        self.load(self.draw(seed))

    def load(self, arrays):
        """Overwrite parameters in place by host arrays, name -> array of their shape; one that is not there yet is made."""
        for name, host in arrays.items():
            host = self.backend.asarray(np.ascontiguousarray(host), self.dtype)
            if name in self.parameters:
                self.parameters[name][...] = host
            else:
                self.parameters[name] = host

    @property
    def W(self):
        """The L weight matrices, first layer first."""
        return [self.parameters[f"W{layer}"] for layer in range(len(self.sizes) - 1)]

    @property
    def replicas(self):
        """The length R of the replica axis, or None without one."""
        return len(self.seed) if isinstance(self.seed, tuple) else None

    def forward(self, X):
        """Return ``[h[0] = X, h[1], …, h[L]]``: what every layer puts out, the last one the logits.

        Args:
            X: an array or StackedDigits, (n, D), or (R, n, D) with an own input for each replica.

        Returns:
            arrays (n, d_l), or (R, n, d_l); ``a[l] = h[l-1] @ W + b`` and ``h[l] = f(a[l])``, with h[L] = a[L].
        """
        self._check(X)
        h = [X]
        for layer in range(len(self.sizes) - 1):
            h.append(
                self.hidden(layer, h[layer]) if layer < len(self.sizes) - 2 else self.preactivation(layer, h[layer])
            )
        return h

    def preactivation(self, layer, h):
        """Return a of a layer (counted from 0) above the activations h."""
        a = self.backend.kernels.product(h, self.parameters[f"W{layer}"])
        return a + self.parameters[f"b{layer}"][..., None, :] if self.bias else a

    def hidden(self, layer, h):
        """Return f(a) of a hidden layer (counted from 0) above the activations h."""
        return self.activation.f(self.backend.xp, self.preactivation(layer, h))

    def slope(self, h, l):
        """Return f'(a) of h[l], from ``forward``."""
        return self.activation.df(self.backend.xp, h[l])

    def delta(self, h, l, signal):
        """Return delta of hidden layer l, the signal times f'(a), from the signal of h[l], of its shape."""
        return signal * self.slope(h, l)

    def to_input(self, h, signal):
        """Return the derivative of a loss with respect to the input, (n, D), given that with respect to h[1], `signal`.

        A class that overrides a method of the forward pass defines this, too, if its networks are to be attacked
        (``analysis.attacks``).
        """
        return self.delta(h, 1, signal) @ self.parameters["W0"].mT

    def is_plain(self, X):
        """Whether a kernel may compute ``forward`` on X from the activation and W, as ``MLP`` does.

        A class that overrides a method of the forward pass says so here; what it says does not hold for a subclass that
        overrides another one.
        """
        return True

    def computed_by_kernels(self, X):
        """Whether a kernel may compute ``forward`` on X: ``is_plain``, of a class that knows all methods that define it here."""
        by = provider(type(self), "is_plain")
        known = all(issubclass(by, provider(type(self), name)) for name in FORWARD)
        return known and not set(FORWARD) & set(vars(self)) and self.is_plain(X)

    def _check(self, X):
        shape = getattr(X, "shape", None)
        leading = ((self.replicas,), ()) if self.replicas else ((),)
        if shape is None or len(shape) < 2 or shape[-1] != self.sizes[0] or tuple(shape[:-2]) not in leading:
            wanted = f"(n, {self.sizes[0]})" + (f" or ({self.replicas}, n, {self.sizes[0]})" if self.replicas else "")
            raise ValueError(f"X must be an array of shape {wanted}, got {type(X).__name__} of shape {shape}")
        if dtype_name(X.dtype) != self.dtype:
            raise ValueError(f"X must have the network's dtype {self.dtype}, got {X.dtype}")


def bound(fan_in):
    """Return the bound of the initial weights of a layer: see ``MLP``."""
    return fan_in**-0.5


def checked_sizes(sizes):
    """Return `sizes` as a tuple of ints; a ValueError says what is wrong with it."""
    sizes = tuple(sizes) if hasattr(sizes, "__len__") else (sizes,)
    if len(sizes) < 2 or not all(is_whole(d) and d >= 1 for d in sizes):
        raise ValueError(f"sizes must be at least two whole numbers of at least 1 (D, …, d_L), got {shown(sizes)}")
    return tuple(int(d) for d in sizes)
