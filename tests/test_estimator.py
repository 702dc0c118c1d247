"""dfanp's estimators among scikit-learn's tools."""

import importlib.util
import pickle
from copy import copy, deepcopy
from unittest import SkipTest

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import dfanp
from dfanp import rules
from dfanp.estimator import DFAClassifier, DFARegressor, RandomFeatures, parameters

QUICK = dict(hidden_layer_sizes=(20,), learning_rate_init=0.01, random_state=0)


pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
EXACT = QUICK | {
    "dtype": "float64",
    "max_iter": 60,
}  # one check compares the weights of examples with their repetition, to seven digits


@parametrize_with_checks(
    [
        DFAClassifier(**EXACT),
        DFAClassifier(**EXACT, rule="bp", bias=False),
        DFARegressor(**EXACT),
        DFARegressor(**EXACT, rule="bp", activation="logistic"),
        RandomFeatures(20),
    ]
)
def test_scikit_learns_own_checks(estimator, check):
    """With pandas none is skipped: the environment variable that the others want is set in conftest."""
    try:
        check(estimator)
    except SkipTest as why:
        assert not importlib.util.find_spec("pandas"), f"a check was skipped: {why}"
        raise


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return train_test_split(X, y, random_state=0)


@pytest.mark.parametrize("rule", ["bp", "fa", "dfa"])
def test_digits_beside_scikit_learns_mlp(digits, rule):
    X, X_test, y, y_test = digits
    mine = make_pipeline(StandardScaler(), DFAClassifier((100,), rule=rule, max_iter=50, random_state=0)).fit(X, y)
    theirs = make_pipeline(StandardScaler(), MLPClassifier((100,), max_iter=50, random_state=0))
    with pytest.warns(match="Maximum iterations"):
        theirs.fit(X, y)
    assert mine.score(X_test, y_test) > theirs.score(X_test, y_test) - 0.02
    proba = mine.predict_proba(X_test)
    assert proba.shape == (450, 10) and np.allclose(proba.sum(axis=1), 1)
    curve = mine[-1].loss_curve_
    assert len(curve) == mine[-1].n_iter_ == 50 and curve[-1] < 0.1 * curve[0]


def test_two_classes_have_one_output(digits):
    X, X_test, y, y_test = digits
    mine = DFAClassifier(**QUICK, alignment=True, max_iter=10).fit(X / 16, np.where(y % 2, "odd", "even"))
    assert mine.n_outputs_ == 1 and list(mine.classes_) == ["even", "odd"]
    assert mine.score(X_test / 16, np.where(y_test % 2, "odd", "even")) > 0.9
    assert len(mine.alignment_curve_) == 10 and mine.alignment_curve_[-1][-1] == pytest.approx(1)
    assert len(mine.alignment_curve_[0]) == 2 and abs(mine.alignment_curve_[-1][0]) <= 1


def test_early_stopping_keeps_the_best_epoch(digits):
    X, _, y, _ = digits
    mine = DFAClassifier(**QUICK, early_stopping=True, max_iter=200, n_iter_no_change=3).fit(X / 16, y)
    scores = mine.validation_scores_
    assert mine.n_iter_ == len(scores) < 200
    assert max(scores) > 0.9 and scores[-1] <= max(scores)
    part = train_test_split(X / 16, y, test_size=0.1, random_state=mine._seed, stratify=y)
    assert mine.score(part[1], part[3]) == pytest.approx(max(scores))


def test_partial_fit_goes_on_even_after_a_file(digits):
    X, _, y, _ = digits
    X = X / 16
    whole = DFAClassifier(**QUICK).partial_fit(X, y, classes=range(10))
    other = pickle.loads(pickle.dumps(whole))
    for each in (whole, other):
        each.partial_fit(X[:300], y[:300]).partial_fit(X, y)
    assert whole.n_iter_ == 3 and all(np.array_equal(a, b) for a, b in zip(whole.coefs_, other.coefs_, strict=True))
    with pytest.raises(ValueError, match="classes must be given in the first call"):
        DFAClassifier().partial_fit(X, y)
    with pytest.raises(ValueError, match="not among the classes"):
        whole.partial_fit(X[:2], [3, 11])


