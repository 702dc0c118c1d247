"""A convolutional first layer: one small dense layer on every patch of an image, and a maximum over neighbours.

Cut an image of s × s pixels into all its patches of k × k, one for each of q × q places, q = s - k + 1 (stride 1, no
padding). Seen so, a convolution with F filters is a dense layer whose examples are the patches, with one matrix W (k², F)
for all of them (im2col; Chellapilla, Puri & Simard 2006). Its output is pooled: of each p × p places the largest is kept,
which leaves r × r, r = q // p. Places in the rest of q / p are not seen.

    a = patches(X) @ W + b             (n·p²·r², F)
    h = pool(f(a))                     (n, r²·F); columns count filters fastest, then places row by row

Backwards, the signal of h reaches only the place that won. There delta is signal · f'(h), elsewhere 0, and the gradient is
that of the dense layer, ``patches(X).T @ delta``: the sum over all places, since they share W.

**Feedback to a convolution.** The signal of h comes as to any hidden layer of r²·F units: ``delta @ W.T`` under BP,
``delta @ B`` with B (d_2, r²·F) under FA, ``e @ B`` with B (d_L, r²·F) under DFA. So B sends each unit, a filter at a place,
a signal of its own: B is not shared between places, W is. What the filters can follow of it is its sum over places (few
free numbers for a large B: Launay et al. 2019; Refinetti et al. 2021, section 5).

    >>> import dfanp
    >>> problem = dfanp.Classes(dfanp.load("digits"), train_size=500, dtype="float64")
    >>> network = Convolutional(8, filters=4, patch=3, pool=2, above=(20, 10), dtype="float64", seed=0)
    >>> network.sizes, network.parameters["W0"].shape       # 64 pixels, 3 · 3 places of 4 filters, 20 and 10 units
    ((64, 36, 20, 10), (9, 4))
    >>> training = dfanp.Training(network, problem, "bp", dfanp.Adam(0.01), batch_size=25)
    >>> [record.test_accuracy > 0.7 for record in training.epochs(5)][-1]
    True
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from .activations import Activation
from .backend import Backend
from .checks import truth, whole
from .inputs import dense
from .network import MLP, bound
from .streams import per_replica, streams


class Convolution:
    """The geometry of the layer, and its three maps. All arrays may have a leading replica axis.

    Args:
        side: s, of the square images, in pixels.
        filters: F.
        patch: k, side of a patch.
        pool: p, side of the square of places of which the largest is kept; 1 keeps all.

    Attributes:
        places: q, along a side.
        pooled: r, along a side after pooling.
        units: r² · F.

    Raises:
        ValueError: an argument is no whole number in its range.
    """

    def __init__(self, side: int, filters: int, patch: int, pool: int) -> None:
        self.side, self.filters = whole("side", side), whole("filters", filters)
        self.patch = whole("patch", patch, most=self.side)
        self.places = self.side - self.patch + 1
        self.pool = whole("pool", pool, most=self.places)
        self.pooled = self.places // self.pool
        self.units = self.pooled**2 * self.filters
        seen = np.arange(self.pooled * self.pool).reshape(self.pooled, self.pool).T  # (p, r): the i-th of each square
        along = seen[:, :, None] + np.arange(self.patch)  # (p, r, k): the pixels of its patch
        rows, columns = along[:, None, :, None, :, None] * self.side, along[None, :, None, :, None, :]
        self._pixels = (rows + columns).reshape(-1)  # (p, p, r, r, k, k)

    def patches(self, backend: Backend, X: Any) -> Any:
        """Return the patches of images X (n, s²) as rows, (n·p²·r², k²): im2col.

        Those of an image stand in the order (p, p, r, r): first the upper left place of each square, then its neighbour.
        So what pooling compares lies in p² pieces without gaps.
        """
        found = backend.xp.take(X, backend.asarray(self._pixels), axis=-1)
        return backend.xp.reshape(found, (*X.shape[:-2], -1, self.patch**2))

    def images(self, backend: Backend, signal: Any) -> Any:
        """Return the sum over patches of signals (n·p²·r², k²) at each pixel, (n, s²): the transpose of ``patches``."""
        xp, p, r, k = backend.xp, self.pool, self.pooled, self.patch
        parts = xp.reshape(signal, (*signal.shape[:-2], -1, p, p, r, r, k, k))
        *leading, n = parts.shape[:-6]
        parts = xp.moveaxis(parts, (-6, -5), (-5, -3))  # (n, r, p, r, p, k, k)
        parts = xp.reshape(parts, (*leading, n, r * p, r * p, k, k))
        found = xp.astype(backend.asarray(np.zeros((*leading, n, self.side, self.side))), signal.dtype)
        for i in range(k):
            for j in range(k):
                found[..., i : i + r * p, j : j + r * p] += parts[..., i, j]
        return xp.reshape(found, (*leading, n, self.side**2))

    def pooled_of(self, xp: Any, f: Any) -> tuple[Any, Any]:
        """Return the largest of each p × p places of f (n·p²·r², F), (n, r²·F), and which of them it is, from 0."""
        squares = xp.reshape(f, (*f.shape[:-2], -1, self.pool**2, self.units))
        best = squares[..., 0, :]
        winner = xp.astype(xp.zeros_like(best), xp.int16)
        for place in range(1, self.pool**2):  # the first one wins where several are equal
            each = squares[..., place, :]
            winner = xp.maximum(winner, xp.astype(each > best, xp.int16) * place)
            best = xp.maximum(best, each)
        return best, winner

    def spread(self, xp: Any, delta: Any, winner: Any) -> Any:
        """Return delta (n, r²·F) at the places that won, 0 elsewhere, (n·p²·r², F): the transpose of the pooling."""
        won = lambda place: xp.astype(winner == place, delta.dtype)  # a product is faster than xp.where
        found = xp.stack([delta * won(place) for place in range(self.pool**2)], axis=-2)
        return xp.reshape(found, (*delta.shape[:-2], -1, self.filters))


class Convolutional(MLP):
    """A network with a ``Convolution`` below dense layers. Every rule with a signal trains it; see above for its B.

    ``forward`` returns the patches as h[0], the pooled maps as h[1], and dense layers above. The initial filters are uniform
    in ±1/k, as in ``MLP`` for a fan-in of k².

    Args:
        side, filters, patch, pool: see ``Convolution``.
        above: widths of the dense layers (d_2, …, d_L), the outputs last.
        frozen: whether the filters keep their initial values; everything above is trained.
        activation, bias, dtype, seed, backend: as in ``MLP``.

    Attributes:
        sizes: (s², r²·F, d_2, …, d_L).
        parameters: as in ``MLP``, but "W0" is (k², F) and "b0" (F,).
    """

    def __init__(
        self,
        side: int,
        filters: int = 16,
        patch: int = 5,
        pool: int = 2,
        above: Sequence[int] = (500, 10),
        frozen: bool = False,
        activation: str | Activation = "tanh",
        bias: bool = False,
        dtype: str = "float32",
        seed: int | Sequence[int] = 0,
        backend: Backend | None = None,
    ) -> None:
        self.layer = Convolution(side, filters, patch, pool)
        self.fixed = frozenset({"W0", "b0"} if truth("frozen", frozen) else ())
        widths = tuple(above) if hasattr(above, "__len__") and not isinstance(above, str) else (above,)
        self._seen: tuple = (None, None)
        super().__init__((side * side, self.layer.units, *widths), activation, bias, dtype, seed, backend)

    def draw(self, seed):
        """Return name -> host array (float64) of the initial parameters, for a seed, or R of them along a leading axis."""
        layer, drawn = self.layer, {}
        shapes = [(layer.patch**2, layer.filters), *pairwise(self.sizes[1:])]
        for stream, letter in (("weights", "W"), ("biases", "b"))[: 1 + self.bias]:
            found = per_replica(
                seed, lambda one, of=stream, W=letter == "W": uniform(getattr(streams(one), of), shapes, W)
            )
            stops = np.cumsum([np.prod(shape[letter == "b" :]) for shape in shapes])[:-1]
            for l, part in enumerate(np.split(found, stops, axis=-1)):
                drawn[f"{letter}{l}"] = part.reshape(*part.shape[:-1], *shapes[l][letter == "b" :])
        return drawn

    def forward(self, X):
        self._check(X)
        h = [self.layer.patches(self.backend, dense(X))]
        return [*h, *self._above(h[0])]

    def _above(self, h):
        for l in range(len(self.sizes) - 1):
            h = self.hidden(l, h) if l < len(self.sizes) - 2 else self.preactivation(l, h)
            yield h

    def hidden(self, layer, h):
        f = super().hidden(layer, h)
        if layer:
            return f
        pooled, winner = self.layer.pooled_of(self.backend.xp, f)
        self._seen = h, winner
        return pooled

    def delta(self, h, l, signal):
        delta = super().delta(h, l, signal)
        return delta if l > 1 else self.layer.spread(self.backend.xp, delta, self._winner(h[0]))

    def _winner(self, patches):
        """Return the winners of the forward pass on these patches."""
        seen, winner = self._seen  # read once: another thread may be computing other examples
        if seen is not patches:
            _, winner = self.layer.pooled_of(self.backend.xp, super().hidden(0, patches))
        return winner

    def to_input(self, h, signal):
        return self.layer.images(self.backend, self.delta(h, 1, signal) @ self.parameters["W0"].mT)

    def is_plain(self, X):
        return False


def uniform(rng, shapes, of_weights):
    """Return the initial weights, or the biases, of all layers in one row."""
    each = ((shape if of_weights else shape[1:], bound(shape[0])) for shape in shapes)
    return np.concatenate([rng.uniform(-a, a, shape).ravel() for shape, a in each])
