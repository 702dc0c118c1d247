"""Feedback matrices B: a distribution and a seed.

B[l] carries a teaching signal back to hidden layer l of width d_l, from the next layer (FA) or from
the output (DFA). It is constant unless the rule trains it. Its scale is a = 1/sqrt(d_l), the bound
of the weights that it replaces.

    >>> (B,) = Feedback("uniform").draw([(1, 4)], seed=0)  # one output, a hidden layer of 4: within ±1/sqrt(4)
    >>> B.shape, bool(abs(B).max() < 0.5)
    ((1, 4), True)

Structure takes away what a chip or a brain would have to store:

    >>> (B,) = Feedback("uniform:density=0.1").draw([(100, 100)], seed=0)  # or Feedback("uniform", density=0.1)
    >>> round(float((B != 0).mean()), 1)
    0.1
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .checks import number, truth, whole
from .errors import by_name
from .streams import checked_seeds, per_replica, streams


def orthogonal(rng, shape, a):
    """Orthonormal rows (or columns, if fewer), with the mean squared norm of gaussian entries."""
    rows, columns = shape
    q, r = np.linalg.qr(rng.standard_normal((max(shape), min(shape))))
    q = q * np.sign(np.diag(r))  # makes the distribution uniform (Mezzadri 2007, eq. 5.12)
    return (q if rows >= columns else q.T) * max(1.0, (rows / columns) ** 0.5)


# name -> draw(rng, shape, a) with a = 1/sqrt(width). The first four as in Demirbilek 2021, section
# 3.1.
DISTRIBUTIONS = {
    "uniform": lambda rng, shape, a: rng.uniform(-a, a, shape),
    "standard-uniform": lambda rng, shape, a: rng.uniform(0.0, 1.0, shape),
    "gaussian": lambda rng, shape, a: rng.normal(a, a, shape),
    "standard-gaussian": lambda rng, shape, a: rng.normal(0.0, 1.0, shape),
    "zero-mean-gaussian": lambda rng, shape, a: rng.normal(0.0, a, shape),
    "orthogonal": orthogonal,
}


# Those whose entries are a times what they are for a = 1.
SCALED = ("uniform", "gaussian", "zero-mean-gaussian")


@dataclass(frozen=True)
class Feedback:
    """How the matrices B are drawn.

    Args:
        distribution: with a = 1/sqrt(width of the receiving layer): ``"uniform"`` U(-a, a),
            ``"standard-uniform"`` U(0, 1), ``"gaussian"`` N(mean a, standard deviation a),
            ``"standard-gaussian"`` N(0, 1), ``"zero-mean-gaussian"`` N(0, a²), ``"orthogonal"``
            (orthonormal rows, if the width allows). A text may also have the structure, after
            colons: ``"uniform:density=0.1:scale=2"``.
        seed: of the feedback stream, or a sequence with one per replica; None takes the seed of the
            run.
        density: the share of the entries that are kept; the others are 0 (Crafton et al. 2019).
        rank: at most; B = Q P with P from the distribution and Q ~ N(0, 1/rank). None: full
            (compare Hanut & Kadmon 2025).
        shared: whether every layer gets its part of one large matrix, its upper left corner, times
            a (Launay et al. 2020).
        aligned: A in [0, 1]: B is A times the (products of) weights that it replaces before
            training, plus sqrt(1 - A²) times what is drawn. With 1, B is these weights. It fills
            what is sparse or of low rank, so it does not go together with these.
        scale: factor of all of B, above 0.

    Raises:
        ValueError: a name is not known, or a value is out of its range.
    """

    distribution: str = "uniform"
    seed: int | tuple | None = None
    density: float = 1.0
    rank: int | None = None
    shared: bool = False
    aligned: float = 0.0
    scale: float = 1.0

    def __post_init__(self):
        name, *structure = self.distribution.split(":") if isinstance(self.distribution, str) else [self.distribution]
        by_name("feedback distribution", name, DISTRIBUTIONS)
        object.__setattr__(self, "distribution", name)
        for each in structure:
            key, equals, value = each.partition("=")
            convert = STRUCTURE[by_name(f"structure of feedback {name}", key, {key: key for key in STRUCTURE})]
            if not equals:
                raise ValueError(f"{each!r}: write NAME=VALUE, such as density=0.1 or shared=true")
            object.__setattr__(self, key, convert(key, value))
        if self.seed is not None:
            object.__setattr__(self, "seed", checked_seeds(self.seed))
        number("density", self.density, above=0, most=1)
        number("aligned", self.aligned, least=0, most=1)
        number("scale", self.scale, above=0)
        truth("shared", self.shared)
        if self.rank is not None:
            whole("rank", self.rank, other=" or None")
        if self.rank is not None and self.shared:
            raise ValueError("rank and shared do not go together: parts of one matrix have no rank of their own")
        if self.aligned and (self.density < 1 or self.rank is not None or self.shared):
            raise ValueError("aligned does not go together with density, rank or shared: B would have none of these")

    def draw(self, shapes: Sequence[tuple[int, int]], seed: int | Sequence[int]) -> list[np.ndarray]:
        """Return one host array (float64) per shape, all drawn from the same stream.

        Args:
            shapes: of the matrices, each (rows, width of the receiving layer).
            seed: used if the Feedback has none; a sequence draws along a leading replica axis.
        """
        seed = seed if self.seed is None else self.seed

        def flat(one_seed):
            rng = streams(one_seed).feedback
            return np.concatenate([self.scale * B.ravel() for B in self._drawn(rng, shapes)])

        if not shapes:
            return []
        drawn = per_replica(seed, flat)
        cuts = np.cumsum([rows * columns for rows, columns in shapes])[:-1]
        return [
            part.reshape(*part.shape[:-1], *shape)
            for part, shape in zip(np.split(drawn, cuts, axis=-1), shapes, strict=True)
        ]

    def _drawn(self, rng, shapes):
        """Return a matrix for each shape, without the scale."""
        draw = DISTRIBUTIONS[self.distribution]
        if self.shared:
            whole_B = draw(rng, tuple(max(sizes) for sizes in zip(*shapes, strict=True)), 1.0)
            size = lambda shape: shape[1] ** -0.5 if self.distribution in SCALED else 1.0
            found = [size(shape) * whole_B[: shape[0], : shape[1]] for shape in shapes]
        else:
            found = [self._one(rng, draw, shape) for shape in shapes]
        if self.density < 1:
            found = [B * (rng.random(B.shape) < self.density) for B in found]
        return found

    def _one(self, rng, draw, shape):
        """Return one matrix: of the distribution, or of a lower rank."""
        rank = min(shape) if self.rank is None else self.rank
        if rank >= min(shape):
            return draw(rng, shape, shape[1] ** -0.5)
        P = draw(rng, (rank, shape[1]), shape[1] ** -0.5)
        return rng.normal(0.0, rank**-0.5, (shape[0], rank)) @ P

    def towards(self, drawn: Sequence[np.ndarray], weights: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return `drawn` matrices, aligned with the `weights` that they replace, host arrays of the same shapes."""
        A = self.aligned
        return [self.scale * A * W + (1 - A * A) ** 0.5 * B for B, W in zip(drawn, weights, strict=True)]


def as_number(key, text):
    """Return the number in a text; a ValueError names the part of the structure."""
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{key} must be a number, got {text!r}") from None


def as_whole(key, text):
    """Return the whole number in a text; a ValueError names the part of the structure."""
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{key} must be a whole number, got {text!r}") from None


def as_truth(key, text):
    """Return the truth value in a text; a ValueError names the part of the structure."""
    if text not in ("true", "false"):
        raise ValueError(f"{key} must be true or false, got {text!r}")
    return text == "true"


# What a text may have after the distribution -> ``convert(key, text)``.
STRUCTURE = {"density": as_number, "rank": as_whole, "shared": as_truth, "aligned": as_number, "scale": as_number}


def canonical(text: str) -> str:
    """Return the shortest text that means the same: equal feedback has equal texts."""
    found, plain = Feedback(text), Feedback()
    values = {key: getattr(found, key) for key in STRUCTURE if getattr(found, key) != getattr(plain, key)}
    words = {True: "true"}
    return ":".join(
        [found.distribution, *(f"{k}={words.get(v, v) if k == 'shared' else v}" for k, v in values.items())]
    )
