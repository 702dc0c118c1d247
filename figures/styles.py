"""Shared by all figures: curves, bars and points that are distinguishable without colours."""

from math import ceil

import numpy as np

from dfanp.analysis.intervals import mean_interval

# From dark to light, so that they differ in grey; markers and dashes differ as well.
COLOURS = ("#16324f", "#b3401f", "#2a7f62", "#d08c1d", "#6c5b9e", "#4fa3d1", "#8a8a8a")
MARKERS, DASHES = "os^DvPX", ("-", "--", ":", "-.", "-", "--", ":")
HATCHES = ("", "//", "..", "xx", "\\\\", "++", "oo")


def panels(count, width=4.4, height=3.4, most=3, sharey=False):
    """Return a Figure that needs no display, and `count` axes in rows of limited length."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(count, most)
    rows = ceil(count / columns)
    figure = Figure(figsize=(max(5.6, width * columns), height * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, sharey=sharey).ravel()
    for axis in axes[count:]:
        axis.set_visible(False)
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes[:count]


def line(axis, number, x, runs, label):
    """Draw the mean over `runs` (lists as long as x, None where one diverged) with its 95 % interval."""
    present = [(at, [run[i] for run in runs if i < len(run) and run[i] is not None]) for i, at in enumerate(x)]
    x, values = (
        zip(*[(at, each) for at, each in present if each], strict=True)
        if any(each for _, each in present)
        else ((), ())
    )
    if not x:
        return
    intervals = [mean_interval(each) for each in values]
    means, halves = np.array([mean for mean, _ in intervals]), np.array([half or 0.0 for _, half in intervals])
    style = number % len(COLOURS)
    axis.plot(
        x, means, DASHES[style], color=COLOURS[style], marker=MARKERS[style], markersize=3.5, linewidth=1.3, label=label,
        markevery=max(1, len(x) // 20),
    )  # fmt: skip
    axis.fill_between(x, means - halves, means + halves, color=COLOURS[style], alpha=0.18, linewidth=0)


def bars(axis, number, of, names, groups, label):
    """Draw bar `number` of `of` at each of `names`: the mean of each group of values, and its 95 % interval."""
    width = 0.8 / of
    places = np.arange(len(names)) + (number - (of - 1) / 2) * width
    intervals = [mean_interval(group) if group else (np.nan, None) for group in groups]
    axis.bar(
        places, [mean for mean, _ in intervals], width * 0.92, yerr=[half or 0.0 for _, half in intervals], capsize=2,
        color=COLOURS[number % 7], alpha=0.85, hatch=HATCHES[number % 7], edgecolor="white", label=label,
        error_kw={"linewidth": 0.9, "ecolor": "0.15"},
    )  # fmt: skip
    axis.set_xticks(range(len(names)), names)
    return places


def within(axis, also=None):
    """Set the range of an axis to that of its curves and marks, and `also`, with a margin.

    Wider intervals are cut.
    """
    heights = [y for each in axis.get_lines() for y in np.ravel(each.get_ydata()).astype(float) if np.isfinite(y)]
    heights += [] if also is None else [also]
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
