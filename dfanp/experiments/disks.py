"""The synthetic problem: figures 2.2 and 3.8, and their average over labelings of the disks."""

from itertools import product

import numpy as np

from ..analysis.intervals import paired_differences
from ..problems.synthetic import balanced
from .experiment import CORRECTED, PUBLISHED, Experiment, disk_series
from .parity import NAMES
from .rates import DISKS
from .table import Mean, finals_of

SIZES, DIMENSIONS = (32, 64, 128, 256, 512), (5, 10, 15, 20, 25)
LAYERS = {"both layers": "all", "output layer alone": "output"}


def lazy(mode, scale):
    """Figure 2.2: test error by BP with SGD, both layers against the output layer alone."""
    by_n = [("n", n, {"n": n}) for n in SIZES]
    by_d = [("d", d, {"d": d}) for d in DIMENSIONS]
    return [
        disk_series(label, scale, panel, x, layers=layers, **size)
        for label, layers in LAYERS.items()
        for panel, x, size in by_n + by_d
    ]


def rules(mode, scale):
    """Figure 3.8: train and test error of BP and DFA with SGD and RMSProp, all at the rate 0.5."""
    kinds = product(("bp", "dfa"), ("sgd", "rmsprop"), DIMENSIONS)
    return [
        disk_series(f"{method.upper()}, {NAMES[opt]}", scale, x=d, method=method, opt=opt, d=d)
        for method, opt, d in kinds
    ]


def assignments(mode, scale):
    """Beyond figure 3.8: every optimizer at a tuned rate, averaged over balanced labelings of the disks."""
    every = balanced(3)
    chosen = np.random.default_rng(2021).permutation(len(every))[: scale.assignments]
    found = []
    for method, label in (("bp", "BP"), ("dfa", "DFA"), ("output", "output layer alone")):
        for place, opt in enumerate(NAMES):
            settings = dict(method="bp", layers="output") if method == "output" else dict(method=method)
            for number in chosen:
                labels = "".join(map(str, every[number]))
                one = disk_series(
                    label, scale.few, NAMES[opt], place, opt=opt, lr=DISKS[method][opt], labels=labels, **settings
                )
                found.append(one)
    return found


def errors(record):
    """Return (rule, optimizer) -> labels of the disks -> test error, the mean over the seeds that did not diverge."""
    found = {}
    for each in record["series"]:
        of = found.setdefault((each["label"], each["panel"]), {})
        if finals := finals_of(each).values():
            of[each["config"]["labels"]] = 1 - sum(finals) / len(finals)
    return found


def markdown(record):
    """Return the table of a record of labelings: the test error of each rule, and of DFA - BP, paired by labeling."""
    found = errors(record)
    rules = list(dict.fromkeys(rule for rule, _ in found))
    rates = {(each["label"], each["panel"]): each["config"]["lr"] for each in record["series"]}
    head = [column for rule in rules for column in (f"{rule}, rate", rule)]
    lines = [f"| | {' | '.join(head)} | DFA - BP, paired |", "|---" * (2 + len(head)) + "|"]
    for opt in dict.fromkeys(opt for _, opt in found):
        cells = [
            cell for rule in rules for cell in (f"{rates[rule, opt]:g}", str(Mean.of(found[rule, opt].values())))
        ]
        cells.append(str(Mean.of(paired_differences(found["DFA", opt], found["BP", opt]))))
        lines.append(f"| {opt} | {' | '.join(cells)} |")
    return "\n".join(lines)


BOTH = ("train_accuracy", "test_accuracy")
EXPERIMENTS = (
    Experiment(
        "2.2", "Disks: both layers against the output layer alone", "errors", lazy, (PUBLISHED,), BOTH, last=True
    ),
    Experiment("3.8", "Disks: BP and DFA with SGD and RMSProp", "errors", rules, (PUBLISHED,), BOTH, last=True),
    Experiment(
        "labels",
        "Disks: every optimizer, over assignments of labels",
        "spread",
        assignments,
        (CORRECTED,),
        BOTH,
        last=True,
        table=markdown,
    ),
)
