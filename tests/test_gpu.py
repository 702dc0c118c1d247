"""The same runs on a GPU; skipped, with the reason, where there is none."""

from dataclasses import replace
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest

import dfanp
from dfanp import baselines, kernels, losses
from dfanp.backend import usable_cupy
from dfanp.inputs import Bank, StackedDigits, WeightGradient
from dfanp.kernels import checked
from dfanp.optimizers import OPTIMIZERS
from dfanp.runs.run import build
from dfanp.settings import ParitySettings
from dfanp.sweeps import grids
from dfanp.sweeps.sweep import Sweep

WHY_NOT = usable_cupy()[1]
pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=f"no GPU: {WHY_NOT}")
TIERS = ("cuda", "numpy")
tiers = pytest.mark.parametrize("tier", TIERS)


@tiers
@pytest.mark.parametrize("seed", [0, (0, 3)])
@pytest.mark.parametrize("rule", ["bp", "fa", "dfa", "kp", "dkp", "sdfa", "drtp"])
@pytest.mark.parametrize("opt", OPTIMIZERS)
def test_a_run_agrees_with_the_cpu(make_training, opt, rule, seed, tier):
    arguments = dict(seed=seed, rule=rule, optimizer=OPTIMIZERS[opt](0.02), hidden=(7, 5), bias=True, dtype="float64")
    there, here = (
        make_training(backend=dfanp.Backend(device, kernels=tier if device == "gpu" else "numpy"), align=True, **arguments)
        for device in ("gpu", "cpu")
    )  # fmt: skip
    for a, b in zip(there.epochs(2), here.epochs(2), strict=True):
        np.testing.assert_allclose(a.test_loss, b.test_loss, rtol=1e-8)
        np.testing.assert_allclose(a.alignment["gradient"], b.alignment["gradient"], rtol=1e-6)
    again = make_training(backend=dfanp.Backend("gpu", kernels=tier), align=True, **arguments)
    again.restore(there.arrays())
    for name, array in there.arrays().items():
        assert np.array_equal(again.arrays()[name], array)


def parity_training(
    device, tier, seed=0, opt=dfanp.RMSProp(0.001), rule="dfa", data="digits", data_dir=None, **sizes
):
    """A Training on parity at k = 3 with 512 hidden units."""
    backend = dfanp.Backend(device, kernels=tier)
    problem = dfanp.Parity(dfanp.load(data, data_dir), 3, backend=backend, **sizes)
    network = dfanp.MLP((problem.features, 512, 1), backend=backend, seed=seed)
    return dfanp.Training(network, problem, rule, opt)


@tiers
@pytest.mark.parametrize("rule", ["bp", "dfa"])
@pytest.mark.parametrize("opt", OPTIMIZERS)
def test_the_first_hundred_steps_agree_with_the_cpu(opt, rule, tier):
    """Mean loss over them to 1e-4; at a rate at which rounding does not grow."""
    optimizer = OPTIMIZERS[opt](1e-4)
    sizes = {"train_size": 12_800, "test_size": 1000}
    there = parity_training("gpu", tier, opt=optimizer, rule=rule, **sizes).run_epoch()
    here = parity_training("cpu", "numpy", opt=optimizer, rule=rule, **sizes).run_epoch()
    assert there.train_loss == pytest.approx(here.train_loss, abs=1e-4)
    assert there.test_loss == pytest.approx(here.test_loss, abs=1e-4)


def test_twenty_epochs_agree_with_the_cpu(mnist_folder):
    optimizer, finals = dfanp.RMSProp(0.00022), []
    for device in ("gpu", "cpu"):
        training = parity_training(device, "auto", (0, 1, 2), optimizer, data="mnist", data_dir=mnist_folder)
        finals.append(np.mean([np.mean(record.test_accuracy) for record in training.epochs(20)][-5:]))
    assert finals[0] == pytest.approx(finals[1], abs=0.01)


