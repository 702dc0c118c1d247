"""Networks as scikit-learn estimators, for Pipeline, GridSearchCV and cross_val_score.

DFAClassifier      a multilayer perceptron, trained by BP, FA or DFA
RandomFeatures     the first layer of a lazy baseline as a transformer
"""

from collections.abc import Sequence
from itertools import pairwise
from math import ceil
from typing import Any

import numpy as np
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import train_test_split
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import check_is_fitted, validate_data

from .. import activations
from ..activations import Activation
from ..errors import shown
from ..feedback import Feedback
from ..network import MLP
from ..optimizers import Optimizer
from ..problems import Arrays
from ..rules import Rule
from ..training import Training
from .features import RandomFeatures
from .parameters import LARGEST_SEED, all_or_nothing, argument, check_unchanged, checked, fixed

__all__ = ["DFAClassifier", "RandomFeatures"]

PROBE = 1000  # training examples on which alignment is measured


class FixedSplit(Arrays):
    """Training examples and a fixed test set; alignment is measured on training examples."""

    def probe(self, seed):
        return [a[:PROBE, :] for a in self._train]


class Restored(MLP):
    """A network with copies of given parameters, name -> array; none is drawn."""

    def __init__(self, parameters, *args):
        self.given = parameters
        super().__init__(*args)

    def draw(self, seed):
        return {name: np.array(theta, self.dtype) for name, theta in self.given.items()}


class Blank(Feedback):
    """Feedback matrices of zeros, which the saved ones overwrite."""

    def draw(self, shapes, seed):
        return [np.zeros(shape) for shape in shapes]


