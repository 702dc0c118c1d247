"""The multilayer perceptron: sizes, parameters, forward pass."""

from itertools import pairwise
from numbers import Integral

import numpy as np

from . import activations
from .backend import Backend
from .errors import by_name
from .streams import checked_seeds, per_replica, streams

DTYPES = ("float32", "float64")


class MLP:
    """A multilayer perceptron with L weight matrices, its last layer linear: the outputs are logits.

    The initial weights (and biases) of a layer are uniform in ±1/sqrt(fan_in), fan_in the width below it (Demirbilek
    2021, chapter 3). They depend on the seed and the sizes alone: not on the dtype, the device, the rule or `bias`.

    Args:
        sizes: (D, d_1, …, d_L), at least two whole numbers of at least 1.
        activation: of the hidden layers, a name in ``dfanp.activations.ACTIVATIONS``.
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

    def __init__(self, sizes, activation="relu", bias=False, dtype="float32", seed=0, backend=None):
        self.sizes = checked_sizes(sizes)
        self.activation = activations.get(activation)
        by_name("dtype", dtype, dict.fromkeys(DTYPES))
        self.dtype, self.bias, self.backend = dtype, bool(bias), backend or Backend("cpu")
        self.seed = checked_seeds(seed)

        def drawn(stream, shape_of_layer):
            """One stream, all layers: cut into the arrays of each layer."""

            def one_seed(one):
                rng = getattr(streams(one), stream)
                return np.concatenate(
                    [
                        rng.uniform(-(fan_in**-0.5), fan_in**-0.5, shape_of_layer(fan_in, width)).ravel()
                        for fan_in, width in pairwise(self.sizes)
                    ]
                )

            flat, start = per_replica(self.seed, one_seed), 0
            for layer, (fan_in, width) in enumerate(pairwise(self.sizes)):
                shape = shape_of_layer(fan_in, width)
                stop = start + int(np.prod(shape))
                part = flat[..., start:stop].reshape(*flat.shape[:-1], *shape)
                yield layer, self.backend.asarray(np.ascontiguousarray(part), dtype)
                start = stop

        self.parameters = {f"W{layer}": W for layer, W in drawn("weights", lambda fan_in, width: (fan_in, width))}
        if self.bias:
            self.parameters |= {f"b{layer}": b for layer, b in drawn("biases", lambda fan_in, width: (width,))}

    @property
    def W(self):
        """The L weight matrices, first layer first."""
        return [self.parameters[f"W{layer}"] for layer in range(len(self.sizes) - 1)]

    @property
    def replicas(self):
        """The length R of the replica axis, or None without one."""
        return None if isinstance(self.seed, Integral) else len(self.seed)

    def forward(self, X):
        """Return ``[h[0] = X, h[1], …, h[L]]``: what every layer puts out, the last one the logits.

        Args:
            X: an array or StackedDigits, (n, D), or (R, n, D) with an own input for each replica.

        Returns:
            arrays (n, d_l), or (R, n, d_l); ``a[l] = h[l-1] @ W + b`` and ``h[l] = f(a[l])``, with h[L] = a[L].
        """
        xp, h = self.backend.xp, [X]
        self._check(X)
        for layer, W in enumerate(self.W):
            a = self.backend.kernels.product(h[layer], W)
            if self.bias:
                a = a + self.parameters[f"b{layer}"][..., None, :]
            h.append(self.activation.f(xp, a) if layer < len(self.sizes) - 2 else a)
        return h

    def _check(self, X):
        shape = getattr(X, "shape", None)
        leading = ((self.replicas,), ()) if self.replicas else ((),)
        if shape is None or len(shape) < 2 or shape[-1] != self.sizes[0] or tuple(shape[:-2]) not in leading:
            wanted = f"(n, {self.sizes[0]})" + (f" or ({self.replicas}, n, {self.sizes[0]})" if self.replicas else "")
            raise ValueError(f"X must be an array of shape {wanted}, got {type(X).__name__} of shape {shape}")
        if str(X.dtype).rpartition(".")[2] != self.dtype:
            raise ValueError(f"X must have the network's dtype {self.dtype}, got {X.dtype}")


def checked_sizes(sizes):
    """Return `sizes` as a tuple of ints; a ValueError says what is wrong with it."""
    sizes = tuple(sizes) if hasattr(sizes, "__len__") else (sizes,)
    if len(sizes) < 2 or any(isinstance(d, bool) or not isinstance(d, Integral) or d < 1 for d in sizes):
        raise ValueError(f"sizes must be at least two whole numbers of at least 1 (D, …, d_L), got {sizes}")
    return tuple(int(d) for d in sizes)
