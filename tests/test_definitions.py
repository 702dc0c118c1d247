"""What a user defines is what runs, on every tier, under whatever name."""

from functools import cache

import numpy as np
import pytest

import dfanp

from . import definitions as own
from .definitions import TIERS, apart, backend_of, numbers, outcome, own_problem, training

TOLERANCE = {"float32": 1e-4, "float64": 1e-10}
# name -> (what is defined, what dfanp has under its name)
CASES = {f"rule, {name}": (dict(rule=rule), dict(rule=rule.name)) for name, rule in own.RULES.items()}
for thing in (own.softsign, own.doubled):
    CASES[f"activation, {thing.name}"] = dict(activation=thing), dict(activation=thing.name)
for thing in (own.hinge, own.log_cosh):
    CASES[f"loss, {thing.name}"] = dict(loss=thing), dict(loss=thing.name)
for name, thing in own.OPTIMIZERS.items():
    CASES[f"optimizer, {name}"] = dict(optimizer=thing), dict(optimizer=own.BUILT_IN[thing.name])
CASES |= {f"network, {name}": (dict(network=kind), {}) for name, kind in own.NETWORKS.items()}
CASES |= {f"loop, {name}": (dict(loop=kind), {}) for name, kind in own.LOOPS.items()}

tiers = pytest.mark.parametrize("tier", TIERS)
dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])
shapes = pytest.mark.parametrize("shape", ["digits", "joint", "deep", "rates"])


@cache
def defined(case, dtype, shape):
    """Return the outcome of a case by the definition itself."""
    return outcome(training(dfanp.Backend("cpu", kernels="numpy", threads=1), dtype, shape, parts=CASES[case][0]))


@tiers
@shapes
@dtypes
@pytest.mark.parametrize("case", CASES)
def test_what_is_defined_is_what_runs(tier, case, shape, dtype):
    """The tier was asked for by name: it would refuse where a kernel does not fit."""
    mine = outcome(training(backend_of(tier), dtype, shape, parts=CASES[case][0]))
    assert apart(mine, defined(case, dtype, shape)) < TOLERANCE[dtype]


@shapes
@pytest.mark.parametrize("case", CASES)
def test_it_is_not_what_dfanp_has_under_its_name(case, shape):
    numpy = dfanp.Backend("cpu", kernels="numpy", threads=1)
    built_in = outcome(training(numpy, "float64", shape, parts=CASES[case][1]))
    mine = {name: array for name, array in defined(case, "float64", shape).items() if name in built_in}
    assert apart(mine, {name: built_in[name] for name in mine}) > 0.01


@pytest.mark.parametrize("case", CASES)
def test_auto_says_nothing(case):
    """Where a definition is the user's own, no kernel was ever meant to stand in for it."""
    backend = dfanp.Backend("cpu", threads=1)
    mine = outcome(training(backend, "float32", "digits", parts=CASES[case][0]))
    assert apart(mine, defined(case, "float32", "digits")) < TOLERANCE["float32"] and not backend.kernels.notes


@pytest.mark.parametrize("tier", ["numpy", *TIERS])
@pytest.mark.parametrize("shape", ["joint", "deep", "rates"])
@pytest.mark.parametrize("case", CASES)
def test_replicas_are_solo_runs(tier, case, shape):
    backend, parts = backend_of(tier), CASES[case][0]
    joint = outcome(training(backend, "float32", shape, parts=parts))
    for r, seed in enumerate((4, 7)):
        alone = outcome(training(backend, "float32", shape, seed, parts))
        found = {n: array[:, r] if n.endswith(("_loss", "_accuracy")) else array[r] for n, array in joint.items()}
        assert apart(found, alone) <= (1e-4 if tier == "cuda" else 0)


