"""Every entry of the kernel table against the definition in float64: operation × tier × optimizer, at odd sizes."""

import gc
from contextlib import contextmanager, nullcontext
from functools import cache
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest

import dfanp
from dfanp import kernels, losses
from dfanp.experiments.published import EpochAdam
from dfanp.inputs import Bank, StackedDigits, WeightGradient
from dfanp.kernels.numpy import Plain
from dfanp.optimizers import OPTIMIZERS

from .emulated import emulated_backend

VARIANTS = {
    **{name: OPTIMIZERS[name](0.03) for name in OPTIMIZERS},
    **{f"{name}, decay": OPTIMIZERS[name](0.03, weight_decay=0.1) for name in OPTIMIZERS},
    "adagrad, outside": dfanp.Adagrad(0.03, eps=1e-3, eps_placement="outside"),
    "rmsprop, outside": dfanp.RMSProp(0.03, eps=1e-3, eps_placement="outside", rho=0.8),
    "adam, outside": dfanp.Adam(0.03, eps=1e-3, eps_placement="outside", beta1=0.7, beta2=0.99),
    "adam, epochs": EpochAdam(0.03),
    "adadelta, unscaled": dfanp.Adadelta(0.3, accumulate="unscaled", eps=1e-3),
    "momentum 0.5": dfanp.Momentum(0.03, momentum=0.5),
}
# k, pixels, H, n
SIZES = [
    (1, 12, 1, 1),
    (3, 64, 512, 128),
    (2, 784, 65, 127),
    (3, 129, 7, 16),
    (10, 5, 513, 3),
    (1, 300, 64, 1),
    (2, 128, 128, 400),
]
# Each optimizer at one odd size; at others those with no, one and two arrays of state, by which loops over W differ.
UPDATED = [(SIZES[4], name) for name in VARIANTS] + list(product(SIZES[1:3], ("sgd", "rmsprop", "adam")))
TOLERANCE = {"float32": 2e-5, "float64": 1e-12}

# Without "cuda-tf32": its kernels are those of "cuda".
TIERS = [tier for tier in kernels.TIERS if tier != "cuda-tf32"]
WHOLE_EPOCHS = [tier for tier in TIERS if kernels._tier(tier).fused_epoch]
tiers = pytest.mark.parametrize("tier", TIERS)
dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])
optimizers = pytest.mark.parametrize("optimizer", VARIANTS.values(), ids=VARIANTS)


def backend_of(tier, threads=2):
    if tier == "cuda":
        return emulated_backend(multiprocessors=24)
    if kernels.why_not(tier):
        pytest.skip(f"no {tier} kernels: {kernels.why_not(tier)}")
    return dfanp.Backend("cpu", kernels=tier, threads=threads)


def digits(rng, k, pixels, n, dtype, backend, replicas=()):
    """StackedDigits with the pixels of real ones: most zero, some images black, some white, some columns empty."""
    bank = rng.integers(0, 256, (50, pixels), dtype=np.uint8) * (rng.random((50, pixels)) < 0.2).astype(np.uint8)
    bank[0], bank[1] = 0, 255
    bank[2:, ::3] = 0
    picks = rng.integers(0, 50, (*replicas, n, k))
    return StackedDigits(Bank(bank, 33.3, 78.5, dtype, backend), picks)


def exact(X):
    """The same digits for the definition in float64."""
    bank = X.bank
    return StackedDigits(
        Bank(bank.raw, bank.mean, bank.std, "float64", dfanp.Backend("cpu", kernels="numpy")), X.picks
    )


def state_of(optimizer, rng, shape, dtype):
    """A state as it is in mid-run: positive, of the size of the squares of gradients."""
    return SimpleNamespace(**{slot: (1e-3 * rng.random(shape)).astype(dtype) for slot in optimizer.slots})


def wide(s):
    return SimpleNamespace(**{slot: array.astype(float) for slot, array in vars(s).items()})


def close(a, b, dtype):
    np.testing.assert_allclose(a, b, rtol=TOLERANCE[dtype] * 5, atol=TOLERANCE[dtype] * max(1, np.abs(b).max()))


@tiers
@dtypes
@pytest.mark.parametrize("k, pixels, H, n", SIZES)
def test_product(rng, tier, dtype, k, pixels, H, n):
    X = digits(rng, k, pixels, n, dtype, backend_of(tier))
    W = rng.uniform(-1, 1, (k * pixels, H)).astype(dtype) / (k * pixels) ** 0.5
    a = X @ W
    assert a.dtype == dtype and a.shape == (n, H)
    close(a, exact(X).dense() @ W.astype(float), dtype)


