"""Pictures of runs and sweeps, drawn from their records only."""

import io
import logging
import os
import re
import textwrap
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..analysis.intervals import mean_interval
from ..errors import DfanpError, first_line, nearest
from ..files.whole import write_whole
from ..measures import LAST, title_of
from ..problems import PROBLEMS
from ..runs.history import main_measure
from ..sweeps.tuning import at_edge, axes, best, grouped

FORMATS = ("png", "svg", "pdf")


def checked_file(path, what="picture", formats=FORMATS):
    """Return `path` as a Path; called before training, so that a bad path fails early.

    Raises:
        ValueError: the file cannot be written, or has another suffix.
        DfanpError: Matplotlib does not work.
    """
    path = Path(path)
    if path.suffix[1:].lower() not in formats:
        likely = nearest(path.suffix, [f".{each}" for each in formats]) if path.suffix else ""
        raise ValueError(f"{path}: a {what}'s name must end in .{', .'.join(formats)}{likely}")
    if not path.parent.is_dir():
        raise ValueError(f"{path}: there is no folder {path.parent}")
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ValueError(f"{path}: cannot be written")
    with drawing(path):
        pass
    return path


@contextmanager
def drawing(what):
    """Within the block Matplotlib has its default settings, whatever a matplotlibrc or the calling program has set.

    Equal figures that are created and saved in such blocks give equal files.

    Args:
        what: the thing drawn, for the message.

    Raises:
        DfanpError: Matplotlib cannot be loaded (MPLBACKEND names no backend), or it cannot draw this. An OSError
            passes.
    """
    log = logging.getLogger("matplotlib")
    level = log.level
    try:
        log.setLevel(logging.ERROR)  # otherwise it warns about a matplotlibrc that has no effect here
        from matplotlib import rc_context, rcParamsDefault

        defaults = {name: value for name, value in rcParamsDefault.items() if name != "backend"}
        with rc_context(defaults | {"svg.hashsalt": "dfanp"}), warnings.catch_warnings():  # the ids in an SVG
            warnings.filterwarnings("ignore", "Glyph .* missing from font")  # a box is drawn instead
            yield
    except (DfanpError, OSError, MemoryError):
        raise
    except Exception as error:
        raise DfanpError(f"{what}: cannot be drawn ({type(error).__name__}: {first_line(error)})") from error
    finally:
        log.setLevel(level)


def curve(rows, measure):
    """Return epochs, means over the seeds, and the half-widths of their 95 % intervals (None with a single seed)."""
    by_epoch = {}
    for row in rows:
        value = measure(row)
        if value is not None:
            by_epoch.setdefault(row["epoch"], []).append(value)
    epochs = sorted(by_epoch)
    means, halves = zip(*(mean_interval(by_epoch[epoch]) for epoch in epochs), strict=True) if epochs else ((), ())
    if any(half is None for half in halves):
        return epochs, np.array(means), None
    return epochs, np.array(means), np.array(halves)


def draw_run(rows, title, path, chance=0.5, theory=None):
    """Draw accuracy (the loss of regression) over the epochs, and alignment if the rows have it, to `path` (png, svg or pdf).

    Args:
        rows: log lines (``dfanp.runs.folder.read_log``), of one or more seeds.
        title: of the picture.
        chance: the accuracy of guessing, or None.
        theory: ``theory(epochs)``, what a theory predicts of the test loss of regression, or None (``TrainingSettings.theory``).
        path: see ``checked_file``. The file is written completely or not at all.

    Raises:
        DfanpError: Matplotlib cannot draw it.
        OSError: it cannot be written.
    """
    with drawing(path):
        save(run_figure(rows, title, chance, theory), Path(path))


def history_figure(rows, title, chance, path=None):
    """Return a figure of rows that a notebook shows; it is written to `path`, if one is given."""
    if not rows:
        raise ValueError("no epoch has been trained yet, so there is nothing to draw")
    path = None if path is None else checked_file(path)
    with drawing("history"):
        figure = run_figure(rows, title, chance)
    figure._repr_png_ = lambda: png_of(figure)
    if path is not None:
        save(figure, path)
    return figure


def png_of(figure):
    """Return a figure as the bytes of a PNG."""
    with drawing("figure"), io.BytesIO() as file:
        figure.savefig(file, format="png", dpi=100)
        return file.getvalue()


