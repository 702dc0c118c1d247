"""Find the default learning rates for the embedded digits: `python -m dfanp.experiments.tune_digits`.

Each grid doubles from rate to rate and is trained as replicas of one run, on the training images less every fifth of each class;
the score is the mean accuracy of the last ten of 20 epochs on the images held out. Prints the tables for ``rates.py``.
"""

import numpy as np

from .. import optimizers
from ..feedback import DISTRIBUTIONS, Feedback
from ..network import MLP
from ..problems import Parity, load
from ..training import Training

GRIDS = {
    "sgd": 0.01 * 2.0 ** np.arange(7),
    "momentum": 0.001 * 2.0 ** np.arange(7),
    "nesterov": 0.001 * 2.0 ** np.arange(7),
    "adagrad": 0.005 * 2.0 ** np.arange(6),
    "adadelta": 0.125 * 2.0 ** np.arange(6),
    "rmsprop": 0.000125 * 2.0 ** np.arange(6),
    "adam": 0.000125 * 2.0 ** np.arange(7),
}
# Standard distributions of B are wider by 1/a = sqrt(512), so their grids start lower.
SGD_BY_FEEDBACK = {name: (0.0005 if name.startswith("standard") else 0.005) * 2.0 ** np.arange(7) for name in DISTRIBUTIONS}


def scores(problem, method, opt, rates, feedback="uniform", epochs=20):
    """Return the mean accuracy of the last ten epochs on the test set of `problem` for each rate, NaN where it diverged."""
    rates = tuple(float(rate) for rate in rates)
    seeds = (0,) * len(rates)
    network = MLP((problem.features, 512, 1), seed=seeds)
    optimizer = optimizers.get(opt)(rates)
    training = Training(network, problem, method, optimizer, Feedback(feedback))
    return np.mean([record.test_accuracy for record in training.epochs(epochs)][-10:], axis=0)


def best(problem, method, opt, rates, feedback="uniform"):
    """Print the grid with its scores, and return the rate of the highest."""
    found = scores(problem, method, opt, rates, feedback)
    pairs = "  ".join(f"{rate:g}: {score:.4f}" for rate, score in zip(rates, found, strict=True))
    print(f"{method} {opt} {feedback:20} {pairs}", flush=True)
    return float(rates[np.nanargmax(found)])


def main():
    problem = Parity(load("digits").hold_out(), k=3)
    table = {m: {opt: best(problem, m, opt, rates) for opt, rates in GRIDS.items()} for m in ("bp", "dfa")}
    by_feedback = {name: best(problem, "dfa", "sgd", rates, name) for name, rates in SGD_BY_FEEDBACK.items()}
    print("DIGITS =", table)
    print("DIGITS_SGD_BY_FEEDBACK =", by_feedback)


if __name__ == "__main__":
    main()