@tiers
@dtypes
@pytest.mark.parametrize("k, pixels, H, n", SIZES)
@pytest.mark.parametrize("replicas", ["none", "of both", "of delta"])
def test_gradient(rng, tier, dtype, k, pixels, H, n, replicas):
    shared, leading = replicas != "of both", () if replicas == "none" else (2,)
    X = digits(rng, k, pixels, n, dtype, backend := backend_of(tier), () if shared else (2,))
    delta = (rng.standard_normal((*leading, n, H)) / n).astype(dtype)
    before = delta.copy()
    g = backend.kernels.tier.gradient(WeightGradient(X, delta))
    assert g.dtype == dtype and g.shape == (*leading, k * pixels, H) and np.array_equal(delta, before)
    close(g, exact(X).dense().mT @ delta.astype(float), dtype)


@tiers
@dtypes
@pytest.mark.parametrize(
    "k, pixels, H, n, optimizer", [pytest.param(*size, VARIANTS[name], id=f"{size}-{name}") for size, name in UPDATED]
)
def test_fused_update(rng, tier, dtype, k, pixels, H, n, optimizer):
    backend = backend_of(tier)
    X = digits(rng, k, pixels, n, dtype, backend)
    W = rng.uniform(-1, 1, (k * pixels, H)).astype(dtype)
    delta = (rng.standard_normal((n, H)) / n).astype(dtype)
    s = state_of(optimizer, rng, W.shape, dtype)
    W64, s64 = W.astype(float), wide(s)
    backend.kernels.tier.fused_update(optimizer, WeightGradient(X, delta), W, s, optimizer.lr, 3)
    definition = Plain(np)
    definition.fused_update(optimizer, WeightGradient(exact(X), delta.astype(float)), W64, s64, optimizer.lr, 3)
    close(W, W64, dtype)
    for slot in optimizer.slots:
        close(getattr(s, slot), getattr(s64, slot), dtype)


@tiers
@dtypes
@pytest.mark.parametrize("optimizer", [dfanp.SGD(0.1), dfanp.Adam(0.1, weight_decay=0.1)])
@pytest.mark.parametrize("shape", [(1, 1, 1), (256, 25, 512), (7, 128, 65), (9, 129, 70), (2, 5, 3, 66)])
def test_products_and_fused_update_of_arrays(rng, tier, dtype, optimizer, shape):
    backend, (*leading, n, D, H) = backend_of(tier), shape
    definition = Plain(np)
    X, W, delta = (rng.standard_normal((*leading, *each)) for each in ((n, D), (D, H), (n, H)))
    mine = [each.astype(dtype) for each in (X, W, delta / n)]
    s, lr = state_of(optimizer, rng, W.shape, dtype), 0.1
    if leading:
        lr = np.full((*leading, 1, 1), 0.1, dtype)
    exact = [each.astype(float) for each in mine]
    a, s64 = backend.kernels.tier.product(mine[0], mine[1]), wide(s)
    assert a.dtype == dtype
    close(a, exact[0] @ exact[1], dtype)
    close(backend.kernels.tier.gradient(WeightGradient(mine[0], mine[2])), exact[0].mT @ exact[2], dtype)
    backend.kernels.tier.fused_update(optimizer, WeightGradient(mine[0], mine[2]), mine[1], s, lr, 3)
    definition.fused_update(optimizer, WeightGradient(exact[0], exact[2]), exact[1], s64, lr, 3)
    close(mine[1], exact[1], dtype)


@tiers
@dtypes
@optimizers
@pytest.mark.parametrize("shape", [(1,), (7, 1), (513, 65), (3, 5, 2)])
def test_update(rng, tier, dtype, optimizer, shape):
    backend = backend_of(tier)
    theta, g = (rng.standard_normal(shape).astype(dtype) for _ in range(2))
    s = state_of(optimizer, rng, shape, dtype)
    theta64, g64, s64, before = theta.astype(float), g.astype(float), wide(s), g.copy()
    backend.kernels.tier.update(optimizer, g, theta, s, optimizer.lr, 3)
    Plain(np).update(optimizer, g64, theta64, s64, optimizer.lr, 3)
    close(theta, theta64, dtype)
    for slot in optimizer.slots:
        close(getattr(s, slot), getattr(s64, slot), dtype)
    assert np.array_equal(g, before)


