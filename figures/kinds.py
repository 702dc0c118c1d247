"""How each kind of record is drawn: ``KINDS[record["draws"]](record)`` returns a Figure."""

import numpy as np

from dfanp.analysis.intervals import mean_interval
from dfanp.experiments.adaptive import LAST, late
from dfanp.experiments.disks import errors as test_errors
from dfanp.reports.plots import scatter

from .styles import (
    COLOURS,
    FEW,
    MARKERS,
    by_panel,
    chance,
    failures,
    finals,
    legend,
    line,
    mean,
    panels,
    points,
    within,
)


def curves(record):
    """Test accuracy over the epochs, one panel per group; crosses are the published final values."""
    from matplotlib.ticker import MaxNLocator

    groups = by_panel(record)
    figure, axes = panels(len(groups), most=2 if len(groups) < 5 else 3)
    for axis, (name, group) in zip(axes, groups.items(), strict=True):
        for number, series in enumerate(group):
            runs = series["test_accuracy"]
            epochs = range(1, max(map(len, runs)) + 1)
            line(axis, number, epochs, runs, named(series) if len(groups) == 1 else series["label"])
            if series["published"] is not None:
                axis.plot(epochs[-1] * 1.04, series["published"], "x", color=COLOURS[number % 7], markersize=7)
        if any(series["published"] is not None for series in group):
            axis.plot([], [], "x", color="0.3", label="published")
        chance(axis)
        axis.set_title(name, fontsize=9, loc="left")
        axis.set_xlabel("epoch")
        axis.set_ylabel("test accuracy")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axis in axes:
        within(axis)
    one_legend_where_all_agree(figure, axes, groups.values())
    return figure


def one_legend_where_all_agree(figure, axes, groups):
    """Put one legend below axes whose curves have the same names, otherwise one into each."""
    labels = {tuple(series["label"] for series in group) for group in groups}
    if len(labels) == 1:
        legend(figure, axes)
    else:
        for axis in axes:
            axis.legend(frameon=False, fontsize=7)


def named(series):
    """Return the label of a series, with what failed below it."""
    return "\n".join(filter(None, (series["label"], failures(series))))


def legend_of(group):
    """Return what the marks of a group of series are."""
    many = max(len(series["test_accuracy"]) for series in group) >= FEW
    return "dfanp: mean, 95 % interval" if many else "dfanp: each seed, and the mean"


def by_optimizer(record):
    """Final test accuracy, one mark per setting and one panel per rule; crosses are the published means."""
    groups = by_panel(record)
    figure, axes = panels(len(groups), most=2, width=4.8, sharey=True)
    for axis, (name, group) in zip(axes, groups.items(), strict=True):
        places = points(axis, 0, 1, list(map(named, group)), list(map(finals, group)), legend_of(group))
        for place, series in zip(places, group, strict=True):
            if series["published"] is not None:
                axis.plot(place + 0.2, series["published"], "x", color=COLOURS[1], markersize=7, markeredgewidth=2)
        if any(series["published"] is not None for series in record["series"]):
            axis.plot([], [], "x", color=COLOURS[1], label="published")
        chance(axis)
        axis.set_title(name, fontsize=9, loc="left")
        axis.tick_params(axis="x", rotation=30)
    axes[0].set_ylabel("test accuracy at the end")
    legend(figure, axes)
    return figure


def errors(record):
    """Error against a size: one panel per kind of size, or one for test and one for training error."""
    groups = by_panel(record)
    if len(groups) > 1:
        parts = [(f"test error over {name}", group, "test_accuracy", name) for name, group in groups.items()]
    else:
        (group,) = groups.values()
        parts = [(f"{kind} error over d", group, f"{kind}_accuracy", "d") for kind in ("test", "train")]
    figure, axes = panels(len(parts), most=2)
    for axis, (title, group, measure, size) in zip(axes, parts, strict=True):
        for number, label in enumerate(dict.fromkeys(series["label"] for series in group)):
            own = [series for series in group if series["label"] == label]
            for_each = [[run[-1] for run in series[measure]] for series in own]
            runs = [[None if v is None else 1 - v for v in run] for run in zip(*for_each, strict=True)]
            line(axis, number, [series["x"] for series in own], runs, label)
        if size == "n":
            axis.set_xscale("log", base=2)
        sizes = sorted({series["x"] for series in group})
        axis.set_xticks(sizes, [f"{at:g}" for at in sizes])
        within(axis, 0.0)
        axis.set_xlabel(size)
        axis.set_ylabel("error")
        axis.set_title(title, fontsize=9, loc="left")
    legend(figure, axes)
    return figure


