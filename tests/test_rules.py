import numpy as np
import pytest

import dfanp
from dfanp import losses, rules
from dfanp.streams import Draws

from .definitions import TIERS, apart, backend_of, outcome
from .definitions import training as small

SIGNALS = [name for name, rule in rules.RULES.items() if rule.signal is not None]
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


def draws_of(seed):
    """What a rule that draws is given: the random arrays of a layer."""
    return lambda l: Draws(seed, 1, l, dfanp.Backend("cpu", kernels="numpy"), "float64")


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


@pytest.mark.parametrize("rule", SIGNALS)
@pytest.mark.parametrize("sizes", DEPTHS)
def test_the_last_layer_is_exact_under_every_rule(rng, rule, sizes):
    if rule == "mdfa" and sizes[-1] > 1:  # which is not defined for them
        with pytest.raises(ValueError, match="'mdfa' is for networks with one output"):
            drawn(rule, sizes)
        return
    network, loss, _, y, h, e = setting(rng, sizes)
    given = dict(draws=draws_of(0), loss=loss)
    gradients = rules.gradients(rules.get(rule), network, drawn(rule, sizes), h, e, y, **given)
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
    given = dict(draws=draws_of(seeds), loss=loss)
    found = rules.gradients(rules.get(rule), joint, drawn(rule, sizes, seeds), h, e, y, **given)
    for r, seed in enumerate(seeds):
        solo = dfanp.MLP(sizes, "tanh", True, "float64", seed)
        h_solo = solo.forward(X)
        e_solo, B = loss.error(np, h_solo[-1], y), drawn(rule, sizes, seed)
        alone = rules.gradients(rules.get(rule), solo, B, h_solo, e_solo, y, draws=draws_of(seed), loss=loss)
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