@tiers
@dtypes
@pytest.mark.parametrize("replicas", [(), (2,)])
def test_update_all(rng, tier, dtype, replicas):
    """Weights above digits, weights above an array and biases, each with its state: as one after another."""
    backend, optimizer = backend_of(tier), dfanp.Adam(0.03 if not replicas else (0.01, 0.03), weight_decay=0.1)
    X = digits(rng, 2, 12, 9, dtype, backend, replicas)
    shapes = [(24, 7), (7, 5), (5,)]
    thetas = [rng.standard_normal((*replicas, *shape)).astype(dtype) for shape in shapes]
    delta = rng.standard_normal((*replicas, 9, 7)).astype(dtype)
    gradients = [WeightGradient(X, delta), *(rng.standard_normal(theta.shape).astype(dtype) for theta in thetas[1:])]
    states = [state_of(optimizer, rng, theta.shape, dtype) for theta in thetas]
    rates = [
        np.array(optimizer.lr, dtype).reshape(-1, *(1,) * len(shape)) if replicas else optimizer.lr
        for shape in shapes
    ]
    exactly = [(theta.astype(float), wide(s)) for theta, s in zip(thetas, states, strict=True)]
    backend.kernels.tier.update_all(optimizer, list(zip(gradients, thetas, states, rates, strict=True)), 3)
    definition = Plain(np)
    wide_gradients = [WeightGradient(exact(X), delta.astype(float)), *(g.astype(float) for g in gradients[1:])]
    for (theta, s), g, lr, mine, own in zip(exactly, wide_gradients, rates, thetas, states, strict=True):
        step = definition.fused_update if isinstance(g, WeightGradient) else definition.update
        step(optimizer, g, theta, s, lr, 3)
        close(mine, theta, dtype)
        for slot in optimizer.slots:
            close(getattr(own, slot), getattr(s, slot), dtype)


@tiers
@dtypes
@pytest.mark.parametrize("loss, outputs", [("bce", 1), ("bce", 3), ("cross-entropy", 4), ("mse", 1), ("mse", 3)])
@pytest.mark.parametrize("replicas", [(), (3,)])
def test_output(rng, tier, dtype, loss, outputs, replicas):
    backend, loss = backend_of(tier), losses.get(loss)
    definition = Plain(np)
    z = 3 * rng.standard_normal((*replicas, 300, outputs)).astype(dtype)
    y = np.eye(max(2, outputs))[rng.integers(0, outputs, 300)][:, :outputs].astype(dtype)
    z[..., 0, :] = 200.0
    for targets in (y, np.broadcast_to(y, z.shape), np.concatenate([y, y])[:300]):
        e, totals = backend.kernels.tier.output(loss, z, targets)
        wanted = definition.output(loss, z.astype(float), targets.astype(float))
        np.testing.assert_allclose(e, wanted[0], rtol=1e-4 if dtype == "float32" else 1e-12, atol=1e-9)
        np.testing.assert_allclose(totals, wanted[1], rtol=1e-5 if dtype == "float32" else 1e-12)
        assert backend.kernels.tier.output(loss, z, targets, learning=False)[0] is None
    z[..., 5, 0] = np.nan
    totals = backend.kernels.tier.output(loss, z, y)[1]
    assert np.isnan(totals[0]).all() and np.array_equal(totals[1], definition.output(loss, z, y)[1][1])


class OneEpoch:
    """A problem whose examples are given: StackedDigits or arrays X, (n, D) or (R, n, D), and y."""

    outputs, loss = 1, "bce"

    def __init__(self, X, y, dtype, backend):
        self.X, self.y, self.dtype, self.backend = X, y.astype(dtype), dtype, backend
        self.features, self.train_size = X.shape[-1], X.shape[-2]

    def train(self, seed, epoch):
        return self.X, self.y

    test = train


@contextmanager
def fused(backend):
    """Yield a list, to which each call of the tier's fused_epoch within the block adds whether it did what it was asked for."""
    calls, tier = [], backend.kernels.tier
    fused_epoch = tier.fused_epoch
    tier.fused_epoch = lambda *what: [found := fused_epoch(*what), calls.append(found is not None)][0]
    try:
        yield calls
    finally:
        del tier.fused_epoch


def trained(
    backend, dtype, X, y, H, optimizer, activation="relu", rule="dfa", seed=0, batch_size=16, layers="all", bias=False
):
    """A Training after two epochs on (X, y), with its records."""
    problem = OneEpoch(X, y, dtype, backend)
    network = dfanp.MLP((problem.features, H, 1), activation, bias, dtype, seed, backend)
    training = dfanp.Training(network, problem, rule, optimizer, batch_size=batch_size, layers=layers)
    return training, list(training.epochs(2))


