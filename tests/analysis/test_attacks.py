"""The input gradient against finite differences, attacks against what they must do, and controls that must fail them."""

import numpy as np
import pytest

import dfanp
from dfanp import activations, baselines, losses, rules
from dfanp.analysis import attacks

CPU = dfanp.Backend("cpu", threads=1, kernels="numpy")
TARGETS = {
    "bce": np.array([[1.0], [0], [1]]),
    "cross-entropy": np.eye(3)[[2, 0, 1]],
    "mse": np.array([[0.3], [-1], [2]]),
}


def numeric(network, loss, X, y, step=1e-6):
    """Return the gradient of the mean loss by central differences."""
    found = np.zeros_like(X)
    mean = lambda moved: loss.per_example(np, network.forward(moved)[-1], y).mean()
    for place in np.ndindex(X.shape):
        d = np.zeros_like(X)
        d[place] = step
        found[place] = (mean(X + d) - mean(X - d)) / (2 * step)
    return found


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("hidden", [(), (5,), (5, 4), (4, 4, 3)], ids=len)
@pytest.mark.parametrize("loss", sorted(TARGETS))
def test_the_input_gradient_is_that_of_finite_differences(rng, loss, hidden, bias):
    loss, y = losses.get(loss), TARGETS[loss]
    X = rng.normal(size=(3, 6))
    for number, activation in enumerate(activations.ACTIVATIONS if hidden else ("relu",)):
        network = dfanp.MLP((6, *hidden, y.shape[1]), activation, bias, "float64", number, CPU)
        found = attacks.input_gradient(network, loss, X, y)
        np.testing.assert_allclose(found, numeric(network, loss, X, y), rtol=1e-5, atol=1e-8, err_msg=activation)


@pytest.mark.parametrize("name", list(baselines.BASELINES))
def test_lazy_networks_have_their_input_gradient_too(rng, name):
    network = baselines.get(name).network((6, 5, 1), "float64", 0, CPU, 2.0, 0.1)
    X, y, loss = rng.normal(size=(3, 6)), TARGETS["bce"], losses.bce
    found = attacks.input_gradient(network, loss, X, y)
    np.testing.assert_allclose(found, numeric(network, loss, X, y), rtol=1e-5, atol=1e-8)


def test_the_rule_plays_no_part_in_the_true_gradient_and_all_in_its_own(rng):
    """Fixed points: BP sends the true gradient, FA does with B = W.T, and DFA is FA where the next layer is the output."""
    network, loss, y = (
        dfanp.MLP((6, 5, 4, 3), "tanh", True, "float64", 0, CPU),
        losses.cross_entropy,
        TARGETS["cross-entropy"],
    )
    X = rng.normal(size=(3, 6))
    true = attacks.input_gradient(network, loss, X, y)
    own = lambda rule, B: attacks.transported(rules.get(rule), network, B, loss, X, y)
    np.testing.assert_allclose(own("bp", []), true)
    np.testing.assert_allclose(own("fa", [W.T for W in network.W]), true)
    B = [rng.normal(size=(3, d)) for d in (6, 5, 4)]
    e = loss.error(np, network.forward(X)[-1], y)
    np.testing.assert_allclose(own("dfa", B), e @ B[0])
    shallow = dfanp.MLP((6, 3), dtype="float64", backend=CPU)
    np.testing.assert_allclose(
        attacks.transported(rules.dfa, shallow, B[:1], loss, X, y),
        attacks.transported(rules.fa, shallow, B[:1], loss, X, y),
    )


def test_a_network_with_a_forward_pass_of_its_own_must_say_its_input_gradient(rng):
    class Doubled(dfanp.MLP):
        def preactivation(self, layer, h):
            return 2 * super().preactivation(layer, h)

    network = Doubled((6, 4, 1), dtype="float64", backend=CPU)
    with pytest.raises(ValueError, match="Doubled has its own preactivation.*to_input"):
        attacks.input_gradient(network, losses.bce, rng.normal(size=(3, 6)), TARGETS["bce"])


def test_attacks_move_no_pixel_further_than_they_may(rng):
    u, gradient = rng.random((4, 6)), lambda u: np.cos(9 * u)
    made = attacks.fgsm(gradient, u, 0.1), attacks.pgd(gradient, u, 0.1, rng, 5), attacks.random_signs(u, 0.1, rng)
    for moved in made:
        assert abs(moved - u).max() <= 0.1 + 1e-12 and moved.min() >= 0 and moved.max() <= 1 and (moved != u).any()
    assert (attacks.fgsm(lambda u: 0 * u, u, 0.1) == u).all()
    inside = (u > 0.2) & (u < 0.8)
    np.testing.assert_allclose((made[0] - u)[inside], 0.1 * np.sign(gradient(u))[inside])


def test_pgd_finds_the_corner_where_a_linear_loss_is_largest(rng):
    u, g = rng.random((4, 6)), rng.normal(size=(4, 6))
    np.testing.assert_allclose(attacks.pgd(lambda _: g, u, 0.1, rng), attacks.fgsm(lambda _: g, u, 0.1))


