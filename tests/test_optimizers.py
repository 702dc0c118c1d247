"""Every optimizer against its equation, written out with plain floats, and against PyTorch where it has the same variant."""

from dataclasses import replace
from itertools import product
from math import sqrt

import numpy as np
import pytest

import dfanp
from dfanp import optimizers
from dfanp.experiments.published import EpochAdam

LR, EPS = 0.05, 1e-3  # an eps that is felt, so that its place is tested

# name -> (optimizer, one scalar step: (theta, g, memory, t) -> theta, with its own memory)


def sgd(theta, g, s, t):
    return theta - LR * g


def momentum(theta, g, s, t):
    s["v"] = 0.9 * s.get("v", 0) + LR * g
    return theta - s["v"]


def adagrad(theta, g, s, t):
    s["G"] = s.get("G", 0) + g * g
    return theta - LR / sqrt(s["G"] + EPS) * g


def adadelta(theta, g, s, t):
    s["g2"] = 0.9 * s.get("g2", 0) + 0.1 * g * g
    delta = -LR * sqrt(s.get("d2", 0) + EPS) / sqrt(s["g2"] + EPS) * g
    s["d2"] = 0.9 * s.get("d2", 0) + 0.1 * delta * delta
    return theta + delta


def rmsprop(theta, g, s, t):
    s["g2"] = 0.9 * s.get("g2", 0) + 0.1 * g * g
    return theta - LR / sqrt(s["g2"] + EPS) * g


def adam(theta, g, s, t):
    s["m"] = 0.9 * s.get("m", 0) + 0.1 * g
    s["v"] = 0.999 * s.get("v", 0) + 0.001 * g * g
    return theta - LR / sqrt(s["v"] / (1 - 0.999**t) + EPS) * s["m"] / (1 - 0.9**t)


EQUATIONS = {
    "sgd": (dfanp.SGD(LR), sgd),
    "momentum": (dfanp.Momentum(LR), momentum),
    "adagrad": (dfanp.Adagrad(LR, eps=EPS), adagrad),
    "adadelta": (dfanp.Adadelta(LR, eps=EPS), adadelta),
    "rmsprop": (dfanp.RMSProp(LR, eps=EPS), rmsprop),
    "adam": (dfanp.Adam(LR, eps=EPS), adam),
}


def pull(theta, step):
    """A gradient that depends on where it is taken and when: of sum(cos) plus something that turns."""
    return np.sin(3 * theta) + 0.3 * np.cos(0.1 * step + theta)


def run(optimizer, steps=60, dtype="float64", start=None, gradient=pull, on_step=None):
    theta = np.linspace(-1, 1, 6, dtype=dtype).reshape(2, 3) if start is None else start.copy()
    parameters = {"W0": theta}
    backend = dfanp.Backend("cpu", kernels="numpy")
    state = optimizer.init(backend, parameters, len(theta) if theta.ndim == 3 else None)
    for step in range(steps):
        optimizer.step(backend, parameters, {"W0": gradient(theta, step)}, state)
        if on_step:
            on_step(theta, state)
    return theta, state


@pytest.mark.parametrize("name", EQUATIONS)
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_equation(name, decay):
    optimizer, equation = EQUATIONS[name]
    offsets = np.linspace(0, 2, 6)
    gradient = lambda offset, step: np.cos(0.37 * step + offset)
    theta, _ = run(
        replace(optimizer, weight_decay=decay), gradient=lambda theta, step: gradient(offsets, step).reshape(2, 3)
    )
    expected = []
    for value, offset in zip(np.linspace(-1, 1, 6), offsets, strict=True):
        memory = {}
        for step in range(60):
            value = equation(value, gradient(offset, step) + decay * value, memory, step + 1)
        expected.append(value)
    np.testing.assert_allclose(theta.ravel(), expected, rtol=1e-12)


def test_nesterov_is_its_two_point_definition():
    """v = 0.9 v + lr grad(theta - 0.9 v); theta -= v, with theta kept apart from the point of the gradient."""
    theta, v, seen = np.linspace(-1, 1, 6).reshape(2, 3), 0.0, []
    for step in range(60):
        v = 0.9 * v + LR * pull(theta - 0.9 * v, step)
        theta = theta - v
        seen.append(theta - 0.9 * v)
    points = []
    run(dfanp.Nesterov(LR), on_step=lambda phi, state: points.append(phi.copy()))
    np.testing.assert_allclose(points, seen, rtol=1e-10, atol=1e-13)


def test_variants():
    at_one = run(dfanp.Adadelta(1.0))[0]
    assert np.array_equal(at_one, run(dfanp.Adadelta(1.0, accumulate="unscaled"))[0])
    assert not np.allclose(run(dfanp.Adadelta(0.5))[0], run(dfanp.Adadelta(0.5, accumulate="unscaled"))[0])
    for optimizer in (dfanp.Adagrad, dfanp.RMSProp, dfanp.Adam):
        inside, outside = (run(optimizer(LR, eps=EPS, eps_placement=place))[0] for place in ("inside", "outside"))
        assert not np.allclose(inside, outside)