def same_training(mine, definition, dtype):
    (training, records), (training64, records64) = mine, definition
    for record, record64 in zip(records, records64, strict=True):
        np.testing.assert_allclose(record.train_loss, record64.train_loss, rtol=TOLERANCE[dtype] * 10)
        np.testing.assert_allclose(record.test_loss, record64.test_loss, rtol=TOLERANCE[dtype] * 10)
        atol = 1.01 / training.problem.train_size if dtype == "float32" else 0
        np.testing.assert_allclose(record.train_accuracy, record64.train_accuracy, atol=atol)
        np.testing.assert_allclose(record.test_accuracy, record64.test_accuracy, atol=atol)
    arrays, arrays64 = training.arrays(), training64.arrays()
    for name in arrays64:
        close(arrays[name] * 1.0, arrays64[name] * 1.0, dtype)


whole_epochs = pytest.mark.parametrize("tier", WHOLE_EPOCHS)
SMOOTH = dfanp.SGD(0.05)  # where optimizers divide by a small root, rounding grows within a few steps


def epochs():
    """Yield (tier, dtype, activation, rule, size): all of them, but for cuda, which compiles each anew, all at one size alone."""
    for tier, dtype, size in product(WHOLE_EPOCHS, ("float32", "float64"), SIZES):
        for activation, rule in product(("relu", "leaky-relu", "tanh", "sigmoid", "identity"), ("bp", "dfa")):
            few = tier != "cuda" or size == SIZES[3] or (dtype == "float32" and activation == "relu")
            if few:
                yield tier, dtype, activation, rule, *size


@pytest.mark.parametrize("tier, dtype, activation, rule, k, pixels, H, n", list(epochs()))
def test_fused_epoch(rng, tier, dtype, activation, rule, k, pixels, H, n):
    backend = backend_of(tier)
    X, y = digits(rng, k, pixels, n, dtype, backend), rng.integers(0, 2, (n, 1))
    batch_size = max(1, min(n, 50) - 3)
    with fused(backend) as calls:
        mine = trained(backend, dtype, X, y, H, SMOOTH, activation, rule, 0, batch_size)
    assert len(calls) >= 4 and all(calls)
    definition = dfanp.Backend("cpu", kernels="numpy")
    same_training(
        mine, trained(definition, "float64", exact(X), y, H, SMOOTH, activation, rule, 0, batch_size), dtype
    )


@whole_epochs
@dtypes
@pytest.mark.parametrize("layers", ["all", "output"])
@pytest.mark.parametrize("seed", [0, (0, 1, 2)])
@pytest.mark.parametrize("n, D, H", [(1, 1, 1), (40, 25, 512), (17, 97, 65), (33, 200, 7)])
def test_fused_epoch_arrays(rng, tier, dtype, layers, seed, n, D, H):
    backend, replicas = backend_of(tier), () if seed == 0 else (3,)
    X, y = rng.standard_normal((*replicas, n, D)).astype(dtype), rng.integers(0, 2, (n, 1))
    each = (y, H, dfanp.SGD(0.05 if seed == 0 else (0.01, 0.05, 0.1)), "tanh", "fa", seed, min(n, 16), layers)
    with fused(backend) as calls:
        mine = trained(backend, dtype, X, *each)
    assert len(calls) >= 4 and all(calls)
    definition = dfanp.Backend("cpu", kernels="numpy")
    same_training(mine, trained(definition, "float64", X.astype(float), *each), dtype)


@pytest.mark.parametrize("tier", ["native"])
@optimizers
@pytest.mark.parametrize("seed", [0, (0, 1)])
def test_fused_epoch_with_each_optimizer(rng, tier, optimizer, seed):
    """In float64, where what rounding does stays small for all of them."""
    backend, n = backend_of(tier), 45
    X, y = digits(rng, 2, 200, n, "float64", backend, () if seed == 0 else (2,)), rng.integers(0, 2, (n, 1))
    definition = dfanp.Backend("cpu", kernels="numpy")
    mine, theirs = (
        trained(each, "float64", batch, y, 70, optimizer, "tanh", seed=seed)
        for each, batch in ((backend, X), (definition, exact(X)))
    )
    np.testing.assert_allclose(mine[1][1].train_loss, theirs[1][1].train_loss, rtol=1e-9)
    for name, array in theirs[0].arrays().items():
        np.testing.assert_allclose(mine[0].arrays()[name], array, rtol=1e-6, atol=1e-8)


