"""Which setting is best: runs are scored, those that differ in seed alone taken together, the best learning rate found.

The score of a run is the mean test accuracy of its last epochs (ten, as in Demirbilek 2021, section 3.1). Runs on held-out
training images (``settings.ParitySettings.held_out``) leave the test images unseen while one chooses.
"""

import math
from dataclasses import replace
from typing import NamedTuple

from ..analysis.intervals import mean_interval
from ..measures import LAST
from ..runs.store import key_of
from .grids import varied
from .sweep import Sweep


class Candidate(NamedTuple):
    """A setting with all its seeds.

    Attributes:
        config: a dict, without the seed.
        values: the score of each seed that did not diverge.
        diverged: how many did.
        mean, half: of the values, and the half-width of their 95 % interval (None for one); mean None without values.
    """

    config: dict
    values: list
    diverged: int
    mean: float | None
    half: float | None


def score(result, last=LAST, measure="test_accuracy"):
    """Return the mean of a measure over the `last` epochs of a Result (all, if it has fewer), None if it diverged."""
    return result.history.mean(measure, last) if result.status == "done" else None


def candidates(results, last=LAST, measure="test_accuracy"):
    """Return a Candidate for each setting among the Results, in their order; see ``score``."""
    together = {}
    for result in results:
        config = {name: value for name, value in result.config.items() if name != "seed"}
        together.setdefault(key_of(config), (config, []))[1].append(result)
    found = []
    for config, runs in together.values():
        scores = [score(result, last, measure) for result in runs]
        values = [value for value in scores if value is not None]
        mean, half = mean_interval(values) if values else (None, None)
        found.append(Candidate(config, values, sum(result.status == "diverged" for result in runs), mean, half))
    return found


def grouped(found, names):
    """Return the Candidates by the values of their settings `names`: tuple -> list."""
    groups = {}
    for each in found:
        groups.setdefault(tuple(str(each.config.get(name)) for name in names), []).append(each)
    return groups


def axes(found):
    """Return the names of the settings, but for the learning rate, that differ among Candidates."""
    return [name for name in varied([each.config for each in found]) if name != "lr"]


def best(found):
    """Return the Candidate with the highest mean; one with a seed that diverged only where all have one. None if all did."""
    scored = [each for each in found if each.mean is not None]
    return max(scored, key=lambda each: (-each.diverged, each.mean), default=None)


def at_edge(winner, found):
    """Whether the rate of `winner` is the lowest or highest of the Candidates' (more than one): a better one may lie beyond."""
    rates = sorted({each.config["lr"] for each in found})
    return len(rates) > 1 and winner.config["lr"] in (rates[0], rates[-1])


def rungs(epochs, settings, factor):
    """Return the epochs of each rung of successive halving, the last one `epochs`.

    Args:
        settings: how many there are to choose from.
        factor: each rung keeps one of so many.
    """
    count = max(1, math.ceil(math.log(max(settings, 1), factor) - 1e-9))
    return sorted({max(1, round(epochs / factor**i)) for i in range(count)})


def halving(settings, factor, last, make=Sweep):
    """Yield a Sweep for each rung of successive halving (Jamieson & Talwalkar 2016): fewer settings, more epochs.

    The settings that differ in learning rate alone compete: of each such group the best one of `factor` goes on, at least
    one; all its seeds do. The caller runs each Sweep, and closes it, before it asks for the next one.

    Args:
        settings: a list of ``dfanp.settings`` with the same number of epochs.
        factor: at least 2.
        last: epochs of the score.
        make: called with the list of a rung, returns the Sweep.
    """
    contest = {}
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
        resolved = dict(zip(rung, sweep.settings, strict=True))

        def mean(runs, by_key=by_key, resolved=resolved, epochs=epochs):
            keys = [key_of(resolved[replace(run, epochs=epochs)].config()) for run in runs]
            values = [score(by_key[key], last) if key in by_key else None for key in keys]
            return -math.inf if None in values else sum(values) / len(values)

        for group, rates in contest.items():
            keep = max(1, math.ceil(len(rates) / factor))
            order = sorted(rates, key=lambda rate: mean(rates[rate]), reverse=True)
            contest[group] = {rate: rates[rate] for rate in order[:keep]}
