"""The random first layer of a lazy baseline as a transformer (``dfanp.estimator.RandomFeatures``)."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from ..backend import Backend
from ..baselines import FEATURES, Features, activation_of
from ..checks import MOST, whole
from ..errors import by_name
from .parameters import LARGEST_SEED, all_or_nothing, argument


class RandomFeatures(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """The random first layer of a lazy baseline (``dfanp.baselines``), for a linear model on top.

    Args:
        n_components: number of features.
        kind: "relu", "gaussian", "fourier" or "linear".
        random_state: of the weights.

    Attributes:
        components_: weights (D, n_components), float64.
        offset_: (n_components,), zero except for "fourier", which takes X in [0, 1].

    Source: Daniely & Malach 2020; Demirbilek 2021, section 2.1.
    """

    def __init__(self, n_components: int = 512, *, kind: str = "relu", random_state: Any = None) -> None:
        self.n_components = n_components
        self.kind = kind
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> "RandomFeatures":
        """Draw the weights for the width of X (n, D). Return self.

        Raises:
            ValueError: X or a parameter is invalid; the estimator is then unchanged.
        """
        with all_or_nothing(self) as draft:
            draft._fit(X)
        return self

    def _fit(self, X):
        width = whole("n_components", self.n_components, most=MOST)
        by_name("kind", self.kind, dict.fromkeys(FEATURES))
        with argument("random_state"):
            rng = check_random_state(self.random_state)
        X = validate_data(self, X, dtype="float64")
        seed, backend = int(rng.randint(LARGEST_SEED)), Backend("cpu", kernels="numpy")
        network = Features((X.shape[1], width, 1), self.kind, "float64", seed, backend)
        self.components_ = network.parameters["W0"]
        self.offset_ = network.parameters.get("b0", np.zeros(width))
        self._n_features_out, self._kind = width, self.kind

    def transform(self, X: Any) -> np.ndarray:
        """Return the features of X (n, D): (n, n_components), float64."""
        check_is_fitted(self)
        a = np.matmul(validate_data(self, X, dtype="float64", reset=False), self.components_) + self.offset_
        return activation_of(self._kind).f(np, a)