def spread(record):
    """Test error by optimizer: the mean over labelings (of each, the mean over its seeds)."""
    figure, (axis,) = panels(1, width=7.6)
    labels = list(dict.fromkeys(series["label"] for series in record["series"]))
    names, of = list(by_panel(record)), test_errors(record)
    for number, label in enumerate(labels):
        groups = [list(of[label, name].values()) for name in names]
        points(axis, number, len(labels), names, groups, label)
    axis.set_ylim(bottom=0)
    axis.set_ylabel("test error")
    legend(figure, [axis])
    return figure


def alignment(record):
    """Test accuracy, and the cosines of B and of the gradient, over the epochs."""
    titles = {
        "test accuracy": None,
        "cosine of B with W1ᵀ": "feedback",
        "cosine of the gradient of W0 with BP's": "gradient",
    }
    figure, axes = panels(3, width=3.9)
    for axis, (title, kind) in zip(axes, titles.items(), strict=True):
        for number, series in enumerate(record["series"]):
            runs = [run[kind] for run in series["alignment"]] if kind else series["test_accuracy"]
            if any(runs):
                line(axis, number, range(1, max(map(len, runs)) + 1), runs, named(series))
        if kind:
            axis.axhline(0, color="0.6", linewidth=1, linestyle=(0, (1, 3)))
        else:
            chance(axis)
        within(axis, None if kind is None else 0.0)
        axis.set_title(title, fontsize=9, loc="left")
        axis.set_xlabel("epoch")
    legend(figure, axes)
    return figure


def maps(record):
    """t-SNE maps of single digits as numerals, odd ones orange and bold.

    The titles give the accuracy of the probes.
    """
    rows, drawn = record["analysis"]["rows"], record["analysis"]["maps"]
    drawn = [
        each for i, each in enumerate(drawn) if each["when"] != "before" or i == 0
    ]  # before training the rules do not differ
    figure, axes = panels(len(drawn), width=4.4, height=4.3)
    for axis, each in zip(axes, drawn, strict=True):
        digits = np.array(each["digit"][:600])
        scatter(axis, np.array(each["points"][:600]), {"digit": digits, "parity": digits % 2})
        same = [row for row in rows if (row["label"], row["when"]) == (each["label"], each["when"])]
        share = lambda name, probe, same=same: np.mean([row[name][probe] for row in same])
        who = {
            "before": "before training",
            "after": f"{each['label']}, trained",
            "published": f"{each['label']}, as published",
        }
        axis.set_title(
            f"{who[each['when']]}: parity {share('parity', 'leading'):.2f} in two components,\n"
            f"{share('parity', 'neighbours'):.2f} in all; digit {share('digit', 'neighbours'):.2f} (15 neighbours)",
            fontsize=8, loc="left",
        )  # fmt: skip
    return figure


def along(record):
    """Final test accuracy against a size, or for each of some names."""
    figure, (axis,) = panels(1, width=5.6)
    labels = list(dict.fromkeys(series["label"] for series in record["series"]))
    for number, label in enumerate(labels):
        own = [series for series in record["series"] if series["label"] == label]
        if own[0]["panel"]:
            points(axis, number, len(labels), [series["panel"] for series in own], list(map(finals, own)), label)
        else:
            line(
                axis,
                number,
                [series["x"] for series in own],
                list(map(list, zip(*map(padded, own), strict=True))),
                label,
            )
    chance(axis)
    failed = [
        f"{each['label']}, {each['panel'] or each['x']}: {why}"
        for each in record["series"]
        if (why := failures(each))
    ]
    if not record["series"][0]["panel"]:
        within(axis)
        places = sorted({series["x"] for series in record["series"]})
        if places[-1] > 20:
            axis.set_xscale("log", base=2)
        axis.set_xticks(places, [f"{place:g}" for place in places])
        axis.minorticks_off()
    axis.set_xlabel("\n".join([record["figure"], *failed]))
    axis.set_ylabel("test accuracy at the end")
    legend(figure, [axis])
    return figure


def padded(series):
    """Return the last test accuracy of each run, None where it diverged."""
    return [run[-1] if run else None for run in series["test_accuracy"]]


