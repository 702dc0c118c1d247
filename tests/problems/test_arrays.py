import numpy as np
import pytest

import dfanp

X, Y = np.arange(12.0).reshape(6, 2), np.arange(6) % 2


def test_each_epoch_is_a_permutation_with_its_targets():
    problem = dfanp.Arrays(X, X[:, 0] / 10, loss="mse")
    (X1, y1), (X2, _) = problem.train(0, 1), problem.train(0, 2)
    assert sorted(X1[:, 0]) == sorted(X[:, 0]) and not np.array_equal(X1, X2)
    np.testing.assert_allclose(y1[:, 0], X1[:, 0] / 10)
    assert problem.train((0, 1), 1)[0].shape == (2, 6, 2) and np.array_equal(problem.train((0, 1), 1)[0][0], X1)


def test_learns_with_every_loss():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 3))
    one_hot = np.eye(2)[(X.sum(axis=1) > 0).astype(int)]
    for loss in ("bce", "cross-entropy", "mse"):
        problem = dfanp.Arrays(X, one_hot, loss=loss)
        training = dfanp.Training(dfanp.MLP((3, 20, 2), "tanh"), problem, "dfa", dfanp.Adam(0.05), batch_size=20)
        record = list(training.epochs(8))[-1]
        X_test, y_test = problem.test(0, 1)
        right = training.network.forward(X_test)[-1].argmax(axis=1) == y_test.argmax(axis=1)
        assert right.mean() > 0.9
        if loss == "mse":  # with targets of classes too it is a loss of regression
            assert record.test_accuracy is None
        else:
            assert record.test_accuracy > 0.9


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((X[0], Y), "X must be 2-d"),
        ((X[:0], Y[:0]), "X must be 2-d and not empty"),
        ((X, Y[:-1]), "y must have one row for each of the 6 rows"),
        ((X, Y, X), "X_test and y_test go together"),
        ((X, Y, X[:, :1], Y), "X_test and y_test must have 2 and 1 columns"),
        ((np.where(X == 3, np.nan, X), Y), "X must be finite"),
        ((X, np.where(Y == 1, np.inf, Y)), "y must be finite"),
        ((X * 1e300, Y), "X must be finite in float32"),
        ((X, Y * 2), r"y must lie in \[0, 1\], got 0 to 2 \(the loss 'bce'\)"),
        ((X, Y, None, None, "cross-entropy"), "rows that sum to 1 over two or more classes"),
        ((X, np.eye(2)[Y] * 2, None, None, "cross-entropy"), "rows that sum to 1"),
        ((X, Y, None, None, "mse", "int8"), "unknown dtype 'int8'"),
    ],
)
def test_bad_arrays(arguments, message):
    with pytest.raises(ValueError, match=message):
        dfanp.Arrays(*arguments)


def test_arrays_given_are_not_changed_and_may_be_read_only():
    frozen = X.copy()
    problem = dfanp.Arrays(frozen, Y, dtype="float64")
    first = problem.train(0, 1)[0]
    frozen[:] = 0
    assert np.array_equal(problem.train(0, 1)[0], first)
    frozen = X.copy()
    frozen.flags.writeable = False
    list(dfanp.Training(dfanp.MLP((2, 1)), dfanp.Arrays(frozen, Y), "bp", dfanp.SGD(0.1), batch_size=2).epochs(2))
    assert np.array_equal(frozen, X)


@pytest.mark.parametrize("seed", [0, (0, 1)])
def test_weights_are_in_the_order_of_the_epoch(seed):
    w = np.arange(1.0, 7.0)
    problem = dfanp.Arrays(X, X[:, 0] / 10, loss="mse", weights=w)
    found, (inputs, _) = problem.weights(seed, 3), problem.train(seed, 3)
    np.testing.assert_allclose(found, (inputs[..., 0] / 2 + 1) / w.mean(), rtol=1e-6)
    assert dfanp.Arrays(X, Y).weights(seed, 3) is None


@pytest.mark.parametrize(
    "weights", [[1.0], np.zeros(6), -np.ones(6), np.full(6, np.nan), "six", np.full(6, 1j)], ids=str
)
def test_bad_weights_are_named(weights):
    with pytest.raises(ValueError, match="^weights must"):
        dfanp.Arrays(X, Y, weights=weights)
    assert np.isfinite(dfanp.Arrays(X, Y, weights=np.full(6, 1e308)).weights(0, 1)).all()