def test_adam_counted_in_epochs_corrects_by_the_epoch():
    by_steps, by_epochs = dfanp.Adam(LR), EpochAdam(LR)
    theta = {"W0": np.ones((1, 1))}
    backend = dfanp.Backend("cpu", kernels="numpy")
    state = by_epochs.init(backend, theta)
    for _ in range(5):
        by_epochs.step(backend, theta, {"W0": np.full((1, 1), 2.0)}, state, epoch=2)
    m, v = 2 * (1 - 0.9**5), 4 * (1 - 0.999**5)
    # The fifth step alone: the parameter's change is lr m_hat / sqrt(v_hat + eps) with both corrected by epoch 2.
    before = theta["W0"].copy()
    by_epochs.step(backend, theta, {"W0": np.full((1, 1), 2.0)}, state, epoch=2)
    m, v = 0.9 * m + 0.2, 0.999 * v + 0.004
    np.testing.assert_allclose(
        before - theta["W0"], LR * m / (1 - 0.9**2) / sqrt(v / (1 - 0.999**2) + 1e-8), rtol=1e-12
    )
    assert not np.allclose(run(by_steps)[0], run(by_epochs)[0])


TORCH = {
    "SGD": (dfanp.SGD(LR, weight_decay=0.01), dict(lr=LR, weight_decay=0.01)),
    "momentum": (dfanp.Momentum(LR), dict(lr=LR, momentum=0.9)),
    "Nesterov": (dfanp.Nesterov(LR), dict(lr=LR, momentum=0.9, nesterov=True)),
    "Adagrad": (dfanp.Adagrad(LR, eps_placement="outside"), dict(lr=LR, eps=1e-8)),
    "Adadelta": (dfanp.Adadelta(LR, accumulate="unscaled"), dict(lr=LR, rho=0.9, eps=1e-8)),
    "RMSprop": (dfanp.RMSProp(LR, eps_placement="outside"), dict(lr=LR, alpha=0.9, eps=1e-8)),
    "Adam": (
        dfanp.Adam(LR, eps_placement="outside", weight_decay=0.01),
        dict(lr=LR, eps=1e-8, weight_decay=0.01),
    ),
}


