"""A problem from given arrays."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import dfanp

from ..errors import by_name
from ..system.lazy import lazy

if TYPE_CHECKING:
    from ..backend import Backend
    from ..losses import Loss

np = lazy("numpy")


class Arrays:
    """A fixed training and test set; the training examples are shuffled every epoch.

    Args:
        X, y: training inputs (n, D) and targets (n, d_L), finite; a 1-d y is one output. They are copied. For
            "bce" targets are in [0, 1]; for "cross-entropy" they are one-hot, or rows that sum to 1 (``Loss.check``).
        X_test, y_test: the test set; None tests on the training set.
        loss: a ``Loss`` or its name.
        weights: of the training examples (n,), above 0: the loss is then the weighted mean, see ``losses.weighted``. They are divided
            by their mean. None weighs all alike.
        dtype: ``"float32"`` or ``"float64"``.
        backend: a ``Backend``; None takes the CPU.

    Raises:
        ValueError: shapes do not match, a set is empty, a value is not finite, or targets are invalid for the loss.
    """

    def __init__(
        self,
        X: Any,
        y: Any,
        X_test: Any = None,
        y_test: Any = None,
        loss: "str | Loss" = "bce",
        dtype: str = "float32",
        backend: "Backend | None" = None,
        weights: Any = None,
    ) -> None:
        loss = dfanp.losses.get(loss)
        by_name("dtype", dtype, dict.fromkeys(dfanp.network.DTYPES))
        if (X_test is None) != (y_test is None):
            raise ValueError("X_test and y_test go together: give both or neither")
        backend = backend or dfanp.Backend("cpu")
        X, y = checked(X, y, "X", "y", loss, dtype)
        X_test, y_test = (X, y) if X_test is None else checked(X_test, y_test, "X_test", "y_test", loss, dtype)
        if X_test.shape[1] != X.shape[1] or y_test.shape[1] != y.shape[1]:
            raise ValueError(
                f"X_test and y_test must have {X.shape[1]} and {y.shape[1]} columns as X and y have, "
                f"got {X_test.shape[1]} and {y_test.shape[1]}"
            )
        self.train_size, self.features = X.shape
        self.outputs, self.loss, self.dtype, self.backend = y.shape[1], loss, dtype, backend
        self._train = [backend.asarray(a, dtype) for a in (X, y)]
        self._test = [backend.asarray(a, dtype) for a in (X_test, y_test)]
        self._weights = None if weights is None else backend.asarray(checked_weights(weights, len(X)), dtype)

    def __repr__(self) -> str:
        train, test = self.train_size, len(self._test[0])
        return f"{type(self).__name__}({train} + {test} examples, {self.features} features, {self.outputs} outputs, {self.loss.name})"

    def train(self, seed: int | Sequence[int], epoch: int) -> Sequence[Any]:
        """Return the training set in the order of the epoch, (n, D) and (n, d_L); with R seeds a leading R."""
        order = self.order(seed, epoch)
        flat = self.backend.asarray(order.reshape(-1))
        xp = self.backend.xp
        return [xp.reshape(xp.take(a, flat, axis=0), (*order.shape, a.shape[1])) for a in self._train]

    def weights(self, seed: int | Sequence[int], epoch: int) -> Any:
        """Return the weights of the training examples in the order of the epoch, (n,) or (R, n); None if all count alike."""
        if self._weights is None:
            return None
        order, xp = self.order(seed, epoch), self.backend.xp
        return xp.reshape(xp.take(self._weights, self.backend.asarray(order.reshape(-1)), axis=0), order.shape)

    def order(self, seed, epoch):
        """Return the order of the training examples in an epoch, indices (n,) or (R, n)."""
        return dfanp.streams.per_replica(
            seed, lambda one: dfanp.streams.streams(one).train(epoch).permutation(self.train_size)
        )

    def test(self, seed: int | Sequence[int], epoch: int) -> Sequence[Any]:
        """Return the test set, the same for every seed and epoch."""
        return self._test

    def probe(self, seed: int | Sequence[int]) -> Sequence[Any]:
        """Return the first 1000 test examples."""
        return [a[:1000, :] for a in self._test]


def checked(X, y, name_X, name_y, loss, dtype):
    """Return copies of X and y as 2-d arrays of `dtype` with equally many rows.

    A ValueError names the invalid one.
    """
    X, y = copied(X, name_X, dtype), copied(y, name_y, dtype)
    if y.ndim == 1:
        y = y[:, None]
    if X.ndim != 2 or X.size == 0:
        raise ValueError(f"{name_X} must be 2-d and not empty (examples, features), got shape {X.shape}")
    if y.ndim != 2 or y.shape[0] != X.shape[0] or y.shape[1] == 0:
        raise ValueError(
            f"{name_y} must have one row for each of the {X.shape[0]} rows of {name_X}, got shape {y.shape}"
        )
    for name, a in ((name_X, X), (name_y, y)):
        if not np.isfinite(a).all():
            raise ValueError(f"{name} must be finite in {dtype}, got NaN or infinity")
    wanted = loss.check(y) if loss.check is not None else None
    if wanted is not None:
        raise ValueError(f"{name_y} must {wanted} (the loss {loss.name!r})")
    return X, y


def checked_weights(weights, n):
    """Return the weights of n examples, float64 (n,), divided by their mean; a ValueError if one is not above 0."""
    w = copied(weights, "weights", "float64")
    if w.shape != (n,):
        raise ValueError(f"weights must have one number for each of the {n} examples, got shape {w.shape}")
    if not (np.isfinite(w).all() and (w > 0).all()):
        raise ValueError("weights must be finite and above 0 (leave out an example that should not count)")
    return w / w.max() / (w / w.max()).mean()  # so that the sum of huge ones is finite


def copied(a, name, dtype):
    """Return a copy of `a` as an array of `dtype`; a ValueError if it is not an array of real numbers."""
    try:
        if not np.iscomplexobj(a):
            with np.errstate(over="ignore"):  # overflow is reported by the check for finite values
                return np.array(a, dtype=dtype)
    except (TypeError, ValueError):
        pass
    raise ValueError(f"{name} must be an array of real numbers, got {type(a).__name__}")
