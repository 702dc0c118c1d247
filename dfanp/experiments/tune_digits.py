"""Find the default learning rates for the embedded digits: `python -m dfanp.experiments.tune_digits`.

Each grid doubles from rate to rate until the best is neither the first nor the last. It is trained as replicas of one
run, on the training images less every fifth of each class; the score is the mean accuracy of the last ten of 20
epochs on the images held out: of seed 0, and for the distributions of B, where SGD lives near its stability limit,
the mean over the seeds 0, 1 and 2. Prints the tables for ``rates.py``; takes about half an hour on two cores.
"""

import numpy as np

from .. import optimizers
from ..feedback import DISTRIBUTIONS, Feedback
from ..network import MLP
from ..problems import Parity, load
from ..training import Training

# The first rate of each grid.
STARTS = {
    "sgd": 0.08,
    "momentum": 0.008,
    "nesterov": 0.008,
    "adagrad": 0.005,
    "adadelta": 0.25,
    "rmsprop": 0.00025,
    "adam": 0.00025,
}
# The same for DFA with SGD. The standard distributions of B are wider by 1/a = sqrt(512).
SGD_BY_FEEDBACK = {name: 0.002 if name.startswith("standard") else 0.02 for name in DISTRIBUTIONS}
GRID = 2.0 ** np.arange(4)


def scores(problem, method, opt, rates, feedback="uniform", seeds=(0,), epochs=20):
    """Return for each rate the mean test accuracy of the last ten epochs and the seeds, NaN where one diverged."""
    grid = [(float(rate), seed) for rate in rates for seed in seeds]
    rates, seeds = zip(*grid, strict=True)
    network = MLP((problem.features, 512, 1), seed=seeds)
    optimizer = optimizers.get(opt)(rates)
    training = Training(network, problem, method, optimizer, Feedback(feedback))
    last_ten = [record.test_accuracy for record in training.epochs(epochs)][-10:]
    return np.mean(last_ten, axis=0).reshape(-1, len(set(seeds))).mean(axis=1)


def best(problem, method, opt, start, feedback="uniform", seeds=(0,)):
    """Return the rate with the highest score; the grid grows on a side until the best is not at its edge."""
    found, rates = {}, start * GRID
    while True:
        found |= dict(zip(rates.tolist(), scores(problem, method, opt, rates, feedback, seeds), strict=True))
        tried = sorted(found)
        top = max((rate for rate in tried if np.isfinite(found[rate])), key=found.get)
        if top not in (tried[0], tried[-1]):
            print(method, opt, feedback, " ".join(f"{rate:g}: {found[rate]:.4f}" for rate in tried), flush=True)
            return top
        rates = tried[-1] * 2 * GRID[:2] if top == tried[-1] else tried[0] / 4 * GRID[:2]


def main():
    problem = Parity(load("digits").hold_out(), k=3)
    table = {m: {opt: best(problem, m, opt, start) for opt, start in STARTS.items()} for m in ("bp", "dfa")}
    by_feedback = {
        name: best(problem, "dfa", "sgd", start, name, (0, 1, 2)) for name, start in SGD_BY_FEEDBACK.items()
    }
    print("DIGITS =", table)
    print("DIGITS_SGD_BY_FEEDBACK =", by_feedback)


if __name__ == "__main__":
    main()
