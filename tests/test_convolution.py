"""The convolution against sums written out, finite differences and PyTorch; and every rule that trains it."""

import numpy as np
import pytest

import dfanp
from dfanp import losses, rules
from dfanp.analysis import attacks
from dfanp.convolution import Convolution, Convolutional

CPU = dfanp.Backend("cpu", threads=1, kernels="numpy")
LOSS, Y = losses.cross_entropy, np.eye(3)[[2, 0, 1, 1]]


def small(seed=0, activation="tanh", above=(5, 3), **more):
    """A network on 7 × 7 pixels: 5 × 5 places, pooled to 2 × 2, of 2 filters; the last row and column of places is not seen."""
    return Convolutional(
        7, 2, 3, 2, above, activation=activation, bias=True, dtype="float64", seed=seed, backend=CPU, **more
    )


def loss_of(network, X):
    return LOSS.per_example(np, network.forward(X)[-1], Y).mean()


def gradients(network, X, rule=rules.bp, B=()):
    h = network.forward(X)
    return rules.gradients(rule, network, list(B), h, LOSS.error(np, h[-1], Y), Y, loss=LOSS)


def test_the_forward_pass_is_the_sum_over_each_patch(rng):
    network, X = small(), rng.normal(size=(4, 49))
    W, b, images = network.W[0].reshape(3, 3, 2), network.parameters["b0"], X.reshape(4, 7, 7)
    a = np.zeros((4, 5, 5, 2))
    for i in range(5):
        for j in range(5):
            a[:, i, j] = np.einsum("nxy,xyf->nf", images[:, i : i + 3, j : j + 3], W) + b
    f = np.tanh(a)
    best = np.stack(
        [np.stack([f[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].max((1, 2)) for j in (0, 1)], 1) for i in (0, 1)], 1
    )
    np.testing.assert_allclose(network.forward(X)[1], best.reshape(4, 8))
    assert network.sizes == (49, 8, 5, 3) and network.parameters["W0"].shape == (9, 2)


@pytest.mark.parametrize(
    "activation, above", [("tanh", (5, 3)), ("relu", (5, 3)), ("sigmoid", (3,)), ("tanh", (4, 4, 3))]
)
def test_bp_is_the_gradient_of_finite_differences_of_parameters_and_input(rng, activation, above):
    network, X = small(3, activation, above), rng.normal(size=(4, 49))
    for name, found in gradients(network, X).items():
        theta, numeric = network.parameters[name], np.zeros_like(network.parameters[name])
        for place in np.ndindex(theta.shape):
            before, sides = theta[place], []
            for step in (1e-6, -1e-6):
                theta[place] = before + step
                sides.append(loss_of(network, X))
            theta[place] = before
            numeric[place] = (sides[0] - sides[1]) / 2e-6
        np.testing.assert_allclose(found, numeric, rtol=1e-5, atol=1e-9, err_msg=name)
    found, d = attacks.input_gradient(network, LOSS, X, Y), rng.normal(size=X.shape)
    slope = (loss_of(network, X + 1e-6 * d) - loss_of(network, X - 1e-6 * d)) / 2e-6
    assert np.sum(found * d) == pytest.approx(slope, rel=1e-5)


def test_fa_with_the_weights_is_bp_and_dfa_is_fa_below_the_output(rng):
    network, X = small(), rng.normal(size=(4, 49))
    exact, found = gradients(network, X), gradients(network, X, rules.fa, [W.T for W in network.W[1:]])
    for name in exact:
        np.testing.assert_allclose(found[name], exact[name])
    shallow, B = small(above=(3,)), [rng.normal(size=(3, 8))]
    by_fa, by_dfa, exact = (gradients(shallow, X, rule, B)["W0"] for rule in (rules.fa, rules.dfa, rules.bp))
    np.testing.assert_allclose(by_fa, by_dfa)
    assert not np.allclose(by_dfa, exact)


def test_dfa_sends_each_place_a_signal_of_its_own(rng):
    """Its gradient, written out: e @ B at the winners, summed over places and examples."""
    network, X, B = small(), rng.normal(size=(4, 49)), [rng.normal(size=(3, 8)), rng.normal(size=(3, 5))]
    h = network.forward(X)
    delta = (LOSS.error(np, h[-1], Y) @ B[0] * (1 - h[1] ** 2)).reshape(4, 2, 2, 2)
    f, wanted = np.tanh(h[0] @ network.W[0] + network.parameters["b0"]).reshape(4, 2, 2, 2, 2, 2), np.zeros((3, 3, 2))
    for n, i, j, k in np.ndindex(4, 2, 2, 2):
        square = f[n, :, :, i, j, k]
        x, y = np.unravel_index(square.argmax(), (2, 2))
        patch = X[n].reshape(7, 7)[2 * i + x : 2 * i + x + 3, 2 * j + y : 2 * j + y + 3]
        wanted[..., k] += delta[n, i, j, k] * patch
    np.testing.assert_allclose(gradients(network, X, rules.dfa, B)["W0"], wanted.reshape(9, 2))


