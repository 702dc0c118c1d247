"""The sections of a report that need the networks: weights as images, and the confusion of their predictions."""

import numpy as np
from scipy.linalg import norm

from ..alignment import cosine
from ..analysis.confusion import shares
from ..analysis.intervals import mean_interval
from ..baselines import BASELINES
from .figures import by_group, key, switches, weight_images
from .pages import decimal, element, figure, table

UNITS = 12  # hidden units whose weights are shown
FULL = 0.995  # quantile of the absolute weights that is drawn in full colour
MOST_CLASSES = 30  # in a table
MOST_DISKS = 10  # along a side, in a table
RIGHT = "Lines mark the right answer. Equal shares mean that the network does not count odd digits at all."


def weights(runs, numbers):
    """Return the section of first-layer weights before and after training: images, or lines for the disks."""
    parts = []
    for run in runs:
        if len(runs) > 1:
            parts.append(element("h3", run.label))
        if run.missing:
            parts.append(left_out("Its weights are", run))
        elif has(run, "digits"):
            parts += images(run, numbers)
        elif has(run, "disks"):
            parts += planes(run, numbers)
        else:
            parts.append(element("p", "Weights of this problem cannot be shown as a picture.", class_="note"))
    return parts


def has(run, groups):
    """Whether the problem of a run has these groups of examples: "digits", "disks"."""
    return groups in run.seed_reports[0].predictions.groups


def left_out(what, run):
    """Return a paragraph that says why a part of the page is missing."""
    return element("p", f"{what} left out: {run.missing}.", class_="note")


def strongest(network):
    """Return the first-layer units with the largest outgoing weights (sum of absolute values), largest first."""
    outgoing = np.abs(host(network, "W1")).sum(axis=1)
    return [int(unit) for unit in np.argsort(-outgoing, kind="stable")[:UNITS]]


def host(network, name):
    """Return a parameter as a NumPy array, float64."""
    return np.asarray(network.backend.to_host(network.parameters[name]), float)


def votes_of(network):
    """Return the weight of each hidden unit in the output, (H,), or None with several hidden layers."""
    return host(network, "W1")[:, 0] if len(network.sizes) == 3 else None


def stages(seed_report, settings):
    """Return title -> network: before and after training, or a single one if the first layer is not trained."""
    if settings.layers == "output" or "W0" in seed_report.final.fixed:
        return {"First-layer weights, which are not trained": seed_report.final}
    return {"Before training": seed_report.initial, f"After epoch {seed_report.epoch}": seed_report.final}


def images(run, numbers):
    """Return figures of the weights of a parity run, one image per place."""
    seed_report = run.seed_reports[0]
    units, votes, k = strongest(seed_report.final), votes_of(seed_report.final), run.settings.k
    before, after = host(seed_report.initial, "W0"), host(seed_report.final, "W0")
    full = {unit: np.quantile(np.abs([before[:, unit], after[:, unit]]), FULL) or 1.0 for unit in units}
    size = lambda W: norm(W[:, units].ravel()) / np.sqrt(W[:, units].size)
    unchanged = cosine(np, before[:, units], after[:, units])
    figures = []
    for title, network in stages(seed_report, run.settings).items():
        W = host(network, "W0")
        own = {unit: float(host(network, "W1")[unit, 0]) for unit in units} if votes is not None else None
        words = (
            f"{title}, {run.label}: first-layer weights of hidden units {', '.join(map(str, units))} as images, one for each of "
            f"{k} places. Their root mean square is {decimal(size(W), 4)}; the cosine of trained and initial ones is {unchanged:.2f}."
        )
        drawn = weight_images(W, full, k, seed_report.problem.dataset.side, own)
        figures.append(figure(drawn, next(numbers), title, words))
    numbered = "Above each is its number" + (" and its weight in the output" if votes is not None else "")
    gate = " They belong to the linear layer behind the gate." if run.settings.method.startswith("ntk") else ""
    note = (
        f"Seed {seed_report.seed}: the first-layer weights of the {len(units)} hidden units whose outgoing weights are largest after training, as "
        f"the images that they are multiplied with, one for each place.{gate} {numbered}. Orange is above 0, blue below; the scale is the unit's "
        f"own, the same before and after. Root mean square {decimal(size(before), 4)} before, {decimal(size(after), 4)} after; cosine between them {unchanged:.2f}."
    )
    return [element("p", note, class_="note"), element("div", *figures, class_="figures")]