def test_grids_and_folds_and_files(digits, tmp_path):
    X, X_test, y, y_test = digits
    pipe = make_pipeline(StandardScaler(), DFAClassifier(**QUICK, max_iter=20))
    search = GridSearchCV(pipe, {"dfaclassifier__rule": ["bp", "dfa"]}, cv=2, n_jobs=2).fit(X[:400], y[:400])
    assert search.best_score_ > 0.7
    assert cross_val_score(pipe, X[:300], y[:300], cv=2).min() > 0.6
    joblib.dump(search.best_estimator_, tmp_path / "model.joblib")
    again = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    assert np.array_equal(again.predict(X_test), search.predict(X_test))


def test_memory_mapped_and_read_only_input(digits, tmp_path):
    X, _, y, _ = digits
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    mine = DFAClassifier(**QUICK, max_iter=2)
    assert np.array_equal(mine.fit(mapped, y).coefs_[0], mine.fit(X, y).coefs_[0])


COPIES = {
    "itself": lambda model: model,
    "a copy": copy,
    "a deepcopy": deepcopy,
    "a file": lambda model: pickle.loads(pickle.dumps(model)),
}


def state_of(model):
    """Return all that a model holds: equal models, equal texts."""

    def text_of(value):
        if isinstance(value, np.ndarray):
            return f"{value.dtype} {value.shape} {value.tobytes().hex()}"
        if isinstance(value, dict):
            return f"{{{', '.join(f'{name}: {text_of(each)}' for name, each in sorted(value.items()))}}}"
        if type(value) in (list, tuple):
            return f"[{', '.join(map(text_of, value))}]"
        return repr(value)

    return text_of(vars(model))


@pytest.fixture(scope="module")
def few(digits):
    X, _, y, _ = digits
    return X[:300] / 16, y[:300]


