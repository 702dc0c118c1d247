"""What the classifier and the regressor share: weights of examples, convergence, continuing, files, names of parameters."""

import json

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.neural_network import MLPClassifier, MLPRegressor

import dfanp
from dfanp import RecordError, interchange
from dfanp.estimator import DFAClassifier, DFARegressor

SMALL = dict(
    hidden_layer_sizes=(6, 4), rule="bp", learning_rate_init=0.05, max_iter=5, random_state=0, dtype="float64"
)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 5))
    return X, (X[:, 0] + X[:, 1] ** 2 > 0.5).astype(int), rng.integers(1, 4, 40).astype(float)


def classes(y):
    return np.array(["a", "b", "c"])[np.arange(len(y)) % 3]


KINDS = {
    "two": (DFAClassifier, lambda y: y),
    "three": (DFAClassifier, classes),
    "regression": (DFARegressor, lambda y: y + 0.5),
}


def weights_of(model):
    return [*model.coefs_, *model.intercepts_]


def near(one, other, tolerance=1e-9):
    return all(abs(a - b).max() < tolerance for a, b in zip(weights_of(one), weights_of(other), strict=True))


@pytest.mark.parametrize("kind, y_of", KINDS.values(), ids=KINDS)
def test_weights_are_repetitions_and_their_scale_is_that_of_the_penalty(data, kind, y_of):
    X, y, w = data
    y, model = y_of(y), lambda **more: kind(**SMALL | {"alpha": 1.0} | more)
    whole = w.astype(int)
    assert near(model().fit(X, y, w), model().fit(X.repeat(whole, axis=0), y.repeat(whole)))
    zero = np.where(np.arange(40) < 10, 0.0, w)
    assert near(model().fit(X, y, zero), model().fit(X[10:], y[10:], w[10:]))
    assert near(model().fit(X, y, np.full(40, 2.0)), model(alpha=0.5).fit(X, y))
    assert not near(model().fit(X, y, w), model().fit(X, y), 1e-3)


@pytest.mark.parametrize("kernels", ["numpy", "native"])
@pytest.mark.parametrize("rule", ["bp", "dfa"])
def test_weights_act_alike_on_every_tier(data, rule, kernels):
    X, y, w = data
    fitted = lambda tier: DFAClassifier(**SMALL | {"rule": rule, "batch_size": 16}, kernels=tier).fit(X, y, w)
    assert near(fitted(kernels), fitted("auto"), 1e-6)


@pytest.mark.parametrize("kind, peer", [(DFAClassifier, MLPClassifier), (DFARegressor, MLPRegressor)])
@pytest.mark.parametrize("activation", ["relu", "logistic", "tanh", "identity"])
def test_a_step_is_that_of_scikit_learns_network(data, kind, peer, activation):
    """From its weights, with its penalty (without biases, which it does not penalize) and weights of examples: SGD on the whole batch."""
    X, y, w = data
    shared = dict(
        hidden_layer_sizes=(6,), activation=activation, alpha=0.5, batch_size=40, learning_rate_init=0.1, max_iter=3
    )
    given = {"classes": [0, 1]} if kind is DFAClassifier else {}
    theirs = peer(**shared, solver="sgd", momentum=0.0, random_state=0).partial_fit(X, y, **given)
    network = dfanp.MLP(
        (5, 6, 1), dfanp.activations.get({"logistic": "sigmoid"}.get(activation, activation)), True, "float64"
    )
    network.load(
        {f"W{l}": W for l, W in enumerate(theirs.coefs_)} | {f"b{l}": 0 * b for l, b in enumerate(theirs.intercepts_)}
    )
    theirs.intercepts_ = [0 * b for b in theirs.intercepts_]
    mine = kind.from_network(network, **shared | {"solver": "sgd", "rule": "bp"})
    theirs.partial_fit(X, y, sample_weight=w)
    mine.partial_fit(X, y, sample_weight=w)
    assert near(mine, theirs, 1e-9)
    assert mine.out_activation_ == theirs.out_activation_ and mine.n_layers_ == theirs.n_layers_


@pytest.mark.parametrize("kind", [DFAClassifier, DFARegressor])
def test_parameters_and_defaults_are_those_of_scikit_learns_networks(kind):
    theirs = {DFAClassifier: MLPClassifier, DFARegressor: MLPRegressor}[kind]().get_params()
    mine = kind().get_params()
    shared = {name: value for name, value in theirs.items() if name in mine}
    assert len(shared) >= 15 and shared == {name: mine[name] for name in shared}


