"""Lazy baselines: networks of one hidden layer with fixed random features.

They fail where learning features pays.

    ntk        h = (X W0) * sigmoid(X G)   W0 and W1 are trained by BP, the gate G is fixed (Demirbilek 2021)
    ntk-step   h = (X W0) * (X G > 0)      the same with the gate of Daniely & Malach 2020
    gaussian   h = relu(X W0)              W0 ~ N(0, variance 6/(D + H)); W1 alone is trained (Demirbilek 2021)
    fourier    h = cos(u w + b)            w ~ N(0, variance 16/D), b ~ U(0, 2 pi), u the pixels in [0, 1] (Daniely & Malach 2020)
    relu       h = relu(X W0)              W0 as in MLP; W1 alone is trained
    linear     h = X W0                    a linear model

All have a linear output layer and no trained biases. A fixed first layer is multiplied with each
image once, not at every step (``Projection``).

A network that learns features learns the parity of two digits; the same network with a fixed first
layer does not:

    >>> import dfanp
    >>> problem = dfanp.Parity(dfanp.load("digits"), k=2, train_size=5000, test_size=1000)
    >>> sizes = (problem.features, 64, 1)
    >>> for network in (MLP(sizes, seed=0), Features(sizes, "relu", seed=0)):
    ...     training = dfanp.Training(network, problem, "bp", dfanp.RMSProp(lr=0.002))
    ...     print([round(record.test_accuracy, 1) for record in training.epochs(6)][-1])
    0.8
    0.5
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from . import activations
from .activations import Activation, sigmoid
from .backend import Backend
from .errors import by_name, shown
from .inputs import StackedDigits
from .network import MLP
from .registry import Registry
from .rules import RULES
from .streams import per_replica, streams

# Bytes that the tables of a Projection may take; beyond that, products are computed at every step.
LARGEST_TABLE = 1 << 29
FEATURES = ("gaussian", "fourier", "relu", "linear")
# No layer below it is trained, so its derivative is not needed.
COSINE = Activation("cos", lambda xp, a: xp.cos(a), None)  # type: ignore[arg-type]
CHUNK = 1000  # images that it multiplies at once


class Projection:
    """X @ W for a fixed W. For StackedDigits each image is multiplied once per place.

    Args:
        W: (D, H) or (R, D, H).
        backend: of W.
    """

    def __init__(self, W: Any, backend: Backend) -> None:
        self.W, self.backend = W, backend
        self._tables: dict[int, tuple] = {}

    def __call__(self, X: Any) -> Any:
        """Return X @ W, (n, H) or (R, n, H)."""
        if not isinstance(X, StackedDigits) or not self.fits(X):
            return self.backend.kernels.product(X, self.W)
        xp, total = self.backend.xp, None
        for place, table in enumerate(self.tables(X.bank)):
            rows = X.picks[..., place]
            if rows.ndim > 1:  # replica r of a table starts r · images rows down
                rows = rows + self.backend.asarray(np.arange(self.W.shape[0])[:, None] * X.bank.raw.shape[0])
            part = xp.take(table, xp.reshape(rows, (-1,)), axis=0)
            total = part if total is None else total + part
        return xp.reshape(total, (*X.shape[:-1], self.W.shape[-1]))

    def fits(self, X):
        """Whether the tables for the bank of X are small enough to be kept."""
        *replicas, D, H = self.W.shape
        images, pixels = X.bank.raw.shape
        numbers = prod(replicas) * (D // pixels) * images * H
        own = X.picks.ndim == 2 + len(replicas)  # replicas may share their examples
        return own and numbers * np.dtype(X.bank.dtype).itemsize <= LARGEST_TABLE

    def tables(self, bank):
        """Return for each place the products of all images with its weights, (images or R · images, H)."""
        if id(bank) not in self._tables:
            xp, (images, pixels) = self.backend.xp, bank.raw.shape
            alone, found = StackedDigits(bank, self.backend.asarray(np.arange(images)[:, None])), []
            for place in range(self.W.shape[-2] // pixels):
                W = self.W[..., place * pixels : (place + 1) * pixels, :]
                parts = [alone[start : min(start + CHUNK, images), :] for start in range(0, images, CHUNK)]
                products = xp.concat([self.backend.kernels.product(part, W) for part in parts], axis=-2)
                found.append(xp.reshape(products, (-1, self.W.shape[-1])))
            self._tables[id(bank)] = bank, found  # with the bank, so that its id stays its own
        return self._tables[id(bank)][1]


def activation_of(kind: str) -> Activation:
    """Return the Activation of a kind of features."""
    return {"linear": activations.get("identity"), "fourier": COSINE}.get(kind, activations.get("relu"))


class Features(MLP):
    """Random features: an output layer on a fixed hidden layer. ``W0`` (and ``b0``) never change.

    Args:
        sizes: (D, H, d_L).
        kind: "gaussian", "fourier", "relu" or "linear", see above.
        scale, offset: X · scale + offset are the inputs scaled to [0, 1], which "fourier" takes.
        dtype, seed, backend: as in ``MLP``.
    """

    fixed = frozenset({"W0", "b0"})

    def __init__(
        self,
        sizes: Sequence[int],
        kind: str,
        dtype: str = "float32",
        seed: int | Sequence[int] = 0,
        backend: Backend | None = None,
        scale: float = 1.0,
        offset: float = 0.0,
    ) -> None:
        by_name("kind", kind, dict.fromkeys(FEATURES))
        self.kind, self.scale, self.offset = kind, scale, offset
        super().__init__(one_hidden(sizes), dtype=dtype, seed=seed, backend=backend)
        self.activation = activation_of(kind)

    def draw(self, seed):
        drawn, (D, H, _) = super().draw(seed), self.sizes
        if self.kind == "gaussian":
            gaussian = lambda one: streams(one).features.normal(0.0, (6 / (D + H)) ** 0.5, (D, H))
            drawn["W0"] = per_replica(seed, gaussian)
        if self.kind == "fourier":
            w = per_replica(seed, lambda one: streams(one).features.normal(0.0, 4 / D**0.5, (D, H)))
            b = per_replica(seed, lambda one: streams(one).biases.uniform(0.0, 2 * np.pi, H))
            drawn["W0"], drawn["b0"] = w * self.scale, b + self.offset * w.sum(axis=-2)
        return drawn

    def is_plain(self, X):
        return self.kind != "fourier" and not isinstance(X, StackedDigits)

    def load(self, arrays):
        super().load(arrays)
        self.projection = Projection(self.parameters["W0"], self.backend)

    def preactivation(self, layer, h):
        if layer:
            return super().preactivation(layer, h)
        a = self.projection(h)
        return a + self.parameters["b0"][..., None, :] if "b0" in self.parameters else a

    def to_input(self, h, signal):
        if self.kind != "fourier":
            return super().to_input(h, signal)
        return -(signal * self.backend.xp.sin(self.preactivation(0, h[0]))) @ self.parameters["W0"].mT


class NTK(MLP):
    """A linear layer behind a fixed random gate: a relu network whose units never switch.

    Args:
        sizes: (D, H, d_L).
        gate: "sigmoid" or "step".
        dtype, seed, backend: as in ``MLP``.

    ``G0`` has the shape of W0, is drawn like it, and never changes.
    """

    fixed = frozenset({"G0"})

    def __init__(
        self,
        sizes: Sequence[int],
        gate: str = "sigmoid",
        dtype: str = "float32",
        seed: int | Sequence[int] = 0,
        backend: Backend | None = None,
    ) -> None:
        self.gate = by_name("gate", gate, {"sigmoid": sigmoid, "step": lambda xp, a: xp.astype(a > 0, a.dtype)})
        super().__init__(one_hidden(sizes), dtype=dtype, seed=seed, backend=backend)

    def draw(self, seed):
        D, H, _ = self.sizes
        uniform = lambda one: streams(one).gate.uniform(-(D**-0.5), D**-0.5, (D, H))
        return super().draw(seed) | {"G0": per_replica(seed, uniform)}

    def load(self, arrays):
        super().load(arrays)
        self.projection, self._gated = Projection(self.parameters["G0"], self.backend), (None, None)

    def is_plain(self, X):
        return False

    def hidden(self, layer, h):
        return self.backend.kernels.product(h, self.parameters["W0"]) * self.slope([h], 1)

    def to_input(self, h, signal):
        found, gate = super().to_input(h, signal), self.slope(h, 1)
        if self.gate is not sigmoid:  # a step has no slope
            return found
        a = self.backend.kernels.product(h[0], self.parameters["W0"])
        return found + (signal * a * gate * (1 - gate)) @ self.parameters["G0"].mT

    def slope(self, h, l):
        X, gated = self._gated  # read once: another thread may be computing other examples
        if X is not h[0]:  # needed in the forward and in the backward pass
            gated = self.gate(self.backend.xp, self.projection(h[0]))
            self._gated = h[0], gated
        return gated


class Baseline(NamedTuple):
    """A lazy method: ``network(sizes, dtype, seed, backend, scale, offset)`` returns its network."""

    name: str
    network: Callable[..., MLP]


def features(kind: str) -> Baseline:
    """Return the Baseline of random features of a kind."""
    return Baseline(kind, lambda sizes, dtype, seed, *on: Features(sizes, kind, dtype, seed, *on))


BASELINES = Registry(
    "baseline",
    lambda thing: isinstance(thing, Baseline),
    (
        Baseline("ntk", lambda sizes, dtype, seed, backend, *_: NTK(sizes, "sigmoid", dtype, seed, backend)),
        Baseline("ntk-step", lambda sizes, dtype, seed, backend, *_: NTK(sizes, "step", dtype, seed, backend)),
        *map(features, FEATURES),
    ),
)


def get(name: str | Baseline) -> Baseline:
    """Return the Baseline called `name`, or one as it is; a ValueError lists the known names."""
    return BASELINES.get(name)


def methods() -> tuple[str, ...]:
    """Return the names of the rules and of the lazy baselines: the values of the setting `method`."""
    return (*RULES, *BASELINES)


def one_hidden(sizes):
    """Return `sizes` of a network with one hidden layer; a ValueError for any other."""
    if not hasattr(sizes, "__len__") or len(sizes) != 3:
        raise ValueError(f"a lazy baseline has one hidden layer: sizes must be (D, H, d_L), got {shown(sizes)}")
    return sizes