@pytest.mark.parametrize(
    "change",
    [
        {}, {"learning_rate_init": 1e-12}, {"alpha": 0.5}, {"batch_size": 7}, {"alignment": True}, {"kernels": "numpy"},
        {"threads": 1}, {"early_stopping": True}, {"max_iter": 1},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("rule", ["fa", rules.dfa])
def test_a_call_does_the_same_to_a_model_and_its_copies(few, rule, change):
    first = DFAClassifier((20, 8), learning_rate_init=0.01, rule=rule, random_state=0).partial_fit(
        *few, classes=range(10)
    )
    before = deepcopy(first)
    each = [make(first) for make in COPIES.values()]
    states = set()
    for model in reversed(each):
        states.add(state_of(model.set_params(**change).partial_fit(*few).partial_fit(few[0][:50], few[1][:50])))
    assert len(states) == 1 and each[0].n_iter_ == 3
    apart = max(abs(a - b).max() for a, b in zip(each[0].coefs_, before.coefs_, strict=True))
    unchanged = before.partial_fit(*few).partial_fit(few[0][:50], few[1][:50])
    same = all(np.array_equal(a, b) for a, b in zip(each[0].coefs_, unchanged.coefs_, strict=True))
    if "learning_rate_init" in change:
        assert apart < 1e-7  # 0.15 where the rate of before was kept
    elif change.keys() & {"alpha", "batch_size"}:
        assert apart > 0.01 and not same
    else:
        assert apart > 0.01 and (same or change.keys() & {"kernels", "threads"})  # whose last bits are their own
    assert len(each[0].alignment_curve_) == (2 if "alignment" in change else 0)


OTHERS = {
    "activation": "tanh", "bias": False, "hidden_layer_sizes": (21,), "dtype": "float64", "solver": "adam:beta1=0.8",
    "rule": "bp", "feedback": "orthogonal", "random_state": 1,
}  # fmt: skip


@pytest.mark.parametrize("make", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("name, value", OTHERS.items())
def test_what_cannot_change_while_training_goes_on_is_refused_by_its_name(few, make, name, value):
    whole = DFAClassifier(**QUICK).partial_fit(*few, classes=range(10))
    other = make(deepcopy(whole))
    right, before = getattr(other, name), other.decision_function(few[0])
    other.set_params(**{name: value})
    kept = state_of(other)
    with pytest.raises(ValueError, match=f"^{name} cannot change between calls of partial_fit: .*call fit") as caught:
        other.partial_fit(*few)
    assert "\n" not in str(caught.value) and state_of(other) == kept
    assert np.array_equal(other.decision_function(few[0]), before)  # by what was trained
    other.set_params(**{name: right}).partial_fit(*few)
    assert state_of(other) == state_of(whole.partial_fit(*few))
    assert other.set_params(**{name: value}, max_iter=1).fit(*few).n_iter_ == 1  # which begins anew


def test_a_parameter_said_in_other_words_is_the_same(few):
    model = DFAClassifier(**QUICK).partial_fit(*few, classes=range(10))
    same = {"hidden_layer_sizes": 20, "rule": rules.dfa, "solver": dfanp.Adam, "activation": dfanp.activations.relu}
    assert model.set_params(**same).partial_fit(*few).n_iter_ == 2


def test_a_clone_is_fitted_as_the_model_is(few):
    model = DFAClassifier(**QUICK, max_iter=2, rule=rules.fa, early_stopping=True).fit(*few)
    other = clone(model).fit(*few)
    model.partial_fit(*few).fit(*few)
    assert all(np.array_equal(a, b) for a, b in zip(model.coefs_, other.coefs_, strict=True))
    assert model.loss_curve_ == other.loss_curve_ and model.validation_scores_ == other.validation_scores_


def test_what_dfanp_has_itself_is_copied_and_filed_as_the_very_object():
    """So it keeps its kernels in a clone, and can be a file although it is made of lambdas."""
    for thing in (rules.dfa, dfanp.activations.get("tanh"), dfanp.losses.get("bce"), dfanp.baselines.get("ntk")):
        assert all(make(thing) is thing for make in COPIES.values())
    mine = dfanp.Rule("mine", rules.next_layer)
    assert all(make(mine) == mine for make in COPIES.values())


def test_training_goes_on_from_what_is_shown(few):
    """As after averaging the weights of several models."""
    model, other = (
        DFAClassifier(**QUICK | {"random_state": seed}).partial_fit(*few, classes=range(10)) for seed in (0, 1)
    )
    model.coefs_ = [(a.astype(float) + b) / 2 for a, b in zip(model.coefs_, other.coefs_, strict=True)]
    model.intercepts_[0][:] = 3
    shown = [*deepcopy(model.coefs_), *deepcopy(model.intercepts_)]
    model.set_params(learning_rate_init=1e-12).partial_fit(*few)
    for after, before in zip([*model.coefs_, *model.intercepts_], shown, strict=True):
        assert after.dtype == np.float32 and abs(after - before).max() < 1e-6
    model.coefs_[0] = model.coefs_[0][:, :5]
    with pytest.raises(ValueError, match="coefs_ and intercepts_ must keep their shapes"):
        model.partial_fit(*few)


def test_after_early_stopping_training_goes_on_from_the_best_epoch(few):
    model = DFAClassifier(
        **QUICK | {"learning_rate_init": 0.1}, early_stopping=True, max_iter=60, n_iter_no_change=8
    ).fit(*few)
    best = int(np.argmax(model.validation_scores_))
    assert best < model.n_iter_ - 1
    shown, epochs = deepcopy(model.coefs_), model.n_iter_
    states = {state_of(make(deepcopy(model)).partial_fit(*few)) for make in COPIES.values()}
    assert len(states) == 1
    model.set_params(learning_rate_init=1e-12).partial_fit(*few)
    assert all(abs(a - b).max() < 1e-6 for a, b in zip(model.coefs_, shown, strict=True))
    assert model.n_iter_ == len(model.loss_curve_) == epochs + 1 == len(model.validation_scores_) + 1
    batches = -(-270 // 200)
    assert model._state["optimizer/step"] == (best + 1) * batches + 2


def test_examples_drawn_ahead_are_not_those_of_the_call_before(few, strict_backend, monkeypatch):
    """Where a device is at work while the next examples are drawn."""
    X, y = few
    both = []
    for backend in (dfanp.Backend("cpu", kernels="numpy"), strict_backend):
        monkeypatch.setattr(parameters, "Backend", lambda *_, backend=backend: backend)
        both.append(
            DFAClassifier(**QUICK).partial_fit(X[:100], y[:100], classes=range(10)).partial_fit(X[200:], y[200:])
        )
    for here, there in zip(*(model.coefs_ for model in both), strict=True):
        np.testing.assert_allclose(here, there, atol=1e-4)


def test_threads_reach_the_backend(few, monkeypatch):
    given, Backend = [], parameters.Backend
    monkeypatch.setattr(parameters, "Backend", lambda *of: given.append(of) or Backend(*of))
    DFAClassifier(**QUICK, max_iter=1, threads=1, kernels="numpy").fit(*few).predict(few[0])
    assert given == [("cpu", 1, "numpy")]


def refused(call, *of, error=ValueError, **more):
    with pytest.raises(error):
        call(*of, **more)


def test_a_call_that_fails_leaves_a_model_as_it_was(few):
    X, y = few
    new = DFAClassifier(**QUICK, batch_size=0)
    refused(new.partial_fit, X, y, classes=range(10))
    new.set_params(batch_size=32).partial_fit(X, y, classes=range(10))
    assert state_of(new) == state_of(DFAClassifier(**QUICK, batch_size=32).partial_fit(X, y, classes=range(10)))

    new = DFAClassifier(**QUICK)
    refused(new.partial_fit, X, y, classes=range(5))  # labels that are not among them
    refused(new.fit, X, np.zeros(len(y)))  # a single class
    refused(new.partial_fit, X[:, :9], y[:-1], classes=range(10))
    with pytest.raises(NotFittedError):
        new.predict(X)
    assert list(new.partial_fit(X, y, classes=range(10)).classes_) == list(range(10)) and new.n_features_in_ == 64

    lost = DFAClassifier((20,), solver="sgd", learning_rate_init=1e30, rule="bp")
    refused(lost.fit, X, y)
    refused(lost.partial_fit, X, y, classes=range(10))
    with pytest.raises(NotFittedError):
        lost.predict(X)


FAILURES = ("it diverges", "one class", "a parameter", "X", "columns", "an interrupt")


@pytest.mark.parametrize(
    "method, wrong",
    [*(("fit", wrong) for wrong in FAILURES), *(("partial_fit", wrong) for wrong in (*FAILURES, "classes"))],
)
def test_a_fitted_model_survives_a_call_that_fails(few, monkeypatch, method, wrong):
    X, y = few
    model = DFAClassifier(**QUICK, max_iter=2).fit(X, y)
    of, more = (X[y < 3], y[y < 3] + 5), {}
    if wrong == "it diverges":
        rate = {"solver": "sgd", "rule": "bp"} if method == "fit" else {}
        model.set_params(learning_rate_init=1e30, **rate)
    elif wrong == "one class":
        of = (X, np.full(len(y), 11))
    elif wrong == "a parameter":
        model.set_params(tol=None)
    elif wrong == "classes":
        of, more = (X, y), {"classes": range(9)}
    elif wrong == "X":
        of = (np.full_like(X, np.nan), y)
    elif wrong == "columns":
        of = (X[:, :5], np.zeros(len(y)))
    else:
        run = dfanp.Training.run_epoch

        def interrupted(self):
            run(self)
            raise KeyboardInterrupt

        monkeypatch.setattr(dfanp.Training, "run_epoch", interrupted)
    before, predicted = state_of(model), model.predict(X)
    refused(getattr(model, method), *of, **more, error=KeyboardInterrupt if wrong == "an interrupt" else ValueError)
    assert state_of(model) == before and np.array_equal(model.predict(X), predicted)


WRONG = {
    "hidden_layer_sizes": [(0,), 0, None, "20", (5, 2.5), [[5]], 10**40], "rule": ["bpp", None, 1],
    "activation": ["rlu", None, []], "solver": ["adm", None, int, "adam:beta1=2", dfanp.Adam(0.1)],
    "learning_rate_init": [0, -1, None, "0.1", True, (0.1, 0.2), 10**400, np.nan], "alpha": [-1, None, np.inf],
    "feedback": ["unifrm", None], "bias": [None, 1, "yes"], "batch_size": [0, None, "full", 2.5, True],
    "max_iter": [0, None, 1.5], "early_stopping": ["no", None, 0], "validation_fraction": [1.5, 0, 1, None, "0.1"],
    "n_iter_no_change": [1.5, 0, None], "tol": [None, -1, "small", np.nan], "alignment": ["no", 1],
    "random_state": ["seed", -1, 1.5, 10**40], "device": ["tpu", None], "kernels": ["fast", None],
    "learning_rate": ["cosin", None, "adaptive", "step:every=0", "cosine:epochs=3:warmup=3"], "verbose": [None, -1, "yes"],
    "warm_start": [None, 1], "class_weight": ["balance", 3, {0: -1}], "threads": [0, 1.5, "all"], "dtype": ["int8", None, np.float32],
}  # fmt: skip


def test_every_parameter_is_in_this_test():
    assert WRONG.keys() == DFAClassifier().get_params().keys()


@pytest.mark.parametrize(
    "name, value", [(name, value) for name, values in WRONG.items() for value in values], ids=repr
)
def test_a_wrong_parameter_is_named(name, value):
    """In one line, before X is looked at, whether or not the call would use it."""
    X, y = ("no examples", None) if name != "class_weight" else ([[0.0], [1.0], [2.0]], [0, 1, 1])
    for method, more in (("fit", {}), ("partial_fit", {"classes": [0, 1]})):
        with pytest.raises((ValueError, TypeError), match=name) as caught:
            getattr(DFAClassifier(**{name: value}), method)(X, y, **more)
        assert "\n" not in str(caught.value)
        assert (
            isinstance(value, type)
            or repr(value)[:50].strip("()") in str(caught.value)
            or name in ("solver", "random_state")
        )


@pytest.mark.parametrize("classes", [5, [], [1], "ab", [[0, 1], [1, 0]], [0.5, 1.5], ["a", 1], [None, 1]], ids=repr)
def test_wrong_classes_are_named(few, classes):
    with pytest.raises(ValueError, match="classes"):
        DFAClassifier(**QUICK).partial_fit(*few, classes=classes)


@pytest.mark.parametrize("n, fraction", [(20, 0.05), (20, 0.9), (7, 0.5), (3, 0.5)])
def test_few_examples_are_put_aside_all_the_same(n, fraction):
    """Fewer than there are classes, or of a class of one."""
    X, y = np.random.default_rng(0).random((n, 3)), np.arange(n) % min(n, 5)
    model = DFAClassifier(**QUICK, early_stopping=True, validation_fraction=fraction, max_iter=3).fit(X, y)
    assert len(model.classes_) == min(n, 5) and len(model.validation_scores_) == model.n_iter_
    with pytest.raises(ValueError, match="^validation_fraction must leave an example to train on: 0.99 of "):
        model.set_params(validation_fraction=0.99).fit(X, y)


def test_divergence_is_one_clear_error():
    X, y = np.random.default_rng(0).random((50, 3)), np.arange(50) % 2
    with pytest.raises(ValueError, match="not finite.*learning_rate_init"):
        DFAClassifier(solver="sgd", learning_rate_init=1e30, rule="bp").fit(X * 1e10, y)


@pytest.mark.parametrize("kind", ["relu", "gaussian", "fourier", "linear"])
def test_random_features_under_a_linear_model(digits, kind):
    X, X_test, y, y_test = digits
    pipe = make_pipeline(
        RandomFeatures(300, kind=kind, random_state=0), StandardScaler(), LogisticRegression(max_iter=1000)
    )
    assert pipe.fit(X / 16, y).score(X_test / 16, y_test) > 0.9
    assert list(pipe[0].get_feature_names_out())[:1] == ["randomfeatures0"]


def test_random_features_are_those_that_were_drawn(few):
    X, _ = few
    model = RandomFeatures(9, kind="fourier", random_state=0).fit(X)
    before, kept = model.transform(X), state_of(model)
    assert np.array_equal(model.set_params(kind="relu").transform(X), before)
    model.set_params(kind="fourier")
    for name, wrong in (("n_components", [0, None, 2.5, "9"]), ("kind", ["rlu", None]), ("random_state", ["seed"])):
        for value in wrong:
            right = getattr(model, name)
            with pytest.raises(ValueError, match=f"{name}.*{value!r}"):
                model.set_params(**{name: value}).fit(X[:, :5])
            assert state_of(model.set_params(**{name: right})) == kept


@pytest.mark.parametrize("rule", [name for name in rules.RULES if name not in ("bp", "fa", "dfa")])
def test_every_rule_fits_and_goes_on_as_one_training(rule):
    """Two calls of partial_fit on the same examples are two epochs of one training, also where B changes or is prepared."""
    X, y = np.random.default_rng(0).normal(size=(60, 4)), np.arange(60) % 2
    given = dict(
        hidden_layer_sizes=(6, 5), rule=rule, learning_rate_init=0.01, feedback="uniform:scale=2", random_state=0
    )
    once, twice = DFAClassifier(max_iter=1, **given).fit(X, y), DFAClassifier(**given)
    twice.partial_fit(X, y, classes=[0, 1])
    assert all(np.array_equal(a, b) for a, b in zip(once.coefs_, twice.coefs_, strict=True))
    state = {name: np.array(array) for name, array in twice._state.items() if name.startswith("feedback")}
    twice.partial_fit(X, y)
    assert twice.n_iter_ == 2 and np.isfinite(twice.loss_curve_).all()
    moved = max((np.abs(twice._state[name] - B).max() for name, B in state.items()), default=0.0)
    assert moved < 0.02, "one step, and no preparation of B, lies between"
