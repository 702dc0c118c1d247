"""Published tables of results, with the settings of their authors, and the comparison of their numbers with those of dfanp.

A table is a list of rows; a row has the settings of its runs, one per seed, and cells: a quantity, the published number
and by how much that of dfanp may differ. Where a publication leaves a setting open, each choice is a row of its own.
``literature_tables`` has the tables.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import acos, degrees
from typing import Any, NamedTuple

from ..analysis.intervals import mean_interval
from ..errors import by_name
from ..measures import LAST
from ..runs.store import key_of
from ..sweeps.jobs import resolved
from .experiment import repeats

TRIALS = 10  # of a published mean with a standard deviation
T_OF_TRIALS = 2.262  # the 0.975 quantile of Student's t with 9 degrees of freedom


class Cell(NamedTuple):
    """A published number.

    Attributes:
        quantity: "accuracy" or "error" on the test set, in %, or "angle" of the uppermost B and the weights that it replaces,
            in degrees.
        epoch: after which it was measured; 0 for the mean of the last ten epochs.
        value: the published number; None where there is none, as at another scale.
        bound: by how much that of dfanp may differ; None takes the intervals of both means.
        spread: the published standard deviation over ten trials, or None.
        reading: by how much the number may be misread, where it is read off a plot.
        verified: whether the number was read in its source; others are compared, but decide nothing.
    """

    quantity: str
    epoch: int
    value: float | None
    bound: float | None = None
    spread: float | None = None
    reading: float = 0.0
    verified: bool = True


@dataclass(frozen=True)
class Row:
    """A row of a table: the settings of its runs, one per seed (or one that repeats itself), and its cells."""

    label: str
    settings: tuple
    cells: tuple
    panel: str = ""


@dataclass(frozen=True)
class Table:
    """A published table.

    Attributes:
        name: of the table, "akrout-2019".
        title: what it shows.
        source: where its numbers were read.
        notes: what its authors leave open, and what differs here.
        rows: ``rows(scale)``, a list of Rows.
        seeds: of each row at full scale.
        reference: the label of the row that the errors of the others are compared with, if only their order is; else None.
    """

    name: str
    title: str
    source: str
    notes: str
    rows: Callable
    seeds: int = 3
    reference: str | None = None


@dataclass(frozen=True)
class Size:
    """How much of a table is run: all of it, or (`quick`) two epochs of the embedded digits, to check that it works.

    Attributes:
        seeds: of each row.
        device, kernels: of all runs.
    """

    quick: bool
    seeds: tuple
    device: str = "cpu"
    kernels: str = "auto"

    def settings(self, make, **given):
        """Return the settings ``make(seed=…, **given)`` of a row, one per seed, small if quick."""
        if self.quick:
            given |= dict(data="digits", epochs=min(2, given["epochs"]), hidden=tuple(16 for _ in given["hidden"]))
            given |= dict(train_size=640, test_size=100)
        return tuple(make(seed=seed, device=self.device, kernels=self.kernels, **given) for seed in self.seeds)

    def cells(self, cells, epochs):
        """Return the cells of a row, without published numbers if quick."""
        if not self.quick:
            return tuple(cells)
        small = (cell._replace(epoch=min(2, cell.epoch), value=None, spread=None, reading=0.0) for cell in cells)
        return tuple(dict.fromkeys(small))


def tables():
    """Return name -> Table."""
    from .literature_tables import TABLES

    return {table.name: table for table in TABLES}


def get(name):
    """Return the Table called `name`; a ValueError lists the known names."""
    return by_name("published table", name, tables())


def rows_of(table, size, data_dir=None, only=()):
    """Return the Rows of a table with resolved settings; `only` those whose name contains one of these texts.

    Raises:
        ValueError: no row is left.
        DataError, BackendError: see ``resolved``.
    """
    every = table.rows(size)
    found = [row for row in every if not only or any(text in name_of(row) for text in only)]
    if not found:
        raise ValueError(f"no row of {table.name} contains {' or '.join(only)}: {', '.join(map(name_of, every))}")
    settings = iter(resolved([one for row in found for one in row.settings], data_dir))
    return [replace(row, settings=tuple(next(settings) for _ in row.settings)) for row in found]


def name_of(row):
    """Return the name of a row in messages and tables."""
    return ", ".join(filter(None, (row.panel, row.label)))


class Comparison(NamedTuple):
    """A cell and what dfanp measures.

    Attributes:
        row: the name of the row.
        quantity, epoch, published, verified: see ``Cell``.
        mean, half: over the seeds, and the half-width of the 95 % interval (None for one seed); None without a run.
        n: how many seeds; those that diverged do not count.
        verdict: "agrees", "differs", or why nothing is decided.
        within: the difference up to which they agree, or None.
    """

    row: str
    quantity: str
    epoch: int
    published: float | None
    verified: bool
    mean: float | None
    half: float | None
    n: int
    verdict: str
    within: float | None

    @property
    def difference(self):
        """The mean minus the published number, or None."""
        return None if self.mean is None or self.published is None else self.mean - self.published


def compared(table, rows, results):
    """Return a Comparison for each cell of `rows` whose runs are complete.

    Args:
        results: key -> Result.
    """
    found, finals = [], {}
    for row in rows:
        if any(key_of(one.config()) not in results for one in row.settings):
            continue
        runs = [run for one in row.settings for run in repeats(results[key_of(one.config())])]
        for cell in row.cells:
            values = [value for value in (measured(run, cell) for run in runs) if value is not None]
            finals[name_of(row), cell.quantity, cell.epoch] = values
            found.append(comparison(row, cell, values))
    return found if table.reference is None else ordered(table, found, finals)


def measured(run, cell):
    """Return the quantity of a cell from the rows of a run; None if the run diverged before."""
    run = [row for row in run if row.get("status") != "diverged"]
    wanted = run[-LAST:] if cell.epoch == 0 else [row for row in run if row["epoch"] == cell.epoch]
    if not wanted:
        return None
    if cell.quantity == "angle":
        cosine = (wanted[-1].get("alignment") or {}).get("feedback", [None])[-1]
        return None if cosine is None else degrees(acos(max(-1.0, min(1.0, cosine))))
    accuracy = 100 * sum(row["test_accuracy"] for row in wanted) / len(wanted)
    return accuracy if cell.quantity == "accuracy" else 100 - accuracy


def comparison(row, cell, values):
    """Return the Comparison of a cell with the values of each seed."""
    mean, half = mean_interval(values) if values else (None, None)
    within = cell.bound
    if within is None and half is not None:
        theirs = half if cell.spread is None else T_OF_TRIALS * cell.spread / TRIALS**0.5
        within = cell.reading + (half**2 + theirs**2) ** 0.5
    if mean is None:
        verdict = "diverged"
    elif cell.value is None:
        verdict = "nothing published"
    elif not cell.verified:
        verdict = "not verified"
    elif within is None:
        verdict = "one seed"
    else:
        verdict = "agrees" if abs(mean - cell.value) <= within else "differs"
    return Comparison(
        name_of(row), cell.quantity, cell.epoch, cell.value, cell.verified, mean, half, len(values), verdict, within
    )


def ordered(table, comparisons, finals):
    """Return comparisons whose verdict is whether a row lies on the published side of the reference, by paired seeds."""
    cells = {(each.row, each.quantity, each.epoch): each for each in comparisons}
    found = []
    for each in comparisons:
        key = table.reference, each.quantity, each.epoch
        theirs, mine, base = cells.get(key), finals[each.row, each.quantity, each.epoch], finals.get(key, [])
        if each.row == table.reference or each.published is None or theirs is None or len(mine) != len(base):
            found.append(each._replace(verdict="-", within=None))
            continue
        mean, half = mean_interval([a - b for a, b in zip(mine, base, strict=True)])
        same = mean * (each.published - theirs.published) > 0
        clear = half is not None and abs(mean) > half
        side = "below" if each.published < theirs.published else "above"
        verdict = f"{'agrees' if same else 'differs'}: {side} {table.reference}" if clear else "undecided"
        found.append(each._replace(verdict=verdict, within=None))
    return found


HEAD = ("run", "quantity", "epoch", "published", "dfanp", "difference", "verdict")


def cells_of(each):
    """Return the cells of a Comparison as texts, for HEAD."""
    number = lambda value, sign="": "-" if value is None else f"{value:{sign}.2f}"
    mean = number(each.mean) + ("" if each.half is None else f" ± {each.half:.2f}")
    unit = {"angle": "angle, °"}.get(each.quantity, f"{each.quantity}, %")
    epoch = "last 10" if each.epoch == 0 else str(each.epoch)
    verdict = each.verdict + (f" (within {each.within:.2g})" if each.verdict in ("agrees", "differs") else "")
    return (each.row, unit, epoch, number(each.published), mean, number(each.difference, "+"), verdict)


def markdown(comparisons):
    """Return the table in Markdown."""
    lines = [f"| {' | '.join(HEAD)} |", "|---" * len(HEAD) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(cells_of(each))} |" for each in comparisons)])


def record(table, rows, comparisons, results, seconds) -> dict[str, Any]:
    """Return the record of a table: the published numbers and those of dfanp, and the curves of test accuracy from which it is drawn."""
    series = []
    for row in rows:
        keys = [key_of(one.config()) for one in row.settings]
        if all(key in results for key in keys):
            config = {name: value for name, value in row.settings[0].config().items() if name != "seed"}
            runs = [[line.get("test_accuracy") for line in run] for key in keys for run in repeats(results[key])]
            took = [round(seconds[key], 1) for key in keys if key in seconds]
            series.append({"label": row.label, "panel": row.panel, "published": None, "config": config,
                           "test_accuracy": [[a and round(a, 5) for a in run] for run in runs], "seconds": took})  # fmt: skip
    cells = [each._asdict() | {"difference": each.difference} for each in comparisons]
    return {"table": table.name, "title": table.title, "source": table.source, "cells": cells, "series": series}
