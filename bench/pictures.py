"""The pictures of a result, drawn from its dict alone."""

from math import ceil
from statistics import median
from textwrap import fill

from dfanp.reports.plots import blank, drawing, save

from .growth import TITLES
from .interleave import summary

SIZE = 8  # of most text


def draw(result, folder, conditions, network_of):
    """Draw what the result has into `folder`: ``cpu.png`` (epochs), ``networks.png`` and ``growth.png``; return the paths.

    Args:
        conditions: a line on what the times depend on. network_of: what the network of a measurement is called.
    """
    found = []
    pictures = {
        "epoch": ("cpu.png", epochs),
        "network": ("networks.png", lambda measurements: networks(measurements, network_of)),
        "growth": ("growth.png", growth),
    }
    for name, (file, picture) in pictures.items():
        measurements = [each for each in result["measurements"] if each["name"] == name]
        if measurements:
            with drawing(folder / file):
                figure = picture(measurements)
                width = int(figure.get_size_inches()[0] * 15)
                figure.supxlabel(fill(conditions, width), fontsize=SIZE - 1, color="0.35")
                save(figure, folder / file)
            found.append(folder / file)
    return found


def figure_of(rows, columns, size, title):
    """Return a Figure that needs no display, and its axes (flat)."""
    figure = blank(*size)
    figure.suptitle(title, fontsize=SIZE + 3)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def shades(count):
    """Return so many colours from dark to light: they stay apart in grey, and for those who are colour-blind."""
    from matplotlib import colormaps

    return [colormaps["viridis"](0.08 + 0.84 * i / max(count - 1, 1)) for i in range(count)]


def epochs(measurements):
    """Return the seconds of an epoch, a panel a rule: bars are medians, whiskers the range of the rounds but for outliers."""
    rules = list(dict.fromkeys(each["settings"]["rule"] for each in measurements))
    titles = list(dict.fromkeys(name for each in measurements for name in each["times"]))
    sizes = measurements[0]["settings"]
    title = f"An epoch of parity: draw, train on {sizes['train_size']}, test on {sizes['test_size']}"
    figure, axes = figure_of(len(rules), 1, (7.2, 1 + 2.8 * len(rules)), title)
    for axis, rule in zip(axes, rules, strict=True):
        here = [each for each in measurements if each["settings"]["rule"] == rule]
        for i, (title, colour) in enumerate(zip(titles, shades(len(titles)), strict=True)):
            bars = [(x, each["times"][title]) for x, each in enumerate(here) if title in each["times"]]
            places = [x + (i - (len(titles) - 1) / 2) * 0.8 / len(titles) for x, _ in bars]
            medians = [times["median"] for _, times in bars]
            spread = [[t["median"] - t["low"] for _, t in bars], [t["high"] - t["median"] for _, t in bars]]
            look = dict(label=title, color=colour, edgecolor="black", linewidth=0.5)
            axis.bar(places, medians, 0.8 / len(titles), yerr=spread, error_kw={"linewidth": 0.8}, **look)
        axis.set_xticks(range(len(here)), [each["settings"]["opt"] for each in here])
        axis.set_ylabel("seconds an epoch")
        axis.set_title(rule.upper(), fontsize=SIZE + 1)
    axes[0].legend(frameon=False, fontsize=SIZE, ncols=2)
    return figure


def networks(measurements, network_of):
    """Return how many times as fast as the peer dfanp is on each network: medians and ranges of the rounds' quotients."""
    peer = measurements[0]["peer"]
    figure, (axis,) = figure_of(1, 1, (7.2, 1.4 + 0.26 * len(measurements)), f"Times as fast as {peer}")
    for place, each in enumerate(measurements):
        ours = next(iter(each["times"].values()))["all"]  # dfanp is the first
        quotients = [theirs / mine for mine, theirs in zip(ours, each["times"][peer]["all"], strict=True)]
        inside = summary(quotients)
        axis.plot([inside["low"], inside["high"]], [place, place], color="0.6", linewidth=1.5)
        axis.plot([median(quotients)], [place], "o", color="black", markersize=4)
    axis.axvline(1, color="0.5", linewidth=0.8, linestyle="--")
    axis.set_xlim(left=0)
    axis.set_yticks(range(len(measurements)), map(network_of, measurements), fontsize=SIZE)
    axis.invert_yaxis()
    axis.grid(axis="x", color="0.9")
    axis.set_axisbelow(True)
    return figure


def growth(measurements):
    """Return the time of a training step over each axis, both logarithmic, a curve a tier; bands leave out outliers."""
    columns, markers = min(3, len(measurements)), "os^Dv"
    rows = ceil(len(measurements) / columns)
    figure, axes = figure_of(rows, columns, (3.2 * columns, 0.8 + 2.4 * rows), "A training step")
    for axis in axes[len(measurements) :]:
        axis.set_visible(False)
    for axis, each in zip(axes, measurements, strict=False):
        for place, (tier, points) in enumerate(each["steps"].items()):
            medians, low, high = ([1e3 * point[name] for point in points] for name in ("median", "low", "high"))
            look = dict(marker=markers[place % len(markers)], markersize=3, color=shades(len(each["steps"]))[place])
            axis.plot(each["values"], medians, "-", label=tier, **look)
            axis.fill_between(each["values"], low, high, color=look["color"], alpha=0.2, linewidth=0)
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        axis.xaxis.set_major_formatter("{x:g}")
        axis.set_xlabel(TITLES[each["axis"]])
        axis.set_ylabel("ms a step")
    axes[0].legend(frameon=False, fontsize=SIZE)
    return figure
