"""The history of a run: for each seed one row per epoch, in logs, stores and progress files alike.

A row is a dict of JSON values: the `epoch`, then its measures (``dfanp.measures``), and the `alignment` where it was asked for. The
last row of a seed that diverged has the `status` "diverged" in their place.
"""

import math

import numpy as np

from ..checks import is_number
from ..errors import RecordError
from ..files.lines import parse_lines
from ..measures import LAST, MEASURES, RESERVED

MOST_COSINE = 1.001  # a cosine of float32 arrays, rounded
LOSSES = ("train_loss", "test_loss")  # which every epoch has; a loss of regression has no accuracies


class History:
    """The rows of one seed, oldest first.

    Args:
        rows: good ones; ``History.checked`` takes any.

    Attributes:
        rows: a list of dicts.
    """

    def __init__(self, rows=()):
        self.rows = list(rows)
        self._layers = next((layers_of(row) for row in self.rows if row.get("alignment")), None)

    @classmethod
    def checked(cls, rows):
        """Return the History of rows that anybody may have written.

        Raises:
            RecordError: one of them is not that of the next epoch, or no good one.
        """
        history = cls()
        for row in rows:
            if not history.add(row):
                raise RecordError(f"the row after epoch {len(history)} is damaged")
        return history

    def __len__(self):
        return len(self.rows)

    def add(self, row):
        """Append the row of the next epoch; return whether it is one. If not, nothing is appended."""
        fits = not self.diverged and isinstance(row, dict) and is_epoch(row, len(self.rows) + 1) and is_measured(row)
        layers = layers_of(row) if fits else None
        if not fits or layers not in (None, self._layers or layers):
            return False
        self.rows.append(row)
        self._layers = layers or self._layers
        return True

    @property
    def diverged(self):
        """Whether the last row says that the loss was not finite."""
        return bool(self.rows) and is_diverged(self.rows[-1])

    @property
    def measured(self):
        """The rows that have measures: all but that of an epoch that diverged."""
        return self.rows[:-1] if self.diverged else self.rows

    def values(self, measure="test_accuracy"):
        """Return a measure of each epoch that has it."""
        return [row[measure] for row in self.rows if row.get(measure) is not None]

    def last(self, measure="test_accuracy"):
        """Return a measure of the last epoch that has it; None if none has."""
        return next(iter(self.values(measure)[-1:]), None)

    def mean(self, measure="test_accuracy", last=LAST):
        """Return the mean of a measure over the `last` epochs that have it (all, if there are fewer); None if none has."""
        values = self.values(measure)[-last:]
        return sum(values) / len(values) if values else None

    def arrays(self):
        """Return "epoch" and every measure -> array (epochs,), float64; NaN where an epoch has none."""
        names = dict.fromkeys(name for row in self.rows for name in row if name not in RESERVED)
        number = lambda value: math.nan if value is None else value
        found = {name: np.array([number(row.get(name)) for row in self.rows], np.float64) for name in names}
        return {"epoch": np.array([row["epoch"] for row in self.rows], np.int64)} | found

    def frame(self):
        """Return ``arrays`` as a pandas DataFrame (pandas must be installed)."""
        import pandas

        return pandas.DataFrame(self.arrays())


def by_seed(rows):
    """Return seed -> History of the rows of a log, which are good."""
    found = {}
    for row in rows:
        found.setdefault(row.get("seed"), []).append(row)
    return {seed: History(own_rows) for seed, own_rows in found.items()}


def row_of(record):
    """Return what a log tells of the Record of one run, a dict of JSON values."""
    if not math.isfinite(record.train_loss) or not math.isfinite(record.test_loss):
        return {"epoch": record.epoch, "status": "diverged"}
    # JSON has no NaN: a cosine that overflowed is null.
    finite = lambda number: number if math.isfinite(number) else None
    row = {"epoch": record.epoch}
    row |= {name: finite(value) for name, value in record.measures.items() if value is not None}
    if record.alignment is not None:
        row["alignment"] = {kind: [finite(c) for c in cosines] for kind, cosines in record.alignment.items()}
    return row


def parse_log(path, seeds, epoch):
    """Return the rows of epochs 1 to `epoch` and the bytes they take.

    Raises:
        RecordError: they are not a line for each epoch and seed (a seed that has diverged has none after that), or lines
            follow that no single epoch cut off could have left.
    """
    remedy = "restore the log, or start anew in another folder"
    rows, end = parse_lines(path)
    histories, place = {seed: History() for seed in seeds}, 0
    for number in range(1, epoch + 1):
        for seed, history in histories.items():
            if history.diverged:
                continue
            row = rows[place] if place < len(rows) else {}
            if row.get("seed") != seed or not history.add(row):
                raise RecordError(
                    f"{path}: has no good line for epoch {number}, seed {seed}, but a checkpoint; {remedy}"
                )
            place += 1
    alive = sum(not history.diverged for history in histories.values())
    beyond = [row.get("epoch") for row in rows[place:]]
    if any(each != epoch + 1 for each in beyond) or len(beyond) > alive:
        raise RecordError(f"{path}: goes beyond the checkpoint beside it, which is at epoch {epoch}; {remedy}")
    content = path.read_bytes() if path.exists() else b""
    keep = sum(len(line) for line in content.splitlines(keepends=True)[:place])
    if len(content[end:].splitlines()) > 1:
        raise RecordError(f"{path}: line {len(rows) + 1} is not JSON; {remedy}")
    return rows[:place], keep


def is_epoch(row, number):
    """Whether a row is of the epoch `number`."""
    return type(row.get("epoch")) is int and row["epoch"] == number


def is_diverged(row):
    """Whether a row says that its seed diverged."""
    return row.get("status") == "diverged"


def is_measured(row):
    """Whether a row says that its seed diverged, or has the measures of an epoch, each in its range."""
    if is_diverged(row):
        return True
    known = [measure for measure in MEASURES.values() if measure.name in row or measure.name in LOSSES]
    return all(in_range(row.get(each.name), each) for each in known) and is_alignment(row.get("alignment"))


def in_range(value, measure):
    """Whether a value is one that a measure can have; null stands for one of your own that was not finite."""
    if value is None:
        return measure.of is not None
    return is_number(value) and measure.low <= value <= measure.high


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
    """Return how many cosines of each kind a row has, None without any."""
    return tuple(map(len, row["alignment"].values())) if row.get("alignment") else None
