"""Attacks in pictures and in the report: accuracy over the size of the attack."""

from pathlib import Path

import numpy as np

from ..analysis.attacks import ATTACKS
from ..analysis.intervals import mean_interval
from ..runs.attacked import rows
from .figures import key, panel, style_of
from .pages import decimal, element, figure, table
from .plots import drawing, figure_with_axis, label_of, save

DRAWN = {"pgd": "-", "own pgd": ":", "random": "--"}  # attack -> its dashes in the picture of several


def course(record, attack):
    """Return ε, 0 first, with means and half-widths (None for one seed) of the accuracy; None without this attack."""
    columns = rows(record).get(ATTACKS[attack])
    if columns is None:
        return None
    means, halves = zip(*map(mean_interval, columns), strict=True)
    return [0.0, *record["epsilons"]], np.array(means), None if halves[0] is None else np.array(halves)


def draw(records, path, title):
    """Draw accuracy over ε for each run, under PGD, PGD through its own feedback, and random signs, to `path`.

    Args:
        records: name of a run -> its record, see ``runs.attacked``.
        path: see ``plots.checked_file``.
    """
    with drawing(path):
        drawn, axis = figure_with_axis()
        for number, (name, record) in enumerate(records.items()):
            colour, style = style_of(number)
            for attack, dashes in DRAWN.items():
                if found := course(record, attack):
                    epsilons, means, halves = found
                    label = f"{label_of(name)}: {ATTACKS[attack]}"
                    axis.plot(epsilons, means, style[0] + dashes, color=colour, markersize=4, label=label)
                    if halves is not None:
                        axis.fill_between(
                            epsilons, means - halves, means + halves, color=colour, alpha=0.15, linewidth=0
                        )
        chances = {record["chance"] for record in records.values()}
        for chance in chances:
            axis.axhline(chance, color="0.6", linewidth=1, linestyle=":")
        axis.set(xlabel="ε, the largest change of a pixel in [0, 1]", ylabel="test accuracy", ylim=(-0.02, 1.02))
        drawn.suptitle(label_of(title), fontsize=10)
        drawn.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
        save(drawn, Path(path))


def section(runs, numbers):
    """Return the section of the attacks, for the runs of a report that have a record."""
    shown = {number: run for number, run in enumerate(runs) if run.attack}
    parts = []
    for attack, title in ATTACKS.items():
        series = {number: found for number, run in shown.items() if (found := course(run.attack, attack))}
        if series:
            words = f"Accuracy under {title}, over ε. " + " ".join(
                f"{runs[number].label} falls from {decimal(means[0], 3)} to {decimal(means[-1], 3)} at ε = {epsilons[-1]:g}."
                for number, (epsilons, means, _) in series.items()
            )
            drawn = lines(series, {shown[number].attack["chance"] for number in series})
            parts.append(figure(drawn, next(numbers), title[0].upper() + title[1:], words, key(runs, series)))
    boxes = []
    for run in shown.values():
        record = run.attack
        head = ["attack", *(f"ε = {epsilon:g}" for epsilon in (0, *record["epsilons"]))]
        body = [[title, *map(cell, columns)] for title, columns in rows(record).items()]
        seeds = len(record["seeds"])
        caption = (
            f"{run.label}: accuracy on {record['samples']} test examples after epoch {record['epoch']}, "
            f"{'one seed' if seeds == 1 else f'mean of {seeds} seeds, 95 % interval'}"
        )
        boxes.append(table(caption, head, body))
        if record["epoch"] != run.epoch:
            boxes.append(element("p", f"{run.label} has been trained to epoch {run.epoch} since.", class_="warn"))
        vanished = max(one["vanished"] for one in record["seeds"])
        if vanished > 0:
            text = f"{run.label}: the gradient is exactly zero for up to {100 * vanished:.1f} % of the examples, which no attack moves."
            boxes.append(element("p", text, class_="warn"))
    note = (
        "FGSM moves every pixel by ε along the sign of the input gradient, PGD takes several smaller steps. The input gradient is "
        "that of the network's function, through the transposed weights, by whatever rule they were learned. What a rule's own "
        "feedback would send to the input is no gradient: that an attack through it fails is masking, not robustness. "
        "Controls are random signs, examples that were made for another network, and a large ε, which must bring PGD to chance or below (dots)."
    )
    return [element("div", *parts, class_="figures"), *boxes, element("p", note, class_="note")]


def cell(values):
    """Return a cell with the mean of the seeds and its interval."""
    if None in values:
        return element("td", "–", class_="number")
    mean, half = mean_interval(values)
    text = decimal(mean, 3) + ("" if half is None else f" ± {decimal(half, 3)}")
    return element("td", text, class_="number")


def lines(series, chances):
    """Draw accuracy over ε, one line per run with its 95 % interval."""
    with panel() as (drawn, axis):
        axis.set(xlabel="ε", ylabel="test accuracy", ylim=(-0.02, 1.02))
        for chance in chances:
            axis.axhline(chance, color="black", alpha=0.5, linewidth=1, linestyle=":")
        for number, (epsilons, means, halves) in series.items():
            colour, style = style_of(number)
            axis.plot(epsilons, means, style, color=colour, markersize=4)
            if halves is not None:
                axis.fill_between(epsilons, means - halves, means + halves, color=colour, alpha=0.2, linewidth=0)
    return drawn
