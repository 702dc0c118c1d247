"""Whether the basics stand, in ten seconds: ``python -m pytest tests/test_tiny.py``."""

import json
import subprocess
import sys

import numpy as np
import pytest

import dfanp
from dfanp import alignment, rules
from dfanp.kernels import why_not
from dfanp.runs.run import Run
from dfanp.settings import ParitySettings

SETTINGS = ParitySettings(
    lr=0.003, k=1, epochs=3, hidden=(32,), opt="rmsprop", data="digits", train_size=2000, test_size=200
)


def gradients(rule, network, B, X, y):
    h = network.forward(X)
    e = dfanp.losses.get("bce").error(np, h[-1], y)
    return rules.gradients(rules.get(rule), network, B, h, e)


def test_rules_by_identities_and_a_finite_difference():
    rng = np.random.default_rng(0)
    network = dfanp.MLP([3, 5, 4, 1], "tanh", bias=True, dtype="float64", seed=0)
    X, y = rng.normal(size=(6, 3)), np.array([[0.0, 1, 1, 0, 1, 0]]).T
    bp = gradients("bp", network, [], X, y)
    fa = gradients("fa", network, [W.T for W in network.W[1:]], X, y)
    assert all(np.allclose(bp[name], fa[name], rtol=1e-12) for name in bp)
    one = dfanp.MLP([3, 5, 1], "tanh", dtype="float64", seed=0)
    B = dfanp.Feedback("gaussian").draw(rules.feedback_shapes(rules.get("dfa"), one.sizes), 0)
    assert all(
        np.array_equal(a, b)
        for a, b in zip(*(gradients(r, one, B, X, y).values() for r in ("fa", "dfa")), strict=True)
    )
    loss, values = (lambda: dfanp.losses.get("bce").per_example(np, network.forward(X)[-1], y).mean()), []
    for step in (1e-6, -2e-6):
        network.W[0][1, 2] += step
        values.append(loss())
    network.W[0][1, 2] += 1e-6
    assert bp["W0"][1, 2] == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-6)


@pytest.mark.parametrize("rule", ["bp", "dfa"])
@pytest.mark.parametrize("tier", ["numpy", "native", "auto"])
def test_it_learns_the_same_on_every_tier(tier, rule):
    if tier == "native" and why_not("native"):
        pytest.skip("no C library")
    digits, finals = dfanp.load("digits"), {}
    for name in dict.fromkeys(("numpy", tier)):
        backend = dfanp.Backend("cpu", kernels=name)
        problem = dfanp.Parity(digits, k=1, train_size=2000, test_size=200, backend=backend)
        network = dfanp.MLP([problem.features, 32, 1], seed=0, backend=backend)
        training = dfanp.Training(network, problem, rule, dfanp.RMSProp(lr=0.003), align=True)
        *_, last = training.epochs(4)
        finals[name] = last.test_accuracy
        cosines = alignment.gradient_alignment(training.rule, network, training.B, training.loss, *problem.probe(0))
        assert last.test_accuracy > 0.8 and cosines[-1] == pytest.approx(1, abs=1e-5)
    assert finals[tier] == pytest.approx(finals["numpy"], abs=0.03)


def test_a_run_that_is_stopped_resumes_to_the_same_bytes(tmp_path):
    with Run(SETTINGS, tmp_path / "whole") as run:
        list(run.epochs())
    for _ in range(3):
        with Run(SETTINGS, tmp_path / "parts") as run:
            next(run.epochs())
    for name in ("log.jsonl", "checkpoint.npz", "config.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()


def test_the_command():
    command = [sys.executable, "-m", "dfanp_cli", "parity", "--data", "digits", "--k", "1", "--train-size", "2000"]
    done = subprocess.run([*command, "--epochs", "4", "--json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["summary"]["test_accuracy"]["mean"] > 0.7
    wrong = subprocess.run([*command, "--method", "dfaa"], capture_output=True, text=True)
    assert wrong.returncode == 2 and "did you mean 'dfa'" in wrong.stderr