@pytest.mark.parametrize("tier", ["numpy", *TIERS])
@pytest.mark.parametrize("rule", own.RULES.values(), ids=own.RULES)
def test_resume_gives_the_same_bytes(tier, rule):
    """Be B learned or the signal drawn."""
    whole, first, second = (
        training(backend_of(tier), "float32", "rates", parts=dict(rule=rule, optimizer=own.Squashed(0.1)))
        for _ in range(3)
    )
    records = list(whole.epochs(4))
    list(first.epochs(2))
    second.restore(first.arrays())
    resumed = list(second.epochs(4))
    assert all([one.replica(r) for one in resumed] == [one.replica(r) for one in records[2:]] for r in range(2))
    mine, theirs = second.arrays(), whole.arrays()
    assert mine.keys() == theirs.keys() and all(np.array_equal(mine[name], theirs[name]) for name in mine)


# What a definition may return


def squared_hinge_error(xp, z, y):
    return np.where((2 * y - 1) * z < 1, 1.0, 0.0) * (z - (2 * y - 1)) / z.shape[-2]  # float64, whatever z is


class Upcast(dfanp.MLP):
    def hidden(self, layer, h):
        return super().hidden(layer, h) * np.float64(0.5)

    def slope(self, h, l):
        return self.activation.df(np, 2 * h[l]) / 2


NUMPY_NUMBERS = {
    "rule": dict(rule=dfanp.Rule("dfa", lambda at: at.e @ at.B * np.sqrt(0.5), dfanp.rules.output)),
    "feedback": dict(
        rule=dfanp.Rule(
            "fa", lambda at: at.delta @ at.B, dfanp.rules.next_layer, lambda at: np.float64(2) * (at.delta.mT @ at.h)
        )
    ),
    "activation": dict(
        activation=dfanp.Activation(
            "tanh", lambda xp, a: np.sqrt(2) * xp.tanh(a), lambda xp, h: np.sqrt(2) * (1 - h * h / 2)
        )
    ),
    "loss": dict(loss=dfanp.losses.bce._replace(error=squared_hinge_error)),
    "network": dict(network=Upcast),
}


@pytest.mark.parametrize("tier", ["numpy", *TIERS])
@pytest.mark.parametrize("shape", ["digits", "joint", "deep"])
@pytest.mark.parametrize("parts", NUMPY_NUMBERS.values(), ids=NUMPY_NUMBERS)
def test_a_number_of_numpys_makes_float64_of_float32(tier, shape, parts):
    """Which is to rounding what it is in float64, and no kernel takes its bytes for those of float32."""
    mine = outcome(training(backend_of(tier), "float32", shape, parts=parts))
    exact = outcome(training(dfanp.Backend("cpu", kernels="numpy", threads=1), "float64", shape, parts=parts))
    assert all(
        array.dtype == np.float32 for name, array in mine.items() if name.startswith(("parameters", "feedback/"))
    )
    assert apart(mine, exact) < 1e-4


@pytest.mark.parametrize("tier", ["numpy", *TIERS])
@pytest.mark.parametrize("seed", [4, (4, 7)])
def test_problems_may_have_targets_and_arrays_of_any_kind(tier, seed):
    """Whole numbers, truth values, float64; every other number of an array, or its columns side by side."""
    (X, y), outcomes = numbers(1), []
    backend = backend_of(tier)
    spaced = np.repeat(np.repeat(X, 2, axis=0), 2, axis=1)[::2, ::2].astype("float32")
    each = [(X.astype("float32"), y.astype("float32"))]
    each += [(X.astype("float32"), y.astype(kind)) for kind in ("int64", "uint8", "bool", "float64")]
    each += [
        (np.asfortranarray(X.astype("float32")), np.repeat(y, 2, axis=1).astype("float32")[:, ::2]),
        (spaced, y.astype("float32")),
    ]
    for X_kind, y_kind in each:
        for hidden in ((5,), (5, 4)):
            network = dfanp.MLP((6, *hidden, 1), "tanh", seed=seed, backend=backend)
            problem = own_problem(backend, "float32", X_kind, y_kind)
            run = dfanp.Training(network, problem, "dfa", dfanp.SGD(0.5), batch_size=16, align=True)
            outcomes.append(outcome(run))
    for start in (0, 1):
        assert all(apart(one, outcomes[start]) < 1e-5 for one in outcomes[start + 2 :: 2])


