"""Feedback matrices B: a distribution and a seed.

B[l] carries a teaching signal back to hidden layer l of width d_l, from the next layer (FA) or from
the output (DFA). It is constant unless the rule trains it. Its scale is a = 1/sqrt(d_l), the bound
of the weights that it replaces.

    >>> (B,) = Feedback("uniform").draw([(1, 4)], seed=0)  # one output, a hidden layer of 4: within ±1/sqrt(4)
    >>> B.shape, bool(abs(B).max() < 0.5)
    ((1, 4), True)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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


@dataclass(frozen=True)
class Feedback:
    """How the matrices B are drawn.

    Args:
        distribution: with a = 1/sqrt(width of the receiving layer): ``"uniform"`` U(-a, a),
            ``"standard-uniform"`` U(0, 1), ``"gaussian"`` N(mean a, standard deviation a),
            ``"standard-gaussian"`` N(0, 1), ``"zero-mean-gaussian"`` N(0, a²), ``"orthogonal"``
            (orthonormal rows, if the width allows).
        seed: of the feedback stream, or a sequence with one per replica; None takes the seed of the
            run.
    """

    distribution: str = "uniform"
    seed: int | tuple | None = None

    def __post_init__(self):
        by_name("feedback distribution", self.distribution, DISTRIBUTIONS)
        if self.seed is not None:
            object.__setattr__(self, "seed", checked_seeds(self.seed))

    def draw(self, shapes: Sequence[tuple[int, int]], seed: int | Sequence[int]) -> list[np.ndarray]:
        """Return one host array (float64) per shape, all drawn from the same stream.

        Args:
            shapes: of the matrices, each (rows, width of the receiving layer).
            seed: used if the Feedback has none; a sequence draws along a leading replica axis.
        """
        seed = seed if self.seed is None else self.seed
        draw = DISTRIBUTIONS[self.distribution]

        def flat(one_seed):
            rng = streams(one_seed).feedback
            return np.concatenate([draw(rng, shape, shape[1] ** -0.5).ravel() for shape in shapes])

        if not shapes:
            return []
        drawn = per_replica(seed, flat)
        cuts = np.cumsum([rows * columns for rows, columns in shapes])[:-1]
        return [
            part.reshape(*part.shape[:-1], *shape)
            for part, shape in zip(np.split(drawn, cuts, axis=-1), shapes, strict=True)
        ]