def test_replicas_are_solo_runs_and_runs_repeat():
    """In a pass, bit for bit: each replica has a team of blocks to itself."""
    rates = (0.0005, 0.001, 0.002)
    sizes = {"train_size": 5000, "test_size": 1000}
    joint = list(parity_training("gpu", "cuda", (0, 1, 2), dfanp.RMSProp(rates), **sizes).epochs(2))
    for r in range(3):
        alone = list(parity_training("gpu", "cuda", r, dfanp.RMSProp(rates[r]), **sizes).epochs(2))
        assert [record.replica(r) for record in joint] == alone
    assert list(parity_training("gpu", "cuda", (0, 1, 2), dfanp.RMSProp(rates), **sizes).epochs(2)) == joint


def test_a_run_that_is_resumed_has_the_same_bytes():
    sizes = {"train_size": 5000, "test_size": 1000}
    whole, first, second = (parity_training("gpu", "cuda", opt=dfanp.Adam(0.001), **sizes) for _ in range(3))
    records = list(whole.epochs(4))
    list(first.epochs(2))
    second.restore(first.arrays())
    assert list(second.epochs(4)) == records[2:]
    for name, array in whole.arrays().items():
        assert np.array_equal(second.arrays()[name], array)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("opt", OPTIMIZERS)
