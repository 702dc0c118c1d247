"""The titles of the figures: the result of each record in one sentence. All numbers are taken from the record."""

import numpy as np

from dfanp.experiments.adaptive import gains
from dfanp.experiments.convolution import trained
from dfanp.experiments.disks import errors
from dfanp.experiments.online import distances

from .styles import by_panel, finals, mean


def pick(record, label, panel=""):
    """Return the mean final test accuracy of a series."""
    return next(mean(each) for each in record["series"] if (each["label"], each["panel"]) == (label, panel))


def lazy(record):
    one, three = (
        {each["label"]: mean(each) for each in record["series"] if each["panel"] == f"k = {k}"} for k in (1, 3)
    )
    random = [name for name in three if not name.startswith("BP")]
    return (
        f"One digit: every method reaches {min(one.values()):.2f} or more. Three digits: BP reaches "
        f"{max(value for name, value in three.items() if name not in random):.2f}, lazy methods "
        f"{max(three[name] for name in random):.2f} at best"
    )


def with_sgd(record):
    gaps = [f"{pick(record, 'BP', p) - pick(record, 'DFA', p):.3f} for {p}" for p in ("k = 1", "k = 3")]
    return f"With SGD, the final accuracy of DFA is below that of backpropagation by {' and by '.join(gaps)}"


def feedbacks(record):
    means = {each["label"]: mean(each) for each in record["series"]}
    ranked = sorted(means, key=means.get)
    return f"DFA with SGD ends at {means[ranked[0]]:.3f} ({ranked[0]} B) to {means[ranked[-1]]:.3f} ({ranked[-1]} B)"


def optimizers(record):
    found = [
        f"{name} {at_rate(record, name, 'BP')} and {at_rate(record, name, 'DFA')}" for name in ("RMSProp", "Adam")
    ]
    counts = "epochs" if record["mode"] == "published" else "steps"
    return f"Final accuracy: {'; '.join(found)}. Adam counts {counts}"


def at_rate(record, label, panel):
    """Return the mean final test accuracy of a series, its rule and its learning rate, as text."""
    lr = next(each["config"]["lr"] for each in record["series"] if (each["label"], each["panel"]) == (label, panel))
    return f"{pick(record, label, panel):.3f} ({panel}, rate {lr:g})"


def adam(record):
    labels = dict.fromkeys(each["label"] for each in record["series"])
    found = [f"{label} {pick(record, label, 'BP'):.3f} and {pick(record, label, 'DFA'):.3f}" for label in labels]
    return f"Final accuracy with Adam (BP and DFA): {'; '.join(found)}"


def disks(record):
    error = lambda label, panel, x: (
        1
        - next(
            mean(each) for each in record["series"] if (each["label"], each["panel"], each["x"]) == (label, panel, x)
        )
    )
    both, output = (error(label, "n", 256) for label in ("both layers", "output layer alone"))
    return f"At n = 256, d = 15 the test error is {both:.3f} with both layers trained and {output:.3f} with the output layer alone"


def disk_rules(record):
    last = max(each["x"] for each in record["series"])
    errors = [f"{each['label']} {1 - mean(each):.2f}" for each in record["series"] if each["x"] == last]
    return f"Test error at d = {last}: {'; '.join(errors)}"


def disk_labels(record):
    found = errors(record)
    means = {name: float(np.mean(list(of.values()))) for name, of in found.items() if of}
    lowest = []
    for rule in dict.fromkeys(label for label, _ in means):
        error, opt = min((value, opt) for (label, opt), value in means.items() if label == rule)
        lowest.append(f"{rule} {error:.3f} ({opt})")
    assignments = max(map(len, found.values()))
    return f"Mean test error over {assignments} labelings of the disks, with the best optimizer: {', '.join(lowest)}"


def alignment(record):
    aligned = [each for each in record["series"] if each["alignment"] and each["alignment"][0]["feedback"]]
    cosines = [
        f"{np.mean([run['feedback'][-1] for run in each['alignment'] if run['feedback']]):.2f} ({each['label']})"
        for each in aligned
    ]
    return f"Cosine of B with W1ᵀ after the last epoch: {', '.join(cosines)}"


def maps(record):
    rows = record["analysis"]["rows"]
    if record["mode"] == "published":
        return "As published: an untrained network, coloured by the labels of other digits, shows no structure"
    share = lambda when: np.mean([row["parity"]["leading"] for row in rows if row["when"] == when])
    return (
        f"Two principal components predict the parity of a single digit with accuracy {share('after'):.2f} after training on "
        f"three digits, {share('before'):.2f} before"
    )


