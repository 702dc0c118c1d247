"""Several labels, weights of classes, logarithms of probabilities."""

import numpy as np
import pytest
from scipy import sparse

from dfanp.estimator import DFAClassifier

QUICK = dict(hidden_layer_sizes=(8,), learning_rate_init=0.05, max_iter=30, random_state=0)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture
def data():
    X = np.random.default_rng(0).normal(size=(90, 4))
    return X, (X[:, :3] > 0).astype(int)


def test_several_labels(data, tmp_path):
    X, Y = data
    model = DFAClassifier(**QUICK | {"max_iter": 80}, early_stopping=True, n_iter_no_change=80).fit(X, Y)
    assert model.score(X, Y) > 0.7 and list(model.classes_) == [0, 1, 2] and model.n_outputs_ == 3
    assert model.predict(X).shape == model.decision_function(X).shape == Y.shape
    assert np.allclose(np.exp(model.predict_log_proba(X)), model.predict_proba(X))
    assert np.array_equal(model.predict_proba(X) > 0.5, model.predict(X))
    same = DFAClassifier(**QUICK | {"max_iter": 80}, early_stopping=True, n_iter_no_change=80).fit(
        X, sparse.csr_matrix(Y)
    )
    assert np.array_equal(model.coefs_[0], same.coefs_[0])
    model.save(tmp_path / "model.npz")
    assert np.array_equal(DFAClassifier.load(tmp_path / "model.npz").predict(X), model.predict(X))
    parts = DFAClassifier(**QUICK).partial_fit(X, Y).partial_fit(X, Y)
    assert parts.n_iter_ == 2
    with pytest.raises(ValueError, match="y must have 3 columns of 0 and 1 as in the first call"):
        parts.partial_fit(X, Y[:, :2])
    with pytest.raises(ValueError, match="classes must be the numbers of the columns of y"):
        parts.partial_fit(X, Y, classes=[1, 2, 3])


def test_several_classes_for_each_of_several_columns_are_refused(data):
    with pytest.raises(ValueError):
        DFAClassifier(**QUICK).fit(data[0], data[1] + np.arange(90)[:, None] % 3)


def test_weights_of_classes_are_weights_of_their_examples(data):
    X, Y = data
    y = (X[:, 0] > 0.8).astype(int)
    fitted = lambda weights=None, **more: DFAClassifier(**QUICK | {"dtype": "float64"} | more).fit(X, y, weights)
    by_hand = np.where(y, 5.0, 0.5)
    same = fitted(class_weight={0: 0.5, 1: 5.0}), fitted(by_hand)
    assert np.array_equal(same[0].coefs_[0], same[1].coefs_[0])
    both = fitted(by_hand, class_weight={1: 2.0}), fitted(by_hand * np.where(y, 2.0, 1.0))
    assert np.array_equal(both[0].coefs_[0], both[1].coefs_[0])
    assert fitted(class_weight="balanced").predict(X).mean() > fitted().predict(X).mean()
    assert DFAClassifier(**QUICK, class_weight="balanced").fit(X, Y).predict(X).shape == Y.shape
    with pytest.raises(ValueError, match="class_weight cannot be 'balanced' in partial_fit"):
        DFAClassifier(class_weight="balanced").partial_fit(X, y, classes=[0, 1])


@pytest.mark.parametrize("classes", [2, 3])
def test_logarithms_do_not_underflow(data, classes):
    X, _ = data
    model = DFAClassifier(**QUICK).fit(X, np.arange(90) % classes)
    assert np.allclose(np.exp(model.predict_log_proba(X)), model.predict_proba(X))
    assert np.isfinite(model.predict_log_proba(1e5 * X)).all() and (model.predict_proba(1e5 * X) == 0).any()
