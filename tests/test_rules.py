import numpy as np
import pytest

import dfanp
from dfanp import losses, rules

DEPTHS = [(4, 1), (4, 5, 1), (4, 5, 3), (4, 6, 5, 3), (4, 3, 5, 6, 2)]


def setting(rng, sizes, activation="tanh", bias=True, loss="bce", seed=0, n=7):
    """A float64 network with a batch, its outputs and its error."""
    network, loss = dfanp.MLP(sizes, activation, bias, "float64", seed), losses.get(loss)
    X = rng.standard_normal((n, sizes[0]))
    if loss.name == "cross-entropy":
        y = np.eye(sizes[-1])[rng.integers(0, sizes[-1], n)]
    else:
        y = rng.integers(0, 2, (n, sizes[-1])).astype(float)
    h = network.forward(X)
    return network, loss, X, y, h, loss.error(np, h[-1], y)


def drawn(rule, sizes, seed=0):
    return dfanp.Feedback("gaussian").draw(rules.feedback_shapes(rules.get(rule), sizes), seed)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("activation", ["relu", "leaky-relu", "tanh", "sigmoid", "identity"])
@pytest.mark.parametrize("loss", losses.LOSSES)
@pytest.mark.parametrize("sizes", DEPTHS)
def test_bp_is_the_gradient_by_finite_differences(rng, sizes, loss, activation, bias):
    network, loss, X, y, h, e = setting(rng, sizes, activation, bias, loss)
    found = rules.gradients(rules.get("bp"), network, [], h, e)
    assert found.keys() == network.parameters.keys()
    mean_loss = lambda: loss.per_example(np, network.forward(X)[-1], y).mean()
    for name, theta in network.parameters.items():
        for _ in range(4):
            place, step = tuple(rng.integers(0, theta.shape)), 1e-6
            kept, values = theta[place], []
            for moved in (kept + step, kept - step):
                theta[place] = moved
                values.append(mean_loss())
            theta[place] = kept
            np.testing.assert_allclose(found[name][place], (values[0] - values[1]) / (2 * step), atol=2e-9)


@pytest.mark.parametrize("sizes", DEPTHS)
def test_fa_with_transposed_weights_is_bp(rng, sizes):
    network, _, _, _, h, e = setting(rng, sizes)
    transposes = [W.T for W in network.W[1:]]
    gradients, exact = (rules.gradients(rules.get(rule), network, transposes, h, e) for rule in ("fa", "bp"))
    assert all(np.array_equal(gradients[name], exact[name]) for name in exact)


def test_dfa_is_fa_with_one_hidden_layer(rng):
    network, _, _, _, h, e = setting(rng, (4, 5, 3))
    assert rules.feedback_shapes(rules.get("fa"), (4, 5, 3)) == rules.feedback_shapes(rules.get("dfa"), (4, 5, 3))
    B = drawn("fa", (4, 5, 3))
    fa, dfa = (rules.gradients(rules.get(rule), network, B, h, e) for rule in ("fa", "dfa"))
    assert all(np.array_equal(fa[name], dfa[name]) for name in fa)


@pytest.mark.parametrize("rule", rules.RULES)
@pytest.mark.parametrize("sizes", DEPTHS)
def test_the_last_layer_is_exact_under_every_rule(rng, rule, sizes):
    network, _, _, _, h, e = setting(rng, sizes)
    gradients = rules.gradients(rules.get(rule), network, drawn(rule, sizes), h, e)
    exact = rules.gradients(rules.get("bp"), network, [], h, e)
    for name in (f"W{len(sizes) - 2}", f"b{len(sizes) - 2}"):
        assert np.array_equal(gradients[name], exact[name])


@pytest.mark.parametrize("rule", ["fa", "dfa"])
def test_signals_of_a_deep_network_by_hand(rng, rule):
    sizes = (4, 6, 5, 3)
    network, _, _, _, h, e = setting(rng, sizes)
    B = drawn(rule, sizes)
    assert [b.shape for b in B] == ([(5, 6), (3, 5)] if rule == "fa" else [(3, 6), (3, 5)])
    upper = (e @ B[1]) * (1 - h[2] ** 2)
    lower = ((upper if rule == "fa" else e) @ B[0]) * (1 - h[1] ** 2)
    found = rules.gradients(rules.get(rule), network, B, h, e)
    np.testing.assert_allclose(found["W1"], h[1].T @ upper, rtol=1e-12)
    np.testing.assert_allclose(found["W0"], h[0].T @ lower, rtol=1e-12)
    np.testing.assert_allclose(found["b0"], lower.sum(axis=0), rtol=1e-12)


def test_scale_is_the_same_for_all_layers(rng):
    """Twice every example is the same mean: no layer's gradient may change."""
    network, loss, X, y, h, e = setting(rng, (4, 5, 3))
    B = drawn("dfa", (4, 5, 3))
    once = rules.gradients(rules.get("dfa"), network, B, h, e)
    h2 = network.forward(np.tile(X, (2, 1)))
    twice = rules.gradients(rules.get("dfa"), network, B, h2, loss.error(np, h2[-1], np.tile(y, (2, 1))))
    for name in once:
        np.testing.assert_allclose(once[name], twice[name], atol=1e-15)


@pytest.mark.parametrize("rule", rules.RULES)
def test_replicas_equal_solo_gradients(rng, rule):
    sizes, seeds = (4, 6, 5, 1), (3, 8)
    joint, loss, X, y, h, e = setting(rng, sizes, seed=seeds)
    found = rules.gradients(rules.get(rule), joint, drawn(rule, sizes, seeds), h, e)
    for r, seed in enumerate(seeds):
        solo = dfanp.MLP(sizes, "tanh", True, "float64", seed)
        h_solo = solo.forward(X)
        alone = rules.gradients(
            rules.get(rule), solo, drawn(rule, sizes, seed), h_solo, loss.error(np, h_solo[-1], y)
        )
        for name in alone:
            assert np.array_equal(found[name][r], alone[name])


def test_below_the_first_trained_layer_nothing_is_computed(rng):
    network, _, _, _, h, e = setting(rng, (4, 5, 3))
    assert rules.gradients(rules.get("bp"), network, [], h, e, first=1).keys() == {"W1", "b1"}


def test_nothing_is_changed(rng):
    network, _, X, _, h, e = setting(rng, (4, 5, 3))
    B = drawn("dfa", (4, 5, 3))
    before = [a.copy() for a in (*network.parameters.values(), *h, e, *B)]
    rules.gradients(rules.get("dfa"), network, B, h, e)
    after = (*network.parameters.values(), *h, e, *B)
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_unknown_rule():
    with pytest.raises(ValueError, match="unknown rule 'dfq'.*did you mean 'dfa'"):
        rules.get("dfq")
