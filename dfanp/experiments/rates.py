"""Learning rates of the thesis, and rates tuned for its figures (see also ``problems.rates``)."""

from typing import Any

from ..problems.rates import Rate, default_rate

__all__ = ["DISKS", "RULES_ON_DIGITS", "TUNED", "Rate", "default_rate", "thesis_rate"]

# Demirbilek 2021, tuned on MNIST's test images at k = 3 (used there for k = 1 too). Its Adam counted epochs in the
# bias correction.
THESIS = {
    "bp": {"sgd": 0.12, "adagrad": 0.019, "adadelta": 1.0, "rmsprop": 0.0004, "adam": 0.0004},
    "dfa": {"sgd": 0.018, "adagrad": 0.018, "adadelta": 0.95, "rmsprop": 0.00022, "adam": 0.0006},
}
# The same, DFA with SGD, by the distribution of B.
THESIS_SGD_BY_FEEDBACK = {
    "uniform": 0.018,
    "standard-uniform": 0.003,
    "gaussian": 0.013,
    "standard-gaussian": 0.001,
}
THESIS_LAZY = 0.05  # of every lazy method, with Adadelta
# The synthetic problem at n = 256, d = 15, 500 epochs, twenty sets of points and of balanced labels, none of them a figure's:
# `python -m dfanp.experiments.tune_rates --groups disks,disks-output --seeds 20 --out rates`. The climbs by factors of 1.5 began
# at the best rates of a wider search (0.0003 to 10, or 32 under DFA, by factors of 3.2; five sets of points).
DISKS = {
    "bp": dict(sgd=4.5, momentum=4.5, nesterov=2.25, adagrad=0.2, adadelta=1.5, rmsprop=0.0667, adam=4.5),
    "dfa": dict(sgd=50.6, momentum=15.0, nesterov=10.0, adagrad=0.225, adadelta=1.0, rmsprop=0.0675, adam=0.1),
    "output": dict(sgd=1.0, momentum=2.0, nesterov=1.5, adagrad=0.133, adadelta=1.0, rmsprop=0.01, adam=0.015),
}
# MNIST at k = 3, by the cases of `tune_rates`: group -> rule -> value -> rate. Where there is none, that of the optimizer. By the
# last five of ten epochs on held-out images, five seeds and factors of 1.5 (identity learns at no rate); ways to adapt three
# seeds and factors of two (`python -m dfanp.experiments.tune_rates --groups adaptive --seeds 3 --factor 2`).
TUNED: dict[str, dict[str, dict[Any, float]]] = {
    "depth": {
        "bp": {1: 0.0004, 2: 0.0004, 3: 0.000267, 4: 0.0004},
        "dfa": {1: 0.00022, 2: 0.00033, 3: 0.000147, 4: 0.00022},
    },
    "width": {
        "bp": {64: 0.000267, 128: 0.0004, 256: 0.0004, 512: 0.0004, 1024: 0.0004, 2048: 0.0004},
        "dfa": {64: 0.00033, 128: 0.000495, 256: 0.00033, 512: 0.00022, 1024: 0.000147, 2048: 0.000147},
    },
    "activation": {
        "bp": {"relu": 0.0004, "leaky-relu": 0.0004, "tanh": 0.0004, "sigmoid": 0.000901, "identity": 0.000119},
        "dfa": {"relu": 0.00022, "leaky-relu": 0.00022, "tanh": 0.000495, "sigmoid": 0.000495, "identity": 0.000495},
    },
    "adaptive": {
        "bp": {
            "SGD, first layer 0.1": 0.48,
            "SGD, first layer 10": 0.024,
            "SGD, standardised pixels": 0.12,
            "RMSProp by layer": 0.0002,
            "by pixel": 0.0002,
            "by unit": 0.0002,
        },
        "dfa": {
            "SGD, first layer 0.1": 0.288,
            "SGD, first layer 10": 0.0036,
            "SGD, standardised pixels": 0.072,
            "RMSProp by layer": 0.00011,
            "by pixel": 0.00022,
            "by unit": 0.00022,
        },
    },
}
# All rules with Adam on the parity of two of the embedded digits, likewise, 15 epochs (`compared_rules`; `python -m
# dfanp.experiments.tune_rates --data digits --groups rules --out rates`). Perturbation and the forward gradient hardly learn.
RULES_ON_DIGITS = {
    "bp": 0.00316,
    "fa": 0.00211,
    "dfa": 0.00316,
    "kp": 0.00316,
    "dkp": 0.00211,
    "frsf": 0.00474,
    "brsf": 0.00211,
    "mdfa": 0.00211,
    "wm": 0.00316,
    "pred": 0.00316,
    "weight-perturbation": 0.000937,
    "forward-gradient": 0.00141,
    "pepita": 0.00316,
    "usf": 0.00444,
    "sdfa": 0.000474,
    "drtp": 0.000474,
    "local": 0.0474,
    "node-perturbation": 0.0316,
}


def thesis_rate(method, opt, feedback="uniform"):
    """Return the learning rate of Demirbilek 2021 for MNIST at k = 3; a KeyError if it has none."""
    if method not in THESIS:
        return THESIS_LAZY
    if method == "dfa" and opt == "sgd":
        return THESIS_SGD_BY_FEEDBACK[feedback.partition(":")[0]]
    return THESIS[method][opt]