def test_the_maps_are_transposes_of_each_other(rng):
    """<patches(X), S> = <X, images(S)>, and the same of pooling for fixed winners."""
    layer, X = Convolution(7, 2, 3, 2), rng.normal(size=(4, 49))
    P = layer.patches(CPU, X)
    S = rng.normal(size=P.shape)
    assert np.sum(P * S) == pytest.approx(np.sum(X * layer.images(CPU, S)))
    f = rng.normal(size=(4 * 16, 2))
    pooled, winner = layer.pooled_of(np, f)
    delta = rng.normal(size=pooled.shape)
    assert np.sum(pooled * delta) == pytest.approx(np.sum(f * layer.spread(np, delta, winner)))


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_pytorch_has_the_same_outputs_and_gradients(rng, activation):
    torch = pytest.importorskip("torch")
    F, network, X = torch.nn.functional, small(5, activation), rng.normal(size=(4, 49))
    theta = {name: torch.tensor(array, requires_grad=True) for name, array in network.parameters.items()}
    act, image = getattr(torch, activation), torch.tensor(X.reshape(4, 1, 7, 7), requires_grad=True)
    h = act(F.conv2d(image, theta["W0"].T.reshape(2, 1, 3, 3), theta["b0"]))
    h = F.max_pool2d(h, 2).permute(0, 2, 3, 1).reshape(4, -1)
    z = act(h @ theta["W1"] + theta["b1"]) @ theta["W2"] + theta["b2"]
    F.cross_entropy(z, torch.tensor(Y)).backward()
    np.testing.assert_allclose(network.forward(X)[-1], z.detach().numpy(), atol=1e-12)
    for name, found in gradients(network, X).items():
        np.testing.assert_allclose(found, theta[name].grad.numpy(), atol=1e-12, err_msg=name)
    np.testing.assert_allclose(
        attacks.input_gradient(network, LOSS, X, Y), image.grad.numpy().reshape(4, 49), atol=1e-12
    )


def test_a_backward_pass_after_another_forward_pass_uses_its_own_winners(rng):
    network, X = small(), rng.normal(size=(4, 49))
    h, exact = network.forward(X), gradients(network, X)
    network.forward(rng.normal(size=(4, 49)))
    found = rules.gradients(rules.bp, network, [], h, LOSS.error(np, h[-1], Y), Y)
    assert all((found[name] == exact[name]).all() for name in exact)


def test_a_replica_equals_its_solo_run(rng):
    digits, runs = dfanp.load("digits"), {}
    for seed in ((0, 1), 1):
        problem = dfanp.Classes(digits, 60, 20, backend=CPU)
        network = Convolutional(8, 3, 3, 2, (6, 10), seed=seed, backend=CPU)
        training = dfanp.Training(network, problem, "dfa", dfanp.Adam(0.01), batch_size=20, align=True)
        runs[seed] = network, list(training.epochs(2))
    (joint, records), (solo, own) = runs[0, 1], runs[1]
    for name, theta in solo.parameters.items():
        np.testing.assert_allclose(joint.parameters[name][1], theta, rtol=1e-5, atol=1e-6)
    assert records[-1].replica(1).test_accuracy == own[-1].test_accuracy
    assert len(own[-1].alignment["gradient"]) == 3


@pytest.mark.parametrize("rule", [each.name for each in rules.RULES.values() if each.signal and each.name != "mdfa"])
def test_every_rule_with_a_signal_trains_the_filters_unless_they_are_frozen(rule):
    problem = dfanp.Classes(dfanp.load("digits"), 60, 20, backend=CPU)
    for frozen in (False, True):
        network = Convolutional(8, 3, 3, 2, (6, 10), frozen, bias=True, backend=CPU)
        before = {name: theta.copy() for name, theta in network.parameters.items()}
        list(dfanp.Training(network, problem, rule, dfanp.SGD(0.1), batch_size=20).epochs(1))
        changed = {name for name, theta in network.parameters.items() if (theta != before[name]).any()}
        assert changed == set(before) - ({"W0", "b0"} if frozen else set())


def test_off_the_host(strict_backend):
    """On arrays that cannot be turned into NumPy's unasked: the definition is written for any array namespace."""
    digits = dfanp.load("digits")
    records = []
    for backend in (CPU, strict_backend):
        problem = dfanp.Classes(digits, 40, 20, dtype="float64", backend=backend)
        network = Convolutional(8, 3, 3, 2, (6, 10), dtype="float64", backend=backend)
        records.append(list(dfanp.Training(network, problem, "fa", dfanp.SGD(0.1), batch_size=20).epochs(1))[0])
    assert records[0].train_loss == pytest.approx(records[1].train_loss, rel=1e-12)


@pytest.mark.parametrize(
    "arguments, line",
    [
        (dict(side=0), "side must be"),
        (dict(filters=1.5), "filters must be"),
        (dict(patch=9), "patch must be a whole number from 1 to 8"),
        (dict(pool=7), "pool must be a whole number from 1 to 6"),
        (dict(above=()), None),
        (dict(above=(0,)), "sizes must be"),
        (dict(frozen="yes"), "frozen must be"),
    ],
)
def test_wrong_arguments(arguments, line):
    given = dict(side=8, filters=2, patch=3, pool=2, above=(5, 3)) | arguments
    if line is None:
        assert Convolutional(**given, backend=CPU).sizes == (64, 18)
        return
    with pytest.raises(ValueError, match=line):
        Convolutional(**given, backend=CPU)


def test_it_is_not_exported_as_what_it_is_not():
    with pytest.raises(ValueError, match="must be a dfanp.MLP"):
        dfanp.interchange.state_dict(Convolutional(8, backend=CPU))
