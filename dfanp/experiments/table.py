"""Published numbers compared with ours, reproduced and corrected; DFA compared with BP; and what a change brings to both."""

from math import sqrt
from typing import NamedTuple

from ..analysis.intervals import mean_interval, paired_differences
from .experiment import MODES, THESIS_SEEDS


class Mean(NamedTuple):
    """A mean, the half-width of its 95 % interval (None with one value), and the number of values."""

    mean: float | None
    half: float | None
    n: int

    @classmethod
    def of(cls, values):
        """Return the Mean of some values; those that are None (diverged) do not count."""
        known = [value for value in values if value is not None]
        return cls(*mean_interval(known), len(known)) if known else NONE

    def __str__(self):
        if self.mean is None:
            return "-"
        return f"{self.mean:.3f}" if self.half is None else f"{self.mean:.3f} ± {self.half:.3f}"

    @property
    def counted(self):
        """The text with the number of values."""
        return f"{self} ({self.n})" if self.n else "-"


NONE = Mean(None, None, 0)


class Row(NamedTuple):
    """A published number and ours.

    Attributes:
        figure, run: names of the figure and the run.
        published: the mean test accuracy over three seeds.
        ours: mode -> Mean of all seeds.
        first: Mean of the first three seeds of the published mode.
        reading: by how much the published mean may be misread (see ``Experiment``).
    """

    figure: str
    run: str
    published: float
    ours: dict
    first: Mean
    reading: float = 0.0

    @property
    def inside(self):
        """Whether the published mean and our mean of the same runs agree at the 95 % level.

        None if the run is missing.

        The published interval is unknown. A seed is assumed to vary there as much as here: the mean of n of our seeds
        and the mean of their three then differ by at most the half-width of our interval times sqrt(1 + n / 3), and by
        what was misread.
        """
        mean, half, n = self.ours.get(MODES[0], NONE)
        if half is None:
            return None
        return abs(mean - self.published) <= self.reading + half * sqrt(1 + n / THESIS_SEEDS)


def rows(records):
    """Return a Row for each published number in some records (dicts), in the order of the figures."""
    found = {}
    for record in records:
        for series in record["series"]:
            if series["published"] is None:
                continue
            run = ", ".join(filter(None, (series["panel"], series["label"])))
            key = (record["figure"], run)
            row = found.get(key, Row(*key, series["published"], {}, NONE, record.get("reading", 0.0)))
            finals = [values[-1] if values else None for values in series["test_accuracy"]]
            row.ours[record["mode"]] = Mean.of(finals)
            found[key] = row._replace(first=Mean.of(finals[:THESIS_SEEDS])) if record["mode"] == MODES[0] else row
    return sorted(found.values(), key=lambda row: row.figure)


def markdown(every):
    """Return the table in Markdown, with the numbers of seeds in brackets."""
    lines = [
        f"| figure | run | published | reproduced, {THESIS_SEEDS} seeds | reproduced | agrees | corrected |",
        "|---|---|---|---|---|---|---|",
    ]
    verdict = {True: "yes", False: "**no**", None: "-"}
    for row in every:
        reproduced, corrected = (row.ours.get(mode, NONE) for mode in MODES)
        published = f"{row.published:.{2 if row.reading else 3}f}"
        cells = [published, row.first, reproduced.counted, verdict[row.inside], corrected.counted]
        lines.append(f"| {row.figure} | {row.run} | {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


class Gap(NamedTuple):
    """BP and DFA in a record with a panel for each: Means of the final test accuracy, and of BP - DFA over paired seeds.

    Attributes:
        rates: of BP and DFA.
        worst: the lowest final accuracy of a seed of BP and of DFA.
    """

    label: str
    rates: tuple
    bp: Mean
    dfa: Mean
    worst: tuple
    gap: Mean


def lowest(value):
    """Return the accuracy of a worst seed as text; a dash for None, where all diverged."""
    return "-" if value is None else f"{value:.3f}"


def finals_of(series):
    """Return seed -> final test accuracy of the runs of a series that did not diverge."""
    return {seed: run[-1] for seed, run in enumerate(series["test_accuracy"]) if run and run[-1] is not None}


def gaps(record):
    """Return a Gap for each label that a record has in its panels BP and DFA."""
    series = {(each["panel"], each["label"]): each for each in record["series"]}
    found = []
    for label in (label for panel, label in series if panel == "BP" and ("DFA", label) in series):
        pair = series["BP", label], series["DFA", label]
        finals = [finals_of(each) for each in pair]
        rates = tuple(each["config"]["lr"] for each in pair)
        worst = tuple(min(each.values(), default=None) for each in finals)
        means = [Mean.of(each.values()) for each in finals]
        found.append(Gap(label, rates, *means, worst, Mean.of(paired_differences(*finals))))
    return found


def markdown_of_gaps(every, since=()):
    """Return a table of Gaps in Markdown, with the Changes `since` the first label, of the same labels, if they are given."""
    gains = [each.differences for each in since]
    columns = lambda rule: [f"{rule}, rate", rule, "worst seed", *([f"from {since[0].label}"] if since else [])]
    head = [*columns("BP"), *columns("DFA"), "BP - DFA, paired"]
    lines = [f"| | {' | '.join(head)} |", "|---" * (1 + len(head)) + "|"]
    for row, each in enumerate(every):
        cells = [each.label]
        for rule, rate, mean, low in zip(("BP", "DFA"), each.rates, (each.bp, each.dfa), each.worst, strict=True):
            cells += [f"{rate:g}", mean.counted, lowest(low)]
            cells += [str(gains[row][rule]) if row else ""] if since else []
        lines.append(f"| {' | '.join(cells)} | {each.gap} |")
    return "\n".join(lines)


class Change(NamedTuple):
    """What a label of a record brings, compared with another one; differences are of paired seeds.

    Attributes:
        rates, means, differences: "BP" and "DFA" -> learning rate, Mean of the accuracy, and Mean of its difference.
        more: Mean of by how much DFA's difference is above BP's.
    """

    label: str
    rates: dict
    means: dict
    differences: dict
    more: Mean


def changes(record, base, of=finals_of):
    """Return the Change from the label `base` to each label of a record with the panels BP and DFA, `base` first.

    Args:
        of: ``of(series)`` returns seed -> accuracy.
    """
    rates = {(each["panel"], each["label"]): each["config"]["lr"] for each in record["series"]}
    values = {(each["panel"], each["label"]): of(each) for each in record["series"]}
    found = []
    for label in dict.fromkeys(label for _, label in values):
        by_seed = {
            rule: {
                seed: value - values[rule, base][seed]
                for seed, value in values[rule, label].items()
                if seed in values[rule, base]
            }
            for rule in ("BP", "DFA")
        }
        found.append(
            Change(
                label,
                {rule: rates[rule, label] for rule in by_seed},
                {rule: Mean.of(values[rule, label].values()) for rule in by_seed},
                {rule: Mean.of(each.values()) for rule, each in by_seed.items()},
                Mean.of(paired_differences(by_seed["DFA"], by_seed["BP"])),
            )
        )
    return found


def markdown_of_changes(every):
    """Return a table of Changes in Markdown, that of the base first."""
    base = every[0].label
    lines = [
        "| | BP, rate | BP | difference | DFA, rate | DFA | difference | DFA's less BP's |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for each in every:
        said = lambda mean, label=each.label: "" if label == base else str(mean)
        cells = [each.label]
        for rule in each.rates:
            cells += [f"{each.rates[rule]:g}", str(each.means[rule]), said(each.differences[rule])]
        lines.append(f"| {' | '.join([*cells, said(each.more)])} |")
    return "\n".join(lines)
