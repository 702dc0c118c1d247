"""Every public function with arguments that are wrong, or right in an unusual form: a clear error, or the right answer; inputs stay as they were.

CALLS has an entry for each public callable: how it is called rightly. Each argument is then replaced in turn. Where a replacement is as
good as the argument (read-only, in another order of bytes or memory), the answer must be the same; else it must be a ValueError or
TypeError of one line that names the argument (scikit-learn's have more lines), or an answer without a number that is not finite.
"""

import copy
import inspect

import numpy as np
import pytest

import dfanp
from dfanp import (
    activations,
    alignment,
    baselines,
    estimator,
    feedback,
    interchange,
    losses,
    optimizers,
    problems,
    rules,
    streams,
)
from dfanp.analysis import attacks, intervals
from dfanp.experiments.published import PublishedTraining
from dfanp.registry import REGISTRIES
from dfanp.sweeps import grids
from dfanp.theory import kernels, linear, online  # fmt: skip

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
CPU = dfanp.Backend("cpu", kernels="numpy")
RNG = np.random.default_rng(0)
X, Y = RNG.random((12, 3)), np.arange(12) % 2
ODE = dict(times=np.array([0.0, 1]), A=np.ones(2), F=np.ones(3), T=np.eye(2), Q=np.eye(3), R=np.zeros((3, 2)), v=np.ones(3))  # fmt: skip
STATE = {"0.weight": RNG.random((4, 3)), "2.weight": RNG.random((1, 4))}


def network(**more):
    return dfanp.MLP((3, 4, 1), dtype="float64", backend=CPU, **more)


def problem(**more):
    return dfanp.Arrays(X, Y, dtype="float64", backend=CPU, **more)


def fitted():
    return estimator.DFAClassifier((4,), max_iter=1, random_state=0, kernels="numpy").fit(X, Y)


def regressor():
    return estimator.DFARegressor((4,), max_iter=1, random_state=0, kernels="numpy").fit(X, Y)


def features():
    return estimator.RandomFeatures(4, random_state=0).fit(X)


def small():
    """Return a Training that can be attacked."""
    digits = dfanp.Classes(dfanp.load("digits"), 8, 4, backend=CPU)
    return dfanp.Training(dfanp.MLP((64, 3, 10), backend=CPU), digits, "dfa", dfanp.SGD(0.1), batch_size=4)


def registered(thing):
    """Register a thing, and take its name back."""
    found = dfanp.register(thing)
    next(registry for registry in REGISTRIES if registry.fits(thing)).remove(thing.name)
    return found


