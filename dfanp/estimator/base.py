"""What the classifier and the regressor share: parameters, training, curves, and files of weights."""

import inspect
import json
import warnings
from collections.abc import Sequence
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from .. import activations, interchange
from ..activations import Activation
from ..errors import RecordError, shown
from ..network import MLP
from ..optimizers import Optimizer
from ..rules import Rule
from ..schedules import Schedule
from ..training import Training
from .examples import Blank, FixedSplit, Restored
from .parameters import (
    LARGEST_SEED,
    OUTPUT_ACTIVATIONS,
    activation_of,
    argument,
    check_unchanged,
    checked,
    fixed,
)

E = TypeVar("E", bound="NetworkEstimator")
FLOATS = ["float64", "float32"]


def with_parameters(init):
    """Return an ``__init__`` whose signature shows, in place of ``**shared``, the parameters that all estimators have."""
    shared = inspect.signature(NetworkEstimator.__init__).parameters.values()
    own = [each for each in inspect.signature(init).parameters.values() if each.kind is each.KEYWORD_ONLY]
    init.__signature__ = inspect.Signature([*shared, *own])
    return init


class NetworkEstimator(BaseEstimator):
    """The base of the classifier and the regressor."""

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        *,
        rule: str | Rule = "dfa",
        activation: str | Activation = "relu",
        solver: str | type[Optimizer] = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str | Schedule = "constant",
        learning_rate_init: float = 0.001,
        max_iter: int = 200,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        feedback: str = "uniform",
        bias: bool = True,
        alignment: bool = False,
        device: str = "cpu",
        kernels: str = "auto",
        threads: int | None = None,
        dtype: str = "float32",
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.rule = rule
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.feedback = feedback
        self.bias = bias
        self.alignment = alignment
        self.device = device
        self.kernels = kernels
        self.threads = threads
        self.dtype = dtype

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    @property
    def network_(self) -> MLP:
        """The trained network, a ``dfanp.MLP`` on the CPU with copies of `coefs_` and `intercepts_`."""
        check_is_fitted(self)
        sizes = (self.coefs_[0].shape[0], *(W.shape[1] for W in self.coefs_))
        activation = activation_of("activation", self._began_with["activation"])
        network = MLP(sizes, activation, bool(self.intercepts_), np.asarray(self.coefs_[0]).dtype.name)
        network.load({name: np.asarray(theta) for name, theta in self._parameters().items()})
        return network

    def save(self, path: str | Path) -> None:
        """Write the trained network to a .npz or .safetensors file, with PyTorch's names (``dfanp.interchange``).

        The file also has what predictions need: the labels, or how many targets there are.

        Raises:
            ValueError, RecordError: as ``dfanp.interchange.save``; a label is neither a number nor a text.
        """
        network = self.network_
        about = {"estimator": type(self).__name__} | self._about()
        names = getattr(self, "feature_names_in_", None)
        about |= {} if names is None else {"feature_names_in": list(names)}
        interchange.save(network, path, json.dumps(about))

    @classmethod
    def load(cls: type[E], path: str | Path, **parameters: Any) -> E:
        """Return a fitted estimator with the network of a file, of ``save`` or of another program. Nothing is unpickled.

        ``partial_fit``, or ``fit`` with warm_start, trains it further, from a new B and a new optimizer state.

        Args:
            path: see ``dfanp.interchange.load``.
            parameters: of ``from_network``.

        Raises:
            ValueError, RecordError: as ``dfanp.interchange.load`` and ``from_network``.
        """
        network, text = interchange.read(path, parameters.get("activation"))
        about = {}
        if text is not None:
            try:
                about = dict(json.loads(text))
            except (ValueError, TypeError):
                raise RecordError(f"{path}: does not hold an estimator ({text!r:.50})") from None
            if about.get("estimator") != cls.__name__:
                raise RecordError(f"{path}: holds a {about.get('estimator')!r:.50}, not a {cls.__name__}")
        try:
            model = cls.from_network(network, **cls._said(about) | parameters)
            if "feature_names_in" in about:
                names = np.asarray(about["feature_names_in"], dtype=object)
                if names.shape != (model.n_features_in_,) or not all(isinstance(name, str) for name in names):
                    raise ValueError(f"feature_names_in must be {model.n_features_in_} texts")
                model.feature_names_in_ = names
        except (ValueError, TypeError) as error:
            if text is None:
                raise
            raise RecordError(f"{path}: does not hold a {cls.__name__} ({error})") from None
        return model

    @classmethod
    def _from_network(cls, network, parameters, **fitted):
        """Return a fitted estimator with a network and attributes."""
        if type(network) is not MLP or network.replicas is not None:
            raise TypeError(f"network must be a dfanp.MLP without replicas, got {shown(network)}")
        activation = network.activation if activations.ACTIVATIONS.built_in(network.activation) is None else None
        said = {"activation": activation or network.activation.name, "dtype": network.dtype, "bias": network.bias}
        model = cls(**{"hidden_layer_sizes": network.sizes[1:-1]} | said | parameters)
        of = checked(model)
        if of.hidden_layer_sizes != network.sizes[1:-1]:
            raise ValueError(f"hidden_layer_sizes must be {network.sizes[1:-1]}, those of the network")
        model.n_features_in_ = network.sizes[0]
        model._begin(of, **fitted)
        host = network.backend.to_host
        model._keep({f"parameters/{name}": np.array(host(theta)) for name, theta in network.parameters.items()})
        return model

    def _logits(self, X):
        """Return the outputs of the network for X (n, D), float64 (n, d_L)."""
        check_is_fitted(self)
        h = validate_data(self, X, accept_sparse="csr", dtype="float64", reset=False)
        f = activation_of("activation", self._began_with["activation"]).f  # as trained, even if it has been set since
        layers = list(zip(self.coefs_, self.intercepts_ or [0.0] * len(self.coefs_), strict=True))
        for l, (W, b) in enumerate(layers):
            h = h @ np.asarray(W, "float64") + b
            if l < len(layers) - 1:
                h = f(np, h)
        return h

    def _fit(self, X, y, sample_weight):
        of = checked(self)
        going_on = of.warm_start and hasattr(self, "coefs_")
        if going_on:
            check_unchanged(self, self._began_with, "calls of fit with warm_start")
        X, y = self._validated(X, y, reset=not going_on)
        weights = self._weights(of, X, y, sample_weight)
        self._prepare(of, y, going_on)
        X, y, weights, of.weight = counted(X, y, weights)
        aside = None
        if of.early_stopping:
            X, y, weights, aside = self._split(of, X, y, weights)
            self.validation_scores_ = list(self.validation_scores_ or [])
        training = (self._resumed if going_on else self._training)(of, X, y, weights, aside)
        best, best_loss, since = -np.inf, np.inf, 0
        best_arrays = training.arrays() if going_on and of.early_stopping else None
        if going_on:
            best_loss, best = (f(curve, default=edge) for f, curve, edge in (
                (min, self.loss_curve_, np.inf), (max, self.validation_scores_ or [], -np.inf)
            ))  # fmt: skip
        for _ in range(of.max_iter):
            record = self._epoch(of, training)
            if aside is not None:
                score = self._score(training, record, *aside)
                self.validation_scores_.append(score)
                since = 0 if score > best + of.tol else since + 1
                if score > best:
                    best, best_arrays = score, training.arrays()
            else:
                since = 0 if record.train_loss < best_loss - of.tol else since + 1
                best_loss = min(best_loss, record.train_loss)
            self._say(of)
            if since >= of.n_iter_no_change:
                break
        else:
            message = (
                f"max_iter ({of.max_iter} epochs) reached before the {'score' if aside else 'loss'} stopped improving"
            )
            warnings.warn(f"{message}: raise max_iter or learning_rate_init", ConvergenceWarning, stacklevel=3)
        self._keep(best_arrays or training.arrays(copy=False))

    def _partial_fit(self, X, y, sample_weight, first, **more):
        of = checked(self)
        if not first:
            check_unchanged(self, self._began_with)
        X, y = self._validated(X, y, reset=first)
        weights = self._weights(of, X, y, sample_weight, partial=True)
        self._prepare(of, y, not first, **more)
        X, y, weights, of.weight = counted(X, y, weights)
        training = (self._training if first else self._resumed)(of, X, y, weights)
        self._epoch(of, training)
        self._say(of)
        self._keep(training.arrays(copy=False))

    def _weights(self, of, X, y, sample_weight, partial=False):
        """Return the weights of the examples, (n,), or None."""
        if sample_weight is None:
            return None
        with argument("sample_weight"):
            if np.asarray(sample_weight).dtype.kind == "c":
                raise ValueError("sample_weight must be real numbers, got complex ones")
            weights = _check_sample_weight(sample_weight, X, dtype="float64", ensure_non_negative=True)
            if not np.isfinite(weights).all():
                raise ValueError("sample_weight must be finite, got infinity")
        return weights

    def _begin(self, of, **fitted):
        """Reset all that was learned."""
        self._began_with = fixed(self)
        self._seed = int(of.random_state.randint(LARGEST_SEED))
        self.n_iter_, self.loss_curve_, self.alignment_curve_, self.validation_scores_ = 0, [], [], None
        self.__dict__.update(fitted)

    def _split(self, of, X, y, weights):
        """Return X, y and weights without the held-out examples, and these."""
        aside = ceil(of.validation_fraction * len(y))
        if aside == len(y):
            share = f"{of.validation_fraction} of {len(y)} is all of them"
            raise ValueError(f"validation_fraction must leave an example to train on: {share}")
        more = {"test_size": aside, "random_state": self._seed, "stratify": self._strata(y, aside)}
        w = np.ones(len(y)) if weights is None else weights
        X, X_aside, y, y_aside, w, w_aside = train_test_split(X, y, w, **more)
        return X, y, None if weights is None else w, (X_aside, y_aside, w_aside)

    def _training(self, of, X, y, weights=None, aside=None, parameters=None, state=None):
        """Return a Training on X and y: of a new network, or of one that has `parameters`, name -> array.

        It is tested on `aside`, or, because a test set is required, on a single example.
        """
        X_test, y_test = aside[:2] if aside else (X[:1], y[:1])
        targets = self._targets(y), self._targets(y_test)
        problem = FixedSplit(X, targets[0], X_test, targets[1], self._loss, of.dtype, of.backend, weights)
        sizes = problem.features, *of.hidden_layer_sizes, problem.outputs
        given = sizes, of.activation, of.bias, of.dtype, self._seed, of.backend
        network = MLP(*given) if parameters is None else Restored(parameters, *given)
        feedback = Blank() if state else of.feedback
        batch_size = min(of.batch_size, problem.train_size)
        optimizer = of.optimizer(of.alpha / batch_size / of.weight)
        more = {"align": of.alignment, "schedule": of.learning_rate}
        return Training(network, problem, of.rule, optimizer, feedback, batch_size, **more)

    def _parameters(self):
        W, b = ({f"{letter}{l}": each for l, each in enumerate(found)} for letter, found in
                (("W", self.coefs_), ("b", self.intercepts_)))  # fmt: skip
        return W | b

    def _resumed(self, of, X, y, weights=None, aside=None):
        """Return a Training on X and y that continues from the attributes, the only state between two calls."""
        sizes = X.shape[1], *of.hidden_layer_sizes, self.n_outputs_
        W, b = [np.asarray(each) for each in self.coefs_], [np.asarray(each) for each in self.intercepts_]
        shapes = list(pairwise(sizes)), [(width,) for width in sizes[1:] if of.bias]
        if ([each.shape for each in W], [each.shape for each in b]) != shapes:
            raise ValueError(f"coefs_ and intercepts_ must keep their shapes, {shapes[0]} and {shapes[1]}")
        parameters, state = self._parameters(), self._state
        training = self._training(of, X, y, weights, aside, parameters, state)
        if state:  # without, the network comes from a file
            training.continue_from(state | {f"parameters/{name}": theta for name, theta in parameters.items()})
        self.loss_curve_, self.alignment_curve_ = list(self.loss_curve_), list(self.alignment_curve_)
        return training

    def _epoch(self, of, training):
        """Train one epoch, extend the curves, and return its Record; a ValueError if the loss is not finite."""
        record = training.run_epoch()
        self.n_iter_ += 1
        if training.diverged:
            raise ValueError(
                f"the loss is not finite in epoch {self.n_iter_}: lower learning_rate_init (now "
                f"{self.learning_rate_init}), or scale the columns of X{self._or_y}"
            )
        self.loss_curve_.append(record.train_loss)
        if record.alignment is not None:
            self.alignment_curve_.append(record.alignment["gradient"])
        return record

    def _say(self, of):
        if of.verbose:
            score = f", validation score {self.validation_scores_[-1]:.4f}" if self.validation_scores_ else ""
            print(f"epoch {self.n_iter_}, loss {self.loss_curve_[-1]:.6f}{score}")

    def _keep(self, arrays):
        """Set the attributes from the arrays of a Training."""
        named = lambda letter: [array for name, array in arrays.items() if name.startswith(f"parameters/{letter}")]
        self.coefs_, self.intercepts_ = named("W"), named("b")
        self.n_outputs_, self.n_layers_ = self.coefs_[-1].shape[1], len(self.coefs_) + 1
        self.out_activation_ = OUTPUT_ACTIVATIONS[self._loss]
        self.loss_, self.best_loss_ = (
            (self.loss_curve_[-1], min(self.loss_curve_)) if self.loss_curve_ else (None, None)
        )
        self.best_validation_score_ = max(self.validation_scores_) if self.validation_scores_ else None
        self._state = {name: array for name, array in arrays.items() if not name.startswith("parameters/")}


def counted(X, y, weights):
    """Return X, y and weights (None: all are equal) without the examples of weight 0, and the mean of the weights.

    An example of weight 0 counts as if it were not there.
    """
    if weights is None:
        return X, y, None, 1.0
    some = np.flatnonzero(weights > 0)
    if not len(some):
        raise ValueError("sample_weight must be above 0 for some example, but all weights are 0")
    if len(some) < len(y):
        X, y, weights = X[some], y[some], weights[some]
    return X, y, weights if np.ptp(weights) else None, weights.mean()
