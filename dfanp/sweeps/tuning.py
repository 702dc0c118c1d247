"""The best setting of a sweep: runs are scored, averaged over seeds, and the best learning rate is chosen.

The score of a run is the mean test accuracy of its last epochs (ten, as in Demirbilek 2021, section 3.1). Runs on
held-out training images (``settings.ParitySettings.held_out``) keep the test images out of the choice. Regression has
no accuracy: there the score is the mean test loss, and the lowest is the best.

With five seeds or more the best rate is the one whose mean has the highest lower end of its 95 % interval: a high mean
of seeds that lie far apart says little about the next one. With fewer it is the one with the highest mean, since then the
interval says more about luck: two seeds may be close together by chance.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from ..analysis.intervals import mean_interval, paired_differences
from ..measures import LAST
from ..problems.settings import TrainingSettings, complete
from ..runs.history import main_measure
from ..runs.store import Result, key_of
from .grids import varied
from .sweep import Sweep

ENOUGH = 5  # seeds from which on their spread decides, too


class Candidate(NamedTuple):
    """A setting with all its seeds.

    Attributes:
        config: a dict, without the seed (and what else is averaged over).
        values: the score of each seed that did not diverge.
        diverged: number of seeds that diverged.
        mean, half: mean of the values (None without values), and half-width of its 95 % interval (None for a single
            value).
        by_seed: seed -> score, of the same seeds.
        lower: whether a lower score is better: it is a loss.
    """

    config: dict
    values: list
    diverged: int
    mean: float | None
    half: float | None
    by_seed: dict
    lower: bool = False

    @property
    def cautious(self) -> float | None:
        """The worse end of the interval of the mean; with fewer than five values the mean itself, None without any."""
        if self.mean is None or self.half is None or len(self.values) < ENOUGH:
            return self.mean
        return self.mean + self.half if self.lower else self.mean - self.half

    @property
    def worst(self) -> float | None:
        """The worst score of a seed, None without any."""
        return max(self.values, default=None) if self.lower else min(self.values, default=None)


def measure_of(results: Iterable[Result]) -> str:
    """Return the measure that Results are scored by: "test_accuracy", or "test_loss" for regression."""
    return f"test_{main_measure(row for result in results for row in result.history.rows)}"


def is_loss(measure: str) -> bool:
    """Whether a lower value of a measure is better."""
    return measure.endswith("loss")


def score(result: Result, last: int = LAST, measure: str | None = None) -> float | None:
    """Return the mean of a measure over the `last` epochs of a Result (all, if it has fewer), None if it diverged.

    Without a measure it is that of ``measure_of``.
    """
    return result.history.mean(measure or measure_of([result]), last) if result.status == "done" else None


def candidates(
    results: Iterable[Result], last: int = LAST, measure: str | None = None, over: Sequence[str] = ("seed",)
) -> list[Candidate]:
    """Return a Candidate for each setting among the Results, in their order; see ``score``.

    Args:
        over: the settings that are averaged over; the first one identifies a run of a Candidate.
    """
    results = list(results)
    measure = measure or measure_of(results)
    together: dict[str, tuple[dict, list[Result]]] = {}
    for result in results:
        config = of_seeds(result, over)
        together.setdefault(key_of(config), (config, []))[1].append(result)
    found = []
    for config, runs in together.values():
        scores = {result.config.get(over[0]): score(result, last, measure) for result in runs}
        by_seed = {seed: value for seed, value in scores.items() if value is not None}
        values = list(by_seed.values())
        mean, half = mean_interval(values) if values else (None, None)
        diverged = sum(result.status == "diverged" for result in runs)
        found.append(Candidate(config, values, diverged, mean, half, by_seed, is_loss(measure)))
    return found


def of_seeds(result: Result, over: Sequence[str] = ("seed",)) -> dict[str, Any]:
    """Return the config of a Result without its seed (or what else is averaged `over`): runs of one Candidate have the same."""
    return {name: value for name, value in result.config.items() if name not in over}


def grouped(found: Iterable[Candidate], names: Sequence[str]) -> dict[tuple[str, ...], list[Candidate]]:
    """Return the Candidates by the values of their settings `names`, as texts: tuple -> list."""
    groups: dict[tuple[str, ...], list[Candidate]] = {}
    for each in found:
        config = complete(each.config)
        groups.setdefault(tuple(as_text(config.get(name)) for name in names), []).append(each)
    return groups


def as_text(value: Any) -> str:
    """Return the value of a setting as text; widths of layers as 256-512, None as a dash."""
    if isinstance(value, (list, tuple)):
        return "-".join(map(str, value))
    return "-" if value is None else f"{value:.10g}" if isinstance(value, float) else str(value)


def axes(found: Iterable[Candidate]) -> list[str]:
    """Return the names of the settings, except the learning rate, that differ among Candidates."""
    return [name for name in varied([each.config for each in found]) if name != "lr"]


def best(found: Iterable[Candidate]) -> Candidate | None:
    """Return the Candidate with the fewest diverged seeds and, of these, the best ``cautious`` score.

    None if all seeds diverged.
    """
    scored = [each for each in found if each.mean is not None]
    return max(scored, key=lambda each: (-each.diverged, better(each)), default=None)


def better(candidate):
    """Return the ``cautious`` score of a Candidate, of a loss its negative: the best one is the largest."""
    return -candidate.cautious if candidate.lower else candidate.cautious


def not_separated(winner: Candidate, found: Iterable[Candidate]) -> list[float]:
    """Return the neighbours of the rate of `winner` among Candidates from which its seeds do not separate it.

    That is, the interval of the paired differences from the neighbour reaches 0, or there are fewer than two pairs. A
    neighbour at which more seeds diverge is separated, as ``best`` has it.
    """
    by_rate = {each.config["lr"]: each for each in found}
    rates = sorted(by_rate)
    place = rates.index(winner.config["lr"])
    beside = [rates[i] for i in (place - 1, place + 1) if 0 <= i < len(rates)]
    close = []
    for rate in beside:
        if by_rate[rate].mean is None or by_rate[rate].diverged > winner.diverged:
            continue
        of = (by_rate[rate], winner) if winner.lower else (winner, by_rate[rate])
        differences = paired_differences(*(each.by_seed for each in of))
        mean, half = mean_interval(differences) if differences else (0.0, None)
        if half is None or mean - half <= 0:
            close.append(rate)
    return close


def at_edge(winner: Candidate, found: Iterable[Candidate]) -> bool:
    """Whether the rate of `winner` is the lowest or highest of several: a better one may lie beyond the grid."""
    rates = sorted({each.config["lr"] for each in found})
    return len(rates) > 1 and winner.config["lr"] in (rates[0], rates[-1])


def rungs(epochs: int, settings: int, factor: int) -> list[int]:
    """Return the epochs of each rung of successive halving, the last one `epochs`.

    Args:
        settings: number of settings to choose from.
        factor: each rung keeps one in `factor` of them.
    """
    count = max(1, math.ceil(math.log(max(settings, 1), factor) - 1e-9))
    return sorted({max(1, round(epochs / factor**i)) for i in range(count)})


def halving(
    settings: Sequence[TrainingSettings],
    factor: int,
    last: int,
    make: Callable[[list[TrainingSettings]], Sweep] = Sweep,  # type: ignore[assignment]
) -> Iterator[Sweep]:
    """Yield a Sweep for each rung of successive halving (Jamieson & Talwalkar 2016): fewer settings, more epochs.

    Settings that differ only in learning rate compete: one in `factor` (at least one) of each group enters the next
    rung, with all its seeds. The caller must run and close each Sweep before it requests the next one.

    Args:
        settings: a list of ``dfanp.settings`` with the same number of epochs.
        factor: at least 2.
        last: epochs of the score.
        make: ``make(settings)`` returns the Sweep of a rung.
    """
    contest: dict[TrainingSettings, dict[float, list[TrainingSettings]]] = {}
    for each in settings:
        contest.setdefault(replace(each, lr=1.0, seed=0), {}).setdefault(each.lr, []).append(each)
    steps = rungs(settings[0].epochs, max(map(len, contest.values())), factor)
    for place, epochs in enumerate(steps):
        rung = [replace(run, epochs=epochs) for rates in contest.values() for runs in rates.values() for run in runs]
        sweep = make(rung)
        yield sweep
        if place + 1 == len(steps):
            return
        by_key = {result.key: result for result in sweep.results()}
        sign = -1 if is_loss(measure_of(by_key.values())) else 1
        resolved = dict(zip(rung, sweep.settings, strict=True))

        def mean(runs, by_key=by_key, resolved=resolved, epochs=epochs, sign=sign):
            keys = [key_of(resolved[replace(run, epochs=epochs)].config()) for run in runs]
            values = [score(by_key[key], last) if key in by_key else None for key in keys]
            return -math.inf if None in values else sign * sum(values) / len(values)

        for group, rates in contest.items():
            keep = max(1, math.ceil(len(rates) / factor))
            order = sorted(rates, key=lambda rate: mean(rates[rate]), reverse=True)
            contest[group] = {rate: rates[rate] for rate in order[:keep]}
