import numpy as np
import pytest

import dfanp
from dfanp import alignment, rules
from dfanp.analysis import updates


def training(rule="dfa", seed=0, hidden=(5, 4), layers="all", **more):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 3)), np.eye(2)[rng.integers(0, 2, 30)]
    problem = dfanp.Arrays(X, y, dtype="float64")
    network = dfanp.MLP((3, *hidden, 2), "tanh", dtype="float64", seed=seed)
    return dfanp.Training(network, problem, rule, dfanp.SGD(0.5), batch_size=10, layers=layers, **more)


def test_backpropagation_compared_with_itself():
    found = updates.measured(training("bp"))
    assert found["cosine"] == pytest.approx([1, 1, 1]) and found["norm_ratio"] == pytest.approx([1, 1, 1])
    assert found["bias"] == found["variance"] == [0, 0, 0] and np.isinf(found["snr"]).all()
    assert found["weight_alignment"] == []


def test_a_rule_that_does_not_draw_is_biased_by_what_it_differs():
    run = training(dfanp.Rule("twice", lambda at: -2 * at.delta @ at.W.mT))
    found = updates.measured(run)
    assert found["cosine"] == pytest.approx([1, -1, 1]) and found["norm_ratio"] == pytest.approx([4, 2, 1])
    assert found["bias"] == pytest.approx([3, 3, 0]) and found["variance"] == [0, 0, 0]


def test_the_measures_are_those_of_alignment():
    run = training("dfa")
    found, (X, y) = updates.measured(run), run.problem.probe(0)
    cosines = alignment.gradient_alignment(run.rule, run.network, run.B, run.loss, X, y)
    np.testing.assert_allclose(found["cosine"], cosines)
    np.testing.assert_allclose(found["weight_alignment"], alignment.feedback_alignment(run.rule, run.network, run.B))


def test_forward_gradient_has_its_bias_variance_and_ratio():
    """Unbiased; the variance of a layer with P parameters is P |g|² + |g_l|², |g| over all layers."""
    run = training("forward-gradient", hidden=(4,))
    found = updates.measured(run, draws=4000)
    X, y = run.problem.probe(0)
    h = run.network.forward(X)
    exact = rules.gradients(rules.bp, run.network, None, h, run.loss.error(np, h[-1], y))
    exact = [exact[name] for name in ("W0", "W1")]
    squares = np.array([(g**2).sum() for g in exact])
    wanted = np.array([g.size for g in exact]) * squares.sum() / squares + 1
    np.testing.assert_allclose(found["variance"], wanted, rtol=0.15)
    np.testing.assert_allclose(found["norm_ratio"], np.sqrt(wanted + 1), rtol=0.1)
    assert max(found["bias"]) < 0.2 and min(found["cosine"]) > 0.95
    np.testing.assert_allclose(found["snr"], 1 / wanted, rtol=0.4)


def test_few_draws_do_not_look_like_a_bias():
    """The mean of n draws is off by variance / n, which is subtracted."""
    of = lambda n: updates.measured(training("node-perturbation"), draws=n)["bias"]
    raw = np.sqrt(np.array(updates.measured(training("node-perturbation"), draws=50)["variance"]) / 50)
    assert np.mean(of(50)) < 0.7 * raw.mean()


def test_replicas_have_their_own_and_the_output_layer_alone_has_one():
    joint = updates.measured(training("node-perturbation", seed=(0, 1)), draws=5)
    for seed in (0, 1):
        solo = updates.measured(training("node-perturbation", seed=seed), draws=5)
        assert all(a[seed] == b for kind in updates.KINDS for a, b in zip(joint[kind], solo[kind], strict=True))
    assert [len(values) for values in updates.measured(training("dfa", layers="output")).values()] == [1] * 5 + [2]


def test_nothing_is_changed_and_no_draw_of_the_training_is_taken():
    runs = [training("node-perturbation"), training("node-perturbation")]
    for run, measured in zip(runs, (False, True), strict=True):
        for _ in range(3):
            run.run_epoch()
            if measured:
                updates.measured(run, 3)
    assert all(
        np.array_equal(a, b) for a, b in zip(runs[0].arrays().values(), runs[1].arrays().values(), strict=True)
    )


@pytest.mark.parametrize("rule, names", [("bp", 15), ("dfa", 17), ("pepita", 15)])
def test_they_are_measures_of_each_epoch(rule, names):
    run = training(rule, measures=updates.measures((3, 5, 4, 2), rule, 4))
    (record,) = run.epochs(1)
    assert len(record.own) == names and record.own["update_cosine_W0"] == updates.measured(run)["cosine"][0]
    joint = training(rule, seed=(0, 1), measures=updates.measures((3, 5, 4, 2), rule, 4))
    (both,) = joint.epochs(1)
    assert both.replica(0).own == record.own


def test_layers_that_are_not_trained_have_none():
    run = training("dfa", layers="output", measures=updates.measures((3, 5, 4, 2), "dfa", 4))
    (record,) = run.epochs(1)
    assert np.isnan(record.own["update_cosine_W0"]) and record.own["update_cosine_W2"] == pytest.approx(1)


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"draws must be a whole number from 2 to 10\^6, got 1"):
        updates.measured(training(), 1)