def trained(rule, optimizer, hidden=(6, 5), activation="tanh", steps=30, B=None, outputs=3):
    """A Training in float64 on classes that a teacher gives, after some steps; B in place of its own."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(40, 4))
    y = np.eye(outputs)[rng.integers(0, outputs, 40)] if outputs > 1 else rng.integers(0, 2, (40, 1))
    problem = dfanp.Arrays(X, y, dtype="float64")
    network = dfanp.MLP([4, *hidden, outputs], activation, dtype="float64", seed=3)
    training = dfanp.Training(network, problem, rule, optimizer, batch_size=40)
    for l, given in enumerate(B or ()):
        training.B[l][...] = given
    before = [W.copy() for W in network.W], [b.copy() for b in training.B]
    list(training.epochs(steps))
    return network.W, training.B, *before


@pytest.mark.parametrize(
    "opt", [dfanp.SGD(0.1), dfanp.Momentum(0.05), dfanp.RMSProp(0.01), dfanp.Adam(0.01), dfanp.Adadelta(1.0)]
)
def test_kolen_pollack_keeps_what_w_and_b_differ_by(opt):
    """Without weight decay, under any elementwise optimizer: both have the same gradient."""
    W, B, W0, B0 = trained("kp", opt)
    assert not np.allclose(W[1], W0[1], atol=1e-3)
    for l, b in enumerate(B):
        np.testing.assert_allclose(W[l + 1] - b.T, W0[l + 1] - B0[l].T, atol=1e-12)


def test_with_decay_kolen_pollack_becomes_backpropagation():
    rate, decay, steps = 0.1, 0.5, 60
    W, B, W0, B0 = trained("kp", dfanp.SGD(rate, weight_decay=decay), steps=steps)
    for l, b in enumerate(B):
        np.testing.assert_allclose(W[l + 1] - b.T, (1 - rate * decay) ** steps * (W0[l + 1] - B0[l].T), atol=1e-12)


def test_direct_kolen_pollack_is_that_with_one_hidden_layer():
    (W, *_), (other, *_) = (trained(rule, dfanp.Adam(0.01), hidden=(6,)) for rule in ("kp", "dkp"))
    assert all(np.array_equal(a, b) for a, b in zip(W, other, strict=True))


@pytest.mark.parametrize("sizes", DEPTHS[1:])
def test_signs_of_w_with_its_sizes_are_backpropagation(rng, sizes):
    network, _, _, _, h, e = setting(rng, sizes)
    B = [np.abs(W.T) for W in network.W[1:]]
    frsf, bp = (rules.gradients(rules.get(rule), network, B, h, e) for rule in ("frsf", "bp"))
    for name in bp:
        np.testing.assert_allclose(frsf[name], bp[name], rtol=1e-12)


def test_sizes_of_signs_are_those_of_weights_before_training():
    network = dfanp.MLP([40, 300, 200, 5], dtype="float64", seed=0)
    for W in network.W[1:]:
        at = rules.At(np, W, None, None, None, None)
        assert rules.initial_size(at) == pytest.approx(W.std(), rel=0.05)


def test_random_sizes_are_others_in_each_step():
    network = dfanp.MLP([4, 6, 5, 1], dtype="float64", seed=0)
    backend, drawn_by = dfanp.Backend("cpu"), {}
    for step in (1, 2):
        draws = Draws(0, step, 1, backend, "float64")
        at = rules.At(np, network.W[1], None, None, None, None, draws=draws)
        drawn_by[step] = rules.sizes_anew(at)
    assert drawn_by[1].shape == (5, 6) and not np.array_equal(drawn_by[1], drawn_by[2])


@pytest.mark.parametrize("loss", ["bce", "cross-entropy"])
def test_a_label_is_the_sign_of_the_error_where_it_is_below(rng, loss):
    """DRTP in terms of e, for outputs between 0 and 1 and targets that are 0 or 1; of one output it is sDFA."""
    network, _, _, y, h, e = setting(rng, (4, 6, 5, 3), loss=loss)
    B = drawn("drtp", (4, 6, 5, 3))
    mine = rules.gradients(rules.get("drtp"), network, B, h, e, y)
    below = rules.Rule("below", lambda at: -(at.e < 0).astype(float) / at.n @ at.B, rules.output)
    theirs = rules.gradients(below, network, B, h, e, y)
    assert all(np.array_equal(mine[name], theirs[name]) for name in mine)
    single, _, _, y, h, e = setting(rng, (4, 6, 1))
    B = drawn("drtp", (4, 6, 1))
    of = lambda rule: rules.gradients(rules.get(rule), single, B, h, e, y)
    assert all(np.array_equal(of("drtp")[name], of("sdfa")[name]) for name in of("sdfa"))


def test_monotone_dfa_keeps_weights_positive_and_has_one_output():
    W, _, _, _ = trained("mdfa", dfanp.SGD(0.1), outputs=1)
    assert all((w >= 1e-6).all() for w in W[1:]) and (W[0] < 0).any()
    with pytest.raises(ValueError, match="'mdfa' is for networks with one output, got 3"):
        trained("mdfa", dfanp.SGD(0.1))


@pytest.mark.parametrize("rule", rules.RULES)
def test_every_rule_lowers_the_loss(rule):
    X = np.random.default_rng(2).normal(size=(200, 6))
    problem = dfanp.Arrays(X, (X[:, :1] + X[:, 1:2] > 0), dtype="float64")
    network = dfanp.MLP([6, 30, 20, 1], "tanh", dtype="float64", seed=0)
    # A single random direction of 800 has a large variance: smaller steps, and more of them. PEPITA is slow at first.
    of_their_own = {"weight-perturbation": (0.005, 100), "forward-gradient": (0.005, 100), "pepita": (0.05, 30)}
    lr, epochs = of_their_own.get(rule, (0.05, 15))
    records = list(dfanp.Training(network, problem, rule, dfanp.SGD(lr), batch_size=20).epochs(epochs))
    assert records[-1].train_loss < 0.75 * records[0].train_loss and records[-1].test_accuracy > 0.9


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("rule", [rule.name for rule in rules.FURTHER])
def test_rules_of_another_shape_are_the_same_on_every_tier(rule, tier):
    """No kernel takes them for another; differences of a loss by small noise lose some digits."""
    parts = dict(rule=rule)
    mine, theirs = (
        outcome(small(backend, "float64", "deep", parts=parts)) for backend in (backend_of(tier), backend_of("numpy"))
    )
    assert apart(mine, theirs) < (1e-5 if "perturbation" in rule else 1e-9)
