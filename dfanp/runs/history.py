"""The history of a run: one row per epoch and seed, in logs, stores and progress files.

A row is a dict of JSON values: the `epoch`, its measures (``dfanp.measures``), and the `alignment` if it was
measured. The last row of a seed that diverged has the `status` "diverged" instead.
"""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..checks import is_number
from ..errors import RecordError
from ..files.lines import parse_lines
from ..measures import LAST, MEASURES, RESERVED, flat, title_of

MOST_COSINE = 1.001  # a cosine of float32 arrays, rounded
LOSSES = ("train_loss", "test_loss")  # every epoch has them; regression has no accuracies


class History:
    """The rows of one seed, oldest first.

    Args:
        rows: valid rows; for others use ``History.checked``.
        chance: the accuracy of guessing, to draw it; None if it is not known.

    Attributes:
        rows: a list of dicts.
    """

    def __init__(self, rows: Iterable[dict] = (), chance: float | None = None) -> None:
        self.rows, self.chance = list(rows), chance
        self._layers = next((layers_of(row) for row in self.rows if row.get("alignment")), None)

    @classmethod
    def checked(cls, rows: Iterable[Any]) -> "History":
        """Return the History of rows from an untrusted source.

        Raises:
            RecordError: a row is invalid, or not that of the next epoch.
        """
        history = cls()
        for row in rows:
            if not history.add(row):
                raise RecordError(f"the row after epoch {len(history)} is damaged")
        return history

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, row: Any) -> bool:
        """Append the row of the next epoch if it is valid; return whether it is."""
        fits = not self.diverged and isinstance(row, dict) and is_epoch(row, len(self.rows) + 1) and is_measured(row)
        layers = layers_of(row) if fits else None
        if not fits or layers not in (None, self._layers or layers):
            return False
        self.rows.append(row)
        self._layers = layers or self._layers
        return True

    @property
    def diverged(self) -> bool:
        """Whether the seed diverged: its loss was not finite."""
        return bool(self.rows) and is_diverged(self.rows[-1])

    @property
    def measured(self) -> list[dict]:
        """The rows with measures: all except that of an epoch that diverged."""
        return self.rows[:-1] if self.diverged else self.rows

    def values(self, measure: str = "test_accuracy") -> list[float]:
        """Return a measure of each epoch that has it."""
        return [row[measure] for row in self.rows if row.get(measure) is not None]

    def last(self, measure: str = "test_accuracy") -> float | None:
        """Return the last value of a measure; None if no epoch has it."""
        return next(iter(self.values(measure)[-1:]), None)

    def mean(self, measure: str = "test_accuracy", last: int = LAST) -> float | None:
        """Return the mean of a measure over the `last` epochs that have it (or all, if fewer).

        None if no epoch has it.
        """
        values = self.values(measure)[-last:]
        return sum(values) / len(values) if values else None

    def arrays(self) -> dict[str, np.ndarray]:
        """Return "epoch" and every measure -> array (epochs,), float64; NaN where an epoch has none."""
        names = dict.fromkeys(name for row in self.rows for name in row if name not in RESERVED)
        number = lambda value: math.nan if value is None else value
        found = {name: np.array([number(row.get(name)) for row in self.rows], np.float64) for name in names}
        return {"epoch": np.array([row["epoch"] for row in self.rows], np.int64)} | found

    def to_pandas(self) -> Any:
        """Return a pandas DataFrame (pandas must be installed), one row per epoch: its measures and cosines.

        Cosines are "feedback_alignment_0", "gradient_alignment_0", …, lowest layer first.
        """
        import pandas

        return pandas.DataFrame([{"epoch": row["epoch"]} | scalars_of(row) for row in self.rows])

    def plot(self, title: str = "", path: Any = None) -> Any:
        """Return a Matplotlib Figure of the accuracy (the loss of regression) over the epochs, and of alignment if it was measured.

        A notebook shows it; with a `path` (png, svg or pdf) it is also written there.
        """
        from ..reports.plots import history_figure

        return history_figure(self.rows, title, self.chance, path)

    def __repr__(self) -> str:
        last = self.measured[-1] if self.measured else {}
        found = ", ".join(f"{title_of(n).lower()} {last[n]:.4g}" for n in MEASURES if last.get(n) is not None)
        epochs = f"{len(self.measured)} epoch{'s' * (len(self.measured) != 1)}"
        ends = f", diverged in epoch {self.rows[-1]['epoch']}" if self.diverged else ""
        return f"History({epochs}{ends}{': ' + found if found else ''})"

    def _repr_html_(self) -> str:
        from ..notebook.live import html_of

        return html_of({"": self})


class Histories(dict[Any, History]):
    """seed -> History, of replicas or of a log."""

    @property
    def rows(self) -> list[dict]:
        """The rows of all seeds, each with its `seed`, by epoch."""
        found = [
            {"epoch": row["epoch"], "seed": seed} | row for seed, history in self.items() for row in history.rows
        ]
        return sorted(found, key=lambda row: row["epoch"])

    def to_pandas(self) -> Any:
        """Return a pandas DataFrame with one row per epoch and seed: see ``History.to_pandas``."""
        import pandas

        return pandas.DataFrame([{n: row[n] for n in ("epoch", "seed")} | scalars_of(row) for row in self.rows])

    def plot(self, title: str = "", path: Any = None) -> Any:
        """Return a Matplotlib Figure of the mean over the seeds with its 95 % interval: see ``History.plot``."""
        from ..reports.plots import history_figure

        chance = next((each.chance for each in self.values()), None)
        return history_figure(self.rows, title, chance, path)

    def __repr__(self) -> str:
        return f"Histories({', '.join(f'{seed}: {history!r}' for seed, history in self.items())})"

    def _repr_html_(self) -> str:
        from ..notebook.live import html_of

        return html_of(self)


