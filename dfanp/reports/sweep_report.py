"""A sweep in a report: the best of each setting, scores against the learning rate, curves of the best, and all settings."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..measures import LAST, title_of
from ..problems.settings import complete
from ..runs.store import Store, failure
from ..sweeps import tuning
from ..sweeps.plan import read_plan
from .figures import against_rates, key, lines
from .pages import decimal, element, figure, table
from .plots import chance_of, curve

MOST = 12  # settings in a figure, the best ones
MOST_BANDS = 6  # lines with intervals: the bands of more cover each other
MOST_FAILED = 20  # messages


@dataclass
class Line:
    """A setting of a sweep, as a line of a figure: its name, and all its Candidates."""

    label: str
    candidates: list

    @property
    def best(self):
        """The best Candidate, or None."""
        return tuning.best(self.candidates)


@dataclass
class SweepReport:
    """A sweep in a report.

    Attributes:
        label: its name in the report.
        results: of its finished runs.
        failed: messages of failed runs.
        running, waiting: numbers of runs.
    """

    label: str
    results: list
    failed: list
    running: int
    waiting: int

    @property
    def measure(self):
        """The measure that its runs are scored by."""
        return tuning.measure_of(self.results)

    def lines(self):
        """Return the names of the settings that differ (the learning rate aside), and a Line for each combination."""
        found = tuning.candidates(self.results, LAST)
        names = tuning.axes(found)
        groups = tuning.grouped(found, names)
        return names, [Line(", ".join(values) or "all runs", own) for values, own in groups.items()]


def read(path: str | Path, label: str) -> SweepReport:
    """Return the SweepReport of a folder.

    Raises:
        RecordError: it is damaged.
    """
    with Store(path) as store:
        results = list(store.results.values())
        failed = [failure(config, why) for config, why in store.failures.values()]
        there = store.results.keys() | store.failures.keys()
    left = [each for each in read_plan(path) if each.key not in there]
    now = sum(each.epochs is not None for each in left)
    return SweepReport(label, results, failed, now, len(left) - now)


def outcome_of(sweep):
    """Return how far a sweep is, in one sentence."""
    states = {
        "finished": len(sweep.results),
        "failed": len(sweep.failed),
        "running": sweep.running,
        "waiting": sweep.waiting,
    }
    diverged = sum(result.status == "diverged" for result in sweep.results)
    text = ", ".join(f"{number} {state}" for state, number in states.items() if number or state == "finished")
    return f"{text}{f' ({diverged} diverged)' if diverged else ''}: runs of {about(sweep)}."


def about(sweep):
    """Return the problem of a sweep in words."""
    from ..problems import PROBLEMS

    names = dict.fromkeys(result.config.get("problem") for result in sweep.results)
    return (
        ", ".join(PROBLEMS[name].about if name in tuple(PROBLEMS) else str(name) for name in names)
        or "no problem yet"
    )


def sections(sweep: SweepReport, numbers: Iterator[int]) -> dict[str, list]:
    """Return the sections of a sweep, heading -> elements.

    Args:
        numbers: of the figures in the page.
    """
    if not sweep.results:
        return {"Best": [element("p", "No run has finished yet.")]}
    names, every = sweep.lines()
    order = sorted(every, key=lambda line: -np.inf if line.best is None else tuning.better(line.best), reverse=True)
    found = {"Best": best(sweep, names, order)}
    if any(len(line.candidates) > 1 for line in every):
        found["Rates"] = rates(sweep, order[:MOST], len(every), numbers)
    found["Curves"] = curves(sweep, order[:MOST], len(every), numbers)
    found["Runs"] = runs(sweep, names, order)
    if sweep.failed:
        shown = [element("li", line) for line in sweep.failed[:MOST_FAILED]]
        found["Failed"] = [element("ul", *shown, *([element("li", "…")] if len(sweep.failed) > MOST_FAILED else []))]
    found["Settings"] = common(sweep)
    return found


def plus_minus(mean, half):
    """Return a mean with its interval as text."""
    return "–" if mean is None else decimal(mean, 4) + ("" if half is None else f" ± {decimal(half, 4)}")


def scored(sweep):
    """Return what the scores are, in words."""
    epochs = max(len(result.rows) for result in sweep.results)
    kind = title_of(sweep.measure).lower()
    kind = kind.replace("test", "validation") if any(r.config.get("held_out") for r in sweep.results) else kind
    return f"mean {kind} of the last {min(LAST, epochs)} epochs"


def best(sweep, names, order):
    """Return the table of the best rate of each setting, the best setting first."""
    body = []
    for line in order:
        top = line.best
        remarks = ["at the edge of the grid"] if top and tuning.at_edge(top, line.candidates) else []
        close = tuning.not_separated(top, line.candidates) if top else []
        remarks += [f"not separated from {', '.join(f'{rate:.4g}' for rate in close)}"] if close else []
        cells = (
            [f"{top.config['lr']:.4g}", plus_minus(top.mean, top.half), str(len(top.values))]
            if top
            else ["–", "–", "0"]
        )
        number = (element("td", cell, class_="number") for cell in cells)
        body.append(
            [
                line.label,
                *number,
                element("td", "; ".join(remarks) or ("" if top else "all diverged"), class_="remark"),
            ]
        )
    head = [", ".join(names) or "setting", "best lr", "score", "seeds", "remarks"]
    note = f"The score is the {scored(sweep)}; ± is the half-width of its 95 % interval over the seeds (Student's t)."
    return [
        table("The best learning rate of each setting, the best setting first", head, body),
        element("p", note, class_="note"),
    ]


def shown_of(order, total):
    """Return a note about settings that a figure leaves out."""
    return [element("p", f"The {len(order)} best of {total} settings.", class_="note")] if len(order) < total else []


def rates(sweep, order, total, numbers):
    """Return the figure of the scores against the learning rate."""
    series = {}
    for number, line in enumerate(order):
        points = sorted(
            (each for each in line.candidates if each.mean is not None), key=lambda each: each.config["lr"]
        )
        if points:
            halves = np.array([np.nan if each.half is None else each.half for each in points])
            series[number] = [each.config["lr"] for each in points], np.array([each.mean for each in points]), halves
    drawn = against_rates(series, title_of(sweep.measure).lower(), sweep.measure.endswith("accuracy"))
    words = f"Score against the learning rate. {in_words(order, 'at')}"
    return [
        element(
            "div",
            figure(drawn, next(numbers), "Score against the learning rate", words, key(order, series)),
            class_="figures",
        ),
        *shown_of(order, total),
    ]


def curves(sweep, order, total, numbers):
    """Return the figure of the best of each setting over the epochs."""
    series = {}
    for number, line in enumerate(order):
        if line.best is not None:
            own = [r for r in sweep.results if r.status == "done" and tuning.of_seeds(r) == line.best.config]
            rows = [row for r in own for row in r.rows]
            found = curve(rows, lambda row: row.get(sweep.measure))
            if found[0]:
                series[number] = found
    if not series:
        return [element("p", "All runs diverged.")]
    if len(series) > MOST_BANDS:
        series = {number: (epochs, means, None) for number, (epochs, means, _) in series.items()}
    kind = "accuracy" if sweep.measure.endswith("accuracy") else "loss"
    chance = chance_of(result.config.get("problem") for result in sweep.results)
    title = f"{title_of(sweep.measure)} over the epochs, at the best rate of each setting"
    drawn = lines(series, title_of(sweep.measure).lower(), kind, chance)
    words = f"{title}. {in_words(order, 'at the rate')}"
    return [
        element("div", figure(drawn, next(numbers), title, words, key(order, series)), class_="figures"),
        *shown_of(order, total),
    ]


def in_words(order, at):
    """Return the best score of each line in words."""
    return " ".join(
        f"{line.label}: {plus_minus(line.best.mean, line.best.half)} {at} {line.best.config['lr']:.4g}."
        for line in order
        if line.best
    )


def runs(sweep, names, order):
    """Return the table of all settings and rates."""
    body = []
    for line in order:
        for each in sorted(line.candidates, key=lambda each: each.config["lr"]):
            worst = "–" if each.worst is None else decimal(each.worst, 4)
            cells = [
                f"{each.config['lr']:.4g}",
                plus_minus(each.mean, each.half),
                worst,
                str(len(each.values)),
                str(each.diverged),
            ]
            body.append([line.label, *(element("td", cell, class_="number") for cell in cells)])
    head = [", ".join(names) or "setting", "lr", "score", "worst seed", "seeds", "diverged"]
    return [
        element(
            "details",
            element("summary", f"All {len(body)} settings and rates"),
            table(f"Score: {scored(sweep)}", head, body),
        )
    ]


def common(sweep):
    """Return the table of the settings that all runs share."""
    configs = [complete(result.config) for result in sweep.results]
    shared = [
        [name, tuning.as_text(value)]
        for name, value in configs[0].items()
        if all(config.get(name) == value for config in configs)
    ]
    return [
        element(
            "details",
            element("summary", "Settings of all runs"),
            table("Settings that all runs share", ["setting", "value"], shared),
        )
    ]