# name -> (callable, its arguments by name); what it returns is compared by ``numbers``
CALLS = {
    "MLP": (lambda **of: dfanp.MLP(**of, backend=CPU), dict(sizes=(3, 4, 1), activation="relu", bias=False, dtype="float64", seed=0)),
    "MLP.forward": (network().forward, dict(X=X)),
    "Arrays": (lambda **of: dfanp.Arrays(**of, backend=CPU), dict(X=X, y=Y, X_test=X[:5], y_test=Y[:5], loss="bce", dtype="float64", weights=1 + Y)),
    "Parity": (
        lambda k, train_size, test_size, dtype: dfanp.Parity(dfanp.load("digits"), k, train_size, test_size, dtype, CPU),
        dict(k=2, train_size=8, test_size=4, dtype="float32"),
    ),
    "Classes": (
        lambda **of: dfanp.Classes(dfanp.load("digits"), **of, backend=CPU),
        dict(train_size=8, test_size=4, loss="bce", pixels="unit", order="fixed", dtype="float32"),
    ),
    "Targets": (
        lambda **of: dfanp.problems.Targets(**of, backend=CPU),
        dict(inputs=4, targets=2, condition=2.0, noise=0.5, train_size=3, test_size=2, dtype="float64"),
    ),
    "Synthetic": (
        lambda **of: dfanp.Synthetic(**of, backend=CPU),
        dict(n=8, d=4, c=3, labels="thesis", test_points=4, seed=0, dtype="float64"),
    ),
    "Teacher": (
        lambda **of: dfanp.Teacher(**of, backend=CPU),
        dict(inputs=4, teacher_units=2, teacher_activation="erf", noise=0.5, train_size=3, test_size=2, seed=0, dtype="float64"),
    ),
    "theory.online.trajectory": (online.trajectory, ODE | dict(eta=0.5, eta_v=0.5, sigma=0.1, activation="erf", rule="dfa")),
    "theory.online.generalization_error": (
        online.generalization_error, {name: ODE[name] for name in ("A", "T", "Q", "R", "v")} | dict(activation="erf"),
    ),
    "theory.online.overlaps": (online.overlaps, dict(W=X, W_teacher=X[:, :2].copy())),
    "theory.linear.alignment_matrices": (
        lambda X, y, B, eta, loss: linear.alignment_matrices([(X, y)], [B], eta, loss),
        dict(X=X, y=Y[:, None].astype(float), B=np.ones((1, 4)), eta=0.1, loss="mse"),
    ),
    "theory.linear.weights": (
        lambda C, A, B: linear.weights(C, [A], [B]), dict(C=np.ones((3, 2)), A=np.eye(2), B=np.ones((2, 4))),
    ),
    "theory.linear.weight_alignment": (linear.weight_alignment, dict(W=[X, X[:3, :1]], B=[X[:3, :1].T])),
    "theory.linear.conserved": (linear.conserved, dict(rule="fa", W=[X, X[:3, :2]], B=[X[:2]])),
    "theory.kernels.relu_ntk": (kernels.relu_ntk, dict(X=X, Z=X + 1, units=8, hidden_variance=0.5, output_variance=0.1)),
    "theory.kernels.erf_features": (kernels.erf_features, dict(X=X, Z=X + 1, units=8, hidden_variance=0.5)),
    "theory.kernels.ridge": (kernels.ridge, dict(X=X, y=X[:, :2].copy(), X_test=X + 1, penalty=0.1)),
    "load": (dfanp.load, dict(name="digits")),
    "Backend": (dfanp.Backend, dict(device="cpu", threads=1, kernels="numpy")),
    "Feedback": (dfanp.Feedback, dict(distribution="uniform", seed=0, density=0.5, rank=2, shared=False, aligned=0.0, scale=2.0)),
    "Training": (
        lambda **of: dfanp.Training(network(), problem(), **of),
        dict(rule="dfa", optimizer=dfanp.SGD(0.1), feedback=dfanp.Feedback(), batch_size=4, seed=0, layers="all", align=True, schedule="step"),
    ),
    "PublishedTraining": (lambda **of: PublishedTraining(network(), problem(), "dfa", dfanp.SGD(0.1), batch_size=4, **of), dict(align="published", redraw=2)),
    "register": (registered, dict(thing=dfanp.Rule("hostile", lambda at: at.e @ at.B, rules.output))),
    "SGD": (dfanp.SGD, dict(lr=0.1, weight_decay=0.1)),
    "Momentum": (dfanp.Momentum, dict(lr=0.1, momentum=0.5)),
    "Nesterov": (dfanp.Nesterov, dict(lr=0.1, momentum=0.5)),
    "Adagrad": (dfanp.Adagrad, dict(lr=0.1, eps=1e-3, eps_placement="inside")),
    "Adadelta": (dfanp.Adadelta, dict(lr=0.1, rho=0.5, eps=1e-3, accumulate="scaled")),
    "RMSProp": (dfanp.RMSProp, dict(lr=0.1, rho=0.5, eps=1e-3, eps_placement="inside")),
    "Adam": (dfanp.Adam, dict(lr=0.1, beta1=0.5, beta2=0.5, eps=1e-3, eps_placement="inside")),
    "DFAClassifier.fit": (
        lambda **of: fitted().fit(**of).coefs_, dict(X=X, y=Y),
    ),
    "DFAClassifier.partial_fit": (lambda **of: fitted().partial_fit(**of).coefs_, dict(X=X, y=Y)),
    "DFAClassifier.predict": (lambda **of: fitted().predict(**of), dict(X=X)),
    "DFAClassifier.predict_proba": (lambda **of: fitted().predict_proba(**of), dict(X=X)),
    "DFAClassifier.decision_function": (lambda **of: fitted().decision_function(**of), dict(X=X)),
    "DFAClassifier.score": (lambda **of: fitted().score(**of), dict(X=X, y=Y)),
    "DFAClassifier.predict_log_proba": (lambda **of: fitted().predict_log_proba(**of), dict(X=X)),
    "DFARegressor.fit": (lambda **of: regressor().fit(**of).coefs_, dict(X=X, y=Y, sample_weight=1 + Y)),
    "DFARegressor.partial_fit": (lambda **of: regressor().partial_fit(**of).coefs_, dict(X=X, y=Y)),
    "DFARegressor.predict": (lambda **of: regressor().predict(**of), dict(X=X)),
    "DFARegressor.score": (lambda **of: regressor().score(**of), dict(X=X, y=Y)),
    "Schedule": (lambda of: dfanp.schedules.factor(of, 3), dict(of=dfanp.Schedule("mine", lambda t, p: 0.5**t))),
    "RandomFeatures.fit": (lambda X: features().fit(X).components_, dict(X=X)),
    "RandomFeatures.transform": (lambda X: features().transform(X), dict(X=X)),
    "interchange.state_dict": (interchange.state_dict, dict(network=network())),
    "interchange.from_state_dict": (
        lambda first, last, activation: interchange.from_state_dict({"0.weight": first, "2.weight": last}, activation, CPU),
        dict(first=STATE["0.weight"], last=STATE["2.weight"], activation="tanh"),
    ),
    "baselines.Features": (
        lambda **of: baselines.Features(**of, backend=CPU), dict(sizes=(3, 4, 1), kind="fourier", dtype="float64", seed=0),
    ),
    "baselines.NTK": (lambda **of: baselines.NTK(**of, backend=CPU), dict(sizes=(3, 4, 1), gate="step", dtype="float64", seed=0)),
    "intervals.mean_interval": (intervals.mean_interval, dict(values=np.array([1.0, 2.0, 4.0]), confidence=0.9)),
    "attacks.input_gradient": (lambda **of: attacks.input_gradient(network(), losses.bce, **of), dict(X=X, y=Y[:, None].astype(float))),
    "attacks.measured": (lambda **of: [each.accuracy["pgd"] for each in attacks.measured(small(), **of)], dict(epsilons=(0.1,), steps=2, samples=4)),
    "grids.values": (lambda text: grids.values(text, float), dict(text="1,2")),
    "activations.get": (activations.get, dict(activation="relu")),
    "losses.get": (losses.get, dict(loss="bce")),
    "rules.get": (rules.get, dict(rule="dfa")),
    "optimizers.get": (optimizers.get, dict(name="adam")),
    "optimizers.parse": (optimizers.parse, dict(text="adam:beta1=0.8:eps_placement=outside")),
    "baselines.get": (baselines.get, dict(name="ntk")),
    "streams": (streams.streams, dict(seed=0)),
    "alignment.cosine": (lambda A, C: alignment.cosine(np, A, C), dict(A=X, C=X + 1)),
}  # fmt: skip
# What an error says of an argument that it does not call by its name: that of a table, or of a state dict.
CALLED = {"name": "unknown ", "first": "0.weight", "last": "2.weight", "text": "unknown optimizer"}
# scikit-learn's own words about X and y, as in all its estimators; the last is of whoever converts the parts of a grid, here float.
OTHERS = (
    "Expected 2D array",
    "Input contains",
    "Found array with",
    "Found input variables",
    "Complex data",
    "could not convert string to float",
    "float() argument",
)
THROUGH = ("MLP.forward", "alignment.cosine")  # NaN in, NaN out
PLAIN = (
    "Activation",
    "BackendError",
    "DataError",
    "DfanpError",
    "KernelWarning",
    "Loss",
    "Measure",
    "Optimizer",
    "PluginError",
    "Record",
    "RecordError",
    "RecordWarning",
    "Rule",
    "__version__",
)  # carry what they are given, or are there for subclasses
WRONG = {
    "None": None, "a text": "no such name", "empty text": "", "a bool": True, "a list": [], "nested": [[[1.0]]], "an object": object(),
    "NaN": float("nan"), "infinite": float("inf"), "negative": -1, "zero": 0, "huge": 10**40, "a fraction": 1.5, "complex": 1j,
    "a dict": {}, "bytes": b"x", "an array": np.ones(3), "NaN array": np.full((12, 3), np.nan), "empty array": np.empty((0, 3)),
    "no columns": np.empty((12, 0)), "objects": np.array([[None] * 3] * 12), "texts": np.array([["a"] * 3] * 12), "wider": np.ones((12, 4)),
    "complex array": np.ones((12, 3)) * 1j, "3-d": np.ones((2, 12, 3)), "shorter": np.ones((5, 3)), "infinite array": np.full((12, 3), np.inf),
}  # fmt: skip


