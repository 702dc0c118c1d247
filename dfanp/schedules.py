"""Learning-rate schedules: the factor of the learning rate in each epoch.

Within an epoch the rate is constant. A schedule depends on the number of the epoch alone, so a
resumed run needs no state of it. t counts the epochs that are done, 0, 1, …; T is `epochs`.

    >>> [round(factor("cosine:epochs=4", epoch), 3) for epoch in (1, 2, 3, 4)]
    [1.0, 0.854, 0.5, 0.146]
    >>> [factor("step:every=2:factor=0.1", epoch) for epoch in (1, 2, 3, 4)]
    [1.0, 1.0, 0.1, 0.1]

Each one can begin with a linear warm-up. Its `warmup` epochs are among the `epochs`:

    >>> [round(factor("linear:epochs=5:warmup=3", epoch), 3) for epoch in (1, 2, 3, 4, 5)]
    [0.25, 0.5, 0.75, 1.0, 0.5]

A schedule of your own is a factor and its parameters with their defaults:

    >>> halves = Schedule("halves", lambda t, p: 0.5 ** (t / p.life), {"life": 1.0})
    >>> factor(halves, 3)
    0.25
"""

from collections.abc import Callable
from math import cos, pi
from types import SimpleNamespace
from typing import Any, NamedTuple

from .checks import is_number, whole
from .errors import by_name, shown
from .registry import Registry, named

TOTAL = "epochs"  # a parameter whose default is the number of epochs of the run
WARMUP = "warmup"


class Schedule(NamedTuple):
    """A learning-rate schedule.

    Attributes:
        name: for settings and records.
        factor: ``factor(t, p)``, at least 0, of the epoch after t others; `p` has the parameters.
        parameters: name -> default, a float or a whole number. The default of `epochs` is None: the
            epochs of the run.
    """

    name: str
    factor: Callable[[int, Any], float]
    parameters: dict = {}

    def __repr__(self):
        return named(self)


# Each is that of PyTorch, stepped once per epoch: StepLR, ExponentialLR, CosineAnnealingLR,
# CosineAnnealingWarmRestarts, LinearLR and PolynomialLR. Cosine: Loshchilov & Hutter 2017, eq. 5.
# "inverse" is the decay of Robbins & Monro 1951 at power 1.
constant = Schedule("constant", lambda t, p: 1.0)
step = Schedule("step", lambda t, p: p.factor ** (t // p.every), {"every": 10, "factor": 0.1})
exponential = Schedule("exponential", lambda t, p: p.factor**t, {"factor": 0.95})
cosine = Schedule("cosine", lambda t, p: wave(min(t, p.epochs) / p.epochs, p.least), {"epochs": None, "least": 0.0})
restarts = Schedule("restarts", lambda t, p: wave(t % p.every / p.every, p.least), {"every": 10, "least": 0.0})
linear = Schedule("linear", lambda t, p: 1 + (p.end - 1) * min(t, p.epochs) / p.epochs, {"epochs": None, "end": 0.0})
polynomial = Schedule(
    "polynomial", lambda t, p: (1 - min(t, p.epochs) / p.epochs) ** p.power, {"epochs": None, "power": 2.0}
)
inverse = Schedule("inverse", lambda t, p: (1 + t) ** -p.power, {"power": 0.5})


def wave(share, least):
    """Return the factor after a share of half a cosine wave, from 1 down to `least`."""
    return least + (1 - least) * (1 + cos(pi * share)) / 2


SCHEDULES = Registry(
    "schedule",
    lambda thing: isinstance(thing, Schedule),
    (constant, step, exponential, cosine, restarts, linear, polynomial, inverse),
)


def get(schedule: str | Schedule) -> Schedule:
    """Return the Schedule called `schedule`, or one as it is; a ValueError lists the known names."""
    return SCHEDULES.get(schedule)


def own_parameters(schedule: str | Schedule) -> dict[str, Any]:
    """Return the parameters that a text can set, name -> default."""
    return get(schedule).parameters | {WARMUP: 0}


def parse(schedule: str | Schedule) -> tuple[Schedule, dict[str, Any]]:
    """Return the Schedule and the parameters in a text such as ``cosine:epochs=20:warmup=2``; an object has its defaults.

    Raises:
        ValueError: a name is not known, or a value is out of its range.
    """
    if not isinstance(schedule, str):
        return get(schedule), dict(own_parameters(schedule))
    name, *arguments = schedule.split(":")
    kind = get(name)
    found = dict(own_parameters(kind))
    for argument in arguments:
        key, equals, value = argument.partition("=")
        default = found[by_name(f"parameter of the schedule {name}", key, dict.fromkeys(found, key))]
        if not equals:
            raise ValueError(f"{argument!r}: write NAME=VALUE, such as warmup=5")
        found[key] = converted(key, value, default)
    if found.get(TOTAL) is not None and found[TOTAL] <= found[WARMUP]:
        raise ValueError(f"epochs must be more than the {found[WARMUP]} of the warm-up, got {found[TOTAL]}")
    return kind, found


def converted(key, value, default):
    """Return the value of a parameter in a text: a whole number if its default is one, or None; else a float of at least 0."""
    try:
        number = float(value) if isinstance(default, float) else int(value)
    except ValueError:
        number = value
    if not isinstance(default, float):
        return whole(key, number, 0 if key == WARMUP else 1)
    if not is_number(number) or not 0 <= number < float("inf"):
        raise ValueError(f"{key} must be a number of at least 0, got {shown(value)}")
    return number


def canonical(schedule: str) -> str:
    """Return the shortest text that means the same: equal schedules have equal texts."""
    kind, found = parse(schedule)
    defaults = own_parameters(kind)
    return ":".join([kind.name, *sorted(f"{key}={value}" for key, value in found.items() if value != defaults[key])])


def completed(schedule: str | Schedule, epochs: int) -> str | Schedule:
    """Return a text that says its number of epochs, if it needs one and has none: `epochs`; any other is unchanged."""
    if not isinstance(schedule, str) or parse(schedule)[1].get(TOTAL, epochs) is not None:
        return schedule
    return canonical(f"{schedule}:{TOTAL}={epochs}")


def of(schedule: str | Schedule) -> Callable[[int], float]:
    """Return the function that maps an epoch, 1, 2, …, to the factor of its learning rate.

    Raises:
        ValueError: as ``parse``, or `epochs` is missing. The function raises one if a factor is negative or not finite.
    """
    kind, found = parse(schedule)
    if TOTAL in found and found[TOTAL] is None:
        raise ValueError(f"the schedule {kind.name} needs its number of epochs: {kind.name}:epochs=20")
    warmup = found[WARMUP]
    p = SimpleNamespace(**found)
    if TOTAL in found:
        p.epochs -= warmup

    def factor_of(epoch):
        t = epoch - 1
        value = (t + 1) / (warmup + 1) if t < warmup else kind.factor(t - warmup, p)
        if not is_number(value) or not 0 <= value < float("inf"):
            raise ValueError(
                f"the schedule {kind.name} must return a finite factor of at least 0, got {shown(value)}"
            )
        return float(value)

    return factor_of


def factor(schedule: str | Schedule, epoch: int) -> float:
    """Return the factor of the learning rate in an epoch, counted from 1."""
    return of(schedule)(epoch)