@pytest.mark.parametrize("tier", ["numpy", *TIERS])
@pytest.mark.parametrize(
    "change, message",
    [
        (lambda X, y: (X.astype("float64"), y), "X must have the network's dtype float32, got float64"),
        (lambda X, y: (X[:, :5], y), r"X must be an array of shape \(n, 6\) or \(2, n, 6\), got"),
        (lambda X, y: (X, y[:, 0]), r"y of the problem must be an array of shape \(40, 1\) or \(2, 40, 1\)"),
        (lambda X, y: (X, y[None]), r"y of the problem must .* got ndarray of shape \(1, 40, 1\)"),
        (lambda X, y: (X, y[:30]), r"y of the problem must .* got ndarray of shape \(30, 1\)"),
        (lambda X, y: (X, np.repeat(y, 2, axis=1)), r"y of the problem must .* got ndarray of shape \(40, 2\)"),
        (lambda X, y: (X, y.tolist()), "y of the problem must .* got list"),
    ],
)
def test_problems_whose_arrays_do_not_fit(tier, change, message):
    backend = backend_of(tier)
    problem = own_problem(backend, "float32", *numbers(1))
    X, y = change(*(array.astype("float32") for array in problem.train(0)))
    problem.train = problem.test = lambda seed, epoch: (X, y)
    network = dfanp.MLP((6, 5, 1), seed=(1, 2), backend=backend)
    with pytest.raises(ValueError, match=message):
        list(dfanp.Training(network, problem, "dfa", dfanp.SGD(0.5), batch_size=16).epochs(1))


@pytest.mark.parametrize("tier", ["numpy", *TIERS])
@pytest.mark.parametrize("name", ["W1", "W2", "b1"])
@pytest.mark.parametrize("hidden", [(5,), (5, 4)])
def test_what_a_network_fixes_stays(tier, name, hidden):
    class Fixed(dfanp.MLP):
        fixed = frozenset({name})

    backend = backend_of(tier)
    network = Fixed((6, *hidden, 1), "tanh", name == "b1", backend=backend)
    X, y = numbers(1)
    before = {each: theta.copy() for each, theta in network.parameters.items()}
    rule = dfanp.Rule(
        "dfa",
        lambda at: at.e @ at.B,
        dfanp.rules.output,
        after_step=lambda after: after.W[0].__imul__(1 - after.lr / 9),
    )
    for each in ("dfa", rule):
        list(
            dfanp.Training(
                network, own_problem(backend, "float32", X, y), each, dfanp.SGD(0.5), batch_size=16
            ).epochs(1)
        )
    assert all(np.array_equal(theta, before[each]) == (each == name) for each, theta in network.parameters.items())


# Where and when a definition is looked up


@pytest.mark.parametrize("tier", TIERS)
def test_what_is_replaced_on_the_way_is_what_runs(tier):
    """Attributes and methods of the objects themselves, after kernels have stood in for those that were there."""
    runs = [
        training(backend, "float32", "joint", parts=dict(optimizer=dfanp.SGD(0.5)))
        for backend in (dfanp.Backend("cpu", kernels="numpy"), backend_of(tier))
    ]
    for run in runs:
        run.align = False
    steps = [
        lambda run: None,
        lambda run: setattr(run, "rule", own.sign_symmetric),
        lambda run: setattr(run, "rule", dfanp.rules.dfa),
        lambda run: setattr(run.network, "activation", own.softsign),
        lambda run: setattr(run.network, "activation", dfanp.activations.tanh),
        lambda run: setattr(run, "optimizer", own.SGD(run.optimizer.lr)),
        lambda run: setattr(run, "optimizer", dfanp.SGD(run.optimizer.lr)),
        lambda run: setattr(run, "loss", own.hinge),
        lambda run: setattr(run, "loss", dfanp.losses.bce),
        lambda run: setattr(run.network, "slope", lambda h, l: 1 + 0 * h[l]),
        lambda run: setattr(run, "evaluate", lambda X, y: 2 * dfanp.Training.evaluate(run, X, y)),
    ]
    seen = []
    for step in steps:
        before = [run.arrays()["parameters/W0"] for run in runs]
        for run in runs:
            step(run)
        (mine, theirs) = (run.run_epoch() for run in runs)
        np.testing.assert_allclose(mine.test_loss, theirs.test_loss, rtol=1e-4)
        changes = [run.arrays()["parameters/W0"] - W0 for run, W0 in zip(runs, before, strict=True)]
        np.testing.assert_allclose(*changes, atol=1e-4 * np.abs(changes[0]).max())
        seen.append(mine)
    assert seen[-1].test_loss.mean() > 1.5 * seen[-2].test_loss.mean()


