"""The figures of a report: lines of runs, weights as images, and the switching lines of hidden units on the disks.

Each function returns a Matplotlib Figure for ``pages.figure``: black is the text colour of the page, LIGHT are its
line colours. The names of runs are in the keys, which are HTML, never in a figure.
"""

from contextlib import contextmanager

import numpy as np

from ..problems import synthetic
from .pages import LIGHT, decimal, element
from .plots import STYLES, drawing, figure_with_axis, log_axis

WIDTH = 4.6  # inches: on a phone a point is about a pixel
FEW = 30  # epochs; longer lines have fewer markers
FOR, AGAINST = (217, 95, 2), (45, 125, 210)  # weights above and below 0, on white and on black
DASHES = {"-": "none", "--": "6 3", ":": "2 3", "-.": "6 2 2 2"}
MARKS = {  # in a box of 36 × 12, around its middle
    "o": "M15 6a3 3 0 1 0 6 0a3 3 0 1 0-6 0z",
    "s": "M15 3h6v6h-6z",
    "^": "M18 2.5l3.5 6.5h-7z",
    "v": "M18 9.5l3.5-6.5h-7z",
    "D": "M18 2l4 4l-4 4l-4-4z",
    "P": "M17 2.5h2v2.5h2.5v2h-2.5v2.5h-2v-2.5h-2.5v-2h2.5z",
    "X": "M15.5 3l1-1l1.5 1.6l1.5-1.6l1 1l-1.6 1.6l1.6 1.6l-1 1l-1.5-1.6l-1.5 1.6l-1-1l1.6-1.6z",
    "*": "M18 2l1.2 2.8l3 .2l-2.3 1.9l.8 2.9l-2.7-1.6l-2.7 1.6l.8-2.9l-2.3-1.9l3-.2z",
}


