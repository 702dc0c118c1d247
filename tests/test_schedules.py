"""Learning-rate schedules: against PyTorch's, on every tier, and across a resumed run."""

import json
import shlex
import warnings
from dataclasses import replace

import numpy as np
import pytest

import dfanp
from dfanp import schedules
from dfanp.runs.run import Run
from dfanp.settings import ParitySettings, from_config

from .kernels.emulated import emulated_backend

EPOCHS = 14
# text -> PyTorch's scheduler of an optimizer
SAME = {
    "constant": lambda L, o: L.ConstantLR(o, 1.0),
    "step:every=3:factor=0.5": lambda L, o: L.StepLR(o, 3, 0.5),
    "exponential:factor=0.9": lambda L, o: L.ExponentialLR(o, 0.9),
    "cosine:epochs=10:least=0.1": lambda L, o: L.CosineAnnealingLR(o, 10, 0.1),
    "restarts:every=5:least=0.2": lambda L, o: L.CosineAnnealingWarmRestarts(o, 5, eta_min=0.2),
    "linear:end=0.25:epochs=8": lambda L, o: L.LinearLR(o, 1.0, 0.25, 8),
    "polynomial:epochs=9:power=3.0": lambda L, o: L.PolynomialLR(o, 9, 3.0),
    "inverse:power=1.0": lambda L, o: L.LambdaLR(o, lambda t: 1 / (1 + t)),
    "constant:warmup=3": lambda L, o: L.LinearLR(o, 1 / 4, 1.0, 3),
    "cosine:epochs=12:warmup=3": lambda L, o: L.SequentialLR(
        o, [L.LinearLR(o, 1 / 4, 1.0, 3), L.CosineAnnealingLR(o, 9)], [3]
    ),
}


@pytest.mark.parametrize("text, make", SAME.items(), ids=SAME)
def test_rates_are_pytorchs(text, make):
    torch = pytest.importorskip("torch")
    optimizer, rates = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SequentialLR steps in a way that PyTorch itself calls deprecated
        scheduler = make(torch.optim.lr_scheduler, optimizer)
        for _ in range(10 if "cosine" in text else EPOCHS):  # PyTorch's cosine rises again
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
    mine = [schedules.factor(text, epoch) for epoch in range(1, len(rates) + 1)]
    assert np.allclose(mine, rates, rtol=1e-12, atol=1e-15)
    assert text.partition(":")[0] in schedules.SCHEDULES


def test_every_schedule_is_compared():
    assert {text.partition(":")[0] for text in SAME} == set(schedules.SCHEDULES)


def test_a_network_takes_the_steps_of_pytorchs():
    """A linear layer by SGD on the whole batch, with a schedule in both."""
    torch = pytest.importorskip("torch")
    X, y = np.random.default_rng(0).normal(size=(20, 3)), np.arange(20.0)[:, None] % 2
    network = dfanp.MLP((3, 1), dtype="float64")
    W = torch.nn.Parameter(torch.from_numpy(network.W[0].copy()))
    optimizer = torch.optim.SGD([W], lr=0.5)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.1)
    problem = dfanp.Arrays(X, y, dtype="float64")
    training = dfanp.Training(network, problem, "bp", dfanp.SGD(0.5), batch_size=20, schedule="step:every=2")
    for _ in training.epochs(5):
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(torch.from_numpy(X) @ W, torch.from_numpy(y)).backward()
        optimizer.step()
        scheduler.step()
    assert np.allclose(network.W[0], W.detach().numpy(), atol=1e-12)


@pytest.mark.parametrize("lr", [0.02, (0.02, 0.01), {0: 0.02, 1: 0.01}], ids=["one", "by replica", "by layer"])
@pytest.mark.parametrize("kernels", ["native", "cuda"])
def test_every_tier_follows_it(make_training, lr, kernels):
    def trained(kernels, schedule):
        backend = emulated_backend() if kernels == "cuda" else dfanp.Backend("cpu", kernels=kernels)
        seed = (0, 1) if isinstance(lr, tuple) else 0
        training = make_training(seed, "dfa", dfanp.RMSProp(lr), backend=backend, schedule=schedule)
        list(training.epochs(3))
        return training.network.W

    plain, mine, constant = (
        trained("numpy", "step:every=1"),
        trained(kernels, "step:every=1"),
        trained(kernels, "constant"),
    )
    assert all(np.allclose(a, b, atol=1e-4) for a, b in zip(plain, mine, strict=True))
    assert not np.allclose(mine[0], constant[0], atol=1e-3)