def run_figure(rows, title, chance=0.5, theory=None):
    """Return the figure of ``draw_run``, with a line at the accuracy of guessing, `chance` (None: none)."""
    from matplotlib.ticker import MaxNLocator

    aligned = next((row["alignment"] for row in rows if row.get("alignment")), None)
    figure = new_figure(9.6 if aligned else 5.4, 3.6, title)
    axes = np.atleast_1d(figure.subplots(1, 2 if aligned else 1))

    def draw(axis, label, style, measure):
        epochs, means, halves = curve(rows, measure)
        (line,) = axis.plot(epochs, means, style, label=label, markersize=3)
        if halves is not None:
            axis.fill_between(epochs, means - halves, means + halves, color=line.get_color(), alpha=0.2, linewidth=0)

    kind = main_measure(rows)
    draw(axes[0], "test", "o-", lambda row: row.get(f"test_{kind}"))
    draw(axes[0], "train", "s--", lambda row: row.get(f"train_{kind}"))
    axes[0].set_ylabel(kind)
    if kind == "loss":
        losses = [row[name] for row in rows for name in ("test_loss", "train_loss") if row.get(name) is not None]
        if losses and 0 < min(losses) < max(losses) / 30:
            axes[0].set_yscale("log")
            axes[0].yaxis.set_major_formatter(lambda value, _: f"{value:g}")
            axes[0].yaxis.set_minor_formatter(lambda *_: "")
    if kind == "loss" and theory is not None:
        epochs = sorted({row["epoch"] for row in rows if row.get("test_loss") is not None})
        said = theory(epochs) if epochs else None
        if said is not None:
            axes[0].plot(epochs, said, "k:", label="test, theory", zorder=3)
    if kind == "accuracy":
        if chance is not None:
            axes[0].axhline(chance, color="0.6", linewidth=1, linestyle=":", label="chance")
        lowest = min(
            (row[name] for row in rows for name in ("test_accuracy", "train_accuracy") if name in row), default=1.0
        )
        axes[0].set_ylim(min(0.45, lowest - 0.02, 1.0 if chance is None else chance - 0.05), 1.0)
    if aligned:
        for kind, style, name in (
            ("feedback", "o-", "weight alignment, layer"),
            ("gradient", "s--", "gradient alignment, layer"),
        ):
            # The gradient of the output layer is exact under every rule, so its line at 1 is not drawn.
            for layer in range(len(aligned[kind]) - (kind == "gradient")):
                draw(
                    axes[1],
                    f"{name} {layer + 1}",
                    style,
                    lambda row, kind=kind, layer=layer: row["alignment"][kind][layer] if "alignment" in row else None,
                )
        axes[1].axhline(0, color="0.6", linewidth=1, linestyle=":")
        axes[1].set_ylabel("cosine")
    for axis in axes:
        axis.set_xlabel("epoch")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False, fontsize=8)
    return figure


MOST_TICKS = 7  # of a logarithmic axis, at its values
LONG = 38  # characters of a legend's text, from which on it is smaller
STYLES = ("o-", "s--", "^:", "D-.", "v-", "P--", "X:", "*-.")  # distinguishable without colours


def draw_rates(candidates, path, measure="test_accuracy", last=LAST, title=None, size=None):
    """Draw the mean score against the learning rate to `path`, one curve per setting, with intervals as bars.

    Args:
        candidates: of a sweep (``dfanp.sweeps.tuning``).
        path: see ``checked_file``.
        measure, last: of their scores, see ``tuning.score``.
        title, size: of the picture, in inches.

    Raises:
        As ``draw_run``.
    """
    with drawing(path):
        save(rates_figure(candidates, measure, last, title, size), Path(path))


def rates_figure(candidates, measure, last, title=None, size=None):
    """Return the figure of ``draw_rates``."""
    names = axes(candidates)
    figure, axis = figure_with_axis(
        *(size or (6.4, 4.2 + legend_height(len(grouped(candidates, names))))), title=title
    )
    longest = max((each.config.get("epochs", last) for each in candidates), default=last)
    groups = grouped([each for each in candidates if each.mean is not None], names)
    for number, (values, group) in enumerate(groups.items()):
        group = sorted(group, key=lambda each: each.config["lr"])
        aside = 1.02 ** (number - (len(groups) - 1) / 2)  # so that bars at the same rate do not overlap
        rates, means = [each.config["lr"] * aside for each in group], [each.mean for each in group]
        title, top = ", ".join(values) or title_of(measure).lower(), best(group)
        if measure.endswith("accuracy"):
            title += f": best {top.mean:.3f} at {top.config['lr']:.3g}"
            title += " (edge of the grid)" if at_edge(top, group) else ""
        style = STYLES[number % len(STYLES)]
        axis.errorbar(
            rates, means, [each.half or 0 for each in group], fmt=style, capsize=2, markersize=4, label=title
        )
    chance = chance_of(each.config.get("problem") for each in candidates)
    log_axis(axis, [each.config["lr"] for group in groups.values() for each in group])
    axis.set_xlabel("learning rate")
    axis.set_ylabel(f"{title_of(measure).lower()}, mean of the last {min(last, longest)} epochs")
    finish(figure, axis, [each.mean for group in groups.values() for each in group], names, measure, chance)
    return figure


def chance_of(problems):
    """Return the accuracy of guessing, if all these problems (their names) have the same, else None."""
    found = {PROBLEMS[name].chance if isinstance(name, str) and name in PROBLEMS else None for name in problems}
    return found.pop() if len(found) == 1 else None


