"""Rules that a user defines: what they may read, draw, learn and return."""

import numpy as np
import pytest

import dfanp

from . import definitions as own
from .definitions import TIERS, backend_of, numbers, outcome, own_problem, training


def test_backpropagation_as_a_rule_of_ones_own_has_its_bytes():
    own_bp, numpy = (
        dfanp.Rule("mine", lambda at: at.delta @ at.W.mT),
        dfanp.Backend("cpu", kernels="numpy", threads=1),
    )
    for shape in ("digits", "deep"):
        mine, theirs = (outcome(training(numpy, "float32", shape, parts=dict(rule=rule))) for rule in (own_bp, "bp"))
        assert mine.keys() == theirs.keys() and all(np.array_equal(mine[name], theirs[name]) for name in mine)


@pytest.mark.parametrize("tier", ["numpy", *TIERS])
def test_a_step_of_target_projection_by_hand(tier):
    X, y = numbers(3)
    backend = backend_of(tier)
    network = dfanp.MLP((6, 4, 3), "tanh", True, "float64", 0, backend)
    run = dfanp.Training(
        network, own_problem(backend, "float64", X, y), own.target_projection, dfanp.SGD(0.1), batch_size=len(X)
    )
    W0, b0 = network.W[0].copy(), network.parameters["b0"].copy()
    list(run.epochs(1))
    h = np.tanh(X @ W0 + b0)
    delta = y @ run.B[0] / len(X) * (1 - h**2)
    np.testing.assert_allclose(network.W[0], W0 - 0.1 * X.T @ delta, rtol=1e-10)
    np.testing.assert_allclose(network.parameters["b0"], b0 - 0.1 * delta.sum(axis=0), rtol=1e-10)


@pytest.mark.parametrize("tier", ["numpy", *TIERS])
def test_kolen_pollack_brings_B_and_the_weights_together(tier):
    """Both get the same gradients, so that weight decay is all that their difference feels: it shrinks by 1 - lr · decay a step."""
    backend, lr, decay = backend_of(tier), 0.5, 0.05
    X, y = numbers(3)
    network = dfanp.MLP((6, 5, 4, 3), "tanh", False, "float64", 0, backend)
    optimizer = dfanp.SGD(lr, weight_decay=decay)
    run = dfanp.Training(
        network, own_problem(backend, "float64", X, y), own.kolen_pollack, optimizer, batch_size=20, align=True
    )
    apart_at_first = [B - W.T for B, W in zip(run.B, network.W[1:], strict=True)]
    cosines = np.array([record.alignment["feedback"] for record in run.epochs(40)])
    for B, W, before in zip(run.B, network.W[1:], apart_at_first, strict=True):
        np.testing.assert_allclose(B - W.T, before * (1 - lr * decay) ** 80, rtol=1e-6, atol=1e-12)
    assert (np.diff(cosines, axis=0) > 0).all() and (cosines[0] < 0.4).all() and (cosines[-1] > 0.98).all()


def test_alignment_of_a_B_that_stands_for_no_weights_is_not_a_number():
    numpy = dfanp.Backend("cpu", kernels="numpy", threads=1)
    pooled = dfanp.Rule(
        "pooled", lambda at: at.xp.sum(at.e, axis=-1, keepdims=True) @ at.B, lambda sizes, l: (1, sizes[l])
    )
    run = training(numpy, "float64", "deep", parts=dict(rule=pooled))
    (record,) = run.epochs(1)
    assert np.isnan(record.alignment["feedback"]).all()
    assert np.isfinite(record.alignment["gradient"]).all() and np.allclose(record.alignment["gradient"][-1], 1)
    named, nameless = (
        training(numpy, "float64", "deep", parts=dict(rule=rule))
        for rule in ("dfa", dfanp.rules.dfa._replace(name="mine"))
    )
    assert np.array_equal(*(next(run.epochs(1)).alignment["feedback"] for run in (named, nameless)))


