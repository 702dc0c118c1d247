"""Learning rates that are known to work, and where each was found."""

from typing import NamedTuple

from ..optimizers import Momentum


class Rate(NamedTuple):
    """A learning rate and its source, for people."""

    lr: float
    source: str


# Demirbilek 2021, tuned on MNIST at k = 3 (used there for k = 1 too). Its Adam counted epochs in the bias correction.
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
# The embedded digits at k = 3, one seed, on held-out training images (by the distribution of B: three seeds): `python -m dfanp.experiments.tune_digits`.
DIGITS = {
    "bp": {
        "sgd": 0.64,
        "momentum": 0.032,
        "nesterov": 0.064,
        "adagrad": 0.08,
        "adadelta": 1.0,
        "rmsprop": 0.001,
        "adam": 0.001,
    },
    "dfa": {
        "sgd": 0.08,
        "momentum": 0.016,
        "nesterov": 0.016,
        "adagrad": 0.02,
        "adadelta": 1.0,
        "rmsprop": 0.001,
        "adam": 0.001,
    },
}
DIGITS_SGD_BY_FEEDBACK = {
    "uniform": 0.08,
    "standard-uniform": 0.016,
    "gaussian": 0.04,
    "standard-gaussian": 0.004,
    "zero-mean-gaussian": 0.08,
    "orthogonal": 0.08,
}


def default_rate(data, method, opt, feedback="uniform"):
    """Return the Rate to start from, for names as in ``dfanp.settings``.

    FA takes DFA's rates (with one hidden layer it is the same rule). Momentum and Nesterov without a rate of their
    own take SGD's times (1 - momentum), which gives steps of the same length in the end. Where B follows a
    distribution that was not tuned for, the scale-free optimizers keep the rate for uniform B and the others take
    that of the gaussian one.
    """
    on_digits = data == "digits"
    table, by_feedback = (DIGITS, DIGITS_SGD_BY_FEEDBACK) if on_digits else (THESIS, THESIS_SGD_BY_FEEDBACK)
    source = "tuned on held-out digits at k = 3" if on_digits else "Demirbilek 2021, tuned on MNIST at k = 3"
    rates = table["bp" if method == "bp" else "dfa"]
    base = "sgd" if opt in ("momentum", "nesterov") and opt not in rates else opt
    lr = rates[base]
    if method != "bp" and feedback != "uniform" and base in ("sgd", "momentum", "nesterov"):
        lr *= by_feedback.get(feedback, by_feedback["gaussian"]) / by_feedback["uniform"]
        source += f", scaled to {feedback} B" if feedback in by_feedback else f", a guess for {feedback} B"
    if base != opt:
        lr *= 1 - Momentum.momentum
        source += f", SGD's times {1 - Momentum.momentum:.1g}"
    if base == "adam" and not on_digits:
        source += ", for an Adam that counts epochs"
    return Rate(float(f"{lr:.3g}"), source)