@pytest.mark.parametrize("kind", [DFAClassifier, DFARegressor])
@pytest.mark.parametrize("rule", ["bp", "dfa", "pepita", "node-perturbation"])
def test_sparse_examples_give_what_dense_ones_give(data, kind, rule):
    X, y, w = data
    X = X * (X > 0)
    model = lambda: kind(**SMALL | {"rule": rule, "batch_size": 16}, alignment=rule != "pepita", early_stopping=True)
    dense, csr = model().fit(X, y, w), model().fit(sparse.csr_array(X), y, w)
    assert near(dense, csr) and np.allclose(dense.loss_curve_, csr.loss_curve_)
    assert np.allclose(dense.predict(X), csr.predict(sparse.csc_matrix(X)))
    assert near(dense.partial_fit(X, y), csr.partial_fit(sparse.coo_array(X), y))


def test_sparse_examples_that_are_not_finite_in_the_dtype_are_refused():
    X = sparse.csr_array(np.array([[0, 1e300], [1, 0]]))
    with pytest.raises(ValueError, match="X must be finite in float32"):
        DFAClassifier().fit(X, [0, 1])


def test_training_stops_when_the_loss_no_longer_falls(data, capsys):
    X, y, _ = data
    with pytest.warns(ConvergenceWarning, match="max_iter .5 epochs. reached.*raise max_iter"):
        model = DFAClassifier(**SMALL, verbose=True).fit(X, y)
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 5 and printed[-1] == f"epoch 5, loss {model.loss_:.6f}"
    assert model.loss_ == model.loss_curve_[-1] and model.best_loss_ == min(model.loss_curve_)
    with pytest.warns() as caught:
        stopped = DFARegressor(**SMALL | {"max_iter": 500, "tol": 0.01}, n_iter_no_change=3).fit(X, y)
        assert 3 < stopped.n_iter_ < 500
        DFAClassifier(**SMALL, early_stopping=True, verbose=True).fit(X, y)
    assert [warning.category for warning in caught] == [ConvergenceWarning]  # of the second
    assert "validation score" in capsys.readouterr().out


@pytest.mark.parametrize("kind, y_of", KINDS.values(), ids=KINDS)
def test_warm_starts_are_one_training(data, kind, y_of):
    X, y, w = data
    y = y_of(y)
    once = kind(**SMALL | {"rule": "dfa", "max_iter": 6, "learning_rate": "inverse"}).fit(X, y, w)
    twice = (
        kind(**SMALL | {"rule": "dfa", "max_iter": 3, "learning_rate": "inverse"}, warm_start=True)
        .fit(X, y, w)
        .fit(X, y, w)
    )
    assert all(np.array_equal(a, b) for a, b in zip(weights_of(once), weights_of(twice), strict=True))
    assert once.loss_curve_ == twice.loss_curve_ and twice.n_iter_ == 6
    with pytest.raises(
        ValueError, match="rule cannot change between calls of fit with warm_start.*call fit without it"
    ):
        twice.set_params(rule="bp").fit(X, y)
    assert twice.set_params(rule="bp", warm_start=False).fit(X, y).n_iter_ == 3


def test_a_warm_start_keeps_the_best_epoch_of_all(data):
    X, y, _ = data
    model = DFAClassifier(**SMALL, early_stopping=True, warm_start=True).fit(X, y)
    best, score = model.best_validation_score_, lambda: model.best_validation_score_
    again = model.set_params(learning_rate_init=30.0).fit(X, y)  # which spoils it
    assert len(again.validation_scores_) == 10 and score() >= best


def test_a_schedule_over_all_epochs_has_max_iter_of_them(data):
    X, y, _ = data
    scheduled = DFAClassifier(**SMALL, learning_rate="cosine").fit(X, y)
    assert near(scheduled, DFAClassifier(**SMALL, learning_rate="cosine:epochs=5").fit(X, y), 1e-15)
    assert not near(scheduled, DFAClassifier(**SMALL).fit(X, y), 1e-3)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@pytest.mark.parametrize("kind, y_of", KINDS.values(), ids=KINDS)
def test_a_fitted_estimator_in_a_file(data, kind, y_of, suffix, tmp_path):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    X, y, _ = data
    y = y_of(y)
    model, path = kind(**SMALL, activation="logistic").fit(X, y), tmp_path / f"model{suffix}"
    model.save(path)
    again = kind.load(path)
    assert np.array_equal(again.predict(X), model.predict(X)) and again.get_params()["activation"] == "sigmoid"
    assert again.predict(X).dtype.kind == model.predict(X).dtype.kind
    assert again.partial_fit(X, y).n_iter_ == 1
    other = DFARegressor if kind is DFAClassifier else DFAClassifier
    with pytest.raises(RecordError, match=f"holds a '{kind.__name__}', not a {other.__name__}"):
        other.load(path)
    network = interchange.load(path)  # as a plain network
    assert network.activation.name == "sigmoid" and np.array_equal(network.W[0], model.coefs_[0])


