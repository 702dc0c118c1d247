import numpy as np
import pytest

import dfanp
from dfanp import rules
from dfanp.more_rules.pepita import SCALE

from .shared import batch, gradients


@pytest.mark.parametrize("bias", [False, True])
def test_a_step_by_hand(bias):
    network, loss, h, e, y = batch(bias=bias)
    (F,) = dfanp.Feedback().draw(rules.feedback_shapes(rules.get("pepita"), network.sizes), 0)
    assert F.shape == (2, 4) and np.abs(SCALE * F).max() <= 0.05 * np.sqrt(6 / 4)
    n = len(y)
    y_hat = loss.predict(np, h[-1])
    again = network.forward(h[0] + (y_hat - y) @ (SCALE * F))
    found = gradients("pepita", network, loss, h, e, y)
    np.testing.assert_allclose(found["W0"], again[0].T @ (h[1] - again[1]) / n, rtol=1e-8)
    np.testing.assert_allclose(found["W1"], again[1].T @ (h[2] - again[2]) / n, rtol=1e-8)
    np.testing.assert_allclose(found["W2"], again[2].T @ e, rtol=1e-8)
    if bias:
        np.testing.assert_allclose(found["b0"], (h[1] - again[1]).mean(axis=0), atol=1e-12)


def test_for_a_small_F_the_hidden_layer_gets_the_signal_of_dfa():
    network, loss, h, e, y = batch(sizes=(4, 5, 2))
    F = 1e-6 * np.random.default_rng(1).normal(size=(2, 4))
    found = gradients("pepita", network, loss, h, e, y, B=[F])
    dfa = rules.gradients(rules.dfa, network, [-SCALE * F @ network.W[0]], h, e)
    np.testing.assert_allclose(found["W0"], dfa["W0"], rtol=1e-4, atol=1e-12)


def hidden_step(rule, seed):
    """Train a while, and return the cosine of the hidden gradient with BP's, and by how much a small step along it changes the loss."""
    X = np.random.default_rng(seed).normal(size=(100, 6))
    problem = dfanp.Arrays(X, X[:, :1] + X[:, 1:2] > 0, dtype="float64")
    network = dfanp.MLP([6, 30, 1], "tanh", dtype="float64", seed=seed)
    run = dfanp.Training(network, problem, rule, dfanp.SGD(0.5), batch_size=20, align=True)
    *_, record = run.epochs(40)
    X, y = problem.test(seed, 1)
    h = network.forward(X)
    g = rules.gradients(rule, network, run.B, h, run.loss.error(np, h[-1], y), y, loss=run.loss)["W0"]
    moved = np.tanh(X @ (network.W[0] - 1e-3 * g)) @ network.W[1]
    change = run.loss.per_example(np, moved, y) - run.loss.per_example(np, h[-1], y)
    return record.alignment["gradient"][0], change.mean()


def test_its_steps_lower_the_loss_and_the_other_sign_would_not():
    """How F and W0 happen to lie counts as much for one sign as against the other; what has turned is left, for each network."""
    pepita = rules.get("pepita")
    other = lambda at: {name: g if name == "W1" else -g for name, g in pepita.gradients(at).items()}
    mine, flipped = (
        np.array([hidden_step(rule, seed) for seed in range(8)])
        for rule in (pepita, pepita._replace(name="flipped", gradients=other))
    )
    assert (mine[:, 0] + flipped[:, 0] > 0).all() and mine[:, 0].mean() > 0.2
    assert mine[:, 1].mean() < 0 < flipped[:, 1].mean()


def test_without_a_hidden_layer_it_is_exact():
    network, loss, h, e, y = batch(sizes=(4, 2))
    assert np.array_equal(gradients("pepita", network, loss, h, e, y)["W0"], h[0].T @ e)
