"""Regression: one target or several, and its score."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import r2_score
from sklearn.model_selection import cross_val_score, train_test_split

from dfanp.estimator import DFARegressor

QUICK = dict(hidden_layer_sizes=(16,), learning_rate_init=0.02, max_iter=60, random_state=0)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture
def data():
    X = np.random.default_rng(0).normal(size=(150, 3))
    return X, np.stack([X[:, 0] - X[:, 1], np.abs(X[:, 2])], axis=1)


@pytest.mark.parametrize("rule", ["bp", "dfa"])
def test_it_learns(data, rule):
    X, y = data
    assert cross_val_score(DFARegressor(**QUICK, rule=rule), X, y[:, 0], cv=3).mean() > 0.9


def test_several_targets(data):
    X, y = data
    model = DFARegressor(**QUICK).fit(X, y)
    assert model.predict(X).shape == y.shape and model.score(X, y) > 0.7 and model.n_outputs_ == 2
    assert model.fit(X, y[:, :1]).predict(X).shape == (150, 1)
    assert model.fit(X, y[:, 0]).predict(X).shape == (150,)
    with pytest.raises(ValueError, match="y must have one axis as in the first call"):
        model.partial_fit(X, y)


@pytest.mark.parametrize("weighs", [False, True])
def test_the_score_of_held_out_examples_is_their_r2(data, weighs):
    X, y = data
    w = np.random.default_rng(1).random(150) + 0.1
    model = DFARegressor(**QUICK, early_stopping=True, n_iter_no_change=60, dtype="float64").fit(
        X, y, w if weighs else None
    )
    parts = train_test_split(X, y, w, test_size=0.1, random_state=model._seed)
    best = r2_score(parts[3], model.predict(parts[1]), sample_weight=parts[5] if weighs else None)
    assert model.best_validation_score_ == pytest.approx(best) and model.best_validation_score_ == max(
        model.validation_scores_
    )


def test_too_large_targets_end_with_one_clear_error(data):
    X, y = data
    with pytest.raises(ValueError, match="loss is not finite.*or scale the columns of X and y"):
        DFARegressor(**QUICK | {"learning_rate_init": 10.0}, solver="sgd", rule="bp").fit(X, 1e10 * y[:, 0])
    with pytest.raises(ValueError, match="y must be finite in float32"):
        DFARegressor(**QUICK).fit(X, 1e300 * y[:, 0])


def test_a_clone_is_fitted_alike(data):
    X, y = data
    model = DFARegressor(**QUICK, early_stopping=True, validation_fraction=0.005).fit(X, y)
    assert np.array_equal(clone(model).fit(X, y).coefs_[0], model.coefs_[0])