def readouts(record):
    """Accuracy of a linear readout of digits, before and after training on parity."""
    rows = record["analysis"]["rows"]
    labels = list(dict.fromkeys(row["label"] for row in rows))
    figure, axes = panels(2, most=2)
    for axis, what in zip(axes, ("digit", "parity"), strict=True):
        for number, when in enumerate(("before", "after")):
            groups = [[row[what] for row in rows if (row["label"], row["when"]) == (label, when)] for label in labels]
            points(axis, number, 2, labels, groups, f"{when} training on parity")
        axis.set_title(f"linear readout of the {what}", fontsize=9, loc="left")
        axis.tick_params(axis="x", rotation=20)
    axes[0].set_ylabel("accuracy on other digits")
    legend(figure, axes)
    return figure


def rules(record):
    """Test error of each rule against the cosine of its gradient with BP's, and against what a step costs."""
    from matplotlib.ticker import LogLocator

    axes_of = {
        "cosine of the gradient of W0 with BP's": lambda each, cost: mean_cosine(each),
        "multiplications of a step, by those of BP": lambda each, cost: cost["multiplications"],
        "bytes moved by a step, by those of BP": lambda each, cost: cost["bytes"],
    }
    costs = {each["label"]: each for each in record["analysis"]["costs"]}
    figure, axes = panels(3, width=5.0)
    for axis, (name, x_of) in zip(axes, axes_of.items(), strict=True):
        unit = 1.0 if axis is axes[0] else x_of(None, costs["bp"])
        points = [(x_of(each, costs[each["label"]]) / unit, 1 - mean(each)) for each in record["series"]]
        if axis is axes[0]:
            names = {}  # rules whose points coincide share a name
            for each, (x, y) in zip(record["series"], points, strict=True):
                same = (place for place in names if abs(place[0] - x) < 0.02 and abs(place[1] / y - 1) < 0.03)
                names.setdefault(next(same, (x, y)), []).append(each["label"])
            for place, labels in names.items():
                axis.annotate("\n".join(labels), place, (4, 3), textcoords="offset points", fontsize=6, color="0.3")
        for number, (each, (x, y)) in enumerate(zip(record["series"], points, strict=True)):
            style = {"color": COLOURS[number % 7], "marker": MARKERS[number // 7 % 7]}
            half = mean_interval(finals(each))[1] or 0.0
            axis.errorbar(x, y, half, **style, markersize=5, linestyle="none", linewidth=1, label=each["label"])
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.minorticks_off()
        axis.axhline(0.5, color="0.6", linewidth=1, linestyle=(0, (1, 3)))
        axis.set_xlabel(name)
    axes[0].set_ylabel("test error at the end")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, frameon=False, fontsize=8)
    return figure


def convolution(record):
    """Test accuracy with frozen and with trained filters by rule, and the cosines of the gradients of conv and dense layer."""
    series = {each["label"]: each for each in record["series"]}
    rules_ = list(dict.fromkeys(label.partition(",")[0] for label in series))
    figure, axes = panels(2, most=2)
    for number, filters in enumerate(("frozen", "trained")):
        points(
            axes[0],
            number,
            2,
            rules_,
            [finals(series[f"{rule}, {filters}"]) for rule in rules_],
            f"{filters} filters",
        )
    axes[0].set_ylabel("test accuracy at the end")
    others = [rule for rule in rules_ if rule != "BP"]
    for number, layer in enumerate(("convolution", "dense layer")):
        of = lambda rule, number=number: [run[-1][number] for run in series[f"{rule}, trained"]["cosines"] if run]
        points(axes[1], 2 + number, 4, others, list(map(of, others)), f"cosine, {layer}")
    axes[1].axhline(0, color="0.6", linewidth=1, linestyle=(0, (1, 3)))
    axes[1].set_ylabel("cosine with BP's gradient")
    axes[1].set_ylim(-1, 1)
    legend(figure, axes)
    return figure


def when_aligned(record):
    """Cosine of the gradient of W0 with BP's against what is varied, one panel each; crosses are the theory's."""
    groups, theory = by_panel(record), record["analysis"]["theory"]
    figure, axes = panels(len(groups), most=2)
    for axis, (name, group) in zip(axes, groups.items(), strict=True):
        places = list(dict.fromkeys(series["x"] for series in group))
        for number, label in enumerate(dict.fromkeys(series["label"] for series in group)):
            own = [series for series in group if series["label"] == label]
            runs = [[run[-1][0] if run else None for run in series["cosines"]] for series in own]
            line(axis, number, range(len(places)), list(map(list, zip(*runs, strict=True))), label)
            for place, x in enumerate(places):
                said = [
                    row["cosines"][0] for row in theory if (row["label"], row["panel"], row["x"]) == (label, name, x)
                ]
                if said:
                    first = (
                        None
                        if axis.get_legend_handles_labels()[1].count("theory, weights from zero")
                        else "theory, weights from zero"
                    )
                    axis.plot(place, sum(said) / len(said), "x", color="0.3", markersize=8, zorder=4, label=first)
        axis.set_xticks(range(len(places)), [f"{x:g}" for x in places])
        axis.set_ylim(-0.05, 1.05)
        axis.set_xlabel(name)
        axis.set_ylabel("cosine of the gradient of W0")
    legend(figure, axes)
    return figure


def online(record):
    """Test loss over the epochs, one panel for each student, and what the theory says of it."""
    theory = {(row["panel"], row["label"]): row["test_loss"] for row in record["analysis"]["theory"]}
    groups = by_panel(record)
    figure, axes = panels(len(groups))
    for axis, (name, group) in zip(axes, groups.items(), strict=True):
        for number, each in enumerate(group):
            line(axis, number, range(1, len(each["test_loss"][0]) + 1), each["test_loss"], each["label"])
        for each in group:
            said = theory[name, each["label"]]
            axis.plot(range(1, len(said) + 1), said, "--", color="0.1", linewidth=1.2, zorder=4, label="theory")
        axis.set(title=name, xlabel="epoch: examples by number of inputs", xscale="log", yscale="log")
    axes[0].set_ylabel("test loss")
    legend(figure, axes)
    return figure


def adaptive(record):
    """Mean test accuracy of the last epochs for each way to adapt, BP and DFA."""
    figure, (axis,) = panels(1, width=9.0)
    for number, (rule, group) in enumerate(by_panel(record).items()):
        points(
            axis, number, 2, [each["label"] for each in group], [list(late(each).values()) for each in group], rule
        )
    chance(axis)
    within(axis)
    axis.tick_params(axis="x", rotation=20)
    axis.set_ylabel(f"accuracy, last {LAST} epochs")
    legend(figure, [axis])
    return figure


def published(record):
    """Test error over the epochs, on a logarithmic axis, one panel per group; crosses are the published numbers."""
    from matplotlib.ticker import LogLocator, NullFormatter

    groups, cells = by_panel(record), {}
    for cell in record["cells"]:
        if cell["published"] is not None and cell["quantity"] != "angle":
            cells.setdefault(cell["row"], []).append(cell)
    figure, axes = panels(len(groups), most=2, width=5.2)
    for axis, (name, group) in zip(axes, groups.items(), strict=True):
        for number, series in enumerate(group):
            runs = [[None if a is None else 1 - a for a in run] for run in series["test_accuracy"]]
            epochs = range(1, max(map(len, runs)) + 1)
            line(axis, number, epochs, runs, series["label"])
            for cell in cells.get(", ".join(filter(None, (name, series["label"]))), ()):
                error = (100 - cell["published"] if cell["quantity"] == "accuracy" else cell["published"]) / 100
                style = {"color": COLOURS[number % 7], "markersize": 9, "markeredgewidth": 2}
                axis.plot(cell["epoch"] or epochs[-1], error, "x", **style)
        if cells:
            axis.plot([], [], "x", color="0.3", label="published")
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter(lambda error, _: f"{100 * error:g} %")
        axis.yaxis.set_minor_formatter(NullFormatter())
        axis.set_title(name, fontsize=9, loc="left")
        axis.set_xlabel("epoch")
        axis.set_ylabel("test error")
    one_legend_where_all_agree(figure, axes, groups.values())
    return figure


def mean_cosine(series):
    """Return the mean last cosine of the gradient of W0, over the runs."""
    values = [
        run["gradient"][-1] for run in series["alignment"] if run["gradient"] and run["gradient"][-1] is not None
    ]
    return sum(values) / len(values) if values else float("nan")


KINDS = {
    "curves": curves,
    "bars": by_optimizer,
    "errors": errors,
    "spread": spread,
    "alignment": alignment,
    "maps": maps,
    "along": along,
    "readouts": readouts,
    "rules": rules,
    "convolution": convolution,
    "when_aligned": when_aligned,
    "adaptive": adaptive,
    "online": online,
}