def test_what_a_rule_may_use():
    seen = []

    def spy(at):
        seen.append(
            {name: getattr(at, name).shape for name in ("W", "B", "h", "delta", "e", "y")} | {"l": at.l, "n": at.n}
        )
        return at.delta @ at.B

    after_step = lambda after: seen.append(
        {name: [each.shape for each in getattr(after, name)] for name in ("W", "B", "h")}
        | {"e": after.e.shape, "y": after.y.shape, "lr": after.lr}
    )
    rule = dfanp.Rule("spy", spy, dfanp.rules.next_layer, after_step=after_step)
    run = training(dfanp.Backend("cpu"), "float32", "deep", 4, dict(rule=rule))
    X, y = run.problem.train(4)
    run.learn(X[:16], y[:16], 1)
    output = {"e": (16, 3), "y": (16, 3)}
    assert seen == [
        {"W": (4, 3), "B": (3, 4), "h": (16, 4), "delta": (16, 3), "l": 2, "n": 16} | output,
        {"W": (6, 4), "B": (4, 6), "h": (16, 6), "delta": (16, 4), "l": 1, "n": 16} | output,
        {"W": [(6, 6), (6, 4), (4, 3)], "B": [(4, 6), (3, 4)], "h": [(16, 6), (16, 6), (16, 4), (16, 3)], "lr": 0.5}
        | output,
    ]


def test_random_numbers_of_a_rule_depend_on_seed_step_and_layer_alone():
    drawn = []

    def draw(at):
        drawn.append(at.rng.normal(size=3))
        assert at.rng is at.rng and at.rng.integers(0, 9, 2).dtype.kind == "i"
        return at.delta @ at.W.mT

    rule = dfanp.Rule("drawing", draw, after_step=lambda after: drawn.append(after.rng.normal(size=3)))
    for seed in (4, 4, 7):
        run = training(dfanp.Backend("cpu"), "float32", "deep", seed, dict(rule=rule))
        for _ in range(3):
            run.learn(*run.problem.train(seed), 1)
    first, again, other = (
        np.array(drawn[start : start + 9]) for start in (0, 9, 18)
    )  # two layers and the end of three steps
    assert first.dtype == np.float32 and np.array_equal(first, again) and len(np.unique(first)) == first.size
    assert not np.isin(first, other).any()


@pytest.mark.parametrize("rule", ["target-projection", "noisy", "kolen-pollack", "weight-mirror"])
@pytest.mark.parametrize(
    "given", [dict(seed=3), dict(feedback=dfanp.Feedback(seed=3)), dict(feedback=dfanp.Feedback(seed=(3, 3)))]
)
def test_replicas_may_share_a_seed_of_the_data_and_of_B(rule, given):
    """Also where the signal is then the same for all of them, or each goes on to learn its own B."""
    X, y = numbers(3)
    backend, outcomes = dfanp.Backend("cpu"), []
    for seed in ((4, 7), 4, 7):
        network = dfanp.MLP((6, 5, 4, 3), seed=seed, backend=backend)
        more = dict(given)
        if isinstance(seed, int) and "feedback" in given:
            more = dict(feedback=dfanp.Feedback(seed=3))
        problem = own_problem(backend, "float32", X, y.astype("float32"))
        run = dfanp.Training(network, problem, own.RULES[rule], dfanp.SGD(0.1), batch_size=16, **more)
        list(run.epochs(2))
        outcomes.append(run.arrays())
    for name, array in outcomes[0].items():
        if name.startswith(("parameters", "feedback")) and array.ndim == outcomes[1][name].ndim + 1:
            assert np.array_equal(array[0], outcomes[1][name]) and np.array_equal(array[1], outcomes[2][name])
        elif name.startswith("feedback"):  # drawn once for all, and fixed
            assert np.array_equal(array, outcomes[1][name]) and rule == "target-projection"


def test_a_learned_B_rests_where_the_output_layer_alone_is_trained():
    X, y = numbers(3)
    backend = dfanp.Backend("cpu")
    network = dfanp.MLP((6, 5, 4, 3), seed=(1, 2), backend=backend)
    problem = own_problem(backend, "float32", X, y.astype("float32"))
    run = dfanp.Training(network, problem, own.kolen_pollack, dfanp.Adam(0.1), batch_size=16, layers="output")
    before = run.arrays()
    list(run.epochs(1))
    changed = [name for name, array in run.arrays().items() if not np.array_equal(array, before[name])]
    assert changed == ["parameters/W2", "optimizer/W2/m", "optimizer/W2/v", "optimizer/step", "epoch"]


