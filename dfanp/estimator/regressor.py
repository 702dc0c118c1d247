"""A multilayer perceptron as a regressor of scikit-learn, trained by any rule (``dfanp.estimator.DFARegressor``)."""

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import validate_data

from .base import FLOATS, NetworkEstimator
from .docstrings import documented
from .examples import outputs_of
from .parameters import all_or_nothing


@documented
class DFARegressor(RegressorMixin, NetworkEstimator):
    """A multilayer perceptron for regression that learns by backpropagation, feedback alignment or direct feedback alignment.

    The loss is half the squared distance of outputs and targets. Targets are not scaled: with large ones, put it into a
    ``TransformedTargetRegressor``. Names and defaults are those of scikit-learn's ``MLPRegressor`` where it has the parameter.

    Args:
        {shared}

    All parameters are checked first. A call of ``fit`` or ``partial_fit`` that fails changes nothing.

    Attributes:
        {fitted}

    Source: Nøkland 2016 (DFA), Lillicrap et al. 2016 (FA), Rumelhart, Hinton & Williams 1986 (BP).
    """

    _loss, _or_y = "mse", " and y"

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "DFARegressor":
        """Train on X (n, D), dense or sparse, and targets y (n,) or (n, targets), from new weights. Return self.

        Args:
            sample_weight: of the examples (n,), at least 0: the loss is then the weighted mean. None weighs all alike.

        Warns:
            ConvergenceWarning: the loss, or the score with early_stopping (R²), was still improving after `max_iter` epochs.

        Raises:
            ValueError, TypeError: X or y is invalid, a parameter is out of range, or the loss is not finite.
            BackendError: the device or the kernels cannot be used.
        """
        with all_or_nothing(self) as draft:
            draft._fit(X, y, sample_weight)
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> "DFARegressor":
        """Train one epoch on X (n, D) and y, continuing from `coefs_`, `intercepts_` and the optimizer state. Return self.

        What may change between two calls: see ``DFAClassifier.partial_fit``.

        Raises:
            ValueError: a parameter of ``parameters.FIXED`` has changed, or y has another number of targets. And as ``fit``.
        """
        with all_or_nothing(self) as draft:
            draft._partial_fit(X, y, sample_weight, not hasattr(self, "coefs_"))
        return self

    @classmethod
    def from_network(cls, network: Any, **parameters: Any) -> "DFARegressor":
        """Return a fitted regressor with the weights of a ``dfanp.MLP``, which are copied.

        Args:
            network: with one output for each target.
            parameters: of the regressor; those that the network determines need not be given.

        Raises:
            ValueError, TypeError: a parameter is out of range.
        """
        flat = hasattr(network, "sizes") and network.sizes[-1] == 1
        return cls._from_network(network, parameters, _flat=flat)

    def predict(self, X: Any) -> np.ndarray:
        """Return the prediction for each row of X, float64 (n,), or (n, targets) if y had two axes."""
        z = self._logits(X)
        return z[:, 0] if self._flat else z

    def _validated(self, X, y, reset):
        least = 2 if reset else 1
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csr",
            dtype=FLOATS,
            multi_output=True,
            y_numeric=True,
            reset=reset,
            ensure_min_samples=least,
        )
        return X, np.asarray(y, "float64")

    def _prepare(self, of, y, going_on):
        """Set what is learned of y, or check that y goes together with it."""
        flat = y.ndim == 1
        if not going_on:
            self._begin(of, _flat=flat)
        elif (1 if flat else y.shape[1]) != self.n_outputs_ or flat != self._flat:
            wanted = "one axis" if self._flat else f"{self.n_outputs_} columns"
            raise ValueError(f"y must have {wanted} as in the first call, got shape {y.shape}")

    def _strata(self, y, aside):
        return None

    def _targets(self, y):
        return y[:, None] if y.ndim == 1 else y

    def _score(self, training, record, X, y, weights):
        if len(y) < 2:  # R² is not defined then: minus the loss instead
            return -record.test_loss
        return float(r2_score(self._targets(y), outputs_of(training), sample_weight=weights))

    def _about(self):
        return {"flat": self._flat}

    @classmethod
    def _said(cls, about):
        """Return the arguments of ``from_network`` in a file: none."""
        return {}
