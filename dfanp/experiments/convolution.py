"""A convolutional first layer, its filters frozen and trained, by BP, FA and DFA: what DFA makes of filters."""

from typing import NamedTuple

from ..analysis.intervals import paired_differences
from ..settings import ConvSettings, made
from .experiment import CORRECTED, STUDY_SEEDS, Experiment, Series
from .table import Mean, finals_of

# data -> its settings; Adam at 0.001, batches of 128
TASKS = {
    "digits": dict(patch=3, epochs=20),
    "mnist": dict(patch=5, epochs=8),
    "fashion-mnist": dict(patch=5, epochs=8),
}


def series_of(*names):
    """Return a function that returns the Series of these data sets."""

    def series(mode, scale):
        seeds, found = scale.at_most(STUDY_SEEDS).seeds, []
        for data in ("digits",) if scale.quick else names:
            task = TASKS[data] | {"epochs": min(TASKS[data]["epochs"], scale.most_epochs)}
            if scale.quick:
                task |= {"train_size": 600, "test_size": 200, "hidden": (50,)}
            for first_layer in ("frozen", "trained"):
                for rule in ("bp", "fa", "dfa"):
                    given = dict(lr=0.001, method=rule, align=True, data=data, first_layer=first_layer, **task)
                    given |= dict(kernels=scale.kernels, device=scale.device)
                    runs = tuple(made(ConvSettings, seed=seed, **given) for seed in seeds)
                    found.append(Series(f"{rule.upper()}, {first_layer}", runs, data))
        return found

    return series


class Trained(NamedTuple):
    """What training the filters brings under a rule; each a Mean over seeds.

    Attributes:
        rule: its name.
        frozen, trained: test accuracy at the end.
        gain: their difference, paired by seed.
        cosines: of the gradient of each hidden layer with BP's, the convolution first, where the filters are trained.
    """

    rule: str
    frozen: Mean
    trained: Mean
    gain: Mean
    cosines: list


def trained(record):
    """Return what each rule has Trained in a record of this experiment."""
    of = {each["label"]: each for each in record["series"]}
    found = []
    for rule in dict.fromkeys(label.partition(",")[0] for label in of):
        before, after = (finals_of(of[f"{rule}, {filters}"]) for filters in ("frozen", "trained"))
        gain = paired_differences(after, before)
        layers = list(zip(*(run[-1] for run in of[f"{rule}, trained"]["cosines"] if run), strict=True))
        found.append(
            Trained(
                rule,
                Mean.of(before.values()),
                Mean.of(after.values()),
                Mean.of(gain),
                [Mean.of(each) for each in layers[:-1]],
            )
        )
    return found


def markdown(record):
    """Return the table of what each rule has Trained."""
    lines = ["| | filters frozen | trained | paired difference | cosine, filters | dense layer |", "|---" * 6 + "|"]
    for each in trained(record):
        cosines = ["", ""] if each.rule == "BP" else [str(cosine) for cosine in each.cosines]
        lines.append(f"| {' | '.join([each.rule, str(each.frozen), str(each.trained), str(each.gain), *cosines])} |")
    return "\n".join(lines)


def experiment(name, *data):
    """Return the Experiment on some data sets."""
    return Experiment(
        name,
        "A convolutional first layer, frozen and trained",
        "convolution",
        series_of(*data),
        (CORRECTED,),
        ("test_accuracy", "cosines"),
        last=True,
        study=True,
        table=markdown,
    )


EXPERIMENTS = (
    experiment("conv-digits", "digits"),
    experiment("conv", "mnist"),
    experiment("conv-fashion", "fashion-mnist"),
)
