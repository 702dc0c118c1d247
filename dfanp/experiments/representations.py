"""Representations of single digits by networks trained on parity: figure 3.7, and transfer to classifying digits."""

import numpy as np

from ..analysis import probes
from ..runs.run import restored
from .experiment import CORRECTED, MODES, Experiment, parity_series

POINTS = 1000  # of a map


def trained(mode, scale):
    """Figure 3.7: BP and DFA with RMSProp on three digits.

    The published one used weights that were redrawn after training.
    """
    return [parity_series(m.upper(), scale, CORRECTED, method=m, panel=m.upper()) for m in ("bp", "dfa")]


def digits(series, mode, scale, checkpoint, dataset):
    """Return maps of the digits, and the accuracies of probes, before and after training."""
    rows, maps = [], []
    for each in series:
        for settings in each.settings:
            for when in ("before", "after") if mode == CORRECTED else ("published",):
                network = restored(settings, checkpoint(settings) if when == "after" else None, dataset)
                seen = probes.of_place(network, dataset, samples=scale.samples)
                if when == "published":
                    seen = as_published(seen)
                row = {"label": each.label, "when": when, "seed": settings.seed}
                rows.append(row | probes.measured(seen))
                if settings is each.settings[0]:
                    maps.append(row | map_of(seen))
    return {"rows": rows, "maps": maps}


def as_published(seen):
    """Return representations with mismatched labels, like the colours of figure 3.7.

    There, three positions were stacked example by example, but their labels position by position. Shuffling the
    labels of one position has the same effect.
    """
    order = np.random.default_rng(0).permutation(len(seen.h))
    return seen._replace(labels={name: values[order] for name, values in seen.labels.items()})


def map_of(seen):
    """Return a t-SNE map, rounded to the precision of a figure."""
    points, labels = probes.plane(seen, samples=POINTS)
    return {"points": np.round(points, 2).astype(float).tolist(), "digit": labels["digit"].tolist()}


def transferred(mode, scale):
    """The networks whose features are transferred: trained on the parity of one digit and of three."""
    return [
        parity_series(f"{m.upper()}, k = {k}", scale, CORRECTED, k, m, panel=f"k = {k}")
        for k in (1, 3)
        for m in ("bp", "dfa")
    ]


def readouts(series, mode, scale, checkpoint, dataset):
    """Return the accuracies of linear readouts of the features of one digit, before and after training on parity."""
    rows = []
    for each in series:
        for settings in each.settings:
            for when in ("before", "after"):
                network = restored(settings, checkpoint(settings) if when == "after" else None, dataset)
                seen = probes.of_place(network, dataset, samples=scale.samples, activated=True)
                found = probes.measured(seen)
                row = {"label": each.label, "when": when, "seed": settings.seed}
                rows.append(row | {name: found[name]["linear"] for name in ("digit", "parity")})
    return {"rows": rows}


EXPERIMENTS = (
    Experiment("3.7", "What the network makes of a single digit", "maps", trained, MODES, keep=True, analyse=digits),
    Experiment(
        "transfer",
        "Telling digits by features of parity",
        "readouts",
        transferred,
        (CORRECTED,),
        keep=True,
        analyse=readouts,
    ),
)