@pytest.mark.parametrize("kind, y_of", KINDS.values(), ids=KINDS)
def test_a_fitted_estimator_in_pytorch_and_back(data, kind, y_of, tmp_path):
    torch = pytest.importorskip("torch")
    X, y, _ = data
    y = y_of(y)
    model = kind(**SMALL, activation="tanh").fit(X, y)
    model.save(tmp_path / "model.npz")
    linear = lambda a, b: torch.nn.Linear(a, b, dtype=torch.float64)
    outputs = 3 if y.dtype.kind == "U" else 1
    module = torch.nn.Sequential(linear(5, 6), torch.nn.Tanh(), linear(6, 4), torch.nn.Tanh(), linear(4, outputs))
    with np.load(tmp_path / "model.npz") as file:
        module.load_state_dict({name: torch.from_numpy(file[name]) for name in module.state_dict()})
    z = module(torch.from_numpy(X)).detach()
    if kind is DFARegressor:
        assert np.allclose(z[:, 0], model.predict(X), atol=1e-12)
    else:
        proba = torch.softmax(z, 1) if outputs == 3 else torch.sigmoid(torch.cat([-z, z], 1))
        assert np.allclose(proba, model.predict_proba(X), atol=1e-12)
    network = interchange.from_state_dict(module.state_dict(), "tanh")
    back = kind.from_network(network, **({} if kind is DFARegressor else {"classes": model.classes_}))
    assert np.array_equal(back.predict(X), model.predict(X))


def test_damaged_or_foreign_files_are_refused_in_one_line(data, tmp_path):
    X, y, _ = data
    model = DFAClassifier(**SMALL).fit(X, classes(y))
    path = tmp_path / "model.npz"
    for about in ("[]", "{", '"text"', '{"estimator": 3}', '{"estimator": "DFAClassifier"}',
                  '{"estimator": "DFAClassifier", "multilabel": 0, "classes": [1]}',
                  '{"estimator": "DFAClassifier", "multilabel": false, "classes": [1]}',
                  '{"estimator": "DFAClassifier", "multilabel": false, "classes": [[1], 2, 3]}',
                  '{"estimator": "DFAClassifier", "multilabel": false, "classes": [1, 2, 3], "feature_names_in": [1]}'):  # fmt: skip
        interchange.save(model.network_, path, about)
        with pytest.raises(RecordError) as caught:
            DFAClassifier.load(path)
        assert str(path) in str(caught.value) and "\n" not in str(caught.value), about
    interchange.save(model.network_, path)
    assert list(DFAClassifier.load(path).classes_) == [0, 1, 2]  # of another program
    assert list(DFAClassifier.load(path, classes=["x", "y", "z"]).classes_) == ["x", "y", "z"]
    with pytest.raises(ValueError, match="classes must be 3 for 3 outputs, got 2"):
        DFAClassifier.load(path, classes=["x", "y"])
    with pytest.raises(ValueError, match="hidden_layer_sizes must be"):
        DFAClassifier.load(path, hidden_layer_sizes=(3,))
    with pytest.raises(TypeError, match="network must be a dfanp.MLP"):
        DFAClassifier.from_network("model")
    with pytest.raises(NotFittedError):
        DFAClassifier().save(path)
    with pytest.raises(ValueError, match="classes_ must be numbers or texts"):
        DFAClassifier(**SMALL).fit(X, np.array([np.datetime64("2020-01-01"), np.datetime64("2021-01-01")])[y]).save(
            path
        )


def test_names_of_columns_are_in_the_file(data, tmp_path):
    pandas = pytest.importorskip("pandas")
    X, y, _ = data
    frame = pandas.DataFrame(X, columns=list("abcde"))
    DFARegressor(**SMALL).fit(frame, y).save(tmp_path / "model.npz")
    again = DFARegressor.load(tmp_path / "model.npz")
    assert list(again.feature_names_in_) == list("abcde")
    with pytest.raises(ValueError, match="feature names"):
        again.predict(frame[list("edcba")])
    assert json.loads(interchange.read(tmp_path / "model.npz")[1])["estimator"] == "DFARegressor"


@pytest.mark.parametrize(
    "weights",
    [[1.0], np.full(40, -1.0), np.zeros(40), np.full(40, np.nan), "ones"],
    ids=["too few", "negative", "zero", "nan", "text"],
)
def test_bad_weights_are_named(data, weights):
    X, y, _ = data
    for kind in (DFAClassifier, DFARegressor):
        with pytest.raises(ValueError, match="sample_weight"):
            kind(**SMALL).fit(X, y, weights)


def test_messages_have_the_parameters_of_the_estimator(data):
    X, y, _ = data
    for given, name in (({"alpha": -1}, "alpha"), ({"solver": "adam:weight_decay=1"}, "solver"), ({"solver": "adam:lr=1"}, "solver"),
                        ({"hidden_layer_sizes": ()}, None), ({"learning_rate": "invscaling"}, "learning_rate")):  # fmt: skip
        for kind in (DFAClassifier, DFARegressor):
            if name is None:
                assert len(kind(**SMALL | given).fit(X, y).coefs_) == 1  # a linear model
                continue
            with pytest.raises(ValueError, match=f"^{name}"):
                kind(**SMALL | given).fit(X, y)