@pytest.mark.parametrize("replicas", [(), (3,)])
def test_each_kernel_agrees_with_the_definition(rng, dtype, opt, replicas):
    backend, tolerance = dfanp.Backend("gpu", kernels="cuda"), {"float32": 1e-4, "float64": 1e-10}[dtype]
    cpu = dfanp.Backend("cpu", kernels="numpy")
    bank = rng.integers(0, 256, (50, 65), dtype=np.uint8)
    picks, host = rng.integers(0, 50, (*replicas, 37, 3)), backend.to_host
    X = StackedDigits(Bank(bank, 33.3, 78.5, dtype, backend), backend.asarray(picks))
    X64 = StackedDigits(Bank(bank, 33.3, 78.5, "float64", cpu), picks)
    W, delta = rng.standard_normal((*replicas, 195, 70)), rng.standard_normal((*replicas, 37, 70)) / 37
    optimizer = OPTIMIZERS[opt](0.01, weight_decay=0.1)
    states = {slot: 1e-3 * rng.random(W.shape) for slot in optimizer.slots}
    mine = SimpleNamespace(**{slot: backend.asarray(array, dtype) for slot, array in states.items()})
    w, d = backend.asarray(W, dtype), backend.asarray(delta, dtype)
    np.testing.assert_allclose(host(X @ w), X64 @ W, rtol=tolerance, atol=100 * tolerance)
    gradient, gradient64 = WeightGradient(X, d), WeightGradient(X64, delta)
    g = host(backend.kernels.tier.gradient(gradient))
    np.testing.assert_allclose(g, gradient64.dense(), rtol=tolerance, atol=10 * tolerance)
    backend.kernels.tier.fused_update(optimizer, gradient, w, mine, 0.01, 3)
    theirs = SimpleNamespace(**states)
    cpu.kernels.tier.fused_update(optimizer, gradient64, W, theirs, 0.01, 3)
    np.testing.assert_allclose(host(w), W, rtol=tolerance, atol=tolerance)
    for slot in optimizer.slots:
        np.testing.assert_allclose(host(getattr(mine, slot)), getattr(theirs, slot), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("loss, outputs", [("bce", 1), ("bce", 3), ("cross-entropy", 4), ("mse", 3)])
def test_the_output_layer_agrees_with_the_definition(rng, loss, outputs):
    backend, loss = dfanp.Backend("gpu", kernels="cuda"), losses.get(loss)
    z, y = rng.standard_normal((3, 300, outputs)), np.eye(max(2, outputs))[rng.integers(0, outputs, 300)][:, :outputs]
    e, totals = backend.kernels.tier.output(loss, backend.asarray(z), backend.asarray(y))
    wanted = kernels.resolve("numpy", np, "cpu").tier.output(loss, z, y)
    np.testing.assert_allclose(backend.to_host(e), wanted[0], rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(backend.to_host(totals), wanted[1], rtol=1e-10)


def test_every_kernel_is_compared_with_the_definition_and_agrees(make_training, monkeypatch):
    """What ``auto`` trains with on a card is its kernels, and none was turned down (that would be an error here)."""
    monkeypatch.setattr(checked, "VERDICTS", {})
    backend = dfanp.Backend("gpu")
    for opt, rule, hidden in product(OPTIMIZERS, ("bp", "fa", "dfa"), ((7,), (7, 5))):
        make_training(backend=backend, rule=rule, optimizer=OPTIMIZERS[opt](0.01), hidden=hidden).run_epoch()
    verdicts = list(checked.VERDICTS.values())
    assert backend.kernels.name == "cuda" and not backend.kernels.notes and set(verdicts) == {None}
    # Of both networks an epoch by each rule and optimizer, and the test.
    assert len(verdicts) == 2 * (3 * len(OPTIMIZERS) + 1)


@pytest.mark.parametrize("method", baselines.BASELINES)
def test_baselines_and_disks(method):
    settings = ParitySettings(lr=0.01, method=method, data="digits", train_size=2000, test_size=1000, epochs=2)
    there, here = (
        list(build(replace(settings, device=device, kernels="auto" if device == "gpu" else "numpy")).epochs(2))
        for device in ("gpu", "cpu")
    )
    assert there[-1].train_loss == pytest.approx(here[-1].train_loss, rel=1e-3)


def test_the_full_batch_of_the_disks():
    def losses_on(device, tier):
        backend = dfanp.Backend(device, kernels=tier)
        problem = dfanp.Synthetic(n=256, d=15, backend=backend)
        network = dfanp.MLP((15, 512, 1), backend=backend)
        return [
            r.test_loss for r in dfanp.Training(network, problem, "bp", dfanp.SGD(0.5), batch_size=256).epochs(50)
        ]

    np.testing.assert_allclose(losses_on("gpu", "cuda"), losses_on("cpu", "numpy"), rtol=1e-3)


@pytest.mark.parametrize("rule", ["bp", "dfa"])
@pytest.mark.parametrize("seed", [0, (0, 1)])
def test_ten_classes_by_recorded_steps(rule, seed):
    """Biases, two hidden layers, a last batch that is smaller; the same bytes when repeated."""

    def run(device, tier):
        backend = dfanp.Backend(device, kernels=tier)
        dataset = dfanp.load("digits")
        X = ((dataset.train.pixels - dataset.mean) / dataset.std).astype(np.float32)[:1000]
        y = np.eye(10, dtype=np.float32)[dataset.train.labels[:1000]]
        problem = dfanp.Arrays(X, y, X[:300], y[:300], loss="cross-entropy", backend=backend)
        network = dfanp.MLP((X.shape[1], 100, 50, 10), "tanh", bias=True, seed=seed, backend=backend)
        return [record.test_loss for record in dfanp.Training(network, problem, rule, dfanp.Adam(1e-3)).epochs(3)]

    there = run("gpu", "cuda")
    np.testing.assert_allclose(there, run("cpu", "numpy"), rtol=1e-3)
    assert np.array_equal(there, run("gpu", "cuda"))


def test_tensor_cores_agree_with_the_kernel_without():
    tier = dfanp.Backend("gpu", kernels="cuda").kernels.tier
    if not tier.card.tensor:
        pytest.skip("this card has no tensor cores for TF32")
    assert tier.tensor_cores_agree()


def test_tf32_is_near_and_not_the_same():
    sizes = {"train_size": 5000, "test_size": 1000}
    exact, rounded = (
        parity_training("gpu", tier, (0, 1), dfanp.SGD(0.01), **sizes).run_epoch() for tier in ("numpy", "cuda-tf32")
    )
    assert np.all(rounded.train_loss != exact.train_loss)
    np.testing.assert_allclose(rounded.train_loss, exact.train_loss, rtol=1e-2)


def test_a_sweep_fills_the_card(tmp_path):
    base = ParitySettings(lr=0.01, data="digits", train_size=2000, test_size=500, epochs=2, device="gpu")
    settings = grids.product(base, lr=[1e-4, 1e-3], seed=range(10))
    with Sweep(settings, tmp_path) as sweep:
        (outcome,) = sweep.outcomes()
    assert len(outcome.results) == 20 and {result.status for result in outcome.results} == {"done"}
