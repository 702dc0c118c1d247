"""Future work of the thesis: depth, width and activation, for BP and DFA on the parity of three digits with RMSProp.

Each depth, width and activation has a rate of its own under each rule (``tune_rates``); one that you add to ALONG has that of
the optimizer until it is tuned.
"""

from . import rates
from .experiment import CORRECTED, Experiment, parity_series
from .table import changes, gaps, markdown_of_gaps

EPOCHS = 10
WIDTHS, DEPTHS = (64, 128, 256, 512, 1024, 2048), (1, 2, 3, 4)
ACTIVATIONS = ("relu", "leaky-relu", "tanh", "sigmoid", "identity")
# experiment -> its values, and the settings of one
ALONG = {
    "depth": (DEPTHS, lambda depth: {"hidden": (512,) * depth}),
    "width": (WIDTHS, lambda width: {"hidden": (width,)}),
    "activation": (ACTIVATIONS, lambda name: {"activation": name}),
}


def along(name):
    """Return the function ``series(mode, scale)`` of an experiment of ALONG."""
    values, settings = ALONG[name]

    def series(mode, scale):
        found = []
        for method in ("bp", "dfa"):
            for place, value in enumerate(values):
                lr = None if scale.quick else rates.TUNED[name][method].get(value)
                own = {"method": method, "epochs": EPOCHS, "lr": lr} | settings(value)
                x = place if isinstance(value, str) else value
                panel = value if isinstance(value, str) else ""
                found.append(parity_series(method.upper(), scale, mode, x=x, panel=panel, **own))
        return found

    return series


def markdown(record):
    """Return the table of a record: BP and DFA for each value, and their paired differences from the first value."""
    by_rule = [
        series | {"panel": series["label"], "label": series["panel"] or f"{series['x']:g}"}
        for series in record["series"]
    ]
    record = record | {"series": by_rule}
    return markdown_of_gaps(gaps(record), changes(record, by_rule[0]["label"]))


EXPERIMENTS = tuple(
    Experiment(name, f"BP and DFA by {name}", "along", along(name), (CORRECTED,), table=markdown) for name in ALONG
)
