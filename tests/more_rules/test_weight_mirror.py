import numpy as np
import pytest

import dfanp
from dfanp import alignment, rules
from dfanp.more_rules import weight_mirror


def training(hidden=(20, 15), bias=False, lr=1e-9, activation="tanh", outputs=3):
    X = np.random.default_rng(1).normal(size=(40, 6))
    y = np.eye(outputs)[np.random.default_rng(2).integers(0, outputs, 40)]
    problem = dfanp.Arrays(X, y, dtype="float64")
    network = dfanp.MLP([6, *hidden, outputs], activation, bias, "float64", 3)
    return dfanp.Training(network, problem, "wm", dfanp.SGD(lr), batch_size=20)


def test_before_training_there_is_an_epoch_of_noise_and_then_a_batch_a_step():
    seen, run = [], training()
    rule = run.rule._replace(after_step=lambda after: seen.append(after.step))
    rule = rule._replace(before_training=lambda after: seen.append((after.step, after.h, after.e)))
    run.rule = rule
    list(run.epochs(2))
    assert seen == [(0, None, None), 1, 2, 3, 4]


@pytest.mark.parametrize("bias", [False, True])
def test_B_turns_towards_the_weights_that_it_replaces(bias):
    """The more noise, the more; that of the output, whose units have no mean of 0, more slowly."""
    run = training(bias=bias)
    before = [float(cosine) for cosine in alignment.feedback_alignment(run.rule, run.network, run.B)]
    after = run.after_step(0)
    weight_mirror.mirror(after, 4000)
    now = [float(cosine) for cosine in alignment.feedback_alignment(run.rule, run.network, run.B)]
    assert max(before) < 0.1 and now[0] > 0.95 and now[1] > 0.5


def test_a_batch_of_noise_by_hand():
    run = training(hidden=(4,), activation="sigmoid", bias=True)
    after, B = run.after_step(7), run.B[0].copy()
    weight_mirror.mirror(after)
    x = run.draws(0, 7).uniform(-0.05, 0.05, (128, 4))
    a = x @ run.network.W[1] + run.network.parameters["b1"]
    np.testing.assert_allclose(run.B[0], B + 0.01 * (1 / (1 + np.exp(-a))).T @ x, rtol=1e-12)


def test_wm_is_fa_but_for_the_mirror():
    run = training()
    fa = rules.gradients(rules.fa, run.network, run.B, h := run.network.forward(run.problem.test(0, 1)[0]), h[-1])
    wm = rules.gradients(rules.get("wm"), run.network, run.B, h, h[-1])
    assert all(np.array_equal(fa[name], wm[name]) for name in fa)