def style_of(number):
    """Return colour and style (marker and dashes) of the lines of a run.

    8 runs differ in both, 64 in at least one.
    """
    return LIGHT[number % len(LIGHT)], STYLES[(number + number // len(LIGHT)) % len(STYLES)]


def key(runs, numbers):
    """Return the key of the runs with these numbers, an HTML list; None for a single run."""
    if len(runs) < 2:
        return None
    items = []
    for number in numbers:
        style, colour = style_of(number)[1], f"var(--s{number % len(LIGHT)})"
        line = f"stroke:{colour};stroke-width:2;stroke-dasharray:{DASHES[style[1:]]}"
        swatch = element(
            "svg",
            element("path", d="M0 6H36", style=line),
            element("path", d=MARKS[style[0]], style=f"fill:{colour}"),
            viewBox="0 0 36 12",
            aria_hidden="true",
        )
        items.append(element("li", swatch, runs[number].label))
    return element("ul", *items, class_="key")


@contextmanager
def panel(height=3.0):
    """Yield a figure and its axis, with the size of figures in a report."""
    with drawing("a figure of the report"):
        figure, axis = figure_with_axis()
        figure.set_size_inches(WIDTH, height)
        yield figure, axis


def lines(series, ylabel, kind, chance=0.5, theory=None):
    """Draw one line per run over the epochs, with its 95 % interval.

    Args:
        series: number of the run -> (epochs, means, halves or None), see ``plots.curve``.
        kind: "accuracy", "loss", "cosine" or "own", which determines the range of the axis.
        chance: the accuracy of guessing, or None.
        theory: number of the run -> what a theory predicts at these epochs.
    """
    from matplotlib.ticker import MaxNLocator

    low, high, log = heights(series, kind, chance)
    with panel() as (figure, axis):
        axis.set(xlabel="epoch", ylabel=ylabel, yscale="log" if log else "linear", ylim=(low, high))
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        if log:
            axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
            axis.yaxis.set_minor_formatter(lambda *_: "")
        if kind == "accuracy" and chance is not None:
            axis.axhline(chance, color="black", alpha=0.5, linewidth=1, linestyle=":")
        for number, (epochs, means, halves) in series.items():
            colour, style = style_of(number)
            axis.plot(epochs, means, style, color=colour, markersize=4, markevery=max(1, len(epochs) // FEW))
            if halves is not None:
                below = np.maximum(means - halves, low) if log else means - halves
                axis.fill_between(epochs, below, means + halves, color=colour, alpha=0.2, linewidth=0)
            if theory and number in theory:
                axis.plot(epochs, theory[number], "k:", linewidth=1.2)
    return figure


def against_rates(series, ylabel, accuracy):
    """Draw the score of each setting against its learning rates, with its 95 % interval as a bar.

    Args:
        series: number of the line -> (rates, means, halves, NaN for a single seed).
    """
    with panel() as (figure, axis):
        axis.set(xlabel="learning rate", ylabel=ylabel)
        for number, (rates, means, halves) in series.items():
            colour, style = style_of(number)
            aside = 1.02 ** (number - (len(series) - 1) / 2)
            at = [rate * aside for rate in rates]
            axis.errorbar(at, means, np.nan_to_num(halves), fmt=style, color=colour, markersize=4, capsize=2)
        log_axis(axis, [rate for rates, *_ in series.values() for rate in rates])
        low = min((float(np.min(means)) for _, means, _ in series.values()), default=0)
        high = max((float(np.max(means)) for _, means, _ in series.values()), default=1)
        margin = 0.05 * (high - low or 1)
        axis.set_ylim(max(0, low - margin), 1.0 if accuracy else high + margin)
    return figure


def heights(series, kind, chance=0.5):
    """Return the limits of the axis of ``lines``, and whether it is logarithmic."""
    low, high = (pick(pick(means) for _, means, _ in series.values()) for pick in (min, max))
    if kind == "accuracy":
        return max(-0.02, min((chance or 1) - 0.05, low - 0.02)), 1.0, False
    if kind == "loss" and 0 < low < high / 30:
        return low / 1.5, high * 1.5, True
    bands = [
        band
        for _, means, halves in series.values()
        for band in ([] if halves is None else (means - halves, means + halves))
    ]
    margin = 0.05 * (high - low or abs(high) or 1)
    # Wide intervals, as of two seeds, are cut beyond the height of the lines on either side.
    least, most = {"loss": (0, np.inf), "own": (-np.inf, np.inf)}.get(kind, (-1, 1))
    lowest = max(min([low, *map(min, bands)]), low - 20 * margin, least)
    highest = min(max([high, *map(max, bands)]), high + 20 * margin, most)
    return lowest - margin, highest + margin, False


def by_group(series, groups, xlabel, ylabel, ideal=None):
    """Draw the share of each group and run, with its 95 % interval as a bar.

    Args:
        series: number of the run -> (means, halves or None), one entry per group, NaN for an empty group.
        groups: number of groups.
        ideal: the ideal share of each group, drawn as a short line, or None.
    """
    with panel() as (figure, axis):
        axis.set(xlabel=xlabel, ylabel=ylabel, xticks=range(groups), xlim=(-0.5, groups - 0.5))
        if ideal is not None:
            axis.hlines(
                ideal, np.arange(groups) - 0.35, np.arange(groups) + 0.35, color="black", alpha=0.6, linewidth=1
            )
            axis.set_ylim(-0.04, 1.04)
        else:
            tops = [np.nanmax(means + (0 if halves is None else halves)) for means, halves in series.values()]
            axis.set_ylim(0, min(1.04, max([0.05, *(1.08 * top for top in tops if np.isfinite(top))])))
        for place, (number, (means, halves)) in enumerate(series.items()):
            colour, style = style_of(number)
            x = np.arange(len(means)) + 0.5 * ((place + 0.5) / len(series) - 0.5)
            axis.errorbar(x, means, halves, fmt=style[0], color=colour, markersize=5, capsize=2)
    return figure


def weight_images(W, units, k, side, votes=None):
    """Draw first-layer weights of hidden units as images, one for each of k places: orange above 0, blue below.

    Args:
        W: (k · side², H), of one network.
        units: number of a hidden unit -> the weight that is drawn in full colour.
        votes: unit -> its weight in the output, or None with several hidden layers.
    """
    from matplotlib.patches import Rectangle

    columns = max(1, 6 // k)
    down = -(-len(units) // columns)
    wide, tall = k * side + (k - 1), side
    apart, head = side / 2, side * (0.55 if k > 1 else 0.75)  # head: height of a line of text
    across, along = columns * (wide + apart) - apart, down * (tall + head)
    with panel(WIDTH * along / across + 0.1) as (figure, axis):
        axis.set(xlim=(-0.5, across), ylim=(along, -0.5), aspect="equal")
        axis.axis("off")
        for place, (unit, full) in enumerate(units.items()):
            x, y = (place % columns) * (wide + apart), (place // columns) * (tall + head) + head
            vote = f": {'+' * (votes[unit] >= 0)}{decimal(votes[unit], 2)}".replace("-", "−") if votes else ""
            axis.text(x, y - side / 12, f"{unit}{vote}", fontsize=8, va="bottom", parse_math=False)
            image = np.zeros((tall, wide, 4), np.uint8)
            for digit in range(k):
                own = W[digit * side**2 : (digit + 1) * side**2, unit].reshape(side, side) / full
                left = digit * (side + 1)
                image[:, left : left + side, :3] = np.where(own[..., None] > 0, FOR, AGAINST)
                image[:, left : left + side, 3] = np.round(255 * np.minimum(np.abs(own), 1))
                frame = Rectangle((x + left, y), side, side, fill=False, color="black", alpha=0.3, linewidth=0.5)
                axis.add_patch(frame)
            axis.imshow(image, extent=(x, x + wide, y + tall, y), interpolation="none")
        axis.set(xlim=(-0.5, across), ylim=(along, -0.5))
    return figure


def switches(W, bias, units, votes, c, labels):
    """Draw the disks (those labelled 1 filled), and the lines on which hidden units switch if all other inputs are 0.

    Args:
        W: (d, H), of one network.
        bias: (H,) or None.
        units: numbers of hidden units.
        votes: unit -> its weight in the output; a unit with a negative one has a dashed line.
        c, labels: of the disks.
    """
    from matplotlib.patches import Circle

    with panel(WIDTH) as (figure, axis):
        axis.set(aspect="equal", xlabel="first coordinate", ylabel="second coordinate")
        for (x, y), label in zip(synthetic.centres(c), labels, strict=True):
            fill = {"facecolor": ("black" if label else "none"), "edgecolor": "black", "alpha": 0.35}
            axis.add_patch(Circle((x, y), 1 / (3 * c - 1), **fill))
        strongest = max(abs(votes[unit]) for unit in units) or 1
        for unit in units:
            middle, *slope = W[:3, unit] + np.array([0 if bias is None else bias[unit], 0, 0])
            length = np.hypot(*slope)
            if length > 0:
                at = -middle / length * (slope / length)
                along = np.array([-slope[1], slope[0]]) / length
                ends = np.stack([at - 3 * along, at + 3 * along], axis=1)
                drawn = (
                    {"color": LIGHT[1], "linestyle": "-"}
                    if votes[unit] > 0
                    else {"color": LIGHT[0], "linestyle": "--"}
                )
                axis.plot(*ends, linewidth=0.5 + 2 * abs(votes[unit]) / strongest, **drawn)
        axis.set(xlim=(-0.7, 0.7), ylim=(-0.7, 0.7))
    return figure
