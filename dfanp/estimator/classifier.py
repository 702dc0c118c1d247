"""A multilayer perceptron as a classifier of scikit-learn, trained by any rule (``dfanp.estimator.DFAClassifier``)."""

from typing import Any

import numpy as np
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels
from sklearn.utils.validation import validate_data

from ..errors import shown
from .base import FLOATS, NetworkEstimator, with_parameters
from .docstrings import documented
from .examples import outputs_of
from .parameters import all_or_nothing, argument

MULTILABEL = "multilabel-indicator"


@documented
class DFAClassifier(ClassifierMixin, NetworkEstimator):
    """A multilayer perceptron that learns by backpropagation, feedback alignment or direct feedback alignment.

    Two classes have one output and the loss "bce"; more classes have one output each and "cross-entropy". With several labels for
    each example, y (n, labels) of 0 and 1, each label has one output, and the loss is "bce". Names and defaults are those of
    scikit-learn's ``MLPClassifier`` where it has the parameter.

    Args:
        {shared}
        class_weight: label -> weight, as a dict; "balanced" weighs a class by one over its number of examples; None weighs all
            alike. With several labels a list of such dicts, or "balanced".

    All parameters are checked first. A call of ``fit`` or ``partial_fit`` that fails changes nothing.

    Attributes:
        classes_: labels (n_classes,), sorted; with several labels for each example the numbers of their columns.
        {fitted}

    Source: Nøkland 2016 (DFA), Lillicrap et al. 2016 (FA), Rumelhart, Hinton & Williams 1986 (BP).
    """

    _or_y = ""

    @with_parameters
    def __init__(self, hidden_layer_sizes=(100,), *, class_weight=None, **shared):
        super().__init__(hidden_layer_sizes, **shared)
        self.class_weight = class_weight

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "DFAClassifier":
        """Train on X (n, D), dense or sparse, and labels y (n,), from new weights; neither is changed. Return self.

        Args:
            sample_weight: of the examples (n,), at least 0: the loss is then the weighted mean. None weighs all alike.

        Warns:
            ConvergenceWarning: the loss, or the score with early_stopping, was still improving after `max_iter` epochs.

        Raises:
            ValueError, TypeError: X or y is invalid, y has a single class, a parameter is out of range, or the loss
                is not finite.
            BackendError: the device or the kernels cannot be used.
        """
        with all_or_nothing(self) as draft:
            draft._fit(X, y, sample_weight)
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> "DFAClassifier":
        """Train one epoch on X (n, D) and y (n,), continuing from `coefs_`, `intercepts_` and the optimizer state.

        Return self.

        Between two calls learning_rate, learning_rate_init, alpha, batch_size, class_weight, alignment, device, kernels and threads
        may change. early_stopping has no effect here; after a ``fit`` with it, training continues from the best epoch.

        Args:
            classes: all labels; required in the first call only, and not with several labels for each example.
            sample_weight: see ``fit``.

        Raises:
            ValueError: the first call has no classes, or a later one has other classes; y has a label that is not
                among them; a parameter of ``parameters.FIXED`` has changed. And as ``fit``.
        """
        with all_or_nothing(self) as draft:
            draft._partial_fit(X, y, sample_weight, not hasattr(self, "coefs_"), classes=classes)
        return self

    @classmethod
    def from_network(
        cls, network: Any, classes: Any = None, multilabel: bool = False, **parameters: Any
    ) -> "DFAClassifier":
        """Return a fitted classifier with the weights of a ``dfanp.MLP``, which are copied.

        Args:
            network: with one output for two classes, else with one for each.
            classes: the labels, sorted, in the order of the outputs (of two, the second is that of a positive output);
                None: 0, 1, …
            multilabel: whether each output is a label of its own.
            parameters: of the classifier; those that the network determines need not be given.

        Raises:
            ValueError, TypeError: the classes do not fit the outputs, or a parameter is out of range.
        """
        outputs = network.sizes[-1] if hasattr(network, "sizes") else 1
        wanted = outputs if multilabel or outputs > 1 else 2
        classes = np.arange(wanted) if classes is None or multilabel else checked_classes(classes)
        if len(classes) != wanted:
            raise ValueError(f"classes must be {wanted} for {outputs} outputs, got {len(classes)}")
        return cls._from_network(network, parameters, classes_=classes, _multilabel=bool(multilabel))

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the logits of X (n, D), float64: (n,) for two classes, else (n, n_classes)."""
        z = self._logits(X)
        return z[:, 0] if self.n_outputs_ == 1 and not self._multilabel else z

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class, (n, n_classes), rows that sum to 1; of each label with several of them."""
        z = self.decision_function(X)
        if self._multilabel:
            return expit(z)
        return np.stack([expit(-z), expit(z)], axis=1) if z.ndim == 1 else softmax(z, axis=1)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return the logarithm of ``predict_proba``, without underflow."""
        z = self.decision_function(X)
        if self._multilabel:
            return log_expit(z)
        return np.stack([log_expit(-z), log_expit(z)], axis=1) if z.ndim == 1 else log_softmax(z, axis=1)

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable label of each row of X, (n,); with several labels 0 or 1 for each, (n, labels)."""
        z = self.decision_function(X)
        if self._multilabel:
            return (z > 0).astype(int)
        return self.classes_[(z > 0).astype(int) if z.ndim == 1 else z.argmax(axis=1)]

    @property
    def _loss(self):
        return "bce" if len(self.classes_) == 2 or self._multilabel else "cross-entropy"

    def _validated(self, X, y, reset):
        least = 2 if reset else 1
        X, y = validate_data(
            self, X, y, accept_sparse="csr", dtype=FLOATS, multi_output=True, reset=reset, ensure_min_samples=least
        )
        check_classification_targets(y)
        if type_of_target(y) == MULTILABEL:
            return X, y.toarray() if hasattr(y, "toarray") else np.asarray(y)
        return X, column_or_1d(y, warn=True)

    def _weights(self, of, X, y, sample_weight, partial=False):
        weights = super()._weights(of, X, y, sample_weight)
        if self.class_weight is None:
            return weights
        if partial and self.class_weight == "balanced":
            raise ValueError(
                "class_weight cannot be 'balanced' in partial_fit, which does not know all of y: give a dict"
            )
        with argument("class_weight"):
            of_classes = compute_sample_weight(self.class_weight, y)
            if not (np.isfinite(of_classes).all() and (of_classes >= 0).all()):
                raise ValueError(
                    f"class_weight must have finite weights of at least 0, got {shown(self.class_weight)}"
                )
        return of_classes if weights is None else weights * of_classes

    def _prepare(self, of, y, going_on, **more):
        """Set what is learned of y, or check that y goes together with it."""
        multilabel, partial = y.ndim > 1, "classes" in more
        given = more.get("classes")
        if multilabel:
            classes = np.arange(y.shape[1])
            if given is not None and not np.array_equal(given, classes):
                raise ValueError(f"classes must be the numbers of the columns of y, got {shown(given)}")
        elif partial:
            if not going_on and given is None:
                raise ValueError("classes must be given in the first call of partial_fit")
            classes = self.classes_ if given is None else checked_classes(given)
        else:
            classes = unique_labels(y)
            if len(classes) < 2:
                raise ValueError(f"y must have two classes or more, got 1 class: {classes[0]!r}")
        if not going_on:
            self._begin(of, classes_=classes, _multilabel=multilabel)
        elif self._multilabel != multilabel or (multilabel and len(self.classes_) != len(classes)):
            wanted = f"{len(self.classes_)} columns of 0 and 1" if self._multilabel else "one label for each example"
            raise ValueError(f"y must have {wanted} as in the first call, got shape {y.shape}")
        elif not np.array_equal(self.classes_, classes):
            raise ValueError(f"classes must be those of the first call, {self.classes_}, got {classes}")
        if partial and not multilabel and not np.isin(y, classes).all():
            raise ValueError(f"y has labels that are not among the classes {classes}")

    def _strata(self, y, aside):
        """Return the labels if both parts of a split with `aside` held-out examples can have all of them; else None."""
        if self._multilabel:
            return None
        classes, counts = np.unique(y, return_counts=True)
        return y if counts.min() > 1 and min(aside, len(y) - aside) >= len(classes) else None

    def _targets(self, y):
        if self._multilabel:
            return y
        place = np.searchsorted(self.classes_, y)
        return place[:, None] if len(self.classes_) == 2 else np.eye(len(self.classes_))[place]

    def _score(self, training, record, X, y, weights):
        if np.ptp(weights) == 0:
            return record.test_accuracy
        z = outputs_of(training)
        right = training.loss.correct(np, z, self._targets(y))
        return float(np.average(right, weights=weights))

    def _about(self):
        classes = self.classes_.tolist()
        if not all(isinstance(label, (str, int, float, bool)) for label in classes):
            raise ValueError(f"classes_ must be numbers or texts to be written, got {shown(classes[0])}")
        return {"classes": classes, "multilabel": self._multilabel}

    @classmethod
    def _said(cls, about):
        """Return the arguments of ``from_network`` in a file."""
        if not about:
            return {}
        if type(about.get("multilabel")) is not bool or not isinstance(about.get("classes"), list):
            raise ValueError("it lacks the classes")
        return {"classes": about["classes"], "multilabel": about["multilabel"]}


def checked_classes(classes):
    """Return the labels in `classes`, sorted and unique; a ValueError says what is wrong with them."""
    with argument("classes"):
        if np.ndim(classes) != 1:
            raise ValueError(f"classes must be a sequence of labels, got {shown(classes)}")
        found = unique_labels(classes)
    if len(found) < 2:
        raise ValueError(f"classes must be two or more, got {shown(found)}")
    return found
