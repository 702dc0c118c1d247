"""Kernels stand in for definitions only where they compute the same: wrong ones are planted here, and must be found."""

import ctypes

import numpy as np
import pytest

import dfanp
from dfanp import KernelWarning, kernels
from dfanp.experiments.published import EpochAdam
from dfanp.inputs import WeightGradient
from dfanp.kernels import checked, native
from dfanp.kernels.cuda import Cuda
from dfanp.kernels.native import Native
from dfanp.kernels.numpy import Plain

from .emulated import EmulatedCard, need_emulator, with_tier

WRONG = {"float32": 1.01, "float64": 1 + 1e-6}  # times what it should be
# Of a Training whose epochs are one call, and of one that goes step by step: its rule is the user's own.
FUSED = dict(hidden=(7,))
STEPS = dict(hidden=(7, 5), rule=dfanp.Rule("own", lambda at: at.e @ at.B, dfanp.rules.output))


def planted(tier, operation, factor):
    """Return a class like that of a tier, one of whose operations is a little wrong; it counts the calls in ``calls``."""
    base = {"native": Native, "cuda": Cuda}[tier]

    class Planted(base):
        calls = 0

    right = getattr(base, operation)

    def wrong(self, *args, **more):
        if operation == "fused_epoch" and args[-1] is None:  # which tests rightly
            return right(self, *args, **more)
        Planted.calls += 1
        if operation in ("product", "gradient"):
            return right(self, *args, **more) * factor
        if operation == "output":
            e, totals = right(self, *args, **more)
            return (None if e is None else e * factor), totals
        if operation == "update_all":
            optimizer, parameters, *t = args
            return right(self, optimizer, [(*each, lr * factor) for *each, lr in parameters], *t)
        if operation == "fused_epoch":  # learns rightly, and counts wrongly
            return right(self, *args, **more) * factor
        optimizer, g, theta, s, lr, t = args
        return right(self, optimizer, g, theta, s, lr * factor, t)

    setattr(Planted, operation, wrong)
    return Planted


def backend_with(kind, tier, by_name):
    if tier == "cuda":
        need_emulator()
        made = kind(np, EmulatedCard())
    elif kernels.why_not(tier):
        pytest.skip(f"no {tier} kernels: {kernels.why_not(tier)}")
    else:
        made = kind()
    return with_tier(dfanp.Backend("cpu", kernels="numpy", threads=1), made, by_name)


CASES = [
    ("native", "product", STEPS, "products of stacked digits", "X @ W"),
    ("native", "gradient", STEPS, "products of stacked digits", "X.T @ delta"),
    ("native", "fused_update", STEPS, "the updates of RMSProp", "W0"),
    ("native", "update", STEPS, "the updates of RMSProp", "W1"),
    ("native", "fused_epoch", FUSED, "an epoch of dfa with relu and RMSProp", "totals"),
    ("cuda", "output", STEPS, "the loss bce", "e"),
    ("cuda", "update_all", STEPS, "the updates of RMSProp", "W0"),
]
wrong_kernels = pytest.mark.parametrize(
    "tier, operation, setting, what, where", CASES, ids=[f"{tier}-{operation}" for tier, operation, *_ in CASES]
)
dtypes = pytest.mark.parametrize("dtype", WRONG)


@wrong_kernels
@dtypes
def test_a_wrong_kernel_that_was_asked_for_is_an_error(make_training, dtype, tier, operation, setting, what, where):
    backend = backend_with(planted(tier, operation, WRONG[dtype]), tier, by_name=True)
    training = make_training(**setting, dtype=dtype, backend=backend)
    before = {name: theta.copy() for name, theta in training.network.parameters.items()}
    why = rf"^the {tier} kernels do not compute {what} as the code defines it \({where} differs by .* of its size\)"
    with pytest.raises(dfanp.BackendError, match=why + r"; use --kernels auto or numpy \(kernels='auto'\)$"):
        training.run_epoch()
    assert all(np.array_equal(theta, before[name]) for name, theta in training.network.parameters.items())


