"""Charts of many runs: a measure over the epochs, or against any setting; one line per setting, one panel per value.

Means over the seeds, with 95 % intervals. Settings that are neither on an axis, nor lines, nor panels are averaged over
for each seed; of learning rates the best one is drawn.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..analysis.intervals import mean_interval
from ..errors import nearest
from ..measures import LAST, title_of
from ..problems.settings import complete
from ..runs.store import Result
from ..sweeps import tuning
from ..sweeps.grids import varied
from .plots import STYLES, chance_of, drawing, label_of, legend_height, log_axis, new_figure, save

EPOCH, FOLDER = "epoch", "folder"
COLUMNS = 3  # of panels, side by side
DECADES = 20  # ratio of largest and smallest value from which on an axis is logarithmic
ASIDE = 0.4  # width in which the lines of one category lie side by side
MOST_BANDS = 8  # lines with intervals: the bands of more cover each other
FEW = 30  # epochs; longer lines have fewer markers
UNNAMED = ("seed", "repeats", "data_sha256", "plugins")  # settings that no line is named after


class Entry(NamedTuple):
    """A run of a chart: its config with all settings and the name of its folder, and its Result."""

    config: dict
    result: Result


class Chart(NamedTuple):
    """What a chart shows.

    Attributes:
        x: "epoch" or a setting.
        hue, facet: names of the settings whose values are lines, and panels.
        averaged: settings that are averaged over.
        entries: the runs that are drawn.
    """

    x: str
    hue: list
    facet: list
    averaged: list
    entries: list


def planned(
    results: Sequence[Result],
    folders: Sequence[str] | None = None,
    x: str = "auto",
    hue: Sequence[str] | None = None,
    facet: Sequence[str] = (),
    last: int = LAST,
) -> Chart:
    """Return the Chart of some Results.

    Args:
        folders: the name of the folder of each; None if they are all of one.
        x: "epoch" or a setting; "auto": the learning rate, if the runs are of one folder and have several.
        hue, facet: names of settings, or "folder"; hue None takes all that differ.
        last: epochs of a score.

    Raises:
        ValueError: there is no such setting.
    """
    names = list(folders or [""] * len(results))
    entries = [Entry(complete(r.config) | {FOLDER: f}, r) for r, f in zip(results, names, strict=True)]
    known = list(dict.fromkeys(name for each in entries for name in each.config))
    for name in (*([] if x in ("auto", EPOCH) else [x]), *(hue or ()), *facet):
        if name not in known:
            raise ValueError(f"no setting {name!r}: expected some of {', '.join(known)}{nearest(name, known)}")
    differ = [name for name in varied([each.config for each in entries]) if name not in UNNAMED]
    if x == "auto":
        x = "lr" if "lr" in differ and FOLDER not in differ else EPOCH
    if hue is None:
        # Within one folder: what differs among the folders is said by their names.
        within = varied_within(entries) if FOLDER in differ else differ
        hue = [FOLDER] * (FOLDER in differ) + [name for name in differ if name != FOLDER and name in within]
        hue = [name for name in hue if name not in (x, "lr", *facet)]
    used = {x, *hue, *facet}
    if "lr" not in used and ("lr" in varied_within(entries) if FOLDER in differ else "lr" in differ):
        entries = of_best_rates(entries, last)
    averaged = [name for name in differ if name not in used and name not in ("lr", FOLDER)]
    if FOLDER in used:
        averaged = [name for name in averaged if name in varied_within(entries)]
    return Chart(x, list(hue), list(facet), averaged, entries)


def varied_within(entries):
    """Return the names of the settings that differ within a folder."""
    by_folder = {}
    for each in entries:
        by_folder.setdefault(each.config[FOLDER], []).append(each.config)
    return [name for configs in by_folder.values() for name in varied(configs) if name not in UNNAMED]


def of_best_rates(entries, last):
    """Return the entries with the best learning rate of each combination of the other settings."""
    kept = []
    for folder in dict.fromkeys(each.config[FOLDER] for each in entries):
        own = [each for each in entries if each.config[FOLDER] == folder]
        found = tuning.candidates([each.result for each in own], last)
        groups = tuning.grouped(found, tuning.axes(found)).values()
        best = [each.config for group in groups for each in ([tuning.best(group)] if tuning.best(group) else group)]
        kept += [each for each in own if tuning.of_seeds(each.result) in best]
    return kept


def draw(chart: Chart, path: str | Path, **look: Any) -> None:
    """Draw a Chart to `path` (see ``plots.checked_file``); `look` as in ``figure_of``. Raises as ``plots.draw_run``."""
    with drawing(path):
        save(figure_of(chart, **look), Path(path))


def figure_of(
    chart: Chart,
    measure: str = "test_accuracy",
    last: int = LAST,
    title: str | None = None,
    size: tuple[float, float] | None = None,
) -> Any:
    """Return the figure of a Chart.

    Args:
        measure: name of a measure.
        last: epochs whose mean is drawn against a setting.
        title: of the picture.
        size: width and height in inches.
    """
    parts = grouped(chart.entries, chart.facet)
    columns = min(COLUMNS, len(parts))
    rows = -(-len(parts) // columns)
    height = 4.2 if columns == 1 else 3.0 * rows + 0.8
    size = size or (
        6.4 if columns == 1 else 3.4 * columns,
        height + legend_height(len(grouped(chart.entries, chart.hue)), columns),
    )
    figure = new_figure(*size, title)
    axes = np.atleast_1d(figure.subplots(rows, columns, sharey=True, squeeze=False).ravel())
    lines = {key: number for number, key in enumerate(grouped(chart.entries, chart.hue))}
    values = ordered([each.config.get(chart.x) for each in chart.entries]) if chart.x != EPOCH else []
    drawn: dict[Any, Any] = {}
    heights: list[float] = []
    for axis, (key, own) in zip(axes, parts.items(), strict=False):
        for line, some in grouped(own, chart.hue).items():
            style = STYLES[lines[line] % len(STYLES)]
            x, means, halves = (
                over_epochs(some, measure) if chart.x == EPOCH else against(some, chart.x, values, measure, last)
            )
            if not len(x):
                continue
            if chart.x != EPOCH and not is_scale(values):  # so that bars do not overlap
                x = [place + ASIDE * (lines[line] - (len(lines) - 1) / 2) / len(lines) for place in x]
            heights += [float(mean) for mean in means]
            drawn.setdefault(
                line,
                plotted(axis, chart.x, x, means, halves, style, f"C{lines[line] % 10}", len(lines) <= MOST_BANDS),
            )
        described(axis, chart, values, ", ".join(f"{n} {v}" for n, v in zip(chart.facet, key, strict=True)))
    for axis in axes[len(parts) :]:
        axis.set_visible(False)
    for axis in axes[::columns]:
        axis.set_ylabel(
            title_of(measure).lower()
            + ("" if chart.x == EPOCH else f"\nmean of the last {averaged_over(chart, last)} epochs")
        )
    finish(figure, axes[: len(parts)], chart, measure, heights, drawn)
    return figure


def grouped(entries, names):
    """Return the entries by the values of settings, as texts: tuple -> list, in order of the values."""
    found = {}
    for each in entries:
        found.setdefault(tuple(tuning.as_text(each.config.get(name)) for name in names), []).append(each)
    return found


def ordered(values):
    """Return the distinct values of a setting, numbers in order."""
    distinct = list({repr(value): value for value in values}.values())
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in distinct):
        return sorted(distinct)
    return distinct


def is_scale(values):
    """Whether the values of a setting are numbers, which have places on an axis."""
    return all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)


def over_epochs(entries, measure):
    """Return epochs, means over the seeds, and half-widths of the intervals (NaN for a single seed)."""
    by_epoch = {}
    for each in entries:
        for row in each.result.rows:
            if row.get(measure) is not None:
                by_epoch.setdefault(row["epoch"], {}).setdefault(each.config.get("seed"), []).append(row[measure])
    epochs = sorted(by_epoch)
    return (epochs, *intervals([by_epoch[epoch] for epoch in epochs]))


def against(entries, x, values, measure, last):
    """Return places on the axis of a setting, means over the seeds, and half-widths of the intervals."""
    places, scores = [], []
    for place, value in enumerate(values):
        by_seed = {}
        for each in entries:
            if each.config.get(x) == value and (score := tuning.score(each.result, last, measure)) is not None:
                by_seed.setdefault(each.config.get("seed"), []).append(score)
        if by_seed:
            places.append(value if is_scale(values) else place)
            scores.append(by_seed)
    return (places, *intervals(scores))


def intervals(by_seeds):
    """Return means and half-widths over the seeds of a list of dicts, seed -> values, which are averaged first."""
    found = [mean_interval([sum(some) / len(some) for some in each.values()]) for each in by_seeds]
    return np.array([mean for mean, _ in found]), np.array([np.nan if half is None else half for _, half in found])


def plotted(axis, x, at, means, halves, style, colour, bands=True):
    """Draw a line with its intervals: a band over the epochs, bars against a setting. Return what the legend shows."""
    if x == EPOCH:
        every = max(1, len(at) // FEW)
        (line,) = axis.plot(at, means, style, color=colour, markersize=4, markevery=every)
        if bands and np.isfinite(halves).all():
            axis.fill_between(at, means - halves, means + halves, color=colour, alpha=0.15, linewidth=0)
        return line
    return axis.errorbar(at, means, np.nan_to_num(halves), fmt=style, color=colour, markersize=4, capsize=2)


def described(axis, chart, values, title):
    """Set scale, label and title of a panel."""
    from matplotlib.ticker import MaxNLocator

    axis.spines[["top", "right"]].set_visible(False)
    axis.set_xlabel({"lr": "learning rate"}.get(chart.x, chart.x.replace("_", " ")))
    if title:
        axis.set_title(label_of(title), fontsize=9)
    if chart.x == EPOCH:
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    elif not is_scale(values):
        axis.set_xticks(range(len(values)), [label_of(tuning.as_text(value)) for value in values])
        axis.set_xlim(-0.5, len(values) - 0.5)
    elif min(values) > 0 and max(values) >= DECADES * min(values):
        log_axis(axis, values)


def averaged_over(chart, last):
    """Return the number of epochs that a score is really the mean of."""
    return min(last, max((len(each.result.rows) for each in chart.entries), default=last))


def finish(figure, axes, chart, measure, heights, drawn):
    """Set the range of accuracies, draw a line at chance, and add the legend below the panels."""
    chance = chance_of(each.config.get("problem") for each in chart.entries) if measure.endswith("accuracy") else None
    labels = [", ".join(map(label_of, key)) for key in drawn]
    shown = list(drawn.values())
    if measure.endswith("accuracy"):
        low = min([*([] if chance is None else [chance - 0.05]), *(height - 0.03 for height in heights)], default=0)
        axes[0].set_ylim(max(low, -0.02), 1.005)
    if chance is not None:
        for axis in axes:
            line = axis.axhline(chance, color="0.6", linewidth=1, linestyle=":")
        shown.append(line)
        labels.append("chance")
    names = [name for name in chart.hue if name != FOLDER]
    if labels and (chart.hue or len(labels) > 1):
        labels = [label or title_of(measure).lower() for label in labels]
        style = {"frameon": False, "fontsize": 8, "title": ", ".join(names) or None, "title_fontsize": 8}
        figure.legend(shown, labels, loc="outside lower center", ncols=2 if len(axes) == 1 else 4, **style)