@pytest.fixture(scope="module")
def trained():
    """Return rule -> a Training of two seeds on digits."""
    found, data = {}, dfanp.load("digits")
    for rule in ("bp", "fa", "dfa"):
        problem = dfanp.Classes(data, train_size=1000, pixels="unit", backend=CPU)
        network = dfanp.MLP((64, 32, 32, 10), "tanh", True, seed=(0, 1), backend=CPU)
        found[rule] = dfanp.Training(network, problem, rule, dfanp.Adam(0.005), batch_size=50)
        list(found[rule].epochs(6))
    return found


@pytest.mark.parametrize("rule", ["bp", "fa", "dfa"])
def test_controls(trained, rule):
    """Random signs do little, one step less than twenty, a large ε leaves nothing, and masking shows."""
    other = attacks.targets(trained["bp"], 200)[1]
    for found in attacks.measured(trained[rule], (0.1, 0.5), 10, 200, {"other": other}):
        accuracy = found.accuracy
        assert found.clean > 0.85 and found.vanished == 0
        assert accuracy["random"][0] > found.clean - 0.1
        assert accuracy["fgsm"][0] < accuracy["random"][0] - 0.3
        assert accuracy["pgd"][0] <= accuracy["fgsm"][0] + 0.01 and accuracy["pgd"][1] < 0.02
        assert accuracy["fgsm"][0] - 0.01 <= found.transfer["other"][0] < accuracy["random"][0]
        if rule == "bp":
            assert "own pgd" not in accuracy
        else:
            assert accuracy["own pgd"][0] > accuracy["pgd"][0] + 0.3


def test_a_seed_of_a_joint_run_is_attacked_as_its_solo_run(trained):
    joint = attacks.targets(trained["dfa"], 50)[1]
    problem = trained["dfa"].problem
    network = dfanp.MLP((64, 32, 32, 10), "tanh", True, seed=1, backend=CPU)
    solo = dfanp.Training(network, problem, "dfa", dfanp.Adam(0.005), batch_size=50)
    list(solo.epochs(6))
    (target,) = attacks.targets(solo, 50)
    assert (target.u == joint.u).all() and target.seed == 1
    np.testing.assert_allclose(target.true(target.u, target.y), joint.true(joint.u, joint.y), rtol=1e-3, atol=1e-9)
    for own, other in zip(target.B, joint.B, strict=True):
        np.testing.assert_allclose(own, other)
    assert attacks.measured(solo, (0.1,), 3, 50) == attacks.measured(solo, (0.1,), 3, 50)


def test_every_rule_with_a_signal_sends_something_to_the_input(tiny):
    problem = dfanp.Parity(tiny, 1, 40, 20, backend=CPU)
    for rule in rules.RULES.values():
        network = dfanp.MLP((12, 5, 4, 1), "tanh", seed=0, backend=CPU)
        training = dfanp.Training(network, problem, rule, dfanp.SGD(0.1), batch_size=20)
        list(training.epochs(1))
        (found,) = attacks.measured(training, (0.1,), 2, 20)
        assert ("own fgsm" in found.accuracy) == (rule.signal is not None and rule.name != "bp"), rule.name


def test_saturated_answers_are_counted_not_called_robust(trained):
    (target, _) = attacks.targets(trained["bp"], 50)
    for W in target.network.W:
        W *= 1e4
    found = attacks.attacked(target, (0.1,), 2, {})
    assert found.vanished > 0.5


class Regression:
    features, outputs, loss, dtype, backend, train_size = 2, 1, "mse", "float32", CPU, 4

    def train(self, seed, epoch):
        return np.ones((4, 2), "float32"), np.ones((4, 1), "float32")

    test = train


@pytest.mark.parametrize(
    "arguments, line",
    [
        (dict(epsilons=()), "epsilons must be"),
        (dict(epsilons="0.1"), "epsilons must be"),
        (dict(epsilons=(0.0,)), "each of epsilons must be"),
        (dict(epsilons=(float("nan"),)), "each of epsilons must be"),
        (dict(epsilons=(1.5,)), "each of epsilons must be"),
        (dict(steps=0), "steps must be"),
        (dict(samples=0), "samples must be"),
    ],
)
def test_wrong_arguments(trained, arguments, line):
    with pytest.raises(ValueError, match=line):
        attacks.measured(trained["bp"], **arguments)


def test_problems_without_limits_or_classes(trained):
    training = lambda problem: dfanp.Training(
        dfanp.MLP((2, 3, 1), backend=CPU), problem, "bp", dfanp.SGD(0.1), batch_size=2
    )
    with pytest.raises(ValueError, match="the loss of this problem has no accuracy"):
        attacks.measured(training(Regression()))
    with pytest.raises(ValueError, match="does not say its scale"):
        attacks.measured(training(dfanp.Arrays([[0, 0], [0, 1]], [0, 1], backend=CPU)))
