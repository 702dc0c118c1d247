import numpy as np
import pytest

import dfanp
from dfanp import baselines, rules
from dfanp.baselines import BASELINES, LARGEST_TABLE, NTK, Features, Projection
from dfanp.runs.run import training_on
from dfanp.settings import ParitySettings

FEATURES = ("gaussian", "fourier", "relu", "linear")


@pytest.fixture
def lazy(tiny):
    """Make a Training of a lazy method on the tiny data set."""

    def make(method, seed=0, backend=None, dtype="float64", k=2, opt="adadelta", lr=0.5):
        problem = dfanp.Parity(tiny, k, train_size=50, test_size=30, dtype=dtype, backend=backend)
        settings = ParitySettings(
            lr=1.0, method=method, opt=opt, k=k, hidden=(7,), batch_size=16, dtype=dtype, kernels="numpy"
        )
        return training_on(problem, settings, seed, lr)

    return make


@pytest.mark.parametrize("kernels", ["numpy", "numba", "native"])
@pytest.mark.parametrize("method", BASELINES)
def test_what_is_random_stays_and_the_rest_learns(lazy, method, kernels):
    if dfanp.kernels.why_not(kernels):
        pytest.skip(dfanp.kernels.why_not(kernels))
    training = lazy(method, backend=dfanp.Backend("cpu", kernels=kernels), k=1, opt="sgd", lr=0.02)
    before = training.arrays()
    losses = [record.train_loss for record in training.epochs(6)]
    after = training.arrays()
    stays = {"parameters/G0"} if method.startswith("ntk") else {"parameters/W0", "parameters/b0"}
    for name in before:
        if name.startswith("parameters/"):
            assert np.array_equal(before[name], after[name]) == (name in stays), name
    assert losses[-1] < losses[0]
    assert not any(name.startswith(f"optimizer/{fixed[11:]}") for name in after for fixed in stays)


def test_what_each_hidden_layer_is(tiny):
    X = dfanp.Parity(tiny, 2, dtype="float64").train(0, 1)[0][:20]
    dense, sizes = X.dense(), (24, 7, 1)
    for gate, of in (("sigmoid", lambda a: 1 / (1 + np.exp(-a))), ("step", lambda a: a > 0)):
        network = NTK(sizes, gate, "float64")
        W0, G0 = network.parameters["W0"], network.parameters["G0"]
        np.testing.assert_allclose(network.forward(X)[1], (dense @ W0) * of(dense @ G0), rtol=1e-12, atol=1e-14)
        assert not np.array_equal(W0, G0) and abs(G0).max() <= 24**-0.5
    problem = dfanp.Parity(tiny, 2, dtype="float64")
    f = {"relu": lambda a: np.maximum(a, 0), "gaussian": lambda a: np.maximum(a, 0), "linear": lambda a: a}
    for kind in FEATURES:
        network = Features(sizes, kind, "float64", 0, None, *problem.scale)
        a = dense @ network.parameters["W0"] + network.parameters.get("b0", 0.0)
        np.testing.assert_allclose(network.forward(X)[1], f.get(kind, np.cos)(a), rtol=1e-10, atol=1e-12)
    assert np.array_equal(Features(sizes, "relu").W[0], dfanp.MLP(sizes).W[0])


def test_distributions():
    sizes = (400, 300, 1)
    W = Features(sizes, "gaussian", "float64").W[0]
    assert abs(W.var() / (6 / 700) - 1) < 0.02
    fourier = Features(sizes, "fourier", "float64")
    assert abs(fourier.W[0].var() / (16 / 400) - 1) < 0.02
    assert fourier.parameters["b0"].min() >= 0 and fourier.parameters["b0"].max() < 2 * np.pi


def test_fourier_sees_pixels_from_0_to_1(tiny):
    """cos(u w + b), whatever normalisation stands between the pixels and the network."""
    problem = dfanp.Parity(tiny, 1, dtype="float64")
    network = Features((12, 5, 1), "fourier", "float64", 0, None, *problem.scale)
    plain = Features((12, 5, 1), "fourier", "float64")
    X = problem.train(0, 1)[0]
    u = tiny.train.pixels[:50] / tiny.train.pixels.max()
    np.testing.assert_allclose(network.forward(X)[1][:40], plain.forward(u)[1], atol=1e-12)


