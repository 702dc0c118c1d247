"""Measures of each epoch: the losses and accuracies that the training loop sums, and measures of your own.

    >>> import dfanp
    >>> size = dfanp.register(dfanp.Measure("size", lambda training: abs(training.network.W[0]).mean()))
    >>> training = dfanp.Training(dfanp.MLP([2, 3, 1]), dfanp.Arrays([[0, 1]], [1]), "bp", dfanp.SGD(lr=0.1), batch_size=1)
    >>> list(next(training.epochs(1)).measures)
    ['train_loss', 'train_accuracy', 'test_loss', 'test_accuracy', 'size']
    >>> dfanp.measures.MEASURES.remove("size")

A registered measure is in every later record, log, table and report, and ``dfanp plot --measure`` draws it.
"""

from collections.abc import Callable
from math import inf
from typing import Any, NamedTuple

from .errors import shown
from .registry import Registry, named
from .system.lazy import lazy

np = lazy("numpy")

RESERVED = ("epoch", "seed", "status", "alignment", "seconds")  # the other fields of a record
LAST = 10  # epochs that a mean is taken over, as in Demirbilek 2021, section 3.1


class Measure(NamedTuple):
    """A number that is measured after each epoch.

    Attributes:
        name: of the number in records; not one of the other fields of a log line.
        of: ``of(training)`` is called after the test of each epoch. It returns a float, or with replicas an array
            (R,) of the backend, and changes nothing. None for the four built-in measures, which the training loop
            sums over the examples.
        title: for tables and figures; None takes the name.
        low, high: the range of its values; a record with others is damaged.
    """

    name: str
    of: Callable[[Any], Any] | None = None
    title: str | None = None
    low: float = -inf
    high: float = inf

    def __repr__(self):
        return named(self)

    def measured(self, training: Any) -> Any:
        """Return what ``of`` returns as float64 (R,), or (1,) without replicas, on the host.

        Raises:
            ValueError: it has another shape, or is not numeric.
        """
        assert self.of is not None, "the training loop sums the built-in measures"
        value, R = self.of(training), training.network.replicas or 1
        found = np.asarray(training.backend.to_host(value) if hasattr(value, "shape") else value)
        if found.dtype.kind not in "bfiu" or found.size != R:
            expected = "a number" if R == 1 else f"a number for each replica, ({R},)"
            raise ValueError(f"the measure {self.name!r} must return {expected}, got {shown(value)}")
        return found.astype(np.float64).reshape(R)


MEASURES = Registry(
    "measure",
    lambda thing: isinstance(thing, Measure),
    (
        Measure("train_loss", title="Training loss"),
        Measure("train_accuracy", title="Training accuracy", low=0, high=1),
        Measure("test_loss", title="Test loss"),
        Measure("test_accuracy", title="Test accuracy", low=0, high=1),
    ),
    RESERVED,
)


def title_of(name: str) -> str:
    """Return the title of a measure."""
    return (name in MEASURES and MEASURES[name].title) or name


def flat(named: dict[str, Any], alignment: dict[str, list] | None) -> list[tuple[str, float]]:
    """Return (name, value) of the measures that are not None, and of each cosine: "gradient_alignment_0", …"""
    cosines = [(f"{kind}_alignment_{l}", c) for kind, each in (alignment or {}).items() for l, c in enumerate(each)]
    return [(name, value) for name, value in (*named.items(), *cosines) if value is not None]


def own() -> list[Measure]:
    """Return the measures that were registered in addition to the built-in ones."""
    return [measure for measure in MEASURES.values() if MEASURES.built_in(measure) is None]