def test_a_line_of_dfanps_own_that_is_replaced(monkeypatch):
    """As if a reader had edited it: by name a tier refuses; auto says so, of an epoch and of a step, and computes what is defined now."""
    monkeypatch.setattr(dfanp.RMSProp, "update", own.SGD.update)
    parts = dict(optimizer=dfanp.RMSProp(0.5))
    theirs = outcome(training(dfanp.Backend("cpu", kernels="numpy", threads=1), "float32", "deep", parts=parts))
    same = outcome(
        training(
            dfanp.Backend("cpu", kernels="numpy", threads=1), "float32", "deep", parts=dict(optimizer=own.SGD(0.5))
        )
    )
    assert all(np.array_equal(theirs[name], same[name]) for name in same)
    lines = [
        f"the native kernels do not compute {what} as the code defines it"
        for what in ("an epoch of dfa with tanh and RMSProp", "the updates of RMSProp")
    ]
    with pytest.raises(dfanp.BackendError, match=lines[0]):
        outcome(training(backend_of("native"), "float32", "deep", parts=parts))
    backend = dfanp.Backend("cpu", threads=1)
    with pytest.warns(dfanp.KernelWarning) as warned:
        mine = outcome(training(backend, "float32", "deep", parts=parts))
    assert apart(mine, theirs) < 1e-4 and len(warned) == len(lines)
    assert all(note.startswith(line) for note, line in zip(backend.kernels.notes, lines, strict=True))


# The classes that take definitions


@pytest.mark.filterwarnings("ignore:max_iter")
def test_estimators_take_definitions():
    from dfanp.estimator import DFAClassifier

    X, y = numbers(3)
    labels = np.array(["low", "middle", "high"])[y.argmax(axis=1)]
    given = dict(rule=own.kolen_pollack, activation=own.softsign, solver=own.Squashed)
    fit = lambda **parts: DFAClassifier(
        (5, 4), random_state=0, max_iter=3, batch_size=16, dtype="float64", **parts
    ).fit(X, labels)
    mine, by_definition, others = (
        fit(**given),
        fit(**given, kernels="numpy"),
        fit(rule="fa", activation="tanh", solver="rmsprop"),
    )
    for W, exact, other in zip(mine.coefs_, by_definition.coefs_, others.coefs_, strict=True):
        np.testing.assert_allclose(W, exact, rtol=1e-9)
        assert not np.allclose(W, other, rtol=0.01)
    h = X
    for W, b in zip(mine.coefs_[:-1], mine.intercepts_[:-1], strict=True):
        h = own.softsign.f(np, h @ W + b)
    np.testing.assert_allclose(mine.decision_function(X), h @ mine.coefs_[-1] + mine.intercepts_[-1], rtol=1e-12)


def test_arrays_take_a_loss_and_ask_it_about_the_targets():
    X, y = numbers(1)
    even = own.log_cosh._replace(name="even", check=lambda y: None if (y % 2 == 0).all() else "be even")
    assert dfanp.Arrays(X, 2 * y, loss=even).loss is even
    with pytest.raises(ValueError, match="y must be even \\(the loss 'even'\\)"):
        dfanp.Arrays(X, y, loss=even)
    record = next(training(dfanp.Backend("cpu"), "float32", "digits", parts=dict(loss=own.log_cosh)).epochs(1))
    assert record.test_accuracy is None and record.test_loss > 0
