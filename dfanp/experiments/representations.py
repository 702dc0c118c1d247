"""Representations of single digits by networks trained on parity: figure 3.7, and transfer to classifying digits."""

from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..analysis import probes
from ..runs.run import restored
from ..settings import ParitySettings
from ..sweeps.executors import in_order
from .experiment import CORRECTED, MODES, Experiment, parity_series

POINTS = 1000  # of a map


def trained(mode, scale):
    """Figure 3.7: BP and DFA with RMSProp on three digits.

    The published one used weights that were redrawn after training.
    """
    return [parity_series(m.upper(), scale, CORRECTED, method=m, panel=m.upper()) for m in ("bp", "dfa")]


def digits(series, mode, scale, checkpoint, dataset, workers):
    """Return maps of the digits, and the accuracies of probes, before and after training."""
    whens = ("before", "after") if mode == CORRECTED else ("published",)
    look = partial(seen_digits, dataset=dataset, scale=scale)
    rows, maps = zip(*in_order(look, moments(series, whens, checkpoint), workers), strict=True)
    return {"rows": list(rows), "maps": [each for each in maps if each]}


class Moment(NamedTuple):
    """A network to look at.

    Attributes:
        row: how its row begins: label, when, seed.
        settings: of its run.
        file: its parameters; None for the initial ones.
    """

    row: dict
    settings: ParitySettings
    file: Path | None


def moments(series, whens, checkpoint):
    """Return the Moments of all runs of some Series."""
    return [
        Moment(
            {"label": each.label, "when": when, "seed": settings.seed},
            settings,
            checkpoint(settings) if when == "after" else None,
        )
        for each in series
        for settings in each.settings
        for when in whens
    ]


def seen_digits(moment, dataset, scale):
    """Return the row of a Moment, and the map of the first seed, None for others."""
    network = restored(moment.settings, moment.file, dataset)
    seen = probes.of_place(network, dataset, samples=scale.samples)
    if moment.row["when"] == "published":
        seen = as_published(seen)
    shown = moment.settings.seed == scale.seeds[0]
    return moment.row | probes.measured(seen), moment.row | map_of(seen) if shown else None


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


def readouts(series, mode, scale, checkpoint, dataset, workers):
    """Return the accuracies of linear readouts of the features of one digit, before and after training on parity."""
    look = partial(read_out, dataset=dataset, scale=scale)
    return {"rows": in_order(look, moments(series, ("before", "after"), checkpoint), workers)}


def read_out(moment, dataset, scale):
    """Return the row of a Moment."""
    network = restored(moment.settings, moment.file, dataset)
    return moment.row | probes.linear(probes.of_place(network, dataset, samples=scale.samples, activated=True))


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
