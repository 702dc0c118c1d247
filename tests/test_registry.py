import numpy as np
import pytest

import dfanp

from . import definitions as own

THINGS = [
    (own.sign_symmetric._replace(name="mine"), dfanp.rules.RULES),
    (own.softsign._replace(name="mine"), dfanp.activations.ACTIVATIONS),
    (own.hinge._replace(name="mine"), dfanp.losses.LOSSES),
    (type("Mine", (own.Squashed,), {}), dfanp.optimizers.OPTIMIZERS),
]


@pytest.mark.parametrize("thing, registry", THINGS, ids=lambda each: getattr(each, "what", ""))
def test_a_name_for_a_definition(thing, registry):
    before = list(registry)
    assert dfanp.register(thing) is thing
    try:
        assert registry.get("mine") is registry["mine"] is thing and list(registry) == [*before, "mine"]
        assert len(registry) == len(before) + 1 and registry.built_in(thing) is None
        assert dfanp.register(thing) is thing and len(registry) == len(before) + 1
        with pytest.raises(
            ValueError, match=f"unknown {registry.what} 'minee': expected one of .*mine; did you mean 'mine'"
        ):
            registry.get("minee")
    finally:
        registry.remove("mine")
    registry.remove("mine")
    assert list(registry) == before and registry.get(thing) is thing
    with pytest.raises(ValueError, match=f"unknown {registry.what} 'mine'"):
        registry.get("mine")


def test_a_name_is_given_anew_but_never_dfanps_own():
    first, second = (own.noisy._replace(name="mine", signal=signal) for signal in (lambda at: 0, lambda at: 1))
    try:
        dfanp.register(first)
        dfanp.register(second)
        assert dfanp.rules.get("mine") is second
    finally:
        dfanp.rules.RULES.remove("mine")
    for thing in (own.sign_symmetric, own.softsign, own.hinge, own.SGD):
        with pytest.raises(ValueError, match=f"{thing.name!r} is a built-in .* of dfanp: choose another name"):
            dfanp.register(thing)
    assert dfanp.register(dfanp.rules.bp) is dfanp.rules.bp
    dfanp.rules.RULES.remove("bp")
    assert dfanp.rules.get("bp") is dfanp.rules.bp and dfanp.rules.RULES.built_in(dfanp.rules.bp) == "bp"


@pytest.mark.parametrize("name", ["", "two words", "a,b", "a/b", "line\n", None, 3])
def test_names_that_no_command_line_could_take(name):
    with pytest.raises(ValueError, match="the name of a rule must be text without spaces, commas or slashes, got"):
        dfanp.register(own.noisy._replace(name=name))


def test_things_that_have_no_names():
    with pytest.raises(
        TypeError, match="only things of these kinds can be registered: activation, .*rule.*; got <function"
    ):
        dfanp.register(lambda at: at.e)


class Ranged(dfanp.Optimizer):
    """Hyperparameters with ranges."""

    rho: float = dfanp.optimizers.fraction(0.5)
    depth: float = dfanp.optimizers.hyperparameter(2.0, "at most 3", lambda x: x <= 3)
    side: str = dfanp.optimizers.choice("left", "right")
    free: float = 1.0
    count: int = 3


@pytest.mark.parametrize(
    "given, message",
    [
        (dict(rho=1.0), r"rho must be in \[0, 1\), got 1.0"),
        (dict(rho=float("nan")), r"rho must be in \[0, 1\), got nan"),
        (dict(rho="0.5"), r"rho must be in \[0, 1\), got '0.5'"),
        (dict(depth=4), "depth must be at most 3, got 4"),
        (dict(side="up"), "side must be 'left' or 'right', got 'up'"),
        (dict(free=float("inf")), "free must be a finite number, got inf"),
        (dict(lr=0.0), "lr must be a finite number above 0"),
        (dict(weight_decay=-1), "weight_decay must be at least 0, got -1"),
    ],
)
def test_hyperparameters_of_an_optimizer_of_ones_own(given, message):
    assert Ranged(0.1, rho=0, depth=3, side="right", free=np.float32(2)) == Ranged(
        0.1, rho=0.0, depth=3.0, side="right", free=2.0
    )
    with pytest.raises(ValueError, match=message):
        Ranged(**dict(lr=0.1) | given)
    with pytest.raises(TypeError, match="unexpected keyword argument 'other'"):
        Ranged(0.1, other=1)


def test_a_registered_optimizer_is_read_from_text():
    dfanp.register(Ranged)
    try:
        assert dfanp.optimizers.parse("ranged:rho=0.25:count=4") == (Ranged, {"rho": 0.25, "count": 4})
        assert dfanp.optimizers.canonical("ranged:count=4:rho=0.5") == "ranged:count=4"
        with pytest.raises(ValueError, match=r"rho must be in \[0, 1\)"):
            dfanp.optimizers.parse("ranged:rho=2")
        with pytest.raises(ValueError, match="count must be a whole number, got 'x'"):
            dfanp.optimizers.parse("ranged:count=x")
    finally:
        dfanp.optimizers.OPTIMIZERS.remove("ranged")
