"""Named random streams: each draw of a run depends only on the seed and the name of its stream.

Rules that are compared share weights and data, because those streams do not depend on the rule. The data of epoch 17
depend only on (seed, 17), so a resumed run needs no generator state. Everything is drawn on the host in float64 and
then moved, so that CPU and GPU, float32 and float64 start from the same numbers.

    >>> streams(0).train(epoch=17).permutation(5)  # independent of earlier draws
    array([1, 3, 0, 2, 4])
"""

from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np

from .checks import seed as checked_seed
from .errors import shown

# In the order of their spawn keys. Never reorder: the numbers are part of what "the same seed" means.
NAMES = (
    "weights", "biases", "feedback", "train", "test", "probe", "points", "labels", "gate", "features", "rule", "nudge",
    "attack",
)  # fmt: skip
KEYS = {name: number for number, name in enumerate(NAMES)}


class streams:
    """The random streams of one seed: ``streams(0).weights`` is a fresh ``numpy.random.Generator`` at its start.

    Args:
        seed: a whole number of at least 0.

    Attributes:
        weights, biases, feedback, probe, labels, gate, features: generators. Each access restarts the stream.
    """

    def __init__(self, seed: int) -> None:
        self.seed = checked_seed(seed)

    weights = property(lambda self: self._stream("weights"))
    biases = property(lambda self: self._stream("biases"))
    feedback = property(lambda self: self._stream("feedback"))
    probe = property(lambda self: self._stream("probe"))
    labels = property(lambda self: self._stream("labels"))
    gate = property(lambda self: self._stream("gate"))
    features = property(lambda self: self._stream("features"))

    def train(self, epoch: int) -> np.random.Generator:
        """Return the generator of the training data of `epoch` (1, 2, …)."""
        return self._stream("train", epoch)

    def test(self, epoch: int) -> np.random.Generator:
        """Return the generator of the test data of `epoch` (1, 2, …)."""
        return self._stream("test", epoch)

    def rule(self, step: int, l: int) -> np.random.Generator:
        """Return the generator of a learning rule at a step (1, 2, …) for layer l (0: after the step)."""
        return self._stream("rule", step, l)

    def points(self, part: int, column: int) -> np.random.Generator:
        """Return the generator of a column of the training (part 0) or test points (1) of a drawn problem."""
        return self._stream("points", part, column)

    def nudge(self, l: int) -> np.random.Generator:
        """Return the generator by which the initial weights of layer l are moved."""
        return self._stream("nudge", l)

    def attack(self, start: int, place: int) -> np.random.Generator:
        """Return the generator of attacks on the test examples from `start` on, at the ε at `place`."""
        return self._stream("attack", start, place)

    def _stream(self, name, *more):
        sequence = np.random.SeedSequence(self.seed, spawn_key=(KEYS[name], *more))
        return np.random.Generator(np.random.PCG64(sequence))


class Draws:
    """Random arrays for a rule: each method of ``numpy.random.Generator``, drawn on the host and moved to the device.

    ``draws.normal(size=(n, d))`` is (n, d), or with R seeds (R, n, d): replica r gets the draws of a solo run with
    its seed. Floats have `dtype`; integers and booleans keep theirs.

    Args:
        seed: a whole number, or R of them.
        step, l: see ``streams.rule``.
        backend, dtype: of the arrays.
    """

    def __init__(self, seed, step, l, backend, dtype):
        self.backend, self.dtype, self.single = backend, dtype, isinstance(seed, Integral)
        self._generators = [streams(one).rule(step, l) for one in ([seed] if self.single else seed)]

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)

        def draw(*args, **kwargs):
            drawn = [np.asarray(getattr(generator, name)(*args, **kwargs)) for generator in self._generators]
            host = drawn[0] if self.single else np.stack(drawn)
            return self.backend.asarray(host, self.dtype if host.dtype.kind == "f" else None)

        return draw


def checked_seeds(seed: Any, replicas: int | None = None) -> int | tuple[int, ...]:
    """Return `seed` as an int, or a sequence of seeds as a tuple of ints; a ValueError says what is wrong.

    Args:
        seed: a whole number of at least 0, or a sequence of them, not empty.
        replicas: required length of a sequence; 0 permits only a single number, None any length.
    """
    if isinstance(seed, Integral):
        return checked_seed(seed)
    if isinstance(seed, (str, bytes)) or not hasattr(seed, "__len__"):
        raise ValueError(f"a seed must be a whole number of at least 0, or a sequence of them, got {shown(seed)}")
    if len(seed) == 0:
        raise ValueError("a sequence of seeds must not be empty")
    seeds = tuple(checked_seed(one) for one in seed)
    if replicas is not None and len(seed) != replicas:
        wanted = f"one for each of {replicas} replicas" if replicas else "no sequence, since there are no replicas"
        raise ValueError(f"seed must be one number, or {wanted}, got {tuple(seed)}")
    return seeds


def per_replica(seed: Any, draw: Callable[[Any], np.ndarray]) -> np.ndarray:
    """Return ``draw(seed)``, or for a sequence of seeds the stack of ``draw(s)`` along a leading replica axis."""
    if isinstance(seed, Integral):
        return draw(seed)
    return np.stack([draw(s) for s in seed])
