"""When does DFA align? Deep linear networks, by the structure of B and of the targets, beside the theory.

The runs that start from zero weights are known exactly (``theory.linear``): their cosines are computed a second time, from
the alignment matrices, and recorded beside those of the simulation.
"""

import numpy as np

from ..runs.run import build
from ..settings import TargetsSettings, made
from ..theory import linear
from .experiment import CORRECTED, STUDY_SEEDS, Experiment, Series, rounded

LR, EPOCHS = 0.02, 10
# panel -> its values of x, and the settings at each; labels are those of the feedback
FEEDBACK = {"orthogonal": "orthogonal B", "zero-mean-gaussian": "Gaussian B"}
PANELS = {
    "condition number of the targets": ((1, 3, 10, 30, 100), lambda x: dict(condition=float(x))),
    "noise of the targets": ((0, 0.25, 0.5, 1, 2), lambda x: dict(noise=float(x))),
    "rank of B (of 5)": ((1, 2, 3, 4, 5), lambda x: dict(rank=x)),
    "B aligned with W before training": ((0, 0.25, 0.5, 0.75, 1), lambda x: dict(aligned=x)),
}


def series(mode, scale):
    """Return the runs: for each panel and value, with orthogonal and with Gaussian B."""
    seeds, found = scale.at_most(STUDY_SEEDS).seeds, []
    for panel, (values, given) in PANELS.items():
        for x in (values[0], values[-1]) if scale.quick else values:
            for B, label in FEEDBACK.items():
                task = dict(given(x))
                rank, aligned = task.pop("rank", None), task.pop("aligned", None)
                if rank is not None:
                    task["condition"] = 1.0
                    B = B if rank == 5 else f"{B}:rank={rank}"
                if aligned is not None:  # there are weights only if these are not zero
                    task["start"] = 1.0
                    B = f"{B}:aligned={aligned}" if aligned else B
                runs = dict(lr=LR, method="dfa", align=True, feedback=B, kernels=scale.kernels, device=scale.device)
                runs |= dict(epochs=min(EPOCHS, scale.most_epochs), **task)
                found.append(
                    Series(label, tuple(made(TargetsSettings, seed=seed, **runs) for seed in seeds), panel, x)
                )
    return found


def predicted(every, mode, scale, checkpoint, dataset, workers):
    """Return what the theory says of the runs from zero weights: the cosines of their gradients, by seed."""
    rows = []
    for each in every:
        for settings in each.settings:
            if settings.start == 0:
                cosines = by_theory(settings)
                if cosines is None:
                    continue
                row = {"label": each.label, "panel": each.panel, "x": each.x, "seed": settings.seed}
                rows.append(row | {"cosines": [rounded(c) for c in cosines]})
    return {"theory": rows}


def by_theory(settings):
    """Return the cosines of the gradients with BP's at the weights that ``theory.linear`` predicts for the end of a run.

    None if the weights are not finite: the rate is too large for these B.
    """
    training = build(settings)
    B, batch = [np.asarray(b) for b in training.B], training.batch_size

    def batches():
        for epoch in range(1, settings.epochs + 1):
            X, y = training.problem.train(settings.seed, epoch)
            for start in range(0, len(X), batch):
                yield X[start : start + batch], y[start : start + batch]

    with np.errstate(all="ignore"):
        C, A = linear.alignment_matrices(batches(), B, settings.lr)
    if not all(np.isfinite(each).all() for each in (C, *A)):
        return None
    W = linear.weights(C, A, B)
    training.network.load({f"W{l}": w for l, w in enumerate(W)})
    training._probe = training.problem.probe(training.seed)
    return training.on_host(training.measure_alignment())["gradient"]


EXPERIMENTS = (
    Experiment(
        "align",
        "When does DFA align?",
        "when_aligned",
        series,
        (CORRECTED,),
        ("test_loss", "cosines", "test_accuracy"),
        last=True,
        study=True,
        analyse=predicted,
    ),
)