@pytest.mark.parametrize("name", TORCH)
def test_against_torch_over_a_thousand_steps(name):
    torch = pytest.importorskip("torch")
    ours, arguments = TORCH[name]
    start = np.random.default_rng(0).standard_normal((5, 4))
    # A convex pull with moving minimum: rounding differences die out instead of growing chaotically.
    gradient = lambda theta, step: theta - np.sin(0.01 * step)
    theta, _ = run(ours, 1000, start=start, gradient=gradient)
    parameter = torch.nn.Parameter(torch.tensor(start))
    theirs = getattr(torch.optim, name if hasattr(torch.optim, name) else "SGD")([parameter], **arguments)
    for step in range(1000):
        parameter.grad = parameter.detach() - np.sin(0.01 * step)
        theirs.step()
    np.testing.assert_allclose(theta, parameter.detach().numpy(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_a_rate_for_each_replica_is_the_solo_run(name):
    start = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32)
    rates = (0.01, 0.07)
    joint, _ = run(optimizers.get(name)(rates), start=start)
    for r, rate in enumerate(rates):
        assert np.array_equal(joint[r], run(optimizers.get(name)(rate), start=start[r])[0])
    with pytest.raises(ValueError, match="lr has 2 values, one for each replica, but there are no replicas"):
        run(optimizers.get(name)(rates), start=start[0][:2])


@pytest.mark.parametrize("kernels", ["numpy", "auto"])
@pytest.mark.parametrize("replicas", [None, 2])
def test_a_step_with_a_rate_for_each_layer_moves_each_as_that_rate_alone(kernels, replicas):
    """Also where a kernel would take the epoch: none takes the rate of one layer for all."""
    X, seed = np.random.default_rng(0).normal(size=(12, 4)), 0 if replicas is None else (0, 1)

    def trained(lr):
        backend = dfanp.Backend("cpu", threads=1, kernels=kernels)
        network = dfanp.MLP([4, 5, 3, 1], "tanh", bias=True, dtype="float64", seed=seed, backend=backend)
        problem = dfanp.Arrays(X, X[:, 0] > 0, dtype="float64", backend=backend)
        list(dfanp.Training(network, problem, "bp", dfanp.RMSProp(lr), batch_size=12).epochs(1))
        return network.parameters

    rates = {0: 0.1, 1: 0.02, 2: 0.3 if replicas is None else (0.3, 0.05)}
    together = trained(rates)
    for layer, rate in rates.items():
        alone = trained(rate)
        for name in (f"W{layer}", f"b{layer}"):
            np.testing.assert_allclose(together[name], alone[name], rtol=1e-9)


def test_rates_of_layers_cover_what_is_trained():
    backend, theta = dfanp.Backend("cpu"), {name: np.ones((2, 2)) for name in ("W0", "W1", "B0")}
    assert dfanp.SGD({0: 1, 1: 2}).init(backend, theta).lr == {"W0": 1.0, "W1": 2.0, "B0": 2.0}
    with pytest.raises(ValueError, match="lr must have a rate for layer 1, whose W1 is trained"):
        dfanp.SGD({0: 1}).init(backend, theta)
    with pytest.raises(ValueError, match="lr has 3 values, one for each replica, but there are no replicas"):
        dfanp.SGD({0: 1, 1: (1, 2, 3)}).init(backend, theta)
    assert dfanp.SGD(0.1).kernel == "sgd" and dfanp.SGD({0: 0.1}).kernel is None


class UnitStep(dfanp.Optimizer):
    """theta -= lr · g / |g|, the norm of the whole parameter: not elementwise."""

    def update(self, xp, theta, g, s, lr, t):
        theta -= lr * g / xp.sqrt(xp.sum(g * g))


@pytest.mark.parametrize("kernels", ["numpy", "auto"])
@pytest.mark.parametrize("rates", [0.05, (0.01, 0.07)])
def test_an_update_that_takes_a_norm_gets_each_replica_alone(kernels, rates):
    rng, backend, optimizer = np.random.default_rng(0), dfanp.Backend("cpu", kernels=kernels), UnitStep(rates)
    before, gradients = ({"W0": rng.normal(size=(2, 3, 4)), "b0": rng.normal(size=(2, 4))} for _ in range(2))
    after = {name: theta.copy() for name, theta in before.items()}
    optimizer.step(backend, after, gradients, optimizer.init(backend, after, 2))
    for name, r in product(before, range(2)):
        g, rate = gradients[name][r], np.broadcast_to(rates, 2)[r]
        np.testing.assert_allclose(before[name][r] - after[name][r], rate * g / np.linalg.norm(g), rtol=1e-10)


@pytest.mark.parametrize("kind", [np.float64, np.float32, int])
def test_numbers_of_any_kind_leave_the_arithmetic_alone(kind):
    start = np.ones((2, 3), np.float32)
    exact = run(dfanp.RMSProp(1.0, weight_decay=1.0), start=start)[0]
    assert np.array_equal(run(dfanp.RMSProp(kind(1.0), weight_decay=1), start=start)[0], exact)


@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_updates_in_place_and_leaves_the_gradient(name):
    theta, g = np.ones((2, 2), np.float32), np.full((2, 2), 0.5, np.float32)
    parameters = {"W0": theta}
    optimizer = optimizers.get(name)(0.1, weight_decay=0.1)
    backend = dfanp.Backend("cpu")
    optimizer.step(backend, parameters, {"W0": g}, optimizer.init(backend, parameters))
    assert parameters["W0"] is theta and (theta < 1).all() and (g == 0.5).all() and theta.dtype == np.float32


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: dfanp.SGD(0), "lr must be a finite number above 0"),
        (lambda: dfanp.SGD(-1), "lr must"),
        (lambda: dfanp.SGD(float("nan")), "lr must"),
        (lambda: dfanp.SGD(float("inf")), "lr must"),
        (lambda: dfanp.SGD("0.1"), "lr must"),
        (lambda: dfanp.SGD(()), "lr must"),
        (lambda: dfanp.SGD({}), "lr must map the numbers of layers"),
        (lambda: dfanp.SGD({"W0": 0.1}), "lr must map the numbers of layers"),
        (lambda: dfanp.SGD({0: -1}), "lr must be a finite number above 0"),
        (lambda: dfanp.SGD(0.1, weight_decay="1"), "weight_decay must be at least 0"),
        (lambda: dfanp.SGD(0.1, weight_decay=-1), "weight_decay must be at least 0"),
        (lambda: dfanp.Momentum(0.1, momentum=1), r"momentum must be in \[0, 1\)"),
        (lambda: dfanp.RMSProp(0.1, rho=float("nan")), "rho must be in"),
        (lambda: dfanp.RMSProp(0.1, eps=0), "eps must be above 0"),
        (lambda: dfanp.RMSProp(0.1, eps_placement="between"), "eps_placement must be 'inside' or 'outside'"),
        (lambda: dfanp.Adadelta(accumulate="twice"), "accumulate must be 'scaled' or 'unscaled'"),
        (lambda: dfanp.RMSProp(0.1, eps_placement=["inside"]), "eps_placement must be 'inside' or 'outside'"),
        (lambda: optimizers.get("rmspropp"), "unknown optimizer 'rmspropp'.*did you mean 'rmsprop'"),
    ],
)
def test_bad_hyperparameters(make, message):
    with pytest.raises(ValueError, match=message):
        make()