@wrong_kernels
@dtypes
def test_auto_computes_the_definition_in_the_place_of_a_wrong_kernel(
    make_training, dtype, tier, operation, setting, what, where
):
    """With one warning and one note; in the same process the kernel is not even tried again."""
    kind = planted(tier, operation, WRONG[dtype])
    definition = make_training(**setting, dtype=dtype, backend=dfanp.Backend("cpu", kernels="numpy"))
    right = list(definition.epochs(2))
    for start in range(2):
        calls, backend = kind.calls, backend_with(kind, tier, by_name=False)
        training = make_training(**setting, dtype=dtype, backend=backend)
        with pytest.warns(KernelWarning) as warned:
            records = list(training.epochs(2))
        (note,) = backend.kernels.notes
        assert [str(each.message) for each in warned] == [f"{note}: the definition is computed instead"]
        assert note.startswith(f"the {tier} kernels do not compute {what} as the code defines it ({where} differs")
        assert (kind.calls == calls) == (start == 1)
        close = {"rtol": 1e-4 if dtype == "float32" else 1e-10}
        for record, theirs in zip(records, right, strict=True):
            np.testing.assert_allclose(record.train_loss, theirs.train_loss, **close)
            np.testing.assert_allclose(record.test_loss, theirs.test_loss, **close)
        for name, array in definition.arrays().items():
            np.testing.assert_allclose(training.arrays()[name], array, atol=1e-4 if dtype == "float32" else 1e-12)


def test_a_wrong_test_alone_is_found(make_training):
    """It is a part of what is compared for learning too: both go step by step."""

    class WrongTest(Native):
        def fused_epoch(self, *args):
            return super().fused_epoch(*args) * (1.01 if args[-1] is None else 1)

    backend = backend_with(WrongTest, "native", by_name=False)
    with pytest.warns(KernelWarning) as warned:
        list(make_training(backend=backend).epochs(2))
    assert len(warned) == len(backend.kernels.notes) == 2
    assert [note.partition("compute ")[2].split(" as ")[0] for note in backend.kernels.notes] == [
        "an epoch of dfa with relu and RMSProp",
        "a test with relu",
    ]


@pytest.fixture
def compared(monkeypatch):
    """The names of what kernels and definitions are compared in, from an empty memory on, a list of names each time."""
    found, difference = [], checked.difference
    monkeypatch.setattr(checked, "VERDICTS", {})
    spy = lambda mine, definition, limit: found.append(list(definition)) or difference(mine, definition, limit)
    monkeypatch.setattr(checked, "difference", spy)
    return found


def test_each_combination_is_compared_once_in_a_process(make_training, compared):
    if kernels.why_not("native"):
        pytest.skip(f"no native kernels: {kernels.why_not('native')}")

    def more(**arguments):
        before = len(compared)
        make_training(backend=dfanp.Backend("cpu", kernels="native"), **arguments).run_epoch()
        return len(compared) - before

    assert more() == 1 and [{"totals", "test totals"} <= set(names) for names in compared] == [
        True
    ]  # a test is part of it
    assert more() == 0
    # Sizes, seeds and numbers decide nothing.
    assert more(optimizer=dfanp.RMSProp(0.02, rho=0.5, eps=1e-3), hidden=(9,), seed=4, k=1, batch_size=7) == 0
    # What decides which kernel it is, does.
    assert more(optimizer=dfanp.RMSProp(0.01, eps_placement="outside")) == 1
    assert more(optimizer=dfanp.RMSProp(0.01, weight_decay=0.1)) == 1
    assert more(optimizer=dfanp.Adam(0.01)) == 1 and more(optimizer=EpochAdam(0.01)) == 1
    assert more(rule="bp") == 1 and more(layers="output") == 1
    assert more(dtype="float64") == 1 and more(seed=(0, 1)) == 1
    assert more(seed=(0, 1), optimizer=dfanp.RMSProp((0.01, 0.02))) == 1
    assert more(hidden=(7, 5)) == 1 and more(hidden=(9, 4)) == 0 and more(bias=True) == 1
    assert more(hidden=(6, 5, 4)) == 1 and more(hidden=(6, 5, 4, 3)) == 0  # as deep as it is compared
    assert more(**STEPS) == 2  # the products, and the updates
    assert more(**STEPS | dict(hidden=(6, 5, 4))) == 0
    assert more(**STEPS, optimizer=dfanp.Adam(0.01)) == 1
    tests = [
        key
        for _, key in checked.VERDICTS
        if key[0] == "epoch" and not any(isinstance(part, dfanp.Rule) for part in key)
    ]
    assert all(verdict is None for verdict in checked.VERDICTS.values())
    assert len(checked.VERDICTS) == len(compared) + len(tests) and len(tests) == 7