@whole_epochs
@pytest.mark.parametrize("D", [25, 3000])
def test_fused_epoch_replicas_are_solo_runs(rng, tier, D):
    """Bit for bit, whether they are trained side by side (small ones) or one after another."""
    backend = backend_of(tier)
    X, y = rng.standard_normal((3, 20, D)).astype(np.float32), rng.integers(0, 2, (3, 20, 1))
    joint, records = trained(backend, "float32", X, y, 300, dfanp.RMSProp((0.01, 0.02, 0.03)), seed=(4, 5, 6))
    for r in range(3):
        alone, solo = trained(backend, "float32", X[r], y[r], 300, dfanp.RMSProp(0.01 * (r + 1)), seed=4 + r)
        assert [record.replica(r) for record in records] == solo
        for name, theta in alone.network.parameters.items():
            assert np.array_equal(joint.network.parameters[name][r], theta)


@pytest.mark.parametrize("tier", ["native"])
def test_fused_epoch_in_slices_and_step_by_step(rng, tier, monkeypatch):
    backend = backend_of(tier)
    X, y = digits(rng, 2, 200, 45, "float32", backend), rng.integers(0, 2, (45, 1))
    (_, whole), (_, again) = (trained(backend, "float32", X, y, 70, SMOOTH) for _ in range(2))
    assert whole == again
    monkeypatch.setattr(f"dfanp.kernels.{tier}.LONGEST_CALL", 1e6)  # a batch or two at a time
    _, sliced = trained(backend, "float32", X, y, 70, SMOOTH)
    np.testing.assert_allclose([r.test_loss for r in sliced], [r.test_loss for r in whole], rtol=1e-12)
    monkeypatch.setattr(f"dfanp.kernels.{tier}.LARGEST_ROOM", 1)
    monkeypatch.setattr(f"dfanp.kernels.{tier}.ROOM_OVER_WEIGHTS", 0)
    _, stepwise = trained(backend, "float32", X, y, 70, SMOOTH)
    np.testing.assert_allclose([r.test_loss for r in stepwise], [r.test_loss for r in whole], rtol=1e-5)


# What a network of any shape is made of; each row has one of each.
ANY_MLP = """
hidden    outputs loss          rule activation optimizer  dtype   bias seed layers  level
7         1       bce           bp   tanh       sgd        float64 yes  one  all     best
70        3       bce           dfa  relu       adam       float32 yes  one  all     best
5,4       10      cross-entropy bp   sigmoid    rmsprop    float64 yes  one  all     best
65,7      17      cross-entropy fa   tanh       adam       float32 yes  all  all     best
130,64    1       bce           dfa  relu       rmsprop    float32 no   all  all     best
64,130    3       mse           bp   leaky-relu momentum   float64 no   all  all     _v3
9,100,5   10      cross-entropy dfa  tanh       adadelta   float64 yes  one  all     best
9,100,5   1       mse           fa   identity   nesterov   float64 yes  one  all     plain
66,8,130  1       bce           bp   sigmoid    adagrad    float32 no   one  all     best
7,6,5,4   3       cross-entropy bp   tanh       adam       float64 yes  all  all     _v4
7,6,5,4   3       bce           fa   relu       sgd        float32 yes  one  all     _v4_wide
70,9      40      cross-entropy dfa  tanh       sgd        float32 yes  all  output  best
9,70      1       bce           bp   relu       rmsprop    float64 no   one  output  best
"""


@pytest.mark.parametrize("tier", ["native"])
@pytest.mark.parametrize("row", ANY_MLP.split("\n")[2:-1])
@pytest.mark.parametrize("stacked", [True, False])
def test_fused_epoch_of_any_mlp(rng, tier, row, stacked):
    """Depth, biases, outputs, losses, rules, optimizers, replicas, on stacked digits and on arrays."""
    from dfanp.kernels import native

    hidden, outputs, loss, rule, activation, optimizer, dtype, bias, seed, layers, level = row.split()
    backend, replicas, definition = (
        backend_of(tier),
        () if seed == "one" else (2,),
        dfanp.Backend("cpu", kernels="numpy"),
    )
    if level != "best":
        level = level.removeprefix("plain")
        if level not in native.levels():
            pytest.skip(f"this processor has no {level}")
        backend.kernels.tier = native.Native(level=level)
        backend.kernels.tier.threads = 2
    n, kind = 45, OPTIMIZERS[optimizer]
    X = (
        digits(rng, 2, 200, n, dtype, backend, replicas)
        if stacked
        else rng.standard_normal((*replicas, n, 70)).astype(dtype)
    )
    y = rng.integers(0, max(2, int(outputs)), (*replicas, n))
    y = np.eye(int(outputs))[y] if outputs != "1" else y[..., None]
    numbers = {"eps": 1e-2} if hasattr(kind, "eps") else {}
    optimizer = kind((0.01, 0.02) if replicas else 0.02, weight_decay=0.1, **numbers)
    sizes = *map(int, hidden.split(",")), int(outputs)
    found = []
    for each, examples, of in (
        (backend, X, dtype),
        (definition, exact(X) if stacked else X.astype(float), "float64"),
    ):
        problem = OneEpoch(examples, y, of, each)
        problem.outputs, problem.loss = int(outputs), loss
        network = dfanp.MLP((X.shape[-1], *sizes), activation, bias == "yes", of, (0, 1) if replicas else 0, each)
        training = dfanp.Training(network, problem, rule, optimizer, batch_size=16, layers=layers)
        with fused(each) if each is backend else nullcontext([True] * 4) as calls:
            found.append((training, list(training.epochs(2))))
        assert len(calls) >= 4 and all(calls)
    same_any(*found, dtype)