def draw_maps(maps, path, title):
    """Draw points in a plane to `path`, one panel per map: numerals if digits are known, else one marker per class.

    Args:
        maps: name -> (points (m, 2), labels: name -> (m,)).
        path: see ``checked_file``.

    Raises:
        As ``draw_run``.
    """
    with drawing(path):
        figure = new_figure(4.6 * len(maps), 4.6, title)
        axes = np.atleast_1d(figure.subplots(1, len(maps)))
        for axis, (name, (points, labels)) in zip(axes, maps.items(), strict=True):
            scatter(axis, points, labels)
            axis.set_title(name, fontsize=9)
        save(figure, Path(path))


def scatter(axis, points, labels):
    """Draw labelled points: dark for the first class, orange and bold (or of another shape) for the second."""
    classes = labels["target"] if "target" in labels else labels.get("parity", next(iter(labels.values())))
    colours = ("#16324f", "#b3401f")
    if "digit" in labels:
        for (x, y), digit, odd in zip(points, labels["digit"], classes, strict=True):
            style = {"color": colours[odd % 2], "weight": "bold" if odd else "normal", "alpha": 0.8}
            axis.text(x, y, str(digit), fontsize=6, ha="center", va="center", **style)
        low, high = np.min(points, axis=0), np.max(points, axis=0)
        margin = np.where(low == high, 1.0, 0.0)  # points on a line are drawn in the middle
        axis.set(xlim=(low[0] - margin[0], high[0] + margin[0]), ylim=(low[1] - margin[1], high[1] + margin[1]))
    else:
        several = int(np.max(classes)) > 1
        for number in range(int(np.max(classes)) + 1):
            own, marker = points[classes == number], STYLES[number % len(STYLES)][0] if several else "o^"[number]
            colour = f"C{number % 10}" if several else colours[number]
            axis.plot(own[:, 0], own[:, 1], marker, color=colour, markersize=3, alpha=0.7, linestyle="none")
    axis.set(xticks=[], yticks=[])


def label_of(value):
    """Return the value of a setting, or a title, as text for a picture."""
    # Text between dollar signs would be a formula.
    return f"{value:.4g}" if isinstance(value, float) else str(value).replace("$", r"\$")


def blank(width, height):
    """Return a Figure that needs no display, of a size in inches, without axes.

    Matplotlib draws a figure twice to save it: once for the layout, where only the layout is kept. This one is laid out, then drawn.
    """
    from matplotlib import figure
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    class Figure(figure.Figure):
        def draw(self, renderer):
            layout = self.get_layout_engine()
            if isinstance(layout, ConstrainedLayoutEngine) and self.canvas.is_saving():
                layout.execute(self)  # afterwards the engine is another one, and it is drawn
            else:
                super().draw(renderer)

    drawn = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(drawn)
    return drawn


def new_figure(width, height, title=None):
    """Return a ``blank`` figure with a title."""
    figure = blank(width, height)
    if title is not None:
        figure.suptitle(label_of(wrapped(str(title), width)), fontsize=10)
    return figure


def wrapped(title, width):
    """Return a title in lines that fit a width in inches, each "k = 1" and each "20 seeds" in one of them."""
    joined = re.sub(r" (?==)|(?<==) |(?<=\d) (?=seeds?\b)", "\xa0", title)
    return textwrap.fill(joined, int(13 * width)).replace("\xa0", " ")


def figure_with_axis(width=6.4, height=4.2, title=None):
    """Return a Figure that needs no display, of a size in inches, and its only axis."""
    figure = new_figure(width, height, title)
    axis = figure.subplots()
    axis.spines[["top", "right"]].set_visible(False)
    return figure, axis


def log_axis(axis, values):
    """Make the x axis logarithmic, with its ticks at the values if they are few; no others are labelled."""
    from matplotlib.ticker import NullFormatter, NullLocator

    values = sorted(set(values))
    axis.set_xscale("log")
    if len(values) <= MOST_TICKS:
        axis.set_xticks(values, [f"{value:.3g}" for value in values])
        axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_minor_formatter(NullFormatter())


def legend_height(lines, panels=1):
    """Return by how many inches a figure is higher for a legend of so many lines."""
    return 0.17 * max(0, -(-lines // (2 if panels == 1 else 4)) - 3)


def finish(figure, axis, heights, names, measure, chance=0.5):
    """Add a legend outside the axis; for accuracies also set the range (from the means) and draw a line at chance."""
    if measure.endswith("accuracy"):
        axis.set_ylim(max(-0.02, min([(chance or 1) - 0.05, *(height - 0.02 for height in heights)])), 1.0)
        if chance is not None:
            axis.axhline(chance, color="0.6", linewidth=1, linestyle=":", label="chance")
    longest = max((len(text) for text in axis.get_legend_handles_labels()[1]), default=0)
    style = {
        "frameon": False,
        "fontsize": 8 if longest < LONG else 6.5,
        "title": ", ".join(names) or None,
        "title_fontsize": 8,
    }
    figure.legend(loc="outside lower center", ncols=2, **style)


def save(figure, path):
    """Write a figure that was created within ``drawing``, completely or not at all.

    Equal figures give equal files.
    """
    form = path.suffix[1:].lower()
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(form)
    try:
        with drawing(path):
            write_whole(path, lambda file: figure.savefig(file, format=form, dpi=150, metadata=metadata))
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from None
