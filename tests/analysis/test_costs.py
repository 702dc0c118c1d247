import numpy as np
import pytest

import dfanp
from dfanp.analysis import costs
from dfanp.rules import RULES

SIZES, N = (6, 5, 4, 3), 8
FORWARDS = N * (6 * 5 + 5 * 4 + 4 * 3)
BACKWARDS = N * (5 * 4 + 4 * 3)  # through the weights above the hidden layers
DIRECT = N * (3 * 5 + 3 * 4)


def training(rule, **more):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(16, 6)), np.eye(3)[rng.integers(0, 3, 16)]
    problem = dfanp.Arrays(X, y, loss="cross-entropy")
    network = dfanp.MLP(SIZES, "tanh", seed=more.pop("seed", 0))
    return dfanp.Training(network, problem, rule, dfanp.SGD(0.1), batch_size=N, **more)


@pytest.mark.parametrize(
    "rule, products",
    [
        ("bp", 2 * FORWARDS + BACKWARDS),
        ("fa", 2 * FORWARDS + BACKWARDS),
        ("dfa", 2 * FORWARDS + DIRECT),
        ("kp", 2 * FORWARDS + 2 * BACKWARDS),
        ("dkp", 2 * FORWARDS + 2 * DIRECT),
        ("local", 2 * FORWARDS + 2 * DIRECT),
        ("weight-perturbation", 2 * FORWARDS),
        ("node-perturbation", 3 * FORWARDS),
        ("forward-gradient", 2 * FORWARDS + BACKWARDS),
        ("pepita", 3 * FORWARDS + N * 3 * 6),
        ("wm", 2 * FORWARDS + BACKWARDS + 2 * 128 * (5 * 4 + 4 * 3)),
    ],
)
def test_products_are_those_of_the_equations(rule, products):
    assert costs.of_step(training(rule)).multiplications == products


@pytest.mark.parametrize("rule", [name for name in RULES if name != "mdfa"])
def test_every_rule_moves_at_least_its_weights(rule):
    """Read and written by the update, and read in the pass."""
    assert costs.of_step(training(rule)).bytes > 3 * 4 * (6 * 5 + 5 * 4 + 4 * 3)


def test_the_training_is_not_changed_and_nothing_is_counted_afterwards():
    run, other = training("wm"), training("wm")
    costs.of_step(run)
    for each in (run, other):
        list(each.epochs(1))
    assert all(np.array_equal(a, b) for a, b in zip(run.arrays().values(), other.arrays().values(), strict=True))
    assert costs.Counting.counts is None


def test_images_are_arrays():
    problem = dfanp.Classes(dfanp.load("digits"))
    run = dfanp.Training(dfanp.MLP([64, 5, 10]), problem, "dfa", dfanp.Adam(0.1), batch_size=10)
    assert costs.of_step(run).multiplications == 2 * 10 * (64 * 5 + 5 * 10) + 10 * 10 * 5


def test_replicas_are_refused():
    with pytest.raises(ValueError, match="is that of one seed, got 2 replicas"):
        costs.of_step(training("bp", seed=(0, 1)))