def same_any(mine, definition, dtype):
    """Whether two runs are the same to rounding; where optimizers divide by roots of squares it grows faster than in SGD's."""
    limit = 5e-4 if dtype == "float32" else 1e-9
    for record, record64 in zip(mine[1], definition[1], strict=True):
        for name in ("train_loss", "test_loss"):
            np.testing.assert_allclose(getattr(record, name), getattr(record64, name), rtol=limit)
    arrays, arrays64 = mine[0].arrays(), definition[0].arrays()
    for name, array in arrays64.items():
        assert np.abs(arrays[name] * 1.0 - array * 1.0).max() <= limit * np.abs(array * 1.0).max(), name


def mostly_constant(rng, replicas, n, D, dtype):
    """Arrays (n, D) whose columns have mostly one value each, but for one column of numbers, one of NumPy's zeros and one of both."""
    X = np.where(rng.random((*replicas, n, D)) < 0.15, rng.standard_normal((*replicas, n, D)), rng.standard_normal(D))
    X[..., 0], X[..., 1] = rng.standard_normal((*replicas, n)), 0.0
    X[..., ::2, 2] = 3.0
    return X.astype(dtype)


@pytest.mark.parametrize("tier", ["native"])
@dtypes
@pytest.mark.parametrize("replicas", [(), (2,)])
@pytest.mark.parametrize("layers", ["all", "output"])
def test_fused_epoch_of_arrays_that_are_mostly_constant(rng, tier, dtype, replicas, layers):
    """Read as a constant for each column and what differs from it. One replica of two has such an array, the other has not."""
    from dfanp.kernels import native

    backend, n, D, seen = backend_of(tier), 45, 300, []
    X, y = mostly_constant(rng, replicas, n, D, dtype), rng.integers(0, 2, (n, 1))
    if replicas:
        X[1] = rng.standard_normal((n, D))
    real = backend.kernels.tier.real[np.dtype(dtype)]
    constants = real["constants"]
    real["constants"] = lambda p: [found := constants(p), seen.append(found)][0]
    assert D * 300 > native.MAY_BE_SPARSE
    each = (y, 300, SMOOTH, "tanh", "dfa", (3, 4) if replicas else 3, 16, layers)
    mine = trained(backend, dtype, X, *each)
    assert seen and all(seen)
    same_training(mine, trained(dfanp.Backend("cpu", kernels="numpy"), "float64", X.astype(float), *each), dtype)
    for r in range(2 if replicas else 0):
        alone, solo = trained(backend, dtype, X[r], *each[:4], "dfa", 3 + r, 16, layers)
        assert [record.replica(r) for record in mine[1]] == solo
        for name, theta in alone.network.parameters.items():
            assert np.array_equal(mine[0].network.parameters[name][r], theta)