def read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


AS_GOOD = {
    "read-only": read_only,
    "Fortran order": np.asfortranarray,
    "strided": lambda a: np.repeat(a, 2, axis=0)[::2],
    "byte-swapped": lambda a: a.astype(a.dtype.newbyteorder()),
}


def numbers(answer):
    """Return the arrays and numbers in an answer, in order, as one list of arrays."""
    if isinstance(answer, dfanp.MLP):
        answer = answer.parameters
    if isinstance(answer, dfanp.Classes):
        (X, y), (X_test, y_test) = answer.train(0, 1), answer.test(0, 1)
        answer = [X.dense(), y, X_test.dense(), y_test]
    if isinstance(answer, (dfanp.Arrays, dfanp.Teacher)):
        answer = [*answer.train(0, 1), *answer.test(0, 1)]
    if isinstance(answer, dict):
        answer = list(answer.values())
    if isinstance(answer, (list, tuple)):
        return [array for each in answer for array in numbers(each)]
    return [np.asarray(answer)] if isinstance(answer, (np.ndarray, int, float)) else []


def public():
    """Return the names of the public callables that must be among CALLS."""
    found = {name for name in dfanp.__all__ if name not in PLAIN and callable(getattr(dfanp, name))}
    for kind in (estimator.DFAClassifier, estimator.DFARegressor, estimator.RandomFeatures):
        own = [name for name, each in vars(kind).items() if inspect.isfunction(each) and not name.startswith("_")]
        found |= {f"{kind.__name__}.{name}" for name in own}
    return found