class DFAClassifier(ClassifierMixin, BaseEstimator):
    """A multilayer perceptron that learns by backpropagation, feedback alignment or direct feedback alignment.

    Two classes have one output and the loss "bce"; more classes have one output each and "cross-entropy".

    Args:
        hidden_layer_sizes: widths of the hidden layers.
        rule: the name of a rule, such as "bp", "fa", "dfa" or "kp", or a ``dfanp.Rule``.
        activation: of the hidden layers, a name or a ``dfanp.Activation``.
        solver: an optimizer, as a text for ``dfanp.optimizers.parse`` such as "adam" or "momentum:momentum=0.95", or
            a subclass of ``dfanp.Optimizer``.
        learning_rate_init: its learning rate.
        alpha: its L2 factor, inside the gradient.
        feedback: the distribution and structure of B, a text as in ``dfanp.Feedback``.
        bias: whether the layers have biases.
        batch_size: the mini-batch size, at most the number of examples; "auto" is 128.
        max_iter: number of epochs; each shuffles the examples.
        early_stopping: whether to hold out `validation_fraction` of the examples (stratified, if possible), and to
            stop when the accuracy on them has not risen by more than `tol` in `n_iter_no_change` epochs. The weights
            and the optimizer state of the best epoch are then restored.
        alignment: whether to measure the gradient alignment after each epoch.
        random_state: seed of weights, B and the order of the examples: equal states give equal bytes.
        device, kernels, threads: as in ``dfanp.Backend``.
        dtype: of the arrays while training, "float32" or "float64".

    All parameters are checked first. A call of ``fit`` or ``partial_fit`` that fails changes nothing.

    Attributes:
        classes_: labels (n_classes,), sorted.
        n_features_in_, feature_names_in_: of X.
        n_iter_: epochs trained, including those after the best one.
        coefs_, intercepts_: weights (d_{l-1}, d_l) and biases (d_l,) of each layer, NumPy arrays.
        n_outputs_: d_L.
        loss_curve_: mean training loss of each epoch; the loss of an example is taken before its update.
        alignment_curve_: for each epoch a list with the gradient alignment, lowest layer first; empty without
            `alignment`.
        validation_scores_: accuracy on the held-out examples after each epoch; None without `early_stopping`.

    Source: Nøkland 2016 (DFA), Lillicrap et al. 2016 (FA), Rumelhart, Hinton & Williams 1986 (BP).
    """

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        *,
        rule: str | Rule = "dfa",
        activation: str | Activation = "relu",
        solver: str | type[Optimizer] = "adam",
        learning_rate_init: float = 0.001,
        alpha: float = 0.0,
        feedback: str = "uniform",
        bias: bool = True,
        batch_size: int | str = "auto",
        max_iter: int = 50,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        alignment: bool = False,
        random_state: Any = None,
        device: str = "cpu",
        kernels: str = "auto",
        threads: int | None = None,
        dtype: str = "float32",
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.rule = rule
        self.activation = activation
        self.solver = solver
        self.learning_rate_init = learning_rate_init
        self.alpha = alpha
        self.feedback = feedback
        self.bias = bias
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.alignment = alignment
        self.random_state = random_state
        self.device = device
        self.kernels = kernels
        self.threads = threads
        self.dtype = dtype

    def fit(self, X: Any, y: Any) -> "DFAClassifier":
        """Train on X (n, D) and labels y (n,), from new weights; neither is changed. Return self.

        Raises:
            ValueError, TypeError: X or y is invalid, y has a single class, a parameter is out of range, or the loss
                is not finite.
            BackendError: the device or the kernels cannot be used.
        """
        with all_or_nothing(self) as draft:
            draft._fit(X, y)
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> "DFAClassifier":
        """Train one epoch on X (n, D) and y (n,), continuing from `coefs_`, `intercepts_` and the optimizer state.

        Return self.

        Between two calls learning_rate_init, alpha, batch_size, alignment, device, kernels and threads may change.
        early_stopping has no effect here; after a ``fit`` with it, training continues from the best epoch.

        Args:
            classes: all labels; required in the first call only.

        Raises:
            ValueError: the first call has no classes, or a later one has other classes; y has a label that is not
                among them; a parameter of ``parameters.FIXED`` has changed. And as ``fit``.
        """
        with all_or_nothing(self) as draft:
            draft._partial_fit(X, y, classes)
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the logits of X (n, D), float64: (n,) for two classes, else (n, n_classes)."""
        check_is_fitted(self)
        h = validate_data(self, X, dtype="float64", reset=False)
        f = activations.get(self._began_with["activation"]).f  # as trained, even if the parameter has been set since
        layers = list(zip(self.coefs_, self.intercepts_ or [0.0] * len(self.coefs_), strict=True))
        for l, (W, b) in enumerate(layers):
            h = np.matmul(h, np.asarray(W, "float64")) + b
            if l < len(layers) - 1:
                h = f(np, h)
        return h[:, 0] if self.n_outputs_ == 1 else h

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class, (n, n_classes), rows that sum to 1."""
        z = self.decision_function(X)
        return np.stack([expit(-z), expit(z)], axis=1) if z.ndim == 1 else softmax(z, axis=1)

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable label of each row of X, (n,)."""
        z = self.decision_function(X)
        return self.classes_[(z > 0).astype(int) if z.ndim == 1 else z.argmax(axis=1)]

    def _fit(self, X, y):
        of = checked(self)
        X, y = validate_data(self, X, y, dtype=["float64", "float32"], ensure_min_samples=2)
        check_classification_targets(y)
        classes = unique_labels(y)
        if len(classes) < 2:
            raise ValueError(f"y must have two classes or more, got 1 class: {classes[0]!r}")
        self._begin(of, classes)
        aside = None
        if of.early_stopping:
            X, y, aside = self._split(of, X, y)
            self.validation_scores_ = []
        training, best, since, best_arrays = self._training(of, X, y, aside), -np.inf, 0, None
        while training.epoch < of.max_iter and since < of.n_iter_no_change:
            accuracy = self._epoch(training).test_accuracy
            if of.early_stopping:
                self.validation_scores_.append(accuracy)
                since = 0 if accuracy > best + of.tol else since + 1
                if accuracy > best:
                    best, best_arrays = accuracy, training.arrays()
        self._keep(best_arrays or training.arrays(copy=False))

    def _partial_fit(self, X, y, classes):
        of, first = checked(self), not hasattr(self, "coefs_")
        if not first:
            check_unchanged(self, self._began_with)
        elif classes is None:
            raise ValueError("classes must be given in the first call of partial_fit")
        X, y = validate_data(self, X, y, dtype=["float64", "float32"], reset=first)
        check_classification_targets(y)
        classes = self.classes_ if classes is None else checked_classes(classes)
        if first:
            self._begin(of, classes)
        elif not np.array_equal(self.classes_, classes):
            raise ValueError(f"classes must be those of the first call, {self.classes_}, got {classes}")
        if not np.isin(y, classes).all():
            raise ValueError(f"y has labels that are not among the classes {classes}")
        self.loss_curve_, self.alignment_curve_ = list(self.loss_curve_), list(self.alignment_curve_)
        training = self._training(of, X, y) if first else self._resumed(of, X, y)
        self._epoch(training)
        self._keep(training.arrays(copy=False))

    def _begin(self, of, classes):
        """Reset all that was learned."""
        self.classes_, self._began_with = classes, fixed(self)
        self._seed = int(of.random_state.randint(LARGEST_SEED))
        self.n_iter_, self.loss_curve_, self.alignment_curve_, self.validation_scores_ = 0, [], [], None

    def _split(self, of, X, y):
        """Return X and y without the held-out examples, and these; stratified if both parts can have all classes."""
        aside, (classes, counts) = ceil(of.validation_fraction * len(y)), np.unique(y, return_counts=True)
        if aside == len(y):
            share = f"{of.validation_fraction} of {len(y)} is all of them"
            raise ValueError(f"validation_fraction must leave an example to train on: {share}")
        strata = y if counts.min() > 1 and min(aside, len(y) - aside) >= len(classes) else None
        X, X_aside, y, y_aside = train_test_split(X, y, test_size=aside, random_state=self._seed, stratify=strata)
        return X, y, (X_aside, y_aside)

    def _targets(self, y):
        place = np.searchsorted(self.classes_, y)
        return place[:, None] if len(self.classes_) == 2 else np.eye(len(self.classes_))[place]

    def _training(self, of, X, y, aside=None, parameters=None):
        """Return a Training on X and y: of a new network, or of one that has `parameters`, name -> array.

        It is tested on `aside`, or, because a test set is required, on a single example.
        """
        X_test, y_test = aside or (X[:1], y[:1])
        loss = "bce" if len(self.classes_) == 2 else "cross-entropy"
        problem = FixedSplit(X, self._targets(y), X_test, self._targets(y_test), loss, of.dtype, of.backend)
        sizes = problem.features, *of.hidden_layer_sizes, problem.outputs
        given = sizes, of.activation, of.bias, of.dtype, self._seed, of.backend
        if parameters is None:
            network, feedback = MLP(*given), of.feedback
        else:
            network, feedback = Restored(parameters, *given), Blank()
        batch_size = min(of.batch_size, problem.train_size)
        return Training(network, problem, of.rule, of.optimizer, feedback, batch_size, align=of.alignment)

    def _resumed(self, of, X, y):
        """Return a Training on X and y that continues from the attributes, the only state between two calls."""
        sizes = X.shape[1], *of.hidden_layer_sizes, self.n_outputs_
        W, b = [np.asarray(each) for each in self.coefs_], [np.asarray(each) for each in self.intercepts_]
        shapes = list(pairwise(sizes)), [(width,) for width in sizes[1:] if of.bias]
        if ([each.shape for each in W], [each.shape for each in b]) != shapes:
            raise ValueError(f"coefs_ and intercepts_ must keep their shapes, {shapes[0]} and {shapes[1]}")
        parameters = {f"W{l}": each for l, each in enumerate(W)} | {f"b{l}": each for l, each in enumerate(b)}
        training = self._training(of, X, y, parameters=parameters)
        training.continue_from(self._state | {f"parameters/{name}": theta for name, theta in parameters.items()})
        return training

    def _epoch(self, training):
        """Train one epoch, extend the curves, and return its Record; a ValueError if the loss is not finite."""
        record = training.run_epoch()
        self.n_iter_ += 1
        if training.diverged:
            raise ValueError(
                f"the loss is not finite in epoch {self.n_iter_}: lower learning_rate_init (now "
                f"{self.learning_rate_init}), or scale the columns of X"
            )
        self.loss_curve_.append(record.train_loss)
        if record.alignment is not None:
            self.alignment_curve_.append(record.alignment["gradient"])
        return record

    def _keep(self, arrays):
        """Set the attributes from the arrays of a Training."""
        named = lambda letter: [array for name, array in arrays.items() if name.startswith(f"parameters/{letter}")]
        self.coefs_, self.intercepts_ = named("W"), named("b")
        self.n_outputs_ = self.coefs_[-1].shape[1]
        self._state = {name: array for name, array in arrays.items() if not name.startswith("parameters/")}


def checked_classes(classes):
    """Return the labels in `classes`, sorted and unique; a ValueError says what is wrong with them."""
    with argument("classes"):
        if np.ndim(classes) != 1:
            raise ValueError(f"classes must be a sequence of labels, got {shown(classes)}")
        found = unique_labels(classes)
    if len(found) < 2:
        raise ValueError(f"classes must be two or more, got {shown(found)}")
    return found