@pytest.mark.parametrize("tier", ["native"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_fused_epoch_of_arrays_with_constants_that_are_not_finite(rng, tier, value):
    """A column of them makes everything NaN by the definition; and one of mostly finite numbers is none of them."""
    backend = backend_of(tier)
    X, y = mostly_constant(rng, (), 45, 300, "float32"), rng.integers(0, 2, (45, 1))
    X[:, 7] = value
    training, records = trained(backend, "float32", X, y, 300, SMOOTH)
    assert training.status == "diverged" and not records


@pytest.mark.parametrize("tier", ["native"])
def test_what_is_known_of_a_network_is_described_anew_where_it_changed(rng, tier):
    """Arrays that a user bound anew, another rule or rate: nothing of the last call is left; nothing is kept of networks that are gone."""
    backend, definition = backend_of(tier), dfanp.Backend("cpu", kernels="numpy")
    X, y = rng.standard_normal((40, 30)), rng.integers(0, 2, (40, 1))
    runs = [trained(each, "float64", X, y, 70, SMOOTH, bias=True)[0] for each in (backend, definition)]
    for change in (
        lambda run: run.network.parameters.update(W0=run.network.parameters["W0"] * 2),
        lambda run: run.network.parameters.update(b1=run.network.parameters["b1"] + 1),
        lambda run: run.B.__setitem__(0, -run.B[0]),
        lambda run: setattr(run, "rule", dfanp.rules.get("bp")),
        lambda run: setattr(run, "optimizer", dfanp.SGD(0.05, weight_decay=0.1)),
        lambda run: run.state.lr.update(W0=0.2, b0=0.1),
        lambda run: setattr(run.network, "activation", dfanp.activations.get("tanh")),
        lambda run: setattr(run, "loss", dfanp.losses.get("mse")),
    ):
        for run in runs:
            change(run)
            run.run_epoch()
        for name, theta in runs[1].network.parameters.items():
            np.testing.assert_allclose(runs[0].network.parameters[name], theta, rtol=1e-9, atol=1e-12)
    known = backend.kernels.tier.workspace.known
    assert known
    del runs, run, change
    gc.collect()
    assert not known


@pytest.mark.parametrize("tier", ["native"])
@pytest.mark.parametrize("rule", ["bp", "fa", "dfa"])
@pytest.mark.parametrize("stacked", [True, False])
def test_fused_epoch_of_any_mlp_keeps_its_bytes(rng, tier, rule, stacked):
    """Whatever the number of threads is, joint or solo, in one call or in several, resumed or not."""
    n = 90
    y = np.eye(12)[rng.integers(0, 12, n)]

    def run(threads, seed, epochs=2, at=None):
        backend = backend_of(tier, threads)
        X = digits(np.random.default_rng(5), 2, 300, n, "float32", backend)
        problem = OneEpoch(X if stacked else X.dense(), y, "float32", backend)
        problem.outputs, problem.loss = 12, "cross-entropy"
        network = dfanp.MLP((problem.features, 130, 70, 200, 12), "tanh", True, seed=seed, backend=backend)
        training = dfanp.Training(network, problem, rule, dfanp.Adam(0.01), batch_size=40)
        if at is not None:
            training.restore(at)
        with backend.pinned(), fused(backend) as calls:
            records = list(training.epochs(epochs))
        assert all(calls)
        return training.arrays(), records

    arrays, records = run(1, 3)
    for threads in (2, 3):
        others = run(threads, 3)
        assert others[1] == records and all(np.array_equal(arrays[name], array) for name, array in others[0].items())
    resumed = run(2, 3, at=run(2, 3, epochs=1)[0])
    assert resumed[1] == records[1:] and all(
        np.array_equal(arrays[name], array) for name, array in resumed[0].items()
    )
    joint, both = run(2, (2, 3))
    assert [record.replica(1) for record in both] == records
    assert all(
        np.array_equal(joint[name][1], array) for name, array in arrays.items() if name.startswith("parameters")
    )


def tiers_of(test):
    """Return the tiers for which a test is parametrized."""
    for mark in test.pytestmark:
        if mark.name == "parametrize" and mark.args[0].split(",")[0] == "tier":
            return {row if isinstance(row, str) else row[0] for row in mark.args[1]}
    return set()


def test_every_entry_of_the_table_has_a_test():
    for operation in kernels.OPERATIONS:
        tested = tiers_of(globals()[f"test_{operation}"])
        for tier in TIERS:
            entry = getattr(kernels._tier(tier), operation)
            # An epoch for which a tier has no kernel is computed step by step.
            assert callable(entry) or (entry is None and operation == "fused_epoch")
            assert (entry is not None) == (tier in tested), (operation, tier)


@tiers
@pytest.mark.parametrize("shared", [False, True])
def test_replicas_are_solo_runs(rng, tier, shared):
    """Each replica's product and step, with its own rate, has the bits of the same call alone."""
    backend, optimizer = backend_of(tier), dfanp.RMSProp((0.01, 0.1))
    joint = digits(rng, 3, 64, 20, "float32", backend, () if shared else (2,))
    W, delta = (rng.standard_normal(shape).astype(np.float32) for shape in ((2, 192, 70), (2, 20, 70)))
    s = state_of(optimizer, rng, W.shape, np.float32)
    alone = []
    for r in range(2):
        X = StackedDigits(joint.bank, joint.picks if shared else joint.picks[r])
        theta, state = W[r].copy(), SimpleNamespace(v=s.v[r].copy())
        a = X @ theta
        backend.kernels.tier.fused_update(optimizer, WeightGradient(X, delta[r]), theta, state, optimizer.lr[r], 1)
        alone.append((a, theta, state.v))
    a, lr = joint @ W, np.array([0.01, 0.1], np.float32).reshape(2, 1, 1)
    backend.kernels.tier.fused_update(optimizer, WeightGradient(joint, delta), W, s, lr, 1)
    for r in range(2):
        for mine, theirs in zip((a[r], W[r], s.v[r]), alone[r], strict=True):
            assert np.array_equal(mine, theirs)


@pytest.mark.parametrize("tier", ["native", "numba"])
def test_bytes_do_not_depend_on_the_threads(rng, tier):
    results = []
    for threads in (1, 2, 3):
        backend = backend_of(tier, threads)
        generator = np.random.default_rng(0)
        X = digits(generator, 3, 784, 100, "float32", backend)
        W, delta = (generator.standard_normal(shape).astype(np.float32) for shape in ((2352, 300), (100, 300)))
        optimizer = dfanp.RMSProp(0.01)
        s = state_of(optimizer, generator, W.shape, np.float32)
        with backend.pinned():
            a = X @ W
            backend.kernels.tier.fused_update(optimizer, WeightGradient(X, delta), W, s, 0.01, 1)
            g = generator.standard_normal(W.shape).astype(np.float32)
            backend.kernels.tier.update(optimizer, g, W, s, 0.01, 2)
        y = generator.integers(0, 2, (100, 1))
        training, records = trained(backend, "float32", X, y, 300, optimizer)
        losses = [value for record in records for value in (record.train_loss, record.test_loss)]
        results.append((a, W, s.v, *training.arrays().values(), *losses))
    for mine in results[1:]:
        assert all(np.array_equal(x, y) for x, y in zip(mine, results[0], strict=True))


def test_levels_of_a_processor(rng):
    """Each has kernels of its own: they agree with the definition, and where multiply-adds are fused with each other, bit for bit."""
    backend, found = backend_of("native"), {}
    from dfanp.kernels import native

    for level in native.levels():
        backend.kernels.tier = native.Native(level=level)
        backend.kernels.tier.threads = 2
        generator = np.random.default_rng(0)
        X, y = digits(generator, 2, 200, 45, "float32", backend), generator.integers(0, 2, (45, 1))
        training, _ = trained(backend, "float32", X, y, 300, dfanp.Adam(0.01))
        a = X @ generator.standard_normal((400, 70)).astype(np.float32)
        found[level] = [a, *training.arrays().values()]
    assert "" in found
    for level, arrays in found.items():
        for mine, plain, fastest in zip(arrays, found[""], found[native.levels()[0]], strict=True):
            close(mine * 1.0, plain * 1.0, "float32")
            assert level == "" or np.array_equal(mine, fastest)


@pytest.mark.parametrize("tier", ["native", "numba"])
def test_two_batches_alive_at_once(rng, tier):
    """Kernels may reuse memory between batches: a batch must not see the lists of another."""
    backend = backend_of(tier)
    first = digits(rng, 2, 64, 9, "float32", backend)
    second = StackedDigits(first.bank, first.picks[::-1].copy())
    W = rng.standard_normal((128, 5)).astype(np.float32)
    a, b = first @ W, second @ W
    assert np.array_equal(a[::-1], b) and np.array_equal(first @ W, a)


@cache
def accuracies(tier):
    """Test accuracy in twenty epochs by a tier."""
    backend = backend_of(tier, threads=1)
    problem = dfanp.Parity(dfanp.load("digits"), 3, train_size=6400, test_size=2000, backend=backend)
    network = dfanp.MLP((problem.features, 256, 1), backend=backend)
    training = dfanp.Training(network, problem, "dfa", dfanp.RMSProp(0.0005))
    return [record.test_accuracy for record in training.epochs(20)]


@pytest.mark.parametrize("tier", ["native", "numba"])
def test_a_run_agrees_with_the_definition(tier):
    """Twenty epochs, one tier against the other: rounding grows, the accuracies stay together."""
    mine, definition = accuracies(tier), accuracies("numpy")
    assert definition[-1] > 0.65
    np.testing.assert_allclose(mine, definition, atol=0.03)


def test_unknown_and_absent_tiers(monkeypatch):
    with pytest.raises(ValueError, match="unknown kernels 'nativ'.*did you mean 'native'"):
        dfanp.Backend("cpu", kernels="nativ")
    from dfanp.kernels import native

    def absent():
        raise FileNotFoundError("it was not built")

    monkeypatch.setattr(native, "library", absent)
    with pytest.raises(dfanp.BackendError, match="'native' cannot be used: it was not built; use --kernels auto"):
        dfanp.Backend("cpu", kernels="native")
    assert dfanp.Backend("cpu").kernels.name != "native"
