"""Theory beside simulation: students of 500 inputs, and what ``theory.online`` says of infinitely many, from the same starts."""

import numpy as np

from ..settings import TeacherSettings, made
from .experiment import CORRECTED, STUDY_SEEDS, Experiment, Series, rounded

ETA, EPOCHS = 0.5, 200  # the rate is ETA divided by the number of inputs
# panel -> settings of its runs
PANELS = {
    "erf, 2 units": dict(hidden=(2,)),
    "erf, 4 units": dict(hidden=(4,)),
    "linear, 2 units": dict(hidden=(2,), teacher_activation="linear", activation="identity"),
}


def series(mode, scale):
    """Return the runs of BP and DFA for each panel."""
    seeds, found = scale.at_most(STUDY_SEEDS).seeds, []
    given = dict(lr=ETA / TeacherSettings.inputs, noise=0.1, feedback="standard-gaussian", test_size=10_000)
    given |= dict(epochs=min(EPOCHS, scale.most_epochs), kernels=scale.kernels, device=scale.device)
    for panel, own in PANELS.items():
        for rule in ("bp", "dfa"):
            runs = tuple(made(TeacherSettings, seed=seed, method=rule, **given, **own) for seed in seeds)
            found.append(Series(rule.upper(), runs, panel))
    return found


def predicted(every, mode, scale, checkpoint, dataset, workers):
    """Return the test loss that the theory predicts for each series, the mean over its seeds."""
    epochs, rows = range(1, every[0].settings[0].epochs + 1), []
    for each in every:
        losses = np.mean([settings.theory(epochs) for settings in each.settings], axis=0)
        rows.append(
            {"label": each.label, "panel": each.panel, "test_loss": [rounded(loss) for loss in losses.tolist()]}
        )
    return {"theory": rows}


def distances(record):
    """Return (panel, label) -> by what share the mean over the seeds is off the theory, at each epoch."""
    theory = {(row["panel"], row["label"]): np.array(row["test_loss"]) for row in record["analysis"]["theory"]}
    found = {}
    for each in record["series"]:
        of = each["panel"], each["label"]
        found[of] = np.abs(np.mean(each["test_loss"], axis=0) / theory[of] - 1)
    return found


EXPERIMENTS = (
    Experiment(
        "online",
        "Theory beside simulation",
        "online",
        series,
        (CORRECTED,),
        ("test_loss",),
        study=True,
        analyse=predicted,
    ),
)