@pytest.mark.parametrize("replicas", [None, 3])
@pytest.mark.parametrize("k", [1, 3])
def test_a_table_is_the_product(tiny, k, replicas, monkeypatch):
    seed = 0 if replicas is None else tuple(range(replicas))
    problem = dfanp.Parity(tiny, k, train_size=30, dtype="float64")
    W = dfanp.MLP((problem.features, 6, 1), dtype="float64", seed=seed).W[0]
    X = problem.train(seed, 1)[0]
    projection = Projection(W, problem.backend)
    np.testing.assert_allclose(projection(X), X.dense() @ W, rtol=1e-10, atol=1e-12)
    assert len(projection._tables) == 1
    np.testing.assert_allclose(projection(X[..., 5:9, :]), (X.dense() @ W)[..., 5:9, :], rtol=1e-10, atol=1e-12)
    dense = np.ones((4, problem.features)) if replicas is None else np.ones((3, 4, problem.features))
    np.testing.assert_allclose(projection(dense), dense @ W)
    monkeypatch.setattr(baselines, "LARGEST_TABLE", 40 * 8)
    bounded = Projection(W, problem.backend)
    assert not bounded.fits(X)
    np.testing.assert_allclose(bounded(X), X.dense() @ W, rtol=1e-10, atol=1e-12)
    assert not bounded._tables and LARGEST_TABLE > 40 * 8


@pytest.mark.parametrize("gate", ["sigmoid", "step"])
def test_the_gradient_of_ntk_is_that_of_finite_differences(rng, gate):
    network = NTK((5, 4, 1), gate, "float64")
    X, y = rng.normal(size=(6, 5)), rng.integers(0, 2, (6, 1)).astype(float)
    loss = dfanp.losses.get("bce")
    h = network.forward(X)
    found = rules.gradients(rules.get("bp"), network, None, h, loss.error(np, h[-1], y))
    mean = lambda: loss.per_example(np, network.forward(X.copy())[-1], y).mean()
    for name in ("W0", "W1"):
        theta = network.parameters[name]
        for index in np.ndindex(theta.shape):
            kept = theta[index]
            theta[index] = kept + 1e-6
            above = mean()
            theta[index] = kept - 1e-6
            below = mean()
            theta[index] = kept
            assert found[name][index] == pytest.approx((above - below) / 2e-6, abs=1e-8)


@pytest.mark.parametrize("method", BASELINES)
def test_a_replica_is_its_solo_run(lazy, method):
    joint = list(lazy(method, seed=(3, 4)).epochs(2))
    for r, seed in enumerate((3, 4)):
        for of_joint, solo in zip(joint, lazy(method, seed=seed).epochs(2), strict=True):
            assert of_joint.replica(r) == solo


@pytest.mark.parametrize("method", BASELINES)
def test_on_another_device(lazy, method, strict_backend):
    there = list(lazy(method, backend=strict_backend).epochs(1))[0]
    here = list(lazy(method, backend=dfanp.Backend("cpu", kernels="numpy")).epochs(1))[0]
    assert there.test_loss == pytest.approx(here.test_loss, rel=1e-9)


@pytest.mark.parametrize(
    "setting", [{"activation": "tanh"}, {"bias": True}, {"layers": "output"}, {"align": True}, {"hidden": (4, 4)}]
)
def test_what_a_lazy_method_decides_itself(tiny, setting):
    problem = dfanp.Parity(tiny, 2, train_size=50, test_size=30)
    with pytest.raises(ValueError, match=next(iter(setting)) if "hidden" not in setting else "one hidden layer"):
        training_on(problem, ParitySettings(lr=1.0, method="ntk", batch_size=16, **setting), 0, 0.1)


def test_misspelt():
    with pytest.raises(ValueError, match="did you mean 'fourier'"):
        baselines.get("fourrier")


@pytest.mark.parametrize("method", BASELINES)
def test_what_is_restored_is_what_is_multiplied(lazy, method):
    """Tables of images are those of the weights that are there, not of those that were."""
    here, there = lazy(method, seed=0), lazy(method, seed=1)
    here.run_epoch()
    there.run_epoch()
    here.network.load({name: np.array(theta) for name, theta in there.network.parameters.items()})
    X = here.problem.test(5, 1)[0][:10]
    np.testing.assert_array_equal(here.network.forward(X)[-1], there.network.forward(X)[-1])
