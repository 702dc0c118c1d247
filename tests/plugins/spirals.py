"""A problem of one's own in one file, as a plugin: ``dfanp spirals --plugin tests/plugins/spirals.py``."""

import numpy as np

import dfanp
from dfanp.settings import TrainingSettings, setting
from dfanp.streams import streams


@dfanp.register
class SpiralSettings(TrainingSettings):
    """Train a network to tell which of two spirals a point lies on.

    The spirals wind around each other, and points lie beside them by some noise (after Lang & Witbrock 1988).
    """

    lr: float = 0.01
    opt: str = "adam"
    hidden: tuple[int, ...] = (32, 32)
    bias: bool = True
    turns: float = setting(1.0, "Number of turns of each spiral.", above=0)
    points: int = setting(400, "Number of points, and of test points.", least=2, most=10**6)
    sampling: str = setting("uniform", "How points are spread along a spiral.", names=("uniform", "dense"))

    name = "spirals"
    about = "two spirals"
    examples = (
        "dfanp spirals --turns 2 --method dfa",
        "dfanp tune spirals --turns 1,2 --lr log:1e-3:1e-1:3 --out tuned",
    )

    def problem(self, dataset, backend):
        train, test = (spirals(seed, self.points, self.turns, self.sampling) for seed in (0, 1))
        return dfanp.Arrays(*train, *test, dtype=self.dtype, backend=backend)


def spirals(seed, n, turns, sampling):
    """Return points in a plane (n, 2), and which spiral each lies on (n,)."""
    rng = streams(seed).train(1)
    which, along = np.arange(n) % 2, rng.uniform(0.1, 1, n)
    along = along**0.5 if sampling == "dense" else along
    angle = 2 * np.pi * turns * along + np.pi * which
    X = np.stack([along * np.cos(angle), along * np.sin(angle)], axis=1) + rng.normal(0, 0.02, (n, 2))
    return X, which
