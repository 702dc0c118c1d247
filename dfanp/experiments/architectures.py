"""Future work of the thesis: depth, width and activation, for BP and DFA on the parity of three digits with RMSProp.

Rates are tuned for each activation; depths and widths use the rate of one layer of 512."""

from . import rates
from .experiment import CORRECTED, Experiment, parity_series

EPOCHS = 10
WIDTHS, DEPTHS = (64, 128, 256, 512, 1024, 2048), (1, 2, 3, 4)
ACTIVATIONS = ("relu", "leaky-relu", "tanh", "sigmoid", "identity")


def along(values, shape):
    """Return the series of an experiment along `values`; ``shape(value)`` returns settings."""

    def series(mode, scale):
        found = []
        for method in ("bp", "dfa"):
            for place, value in enumerate(values):
                settings = shape(value)
                lr = None if scale.quick else rates.TUNED["activation"][method].get(value)
                x = place if isinstance(value, str) else value
                panel = value if isinstance(value, str) else ""
                found.append(
                    parity_series(
                        method.upper(), scale, mode, method=method, epochs=EPOCHS, lr=lr, x=x, panel=panel, **settings
                    )
                )
        return found

    return series


EXPERIMENTS = (
    Experiment(
        "depth", "BP and DFA by depth", "along", along(DEPTHS, lambda n: {"hidden": (512,) * n}), (CORRECTED,)
    ),
    Experiment("width", "BP and DFA by width", "along", along(WIDTHS, lambda n: {"hidden": (n,)}), (CORRECTED,)),
    Experiment(
        "activation",
        "BP and DFA by activation",
        "along",
        along(ACTIVATIONS, lambda name: {"activation": name}),
        (CORRECTED,),
    ),
)
