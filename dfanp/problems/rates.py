"""Default learning rates: tuned ones for parity, and the defaults of optimizers."""

from dataclasses import fields
from typing import NamedTuple

import dfanp

from ..checks import is_number


class Rate(NamedTuple):
    """A learning rate and a description of its source."""

    lr: float
    source: str


# MNIST at k = 3, on held-out training images: `python -m dfanp.experiments.tune_rates --data mnist --out rates`. Five
# seeds a rate, 20 epochs, factors of 1.5; the lower end of the interval of the mean of the last ten epochs decides.
# Seeds do not separate most of these rates from a neighbour.
MNIST = {
    "bp": {
        "sgd": 0.12,
        "momentum": 0.016,
        "nesterov": 0.027,
        "adagrad": 0.019,
        "adadelta": 1.0,
        "rmsprop": 0.000267,
        "adam": 0.0002,
    },
    "dfa": {
        "sgd": 0.018,
        "momentum": 0.0048,
        "nesterov": 0.0036,
        "adagrad": 0.012,
        "adadelta": 0.95,
        "rmsprop": 0.00022,
        "adam": 0.0002,
    },
}
# Likewise, DFA with SGD, by the distribution of B.
MNIST_SGD_BY_FEEDBACK = {
    "standard-uniform": 0.003,
    "gaussian": 0.013,
    "standard-gaussian": 0.001,
    "zero-mean-gaussian": 0.00867,
    "orthogonal": 0.00867,
}
# The embedded digits at k = 3, likewise: `python -m dfanp.experiments.tune_rates --data digits --groups optimizer,feedback
# --out rates`.
DIGITS = {
    "bp": {
        "sgd": 0.64,
        "momentum": 0.048,
        "nesterov": 0.096,
        "adagrad": 0.0356,
        "adadelta": 1.0,
        "rmsprop": 0.001,
        "adam": 0.001,
    },
    "dfa": {
        "sgd": 0.08,
        "momentum": 0.024,
        "nesterov": 0.024,
        "adagrad": 0.03,
        "adadelta": 1.0,
        "rmsprop": 0.001,
        "adam": 0.001,
    },
}
DIGITS_SGD_BY_FEEDBACK = {
    "standard-uniform": 0.016,
    "gaussian": 0.04,
    "standard-gaussian": 0.006,
    "zero-mean-gaussian": 0.0533,
    "orthogonal": 0.0533,
}


# Lazy methods with Adadelta, at k = 1 (at k = 3 they stay at chance), likewise (`--groups lazy`). At 1.2 all seeds diverge, but for
# ntk-step and fourier with the digits.
LAZY = {
    "mnist": {"ntk": 0.533, "ntk-step": 0.8, "gaussian": 0.8, "fourier": 0.8, "relu": 0.8, "linear": 0.8},
    "digits": {"ntk": 0.8, "ntk-step": 0.533, "gaussian": 0.8, "fourier": 1.2, "relu": 0.8, "linear": 0.533},
}
TABLES = {"digits": (DIGITS, DIGITS_SGD_BY_FEEDBACK), "mnist": (MNIST, MNIST_SGD_BY_FEEDBACK)}


def default_rate(data, method, opt, feedback="uniform"):
    """Return the default Rate, for names as in ``dfanp.settings``.

    FA uses the rates of DFA (with one hidden layer it is the same rule), and so does any other rule with a B; rules
    without B use those of BP. Fashion-MNIST uses the rates of MNIST. An optimizer that is not built in uses the
    default lr of its class. Lazy methods were tuned with Adadelta; with another optimizer they use the rates of BP.

    Raises:
        ValueError: no rate is known for the optimizer.
    """
    opt, feedback = opt.partition(":")[0], feedback.partition(":")[0]
    name = "digits" if data == "digits" else "mnist"
    source = f"tuned on held-out {'digits' if name == 'digits' else 'MNIST images'}"
    if method in LAZY[name] and opt == "adadelta":
        return Rate(LAZY[name][method], f"{source} at k = 1")
    rates, by_feedback = TABLES[name]
    if opt not in rates["bp"]:  # not a built-in optimizer
        return rate_of_optimizer(opt)
    source += " at k = 3" + (", for BP" if method in LAZY[name] else "")
    rules = dfanp.rules
    feeds_back = method in rules.RULES and rules.get(method).feedback_shape is not None
    row = "dfa" if feeds_back else "bp"
    lr = rates[row][opt]
    if method in rules.RULES and rules.get(method) not in (rules.bp, rules.fa, rules.dfa):
        source += f", for {'DFA' if feeds_back else 'BP'}: {method} may want another one"
    if feeds_back and feedback != "uniform" and opt in ("sgd", "momentum", "nesterov"):
        lr *= by_feedback[feedback] / rates["dfa"]["sgd"]
        source += f", scaled to {feedback} B" if opt != "sgd" else ""
    return Rate(float(f"{lr:.3g}"), source)


def rate_of_optimizer(opt):
    """Return the Rate that the class of an optimizer (a text, as in settings) gives as the default of lr.

    Raises:
        ValueError: it has none.
    """
    opt = opt.partition(":")[0]
    default = next(each.default for each in fields(dfanp.optimizers.get(opt)) if each.name == "lr")
    if not is_number(default):
        raise ValueError(f"no learning rate is known for the optimizer {opt!r}: give one (--lr)")
    return Rate(default, f"the default of {opt}")
