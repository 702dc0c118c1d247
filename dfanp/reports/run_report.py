"""A run in a report: its records, checked, and the predictions of its networks on their last test set."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..analysis.confusion import Predictions, predictions
from ..analysis.intervals import mean_interval
from ..checks import is_number
from ..errors import DataError, DfanpError, RecordError
from ..files.lines import parse_lines, read_lines
from ..files.whole import failures
from ..network import MLP
from ..runs import attacked
from ..runs.folder import read_config
from ..runs.history import History, by_seed, layers_of
from ..runs.saved import SavedRun
from ..settings import from_config

MOST_SEEDS = 10  # whose networks are shown
LARGEST = 1e150  # larger numbers cannot be drawn: their squares overflow


class SeedReport(NamedTuple):
    """The networks of a seed, and the predictions of the trained one.

    Attributes:
        seed: of the run.
        epoch: of the checkpoint.
        initial, final: networks, before training and at that epoch.
        predictions: for the test set of that epoch.
        problem: of the test set.
    """

    seed: int
    epoch: int
    initial: MLP
    final: MLP
    predictions: Predictions
    problem: object


@dataclass
class RunReport:
    """A run in a report.

    Attributes:
        label: its name in the report.
        settings: of ``dfanp.settings``.
        environment: a dict of JSON values.
        rows: of the log, up to the last epoch that all its seeds have.
        seconds: total of all logged epochs, or None.
        seed_reports: a SeedReport for each seed that is shown.
        missing: why there are none, or None.
        attack: the record of an attack (``runs.attacked``), or None.
    """

    label: str
    settings: object
    environment: dict
    rows: list
    seconds: float | None
    seed_reports: list = field(default_factory=list)
    missing: str | None = None
    attack: dict | None = None

    @cached_property
    def histories(self):
        """The seeds -> their History."""
        return by_seed(self.rows)

    @property
    def diverged(self):
        """The seeds that diverged -> their epoch."""
        return {seed: len(history) for seed, history in self.histories.items() if history.diverged}

    @property
    def epoch(self):
        """The last epoch that is logged."""
        return max((row["epoch"] for row in self.rows), default=0)

    @property
    def status(self):
        """How it ended, as text."""
        lost, seeds = self.diverged, len(self.settings.seeds)
        whole = "finished" if self.epoch >= self.settings.epochs else f"stopped at epoch {self.epoch}"
        if len(lost) == seeds:
            return "diverged" if seeds == 1 else f"all {seeds} seeds diverged"
        if not self.rows:
            return "no epoch finished yet"
        return whole + (f", {len(lost)} of {seeds} seeds diverged" if lost else "")

    @property
    def sound(self):
        """The Histories of the seeds that have not diverged."""
        return [history for history in self.histories.values() if not history.diverged]

    def last(self, measure="test_accuracy", epochs=1):
        """Return mean and half-width of the 95 % interval, over the sound seeds, of the mean of the last epochs."""
        means = [history.mean(measure, epochs) for history in self.sound]
        values = [mean for mean in means if mean is not None]
        return mean_interval(values) if values else (None, None)

    def logged(self, seed, epoch):
        """Return the test accuracy of an epoch in the log, or None."""
        rows = self.histories[seed].rows[epoch - 1 : epoch] if seed in self.histories else []
        return rows[0].get("test_accuracy") if rows else None


def read(folders, data_dir=None):
    """Return a RunReport for each run folder.

    Without the data set or the checkpoint, the parts that need the networks are left out, and `missing` says why.

    Raises:
        RecordError: a folder holds no run, or a damaged one.
    """
    return [read_one(path, label, data_dir) for path, label in zip(folders, labels(folders), strict=True)]


def read_one(path, label, data_dir):
    """Return the RunReport of a run folder."""
    path = Path(path)
    if (path / "store.jsonl").exists():
        raise RecordError(
            f"{path}: is a sweep; a report is of single runs (dfanp results and dfanp plot show sweeps)"
        )
    found, settings, rows = checked_log(path)
    for number, row in enumerate(rows, 1):
        if any(is_number(value) and abs(value) > LARGEST for value in row.values()):
            raise RecordError(
                f"{path / 'log.jsonl'}: line {number} has a number beyond {LARGEST:g}, too large for a page"
            )
    run = RunReport(label, settings, found["environment"], whole_epochs(rows, settings.seeds), total_seconds(path))
    run.attack = attacked.read(path)
    try:
        run.seed_reports = seed_reports(SavedRun(path, data_dir))
        if not run.seed_reports:
            run.missing = "every seed has diverged"
    except DataError:
        run.missing = f"the data set {settings.data} of the run is not available (--data-dir names a folder)"
    except (DfanpError, ValueError, OverflowError) as error:  # for settings that no run can have
        run.missing = str(error).replace(str(path), label)
    return run


def checked_log(path):
    """Return the contents of config.json of a run folder, its settings, and the rows of its log, all checked.

    Raises:
        RecordError: it holds no run, or a damaged one.
    """
    found = read_config(path)
    settings = from_config(found["config"], path / "config.json")
    with failures(path, "be read"):
        rows = read_lines(path / "log.jsonl")[0]
    return found, settings, checked_rows(rows, settings, path)


def seed_reports(saved):
    """Return a SeedReport for each of the first seeds of a SavedRun that have not diverged."""
    found = []
    for seed in saved.alive[:MOST_SEEDS]:
        final, (problem, examples) = saved.final(seed), saved.tested(seed)
        if not all(np.isfinite(final.backend.to_host(theta)).all() for theta in final.parameters.values()):
            raise RecordError(f"{saved.checkpoint}: weights of seed {seed} are not finite")
        found.append(
            SeedReport(seed, saved.epoch, saved.drawn(seed), final, predictions(final, problem, *examples), problem)
        )
    return found


def labels(folders):
    """Return a name for each folder: the shortest end of its path that distinguishes it from the others."""
    parts = [Path(folder).resolve().parts for folder in folders]
    name = lambda one, length: "/".join(one[-length:])
    lengths = [
        next((n for n in range(1, len(one)) if sum(name(other, n) == name(one, n) for other in parts) == 1), 1)
        for one in parts
    ]
    found = [name(one, length) for one, length in zip(parts, lengths, strict=True)]
    return [
        label if found.count(label) == 1 else f"{label} ({found[: place + 1].count(label)})"
        for place, label in enumerate(found)
    ]


def checked_rows(rows, settings, path):
    """Return `rows`; a RecordError names the first invalid line."""
    layers = settings.hidden_layers
    lengths = (
        None,
        (0, layers + 1),
        (layers, layers + 1),
    )  # numbers of cosines: not measured, for BP, for a rule with B
    histories = {seed: History() for seed in settings.seeds}
    for number, row in enumerate(rows, 1):
        seed = row.get("seed")
        good = type(seed) is int and seed in histories and histories[seed].add(row)
        if not good or layers_of(row) not in lengths:
            raise RecordError(f"{path / 'log.jsonl'}: line {number} is damaged")
    return rows


def whole_epochs(rows, seeds):
    """Return the rows up to the last epoch that is complete for all seeds that have not diverged."""
    last = dict.fromkeys(seeds, 0)
    for row in rows:
        last[row["seed"]] = float("inf") if row.get("status") == "diverged" else row["epoch"]
    return [row for row in rows if row["epoch"] <= min(last.values())]


def total_seconds(path):
    """Return the seconds of all epochs, or None if they are not recorded."""
    found = parse_lines(path / "timings.jsonl")[0]
    seconds = [row.get("seconds") for row in found]
    return float(sum(seconds)) if seconds and all(is_number(each) and each >= 0 for each in seconds) else None