def planes(run, numbers):
    """Return figures of the lines on which the hidden units of a run on the disks switch."""
    if run.settings.method in BASELINES:
        text = "Its weights are not shown: the hidden units of a lazy baseline do not learn where to switch."
        return [element("p", text, class_="note")]
    seed_report, figures = run.seed_reports[0], []
    units = strongest(seed_report.final)
    for title, network in stages(seed_report, run.settings).items():
        W, b = host(network, "W0"), host(network, "b0") if network.bias else None
        outgoing = votes_of(network)
        signs = dict(enumerate(host(network, "W1").sum(axis=1) if outgoing is None else outgoing))
        of_plane = (norm(W[1:3, units].ravel()) / (norm(W[:, units].ravel()) or 1.0)) ** 2
        words = (
            f"{title}, {run.label}: the lines on which hidden units {', '.join(map(str, units))} switch, among the disks. "
            f"The two coordinates of the plane hold {of_plane:.2f} of their squared weights."
        )
        drawn = switches(W, b, units, signs, run.settings.c, seed_report.problem.labels)
        share = f" The two coordinates of the plane hold {of_plane:.2f} of the squared weights of the units."
        figures.append(figure(drawn, next(numbers), title, words, share))
    note = (
        f"Seed {seed_report.seed}: the lines on which the {len(units)} hidden units with the largest outgoing weights switch, in the plane of the disks, where "
        "all uninformative coordinates are 0. Filled disks are labelled 1. Solid orange lines are units with a positive weight in the "
        "output, dashed blue lines with a negative one; a wider line is a larger weight."
    )
    return [element("p", note, class_="note"), element("div", *figures, class_="figures")]


def confusion(runs, numbers):
    """Return the section of the confusion of the trained networks on the test set of their last epoch."""
    parts = []
    for run in runs:
        if len(runs) > 1:
            parts.append(element("h3", run.label))
        parts += [left_out("Its confusion is", run)] if run.missing else counted(run)
    shown = {number: run for number, run in enumerate(runs) if run.seed_reports}
    parity = {number: run for number, run in shown.items() if has(run, "digits")}
    drawn = (*by_odd_digits(runs, parity, numbers), *by_digit(runs, parity, numbers))
    if drawn:
        parts += [element("h3", "Where the mistakes are"), element("div", *drawn, class_="figures")]
    for run in shown.values():
        parts += by_place(run) if has(run, "digits") else by_disk(run) if has(run, "disks") else []
    return parts


def counted(run):
    """Return the table of true and predicted classes, pooled over the seeds, and a comparison with the log."""
    counts = sum(seed_report.predictions.counts() for seed_report in run.seed_reports)
    names = getattr(run.seed_reports[0].problem, "classes", None) or tuple(map(str, range(len(counts))))
    if len(names) > MOST_CLASSES:
        return [element("p", f"{run.label}: a table of its {len(names)} classes would be too large.", class_="note")]
    rows = []
    for name, row in zip(names, counts, strict=True):
        cells = [f"{many} ({many / max(1, row.sum()):.1%})".replace("%", " %") for many in row]
        rows.append([name, *(element("td", cell, class_="number") for cell in cells)])
    right, seeds = np.trace(counts) / counts.sum(), len(run.seed_reports)
    pooled = "one seed" if seeds == 1 else f"{seeds} seeds pooled"
    more = f" (the first of {len(run.settings.seeds)})" if seeds < len(run.settings.seeds) - len(run.diverged) else ""
    caption = f"{run.label}: {counts.sum()} test examples of epoch {run.seed_reports[0].epoch}, {pooled}{more}; {right:.4f} are right"
    made = table(caption, ["true", *(f"predicted {name}" for name in names)], rows)
    return [made, *against_the_log(run)]


def against_the_log(run):
    """Return paragraphs on the seeds for which the log has another accuracy, and whether rounding may explain it."""
    parts = []
    for seed_report in run.seed_reports:
        logged, found, n = (
            run.logged(seed_report.seed, seed_report.epoch),
            seed_report.predictions.accuracy,
            len(seed_report.predictions.true),
        )
        others = None if logged is None else round(abs(logged - found) * n, 1)
        if others is None or others > seed_report.predictions.close:
            text = f"The log has another accuracy: seed {seed_report.seed} {found:.4f}, not {logged}."
            parts.append(element("p", text, class_="warn"))
        elif others > 0:
            text = (
                f"The accuracy of seed {seed_report.seed} is {logged:.4f} in the log and {found:.4f} here: some outputs are so close to 0 "
                f"({seed_report.predictions.close} of {n}) that the order of summation decides their sign."
            )
            parts.append(element("p", text, class_="note"))
    return parts