def test_the_definition_is_compared_with_nothing(make_training, compared):
    for setting in (FUSED, STEPS):
        make_training(**setting, backend=dfanp.Backend("cpu", kernels="numpy")).run_epoch()
    assert not compared and not checked.VERDICTS


@pytest.mark.parametrize("tier", ["cuda"])
def test_a_kernel_that_a_tier_has_not_is_no_disagreement(make_training, tier, compared):
    """Where it declines an epoch the steps are the tier's, asked for by name or not, without a word."""
    backend = backend_with(Cuda, tier, by_name=True)
    backend.kernels.tier.fused_epoch = lambda *what: None
    training = make_training(dtype="float64", backend=backend)
    training.run_epoch()
    assert list(checked.VERDICTS.values()).count(checked.DECLINED) == 2 and not backend.kernels.notes
    assert {"gather", "output", "update"} <= set(backend.kernels.tier.card.launched)


def test_what_differs_is_named_first():
    one, zero = {"a": np.ones(3), "b": np.ones((2, 2))}, {"a": np.zeros(2)}
    assert checked.difference(one, one, 0.0) is None and checked.difference(zero, zero, 0.0) is None
    assert checked.difference({"a": one["a"] + 1e-4, "b": one["b"]}, one, 1e-3) is None
    assert checked.difference({"a": one["a"] + 1e-2, "b": one["b"]}, one, 1e-3) == "a differs by 0.01 of its size"
    assert checked.difference({"a": one["a"], "b": one["b"][0]}, one, 1.0) == "b has the shape (2,) and not (2, 2)"
    assert checked.difference({"a": zero["a"] + 1e-30}, zero, 1e-3) == "a differs by inf of its size"
    nan = {"a": np.array([1.0, np.nan])}
    assert checked.difference(nan, nan, 1e-3) is None
    assert "a differs" in checked.difference(nan, {"a": np.ones(2)}, 1e-3)
    assert "a differs" in checked.difference({"a": np.ones(2)}, nan, 1e-3)


def test_kernels_pass_on_what_a_tier_decides_about_threads():
    backend = backend_with(Native, "native", by_name=True)
    assert backend.kernels.blas_threads == 1 and backend.kernels.precision() is not None
    with pytest.raises(AttributeError, match="Kernels has no attribute 'fused_epoch'"):
        _ = backend.kernels.fused_epoch  # which nobody may call unasked


def test_arrays_are_multiplied_as_they_are(rng):
    backend = backend_with(planted("native", "product", 1.01), "native", by_name=True)
    X, W = rng.normal(size=(5, 4)), rng.normal(size=(4, 3))
    assert np.array_equal(backend.kernels.product(X, W), X @ W) and backend.kernels.gradient(W) is W
    with pytest.raises(dfanp.BackendError, match="products of stacked digits"):
        digits = checked.digits(backend, "float64")
        backend.kernels.gradient(WeightGradient(digits, rng.normal(size=(9, 2))))


