"""The pictures of a result, drawn from its dict alone."""

from math import ceil

from dfanp.reports.plots import drawing, save

from .growth import TITLES


def draw(result, folder):
    """Draw what the result has into `folder`: ``cpu.png`` (epochs) and ``growth.png``; return the paths."""
    found = []
    for name, file, picture in (("epoch", "cpu.png", epochs), ("growth", "growth.png", growth)):
        measurements = [each for each in result["measurements"] if each["name"] == name]
        if measurements:
            with drawing(folder / file):
                save(picture(measurements), folder / file)
            found.append(folder / file)
    return found


def figure_of(rows, columns, size):
    """Return a Figure that needs no display, and its axes (flat)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def epochs(measurements):
    """Return the seconds of an epoch, a panel a rule: bars are medians, whiskers go from the fastest to the slowest round."""
    rules = list(dict.fromkeys(each["settings"]["rule"] for each in measurements))
    titles = list(dict.fromkeys(name for each in measurements for name in each["times"]))
    figure, axes = figure_of(len(rules), 1, (7.2, 2.8 * len(rules)))
    for axis, rule in zip(axes, rules, strict=True):
        here = [each for each in measurements if each["settings"]["rule"] == rule]
        for i, title in enumerate(titles):
            bars = [(x, each["times"][title]) for x, each in enumerate(here) if title in each["times"]]
            places = [x + (i - (len(titles) - 1) / 2) * 0.8 / len(titles) for x, _ in bars]
            medians = [times["median"] for _, times in bars]
            spread = [[t["median"] - t["min"] for _, t in bars], [t["max"] - t["median"] for _, t in bars]]
            axis.bar(places, medians, 0.8 / len(titles), yerr=spread, label=title, error_kw={"linewidth": 0.8})
        axis.set_xticks(range(len(here)), [each["settings"]["opt"] for each in here])
        axis.set_ylabel("seconds an epoch")
        axis.set_title(rule.upper(), fontsize=10)
    axes[0].legend(frameon=False, fontsize=8, ncols=2)
    return figure


def growth(measurements):
    """Return the time of a training step over each axis, both logarithmic, a curve a tier."""
    columns = min(3, len(measurements))
    figure, axes = figure_of(ceil(len(measurements) / columns), columns, (3.2 * columns, 5.2))
    for axis in axes[len(measurements) :]:
        axis.set_visible(False)
    for axis, each in zip(axes, measurements, strict=False):
        for tier, points in each["steps"].items():
            medians, low, high = ([1e3 * point[name] for point in points] for name in ("median", "min", "max"))
            (line,) = axis.plot(each["values"], medians, "o-", label=tier, markersize=3)
            axis.fill_between(each["values"], low, high, color=line.get_color(), alpha=0.2, linewidth=0)
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        axis.xaxis.set_major_formatter("{x:g}")
        axis.set_xlabel(TITLES[each["axis"]])
        axis.set_ylabel("ms a step")
    axes[0].legend(frameon=False, fontsize=8)
    return figure
