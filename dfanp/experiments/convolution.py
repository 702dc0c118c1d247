"""A convolutional first layer, its filters frozen and trained, by BP, FA and DFA: what DFA makes of filters."""

from ..settings import ConvSettings, made
from .experiment import CORRECTED, STUDY_SEEDS, Experiment, Series

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
    )


EXPERIMENTS = (
    experiment("conv-digits", "digits"),
    experiment("conv", "mnist"),
    experiment("conv-fashion", "fashion-mnist"),
)