def scalars_of(row):
    """Return name -> float of the measures of a row, and of each cosine."""
    return dict(flat({name: value for name, value in row.items() if name not in RESERVED}, row.get("alignment")))


def recorded(training, records):
    """Return the History of the Records of a Training; with replicas the Histories, by their seeds."""
    problem, R = training.problem, training.network.replicas
    one_of = training.loss.name if training.loss.correct is not None else None
    chance = {"bce": 0.5 if problem.outputs == 1 else None, "cross-entropy": 1 / problem.outputs}.get(one_of)
    if not R:
        return History([row_of(record) for record in records], chance)
    found = Histories({seed: History((), chance) for seed in training.network.seed})
    for record in records:
        for r, history in enumerate(found.values()):
            if not history.diverged:
                history.rows.append(row_of(record.replica(r)))
    return found


def main_measure(rows: Iterable[dict]) -> str:
    """Return "accuracy", or "loss" for rows of regression, which has no accuracies: what tables and figures show first."""
    measured = [row for row in rows if not is_diverged(row)]
    return "accuracy" if not measured or any("test_accuracy" in row for row in measured) else "loss"


def by_seed(rows: Iterable[dict]) -> Histories:
    """Return the Histories, seed -> History, for the valid rows of a log."""
    found: dict[Any, list] = {}
    for row in rows:
        found.setdefault(row.get("seed"), []).append(row)
    return Histories({seed: History(own_rows) for seed, own_rows in found.items()})


def row_of(record):
    """Return the row for the Record of one run, a dict of JSON values."""
    if not math.isfinite(record.train_loss) or not math.isfinite(record.test_loss):
        return {"epoch": record.epoch, "status": "diverged"}
    # JSON has no NaN: a cosine that is not finite becomes null.
    finite = lambda number: number if math.isfinite(number) else None
    row = {"epoch": record.epoch}
    row |= {name: finite(value) for name, value in record.measures.items() if value is not None}
    if record.alignment is not None:
        row["alignment"] = {kind: [finite(c) for c in cosines] for kind, cosines in record.alignment.items()}
    return row


def parse_log(path, seeds, epoch):
    """Return the rows of epochs 1 to `epoch`, and the bytes they take.

    Raises:
        RecordError: they are not one line per epoch and seed (up to the divergence of a seed), or further lines
            follow that are not those of one interrupted epoch.
    """
    remedy = "restore the log, or start again in another folder"
    rows, end = parse_lines(path)
    histories, place = {seed: History() for seed in seeds}, 0
    for number in range(1, epoch + 1):
        for seed, history in histories.items():
            if history.diverged:
                continue
            row = rows[place] if place < len(rows) else {}
            if row.get("seed") != seed or not history.add(row):
                raise RecordError(
                    f"{path}: has no valid line for epoch {number}, seed {seed}, which the checkpoint has; {remedy}"
                )
            place += 1
    alive = sum(not history.diverged for history in histories.values())
    beyond = [row.get("epoch") for row in rows[place:]]
    if any(each != epoch + 1 for each in beyond) or len(beyond) > alive:
        raise RecordError(f"{path}: has lines beyond the checkpoint, which is of epoch {epoch}; {remedy}")
    content = path.read_bytes() if path.exists() else b""
    keep = sum(len(line) for line in content.splitlines(keepends=True)[:place])
    if len(content[end:].splitlines()) > 1:
        raise RecordError(f"{path}: line {len(rows) + 1} is not JSON; {remedy}")
    return rows[:place], keep


def is_epoch(row, number):
    """Whether a row is that of the epoch `number`."""
    return type(row.get("epoch")) is int and row["epoch"] == number


def is_diverged(row):
    """Whether a row says that its seed diverged."""
    return row.get("status") == "diverged"


def is_measured(row):
    """Whether a row is that of a diverged seed, or has the measures of an epoch, each in its range."""
    if is_diverged(row):
        return True
    names = {*LOSSES, *row}.difference(RESERVED)
    return all(in_range(name, row.get(name)) for name in names) and is_alignment(row.get("alignment"))


def in_range(name, value):
    """Whether a value is possible for the measure of a name; for one that is not registered here, any number is.

    None is a value that was not finite, for measures that are not built in.
    """
    if name not in MEASURES:
        return value is None or is_number(value)
    measure = MEASURES[name]
    return measure.of is not None if value is None else is_number(value) and measure.low <= value <= measure.high


def is_alignment(value):
    """Whether this is None, or two lists of cosines (None for one that overflowed) as ``Record`` has them."""
    kinds = ("feedback", "gradient")
    return value is None or (
        isinstance(value, dict)
        and value.keys() == set(kinds)
        and all(isinstance(value[kind], list) for kind in kinds)
        and all(c is None or (is_number(c) and abs(c) <= MOST_COSINE) for kind in kinds for c in value[kind])
    )


def layers_of(row):
    """Return the numbers of cosines of each kind in a row; None without alignment."""
    return tuple(map(len, row["alignment"].values())) if row.get("alignment") else None