@pytest.mark.parametrize("repeats", [1, 2])
def test_a_resumed_run_has_the_same_bytes(tmp_path, repeats):
    settings = ParitySettings(
        lr=0.01,
        k=1,
        train_size=40,
        batch_size=20,
        test_size=20,
        epochs=4,
        hidden=(5,),
        schedule="cosine:warmup=1",
        repeats=repeats,
        data="digits",
    )
    assert settings.schedule == "cosine:epochs=4:warmup=1" and settings.config()["schedule"] == settings.schedule
    assert from_config(settings.config(), "config.json") == settings
    for name, parts in (("whole", [4]), ("stopped", [1, 3, 4])):
        for until in parts:
            with Run(settings, tmp_path / name, dataset=None) as run:
                for record, _ in run.epochs():
                    if record.epoch == until:
                        break
    whole, stopped = ((tmp_path / name / "log.jsonl").read_bytes() for name in ("whole", "stopped"))
    assert whole == stopped and len(whole.splitlines()) == 4 * repeats
    with np.load(tmp_path / "whole" / "checkpoint.npz") as a, np.load(tmp_path / "stopped" / "checkpoint.npz") as b:
        assert all(np.array_equal(a[name], b[name]) for name in a.files)
    with pytest.raises(dfanp.RecordError, match="schedule"):  # over more epochs it would be another one
        Run(replace(settings, epochs=6, schedule="cosine:warmup=1"), tmp_path / "whole")


def test_what_has_no_schedule_is_recorded_as_before():
    assert "schedule" not in ParitySettings(lr=0.01).config()
    assert ParitySettings(lr=0.01, schedule="step:every=10").config()["schedule"] == "step"
    assert "(step)" in ParitySettings(lr=0.01, schedule="step").headline


def test_the_command_line_has_it(capsys):
    from dfanp_cli.main import run

    given = "--data digits --k 1 --train-size 40 --batch-size 20 --test-size 20 --hidden 4 --epochs 2 --lr 0.01 --quiet --json"
    words = ["parity", *shlex.split(given)]
    assert run([*words, "--schedule", "linear"]) == 0
    assert json.loads(capsys.readouterr().out)["config"]["schedule"] == "linear:epochs=2"
    assert run([*words, "--schedule", "cosin"]) == 2 and "did you mean 'cosine'" in capsys.readouterr().err
    assert (
        run([*words, "--schedule", "step:size=3"]) == 2
        and "parameter of the schedule step" in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    "text, message",
    [
        ("cosine", "needs its number of epochs: cosine:epochs=20"),
        ("cosine:epochs=3:warmup=3", "epochs must be more than the 3 of the warm-up"),
        ("step:every=0", "every must be a whole number of at least 1"),
        ("step:every=2.5", "every must be a whole number"),
        ("step:factor=-1", "factor must be a number of at least 0"),
        ("step:factor=nan", "factor must be a number"),
        ("step:factor", "write NAME=VALUE"),
        ("constant:every=1", "parameter of the schedule constant"),
        ("stp", "did you mean 'step'"),
        (None, "schedule"),
        (dfanp.Schedule("grows", lambda t, p: -1.0), "the schedule grows must return a finite factor of at least 0"),
    ],
    ids=str,
)
def test_a_wrong_one_is_refused_in_one_line(text, message):
    with pytest.raises(ValueError, match=message) as caught:
        schedules.factor(text, 1)
    assert "\n" not in str(caught.value)


def test_one_of_your_own(make_training):
    halves = dfanp.Schedule("halves", lambda t, p: 0.5 ** (t / p.life), {"life": 1.0})
    assert schedules.factor(halves, 3) == 0.25
    dfanp.register(halves)
    try:
        assert schedules.factor("halves:life=2.0", 3) == 0.5 and schedules.canonical("halves:life=1") == "halves"
        training = make_training(schedule=halves)
        list(training.epochs(2))
        assert training.state.lr["W0"] == 0.005
    finally:
        schedules.SCHEDULES.remove("halves")