@pytest.mark.parametrize("struct", ["Bank", "Batch", "HYPERPARAMETERS", "LAYERS", "PASSES"])
def test_a_library_built_from_other_code_is_not_used(monkeypatch, struct):
    """Found by the sizes of the structs that Python fills: with one of them it would read beside the numbers that are meant."""
    if kernels.why_not("native"):
        pytest.skip(f"no native kernels: {kernels.why_not('native')}")
    longer = lambda kind: type("Longer", (kind,), {"_fields_": [("more", ctypes.c_int64)]})
    there = getattr(native, struct)
    each = {dtype: longer(kind) for dtype, kind in there.items()} if isinstance(there, dict) else longer(there)
    monkeypatch.setattr(native, struct, each)
    assert_not_used()


def test_a_library_that_does_not_say_its_sizes_is_not_used(monkeypatch):
    monkeypatch.setattr(native, "path", lambda: "of an earlier version")
    monkeypatch.setattr(native.ctypes, "CDLL", lambda path: object())
    assert_not_used()


def assert_not_used():
    why = "it was built from another version of its code: install dfanp again"
    with pytest.raises(OSError, match=why):
        native.library()
    assert kernels.why_not("native") == why
    with pytest.raises(dfanp.BackendError, match=f"the kernels 'native' cannot be used: {why}; use --kernels auto"):
        dfanp.Backend("cpu", kernels="native")
    assert dfanp.Backend("cpu").kernels.name != "native"


def test_the_kernels_that_are_the_definition():
    backend = backend_with(Native, "native", by_name=True)
    plain = checked.defined(backend)
    assert isinstance(plain.kernels.tier, Plain) and plain.kernels.backend is plain and plain.xp is backend.xp
    assert isinstance(backend.kernels.tier, Native)


@pytest.mark.parametrize("tier", ["native", "numba"])
@pytest.mark.parametrize(
    "rule", ["dfa", dfanp.Rule("own", lambda at: at.e @ at.B, dfanp.rules.output)], ids=["pass", "steps"]
)
def test_weights_that_lie_otherwise_in_memory_are_trained(tier, rule):
    """A user may have put in a transposed or a sliced array: kernels write to arrays without gaps."""
    found = {}
    for name in ("numpy", tier):
        if kernels.why_not(name):
            pytest.skip(f"no {name} kernels")
        rng = np.random.default_rng(0)
        problem = dfanp.Arrays(rng.normal(size=(20, 4)), rng.integers(0, 2, (20, 1)), dtype="float64")
        network = dfanp.MLP([4, 6, 5, 1], "tanh", dtype="float64", seed=0, backend=dfanp.Backend("cpu", kernels=name))
        for each in ("W0", "W1"):
            network.parameters[each] = np.asfortranarray(network.parameters[each])
        training = dfanp.Training(network, problem, rule, dfanp.Momentum(0.1), batch_size=10)
        list(training.epochs(3))
        found[name] = [np.array(W) for W in network.W]
    for mine, theirs in zip(found[tier], found["numpy"], strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("rule", ["fa", "dfa"])
def test_feedback_that_lies_otherwise_in_memory_is_read_at_each_call(rule):
    """A pass reads a copy of it, which must not be that of the epoch before."""
    found = []
    for name in ("numpy", "native"):
        if kernels.why_not(name):
            pytest.skip(f"no {name} kernels")
        rng = np.random.default_rng(0)
        problem = dfanp.Arrays(rng.normal(size=(40, 5)), rng.integers(0, 2, (40, 3)), dtype="float64")
        network = dfanp.MLP([5, 6, 4, 3], "tanh", dtype="float64", seed=0, backend=dfanp.Backend("cpu", kernels=name))
        training = dfanp.Training(network, problem, rule, dfanp.SGD(0.5), batch_size=10)
        training.B[:] = map(np.asfortranarray, training.B)
        training.run_epoch()
        training.B[0][...] *= -3
        training.run_epoch()
        found.append(network.W[0].copy())
    np.testing.assert_allclose(*found, rtol=1e-9, atol=1e-12)
