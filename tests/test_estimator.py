"""dfanp's estimators among scikit-learn's tools."""

import pickle

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from dfanp.estimator import DFAClassifier, RandomFeatures

QUICK = dict(hidden_layer_sizes=(20,), learning_rate_init=0.01, random_state=0)


@parametrize_with_checks([DFAClassifier(**QUICK), DFAClassifier(**QUICK, rule="bp", bias=False), RandomFeatures(20)])
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return train_test_split(X, y, random_state=0)


@pytest.mark.parametrize("rule", ["bp", "fa", "dfa"])
def test_digits_beside_scikit_learns_mlp(digits, rule):
    X, X_test, y, y_test = digits
    mine = make_pipeline(StandardScaler(), DFAClassifier((100,), rule=rule, random_state=0)).fit(X, y)
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
    pipe = make_pipeline(StandardScaler(), DFAClassifier(**QUICK, max_iter=10))
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


@pytest.mark.parametrize("name, value", [
    ("rule", "bpp"), ("activation", "rlu"), ("solver", "adm"), ("hidden_layer_sizes", (0,)), ("learning_rate_init", 0),
    ("alpha", -1), ("feedback", "unifrm"), ("batch_size", 0), ("max_iter", 0), ("n_iter_no_change", 1.5), ("dtype", "int8"),
    ("validation_fraction", 2.0),
])  # fmt: skip
def test_a_wrong_parameter_is_named(name, value):
    X, y = np.random.default_rng(0).random((20, 3)), np.arange(20) % 2
    with pytest.raises(ValueError, match=r"\w"):
        DFAClassifier(**{name: value}, early_stopping=name == "validation_fraction").fit(X, y)


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
