"""Shared by all figures: curves and points that are distinguishable without colours.

Of a few runs each one is drawn, thin or small, beside their mean: an interval of three says little, and hides that one of
them failed. From FEW on, the mean has its 95 % interval.
"""

from math import ceil

import numpy as np

from dfanp.analysis.intervals import mean_interval
from dfanp.reports.plots import blank

# From dark to light, so that they differ in grey; markers and dashes differ as well.
COLOURS = ("#16324f", "#b3401f", "#2a7f62", "#d08c1d", "#6c5b9e", "#4fa3d1", "#8a8a8a")
MARKERS, DASHES = "os^DvPX", ("-", "--", ":", "-.", "-", "--", ":")
FEW = 5
CHANCE = 0.55  # a run of parity whose accuracy never exceeds this has learned nothing


def panels(count, width=4.4, height=3.4, most=3, sharey=False):
    """Return a Figure that needs no display, and `count` axes in rows of limited length."""
    columns = min(count, most)
    rows = ceil(count / columns)
    figure = blank(max(5.6, width * columns), height * rows)
    axes = figure.subplots(rows, columns, squeeze=False, sharey=sharey).ravel()
    for axis in axes[count:]:
        axis.set_visible(False)
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes[:count]


def line(axis, number, x, runs, label):
    """Draw the mean over `runs` (lists as long as x, None where one diverged), with each of a few runs or with its interval."""
    present = [(at, [run[i] for run in runs if i < len(run) and run[i] is not None]) for i, at in enumerate(x)]
    x, values = (
        zip(*[(at, each) for at, each in present if each], strict=True)
        if any(each for _, each in present)
        else ((), ())
    )
    if not x:
        return
    style, many = number % len(COLOURS), len(runs) >= FEW
    intervals = [mean_interval(each) for each in values]
    means, halves = np.array([mean for mean, _ in intervals]), np.array([half or 0.0 for _, half in intervals])
    axis.plot(
        x, means, DASHES[style], color=COLOURS[style], marker=MARKERS[style], markersize=3.5, linewidth=1.5, label=label,
        markevery=max(1, len(x) // 20), zorder=3,
    )  # fmt: skip
    if many:
        axis.fill_between(x, means - halves, means + halves, color=COLOURS[style], alpha=0.18, linewidth=0)
    elif len(runs) > 1:
        for run in runs:
            run = [np.nan if each is None else each for each in run]
            axis.plot(x[: len(run)], run[: len(x)], "-", color=COLOURS[style], linewidth=0.6, alpha=0.5)


def points(axis, number, of, names, groups, label):
    """Draw mark `number` of `of` at each of `names`: the mean of each group of values, and each of a few or the interval."""
    places = np.arange(len(names)) + (number - (of - 1) / 2) * min(0.5, 0.8 / of)
    colour, marker, labelled = COLOURS[number % 7], MARKERS[number % 7], False
    for place, group in zip(places, groups, strict=True):
        if not group:
            continue
        mean, half = mean_interval(group)
        look = {"color": colour, "marker": marker, "linestyle": "none", "label": None if labelled else label}
        if len(group) >= FEW:
            axis.errorbar(place, mean, half, markersize=7, capsize=2, linewidth=1.2, **look)
        else:
            axis.plot([place] * len(group), group, markersize=4.5, alpha=0.7, markeredgewidth=0, **look)
            axis.plot(place, mean, "_", color=colour, markersize=15, markeredgewidth=1.5)
        labelled = True
    axis.set_xticks(range(len(names)), names)
    axis.set_xlim(-0.6, len(names) - 0.4)
    return places


def failures(series):
    """Return a text on the runs of a series that diverged, never left chance or fell back to it, "" if there is none."""
    runs = series["test_accuracy"]
    known = [seen for run in runs if (seen := [each for each in run if each is not None])]
    stuck = sum(max(run) < CHANCE for run in known)
    back = sum(max(run) >= CHANCE > run[-1] for run in known)
    parts = [f"{stuck} of {len(runs)} never leave{'s' * (stuck == 1)} chance"] if stuck else []
    parts += [f"{back} of {len(runs)} fall{'s' * (back == 1)} back to chance"] if back else []
    parts += [f"{series['diverged']} of {len(runs)} diverged"] if series.get("diverged") else []
    return ", ".join(parts)


def within(axis, also=None):
    """Set the range of an axis to that of its curves, marks and intervals, and `also`, with a margin."""
    heights = [y for each in axis.get_lines() for y in np.ravel(each.get_ydata()).astype(float)]
    for each in axis.collections:
        heights += [y for path in each.get_paths() for y in path.vertices[:, 1]]
    heights = [y for y in heights if np.isfinite(y)] + ([] if also is None else [also])
    low, high = min(heights, default=0.0), max(heights, default=1.0)
    margin = 0.08 * max(high - low, 0.05)
    axis.set_ylim(low if low == also else low - margin, high + margin)


def legend(figure, axes):
    """Put one legend for all axes below them."""
    found = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    figure.legend(
        found.values(),
        found.keys(),
        loc="outside lower center",
        ncols=min(4 if figure.get_figwidth() > 7 else 3, len(found)),
        frameon=False,
        fontsize=8,
    )


def chance(axis):
    """Draw the line at chance."""
    axis.axhline(0.5, color="0.6", linewidth=1, linestyle=(0, (1, 3)), label="chance")


def finals(series):
    """Return the last test accuracies of the runs of a series that did not diverge."""
    return [run[-1] for run in series["test_accuracy"] if run and run[-1] is not None]


def mean(series):
    """Return the mean of ``finals``, NaN where all have diverged."""
    values = finals(series)
    return sum(values) / len(values) if values else float("nan")


def by_panel(record):
    """Return panel -> its series, in order."""
    found = {}
    for series in record["series"]:
        found.setdefault(series["panel"], []).append(series)
    return found