def transfer(record):
    rows = record["analysis"]["rows"]
    share = lambda label, when: np.mean(
        [row["digit"] for row in rows if (row["label"], row["when"]) == (label, when)]
    )
    accuracies = [
        f"{label}: {share(label, 'before'):.3f} to {share(label, 'after'):.3f}"
        for label in dict.fromkeys(r["label"] for r in rows)
    ]
    return "Accuracy of digits read out from features of parity, before and after training. " + "; ".join(accuracies)


def rates(record):
    found = {}
    for each in record["series"]:
        found.setdefault(each["panel"], []).append(mean(each))
    spreads = {name: np.nanmax(values) - np.nanmin(values) for name, values in found.items()}
    most, least = max(spreads, key=spreads.get), min(spreads, key=spreads.get)
    return f"Final accuracy varies over the three rates by {spreads[most]:.3f} ({most}) at most, by {spreads[least]:.3f} ({least}) at least"


def along(record):
    ranges = []
    for label in dict.fromkeys(each["label"] for each in record["series"]):
        own = {each["panel"] or f"{each['x']:g}": mean(each) for each in record["series"] if each["label"] == label}
        low, high = min(own, key=own.get), max(own, key=own.get)
        ranges.append(f"{label} {own[low]:.3f} ({low}) and {own[high]:.3f} ({high})")
    return f"Lowest and highest final accuracy by {record['figure']}: {'; '.join(ranges)}"


def rules(record):
    means = {each["label"]: mean(each) for each in record["series"] if finals(each)}
    ranked = sorted(means, key=means.get)
    near = sorted(name for name in means if name != "bp" and means[name] > means["bp"] - 0.01)
    return (
        f"Parity of two digits: BP ends at {means['bp']:.3f}; within 0.01 of it {', '.join(near) if near else 'no rule'}. "
        f"The lowest are {', '.join(f'{name} {means[name]:.2f}' for name in ranked[:3])}"
    )


def convolution(record):
    each = trained(record)
    changes = [
        f"{one.rule} {one.gain.mean:+.3f}" + (f" ± {one.gain.half:.3f}" if one.gain.half else "") for one in each
    ]
    cosines = [f"{one.cosines[0].mean:.2f} ({one.rule})" for one in each if one.rule != "BP"]
    return (
        f"{record['data']}: training the filters changes the accuracy by {', '.join(changes)}; "
        f"cosine of their gradient with BP's {' and '.join(cosines)}"
    )


def when_aligned(record):
    cosine = lambda each: np.mean([run[-1][0] for run in each["cosines"] if run])
    found = []
    for panel, group in by_panel(record).items():
        along = [cosine(each) for each in group if each["label"] == "orthogonal B"]
        found.append(f"{panel} {min(along):.2f} to {max(along):.2f}")
    return f"Cosine of the gradient of W0 with BP's, orthogonal B, lowest and highest along each axis: {'; '.join(found)}"


def online(record):
    off = [100 * each for each in distances(record).values()]
    medians = [np.median(each) for each in off]
    return (
        f"The mean test loss is off the theory by {min(medians):.0f} to {max(medians):.0f} per cent in the median epoch, by "
        f"{max(map(np.max, off)):.0f} at most"
    )


def adaptive(record):
    of = lambda each: f"{each.label} {each.differences['DFA'].mean:.3f} and {each.differences['BP'].mean:.3f}"
    found = [of(each) for each in gains(record) if not each.label.startswith("SGD")]
    return f"Gain over SGD (DFA and BP): {', '.join(found)}"


FINDINGS = {
    "2.1": lazy,
    "2.2": disks,
    "3.1": with_sgd,
    "3.2": alignment,
    "3.3": feedbacks,
    "3.4": optimizers,
    "3.5": alignment,
    "3.7": maps,
    "3.8": disk_rules,
    "B.1": rates,
    "B.2": rates,
    "adam": adam,
    "labels": disk_labels,
    "transfer": transfer,
    "depth": along,
    "width": along,
    "activation": along,
    "rules": rules,
    "conv-digits": convolution,
    "conv": convolution,
    "conv-fashion": convolution,
    "align": when_aligned,
    "adaptive": adaptive,
    "online": online,
}
