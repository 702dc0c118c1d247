"""Published numbers compared with ours: reproduced and corrected."""

from math import sqrt
from typing import NamedTuple

from ..analysis.intervals import mean_interval
from .experiment import MODES


class Row(NamedTuple):
    """A published number and ours.

    Attributes:
        figure, run: names of the figure and the run.
        published: the mean test accuracy.
        ours: mode -> (mean, half-width of the 95 % interval, or None).
    """

    figure: str
    run: str
    published: float
    ours: dict

    @property
    def inside(self):
        """Whether the published mean and our mean of the same runs agree at the 95 % level.

        None if the run is missing.

        The published interval is unknown. It is assumed to be as wide as ours; the interval of the difference of the
        two means is then wider by the square root of two.
        """
        mean, half = self.ours.get(MODES[0], (None, None))
        return None if half is None else abs(mean - self.published) <= half * sqrt(2)


def rows(records):
    """Return a Row for each published number in some records (dicts), in the order of the figures."""
    found = {}
    for record in records:
        for series in record["series"]:
            if series["published"] is None:
                continue
            run = ", ".join(filter(None, (series["panel"], series["label"])))
            row = found.setdefault((record["figure"], run), Row(record["figure"], run, series["published"], {}))
            finals = [values[-1] for values in series["test_accuracy"] if values and values[-1] is not None]
            row.ours[record["mode"]] = mean_interval(finals) if finals else (None, None)
    return sorted(found.values(), key=lambda row: row.figure)


def markdown(every):
    """Return the table in Markdown."""
    lines = [
        "| figure | run | published | reproduced | agrees | corrected |",
        "|---|---|---|---|---|---|",
    ]
    verdict = {True: "yes", False: "**no**", None: "-"}
    for row in every:
        ours = [interval(*row.ours.get(mode, (None, None))) for mode in MODES]
        lines.append(
            f"| {row.figure} | {row.run} | {row.published:.3f} | {ours[0]} | {verdict[row.inside]} | {ours[1]} |"
        )
    return "\n".join(lines)


def interval(mean, half):
    """Return a mean with the half-width of its interval as text, "-" without a mean."""
    if mean is None:
        return "-"
    return f"{mean:.3f}" if half is None else f"{mean:.3f} ± {half:.3f}"