@pytest.mark.parametrize(
    "rule, message",
    [
        (
            dfanp.Rule("odd", lambda at: at.e),
            r"signal of the rule 'odd' must return an array of shape \(16, 4\), got \(16, 3\)",
        ),
        (dfanp.Rule("odd", lambda at: at.h[:, :1]), r"signal of .* got \(16, 1\)"),
        (dfanp.Rule("odd", lambda at: at.h[0]), r"signal of .* got \(4,\)"),
        (dfanp.Rule("odd", lambda at: 0.5), "signal of .* got float"),
        (dfanp.Rule("odd", lambda at: None), "signal of .* got NoneType"),
        (
            dfanp.Rule("odd", lambda at: at.h, dfanp.rules.next_layer, lambda at: at.W),
            r"feedback_gradient of the rule 'odd' must return an array of shape \(3, 4\), got \(4, 3\)",
        ),
        (
            dfanp.Rule("odd", lambda at: at.h, None, lambda at: at.W),
            "has a feedback_gradient, so it needs a feedback_shape",
        ),
        (
            dfanp.Rule("odd", lambda at: at.h, lambda sizes, l: sizes[l]),
            "feedback_shape of the rule 'odd' must return two whole .* got 6",
        ),
        (dfanp.Rule("odd", lambda at: at.h, lambda sizes, l: (sizes[l],)), r"feedback_shape .* got \(6,\)"),
        (dfanp.Rule("odd", lambda at: at.h, lambda sizes, l: (0, sizes[l])), r"feedback_shape .* got \(0, 6\)"),
        (dfanp.Rule("odd", lambda at: at.h, lambda sizes, l: (1.5, 2)), r"feedback_shape .* got \(1.5, 2\)"),
        (dfanp.Rule("odd"), "the rule 'odd' must have either a signal or gradients"),
        (dfanp.Rule("odd", lambda at: at.h, gradients=lambda at: {}), "'odd' must have either a signal or gradients"),
        (
            dfanp.Rule("odd", None, dfanp.rules.output, lambda at: at.B, gradients=lambda at: {}),
            "has gradients, so feedback_gradient must be None",
        ),
        (dfanp.Rule("odd", gradients=lambda at: None), "must return a dict of W0, b0, W1, b1, W2, b2, got NoneType"),
        (dfanp.Rule("odd", gradients=lambda at: {"W0": at.W[0]}), r"must return a dict of W0, .*, got \['W0'\]"),
        (
            dfanp.Rule("odd", gradients=lambda at: at.trained | {"W1": at.W[2]}),
            r"gradients\['W1'\] of the rule 'odd' must return an array of shape \(6, 4\), got \(4, 3\)",
        ),
        (
            dfanp.Rule("odd", gradients=lambda at: at.trained | {"W1": at.W[1][0]}),
            r"gradients\['W1'\] of the rule 'odd' must return an array of shape \(6, 4\), got \(4,\)",
        ),
        (dfanp.Rule("odd", gradients=lambda at: at.trained | {"b2": 0.5}), r"gradients\['b2'\] .* got float"),
    ],
)
def test_a_rule_that_makes_something_else(rule, message):
    with pytest.raises(ValueError, match=message) as error:
        list(training(dfanp.Backend("cpu"), "float32", "deep", 4, dict(rule=rule)).epochs(1))
    assert len(str(error.value).splitlines()) == 1


def test_a_rule_of_another_shape_may_make_the_same_for_all_replicas():
    constant = lambda at: {n: at.xp.ones(at.own_shape(theta)) for n, theta in at.trained.items()}
    run = training(
        dfanp.Backend("cpu"), "float32", "deep", parts=dict(rule=dfanp.Rule("constant", gradients=constant))
    )
    before = run.arrays()
    run.learn(*run.problem.train(0), 1)
    for name, theta in run.network.parameters.items():
        np.testing.assert_allclose(theta, before[f"parameters/{name}"] - 0.5, rtol=1e-6)


def test_a_rule_of_another_shape_sees_the_batch_and_no_more():
    seen = []

    def spy(at):
        seen.append((at.n, at.first, [W.shape for W in at.W], [b.shape for b in at.B], [h.shape for h in at.h]))
        seen.append((sorted(at.trained), at.loss.name, at.losses(at.h).shape, at.e.shape, at.y.shape))
        assert np.array_equal(at.forward()[-1], at.h[-1])
        return at.of_deltas([h * 0 for h in at.h[1:]])

    rule = dfanp.Rule("spy", None, lambda sizes, l: (sizes[-1], 2) if l == 2 else None, gradients=spy)
    run = training(dfanp.Backend("cpu"), "float32", "deep", 4, dict(rule=rule))
    X, y = run.problem.train(4)
    run.learn(X[:16], y[:16], 1)
    assert seen == [
        (16, 0, [(6, 6), (6, 4), (4, 3)], [(3, 2)], [(16, 6), (16, 6), (16, 4), (16, 3)]),
        (["W0", "W1", "W2", "b0", "b1", "b2"], "bce", (16,), (16, 3), (16, 3)),
    ]