def over_seeds(each):
    """Return means and half-widths (None for a single seed) over the rows of `each`, one entry per column."""
    intervals = [mean_interval(column) for column in np.transpose(each)]
    means, halves = zip(*intervals, strict=True)
    return np.array(means), None if halves[0] is None else np.array(halves)


def by_odd_digits(runs, parity, numbers):
    """Return the figure of how often examples are classified as odd, by their number of odd digits, if k > 1."""
    parity = {number: run for number, run in parity.items() if run.settings.k > 1}
    if not parity:
        return []
    most = max(run.settings.k for run in parity.values())
    series = {
        number: over_seeds([shares(a.predicted == 1, a.odd, run.settings.k + 1) for a in predictions_of(run)])
        for number, run in parity.items()
    }
    drawn = by_group(
        series, most + 1, "odd digits in the example", "share classified as odd", np.arange(most + 1) % 2
    )
    words = "Share of examples classified as odd, by the number of odd digits in them; the right answer is 0 for even numbers and 1 for odd ones. "
    words += listed(runs, series)
    return [
        figure(drawn, next(numbers), "How often an example is classified as odd", words, key(runs, series), RIGHT)
    ]


def by_digit(runs, parity, numbers):
    """Return the figure of the error rate of the examples that contain a digit, for each digit."""
    if not parity:
        return []
    series = {
        number: over_seeds([shares(a.wrong, a.digits, 10) for a in predictions_of(run)])
        for number, run in parity.items()
    }
    drawn = by_group(series, 10, "a digit of the example", "error rate")
    words = f"Error rate of examples by a digit in them, all places together. {listed(runs, series)}"
    return [figure(drawn, next(numbers), "Errors by digit, all places together", words, key(runs, series))]


def predictions_of(run):
    """Return the Predictions of each seed that is shown."""
    return [seed_report.predictions for seed_report in run.seed_reports]


def listed(runs, series):
    """Return the shares of each run in words."""
    sentences = []
    for number, (means, _) in series.items():
        pairs = ", ".join(f"{group}: {mean:.2f}" for group, mean in enumerate(means) if np.isfinite(mean))
        sentences.append(f"{runs[number].label}, {pairs}.")
    return " ".join(sentences)


def share_cell(value, text=None):
    """Return a cell that is shaded by a share; a dash for NaN."""
    if not np.isfinite(value):
        return element("td", "–", class_="share", style="--share:0")
    return element("td", text or f"{value:.3f}", class_="share", style=f"--share:{value:.3f}")


def by_place(run):
    """Return the table of the error rate by digit and place, the mean over the seeds."""
    k = run.settings.k
    each = np.mean([[shares(a.wrong, a.digits[:, p], 10) for p in range(k)] for a in predictions_of(run)], axis=0)
    body = [[str(digit), *(share_cell(each[p, digit]) for p in range(k))] for digit in range(10)]
    made = table(
        f"{run.label}: error rate of examples with a digit at a place",
        ["digit", *(f"place {p + 1}" for p in range(k))],
        body,
    )
    return [element("details", element("summary", f"{run.label}: errors by digit and place"), made)]


def by_disk(run):
    """Return the table of the error rate by disk, laid out like the disks."""
    c, labels = run.settings.c, run.seed_reports[0].problem.labels
    if c > MOST_DISKS:
        return [element("p", f"{run.label}: a table of its {c * c} disks would be too large.", class_="note")]
    each = np.mean([shares(a.wrong, a.disks, c * c) for a in predictions_of(run)], axis=0).reshape(c, c)
    cell_text = lambda row, column: f"{labels[row * c + column]}: {each[row, column]:.3f}"
    body = [
        [f"row {row + 1}", *(share_cell(each[row, column], cell_text(row, column)) for column in range(c))]
        for row in reversed(range(c))
    ]
    head = ["", *(f"column {column + 1}" for column in range(c))]
    return [table(f"{run.label}: label and error rate of each disk, laid out as in the plane", head, body)]
