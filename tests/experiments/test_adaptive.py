import numpy as np
import pytest

import dfanp
from dfanp import optimizers
from dfanp.experiments import adaptive
from dfanp.experiments.rates import TUNED
from dfanp.settings import ParitySettings, made

CPU = dfanp.Backend("cpu", threads=1, kernels="numpy")


def stepped(name, g):
    """Return by how much one step of an optimizer at the rate 1 moves W0 and W1 of zeros."""
    kind, more = optimizers.parse(name)
    theta = {each: np.zeros_like(array) for each, array in g.items()}
    optimizer = kind(1.0, **more)
    optimizer.step(CPU, theta, g, optimizer.init(CPU, theta))
    return theta


def test_what_is_shared(rng):
    g = {"W0": rng.normal(size=(4, 3)), "W1": rng.normal(size=(3, 2))}
    for by, axes in {"layer": (0, 1), "pixel": 1, "unit": 0}.items():
        for name, moved in stepped(f"rmsprop:shared={by}", g).items():
            v = (1 - adaptive.RHO) * (g[name] ** 2).mean(axis=axes, keepdims=True)
            np.testing.assert_allclose(moved, -g[name] / np.sqrt(v + adaptive.EPS))
    single = {"W0": g["W0"][:1, :1]}
    for by in adaptive.SHARED:  # where nothing is shared it is RMSProp
        np.testing.assert_allclose(stepped(f"rmsprop:shared={by}", single)["W0"], stepped("rmsprop", single)["W0"])


def test_the_lowest_layer_has_a_rate_of_its_own(rng):
    g = {"W0": rng.normal(size=(4, 3)), "W1": rng.normal(size=(3, 2))}
    moved = stepped("sgd:first=0.1", g)
    np.testing.assert_allclose(moved["W0"], -0.1 * g["W0"])
    np.testing.assert_allclose(moved["W1"], -g["W1"])


def test_pixels_are_standardised(tiny):
    X, y = adaptive.Standardised(tiny, 2, 40, 20, "float64", CPU).train(0, 1)
    std = X.std(axis=0)
    np.testing.assert_allclose(X.mean(axis=0), 0, atol=1e-9)
    assert set(np.round(std, 6)) <= {0.0, 1.0}
    plain, same = dfanp.Parity(tiny, 2, 40, 20, "float64", CPU).train(0, 1)
    assert np.array_equal(y, same)
    settings = made(ParitySettings, lr=0.1, pixels="standardised", data="digits")
    assert type(settings) is adaptive.StandardisedParity
    with pytest.raises(ValueError, match="pixels must be"):
        adaptive.StandardisedParity(lr=0.1, pixels="unit").problem(tiny, CPU)


def test_gains_are_paired_and_a_run_that_diverged_counts_as_chance():
    run = lambda value: [None] if value is None else [0.1] * 5 + [value] * 5  # the last five of ten epochs
    at = {
        ("BP", "SGD"): (0.7, 0.8, 0.6),
        ("BP", "by unit"): (0.8, 0.9, 0.7),
        ("DFA", "SGD"): (0.6, 0.7, None),
        ("DFA", "by unit"): (0.8, 0.9, 0.7),
    }
    config = {"lr": 0.1}
    series = [
        {"label": label, "panel": rule, "test_accuracy": list(map(run, runs)), "config": config}
        for (rule, label), runs in at.items()
    ]
    sgd, unit = adaptive.gains({"series": series})
    assert sgd.differences["DFA"].mean == 0 and sgd.means["DFA"].mean == pytest.approx(0.6)
    assert unit.differences["BP"].mean == pytest.approx(0.1) and unit.differences["BP"].half == pytest.approx(
        0, abs=1e-12
    )
    assert unit.more.mean == pytest.approx(0.1) and unit.more.n == 3
    assert "| by unit | 0.1 | 0.800 ± 0.248 | 0.100 ± 0.000 | 0.1 |" in adaptive.EXPERIMENTS[0].table(
        {"series": series}
    )


def test_each_way_has_a_rate_that_was_found_or_that_of_its_optimizer():
    assert adaptive.rate("mnist", "dfa", "SGD") == 0.018 and adaptive.rate("mnist", "bp", "each weight") == 0.000267
    assert adaptive.rate("digits", "bp", "by unit") == 0.001
    for rule, ways in TUNED["adaptive"].items():
        assert set(ways) | {"SGD", "each weight"} == set(adaptive.WAYS), rule