def test_every_public_callable_is_here():
    assert public() <= CALLS.keys()
    assert set(problems.__all__) <= CALLS.keys() | {"Dataset"} and feedback.Feedback is dfanp.Feedback


def outcome(call, given):
    """Return what a call gives, and check that it left its arguments alone; or the error that it may raise."""
    before = copy.deepcopy({name: value for name, value in given.items() if isinstance(value, np.ndarray)})
    try:
        with np.errstate(all="ignore"):  # infinite numbers are carried through
            answer = call(**given)
    except (ValueError, TypeError, dfanp.DfanpError) as error:
        answer = error
    for name, value in before.items():
        assert value.tobytes() == given[name].tobytes() if value.dtype != object else True, f"{name} was changed"
    return answer


@pytest.mark.parametrize(
    "name, argument", [(name, argument) for name, (_, given) in CALLS.items() for argument in given]
)
@pytest.mark.filterwarnings(
    "ignore::UserWarning",
    "ignore:invalid value encountered in cast",
    "ignore::sklearn.exceptions.DataConversionWarning",
)
def test_what_is_wrong_is_reported(name, argument):
    call, given = CALLS[name]
    assert not isinstance(outcome(call, given), Exception)
    for what, value in WRONG.items():
        answer = outcome(call, given | {argument: value})
        if isinstance(answer, Exception):
            message = str(answer)
            by_others = name.startswith(
                ("DFAClassifier", "DFARegressor", "RandomFeatures", "grids")
            ) and message.startswith(OTHERS)
            named = (
                argument in message or CALLED.get(argument, argument) in message or "fit onto each other" in message
            )
            assert named or by_others, f"{what}: {message}"
            assert "\n" not in message or name.startswith(("DFAClassifier", "DFARegressor", "RandomFeatures")), (
                f"{what}: {message}"
            )
        else:
            for array in () if name in THROUGH else numbers(answer):
                assert array.dtype.kind not in "fc" or np.isfinite(array).all(), f"{what}: not finite"


@pytest.mark.parametrize(
    "name", [name for name, (_, given) in CALLS.items() if any(isinstance(v, np.ndarray) for v in given.values())]
)
@pytest.mark.parametrize("form", AS_GOOD)
def test_arrays_of_another_form_are_as_good(name, form, tmp_path):
    call, given = CALLS[name]
    right = numbers(outcome(call, given))
    for argument, value in given.items():
        if isinstance(value, np.ndarray):
            answer = outcome(call, given | {argument: AS_GOOD[form](value)})
            if (
                form == "byte-swapped" and name in ("MLP.forward", "attacks.input_gradient") and argument == "X"
            ):  # which takes the network's dtype, and no other
                assert isinstance(answer, ValueError) and "X must have the network's dtype" in str(answer)
                continue
            assert not isinstance(answer, Exception), f"{argument}: {answer}"
            for ours, theirs in zip(numbers(answer), right, strict=True):
                assert np.allclose(ours, theirs, rtol=1e-12), argument
