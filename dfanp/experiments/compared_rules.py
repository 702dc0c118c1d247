"""All rules on one problem: the parity of two of the embedded digits, two hidden layers of 64, Adam."""

from ..analysis.costs import of_step
from ..analysis.intervals import paired_differences
from ..rules import RULES
from ..runs.run import build
from ..settings import ParitySettings, made
from . import rates
from .experiment import CORRECTED, Experiment, Series
from .table import Mean, finals_of, lowest

TASK = dict(
    data="digits", k=2, train_size=6000, test_size=2000, hidden=(64, 64), opt="adam", batch_size=64, epochs=15
)


def series(mode, scale):
    """Return the runs of each rule, at the rate tuned for it."""
    task = TASK | {"epochs": min(TASK["epochs"], scale.most_epochs)}
    if scale.quick:
        task |= {"train_size": min(600, scale.train_size), "test_size": min(200, scale.test_size)}
    found = []
    for rule in RULES:
        lr = rates.RULES_ON_DIGITS.get(rule)
        if lr is not None:  # a rule of a plugin has none
            given = dict(lr=lr, method=rule, align=True, kernels=scale.kernels, device=scale.device, **task)
            found.append(Series(rule, tuple(made(ParitySettings, seed=seed, **given) for seed in scale.seeds)))
    return found


def costs(each, mode, scale, checkpoint, dataset, workers):
    """Return the cost of a step of each rule: multiplications in products of matrices, and bytes moved."""
    found = []
    for one in each:
        cost = of_step(build(one.settings[0], dataset=dataset))
        found.append({"label": one.label, "multiplications": cost.multiplications, "bytes": cost.bytes})
    return {"costs": found}


def markdown(record):
    """Return the table of a record of rules: rate, test accuracy, worst seed, and what is lost against BP, over paired seeds."""
    finals = {each["label"]: finals_of(each) for each in record["series"]}
    lines = ["| | rate | test accuracy | worst seed | BP's less its, paired |", "|---|---|---|---|---|"]
    for each in record["series"]:
        own = finals[each["label"]]
        less = "" if each["label"] == "bp" else Mean.of(paired_differences(finals["bp"], own))
        worst = lowest(min(own.values(), default=None))
        cells = [each["label"], f"{each['config']['lr']:g}", Mean.of(own.values()).counted, worst, less]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


EXPERIMENTS = (
    Experiment(
        "rules",
        "All rules on the parity of two digits",
        "rules",
        series,
        (CORRECTED,),
        ("test_accuracy", "alignment"),
        last=True,
        table=markdown,
        analyse=costs,
    ),
)
