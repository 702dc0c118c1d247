"""The networks as scikit-learn estimators: in a Pipeline, a GridSearchCV, a cross_val_score.

    DFAClassifier      a multilayer perceptron, trained by BP, FA or DFA
    RandomFeatures     the first layer of a lazy baseline as a transformer
"""

import numpy as np
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator, ClassifierMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import check_is_fitted, validate_data

from . import activations, optimizers
from .backend import Backend
from .baselines import Features, activation_of
from .errors import shown
from .feedback import Feedback
from .network import MLP
from .problems import Arrays
from .training import Training

PROBE = 1000  # training examples on which alignment is measured


class Given(Arrays):
    """Training examples, and others to test on after each epoch; alignment is measured on the training examples."""

    def probe(self, seed):
        return [a[:PROBE, :] for a in self._train]


class DFAClassifier(ClassifierMixin, BaseEstimator):
    """A multilayer perceptron that learns by backpropagation, feedback alignment or direct feedback alignment.

    Two classes have one output and the loss "bce", more have an output each and "cross-entropy".

    Args:
        hidden_layer_sizes: widths of the hidden layers.
        rule: "bp", "fa" or "dfa", or a ``dfanp.Rule``. activation: of the hidden layers, a name or a ``dfanp.Activation``.
        solver: an optimizer, as a text that ``dfanp.optimizers.parse`` reads: "adam", "momentum:momentum=0.95"; or a subclass of
            ``dfanp.Optimizer``.
        learning_rate_init: its learning rate. alpha: its L2 factor, inside the gradient.
        feedback: the distribution of B, as in ``dfanp.Feedback``. bias: whether the layers have biases.
        batch_size: examples a step; "auto" takes 128, or all where there are fewer.
        max_iter: epochs; the examples are shuffled anew in each.
        early_stopping: whether to put `validation_fraction` of the examples aside and to stop when the accuracy on them has not
            risen by more than `tol` in `n_iter_no_change` epochs; the weights of the best epoch are kept.
        alignment: whether to measure, after each epoch, how far the rule's gradients point the way of BP's.
        random_state: of weights, B and the order of the examples: equal ones, equal bytes.
        device, kernels: as in ``dfanp.Backend``; dtype: of the arrays while training, "float32" or "float64".

    Attributes:
        classes_: labels (n_classes,), sorted. n_features_in_, feature_names_in_: of X. n_iter_: epochs trained.
        coefs_, intercepts_: weights (d_{l-1}, d_l) and biases (d_l,) of each layer, NumPy arrays. n_outputs_: d_L.
        loss_curve_: mean training loss of each epoch, each example seen before the update that it leads to.
        alignment_curve_: for each epoch a list with the cosine of the rule's gradient with BP's, lowest layer first; empty without
            `alignment`.
        validation_scores_: accuracy on what was put aside, after each epoch; None without `early_stopping`.

    Source: Nøkland 2016 (DFA), Lillicrap et al. 2016 (FA), Rumelhart, Hinton & Williams 1986 (BP).
    """

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        *,
        rule="dfa",
        activation="relu",
        solver="adam",
        learning_rate_init=0.001,
        alpha=0.0,
        feedback="uniform",
        bias=True,
        batch_size="auto",
        max_iter=50,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        tol=1e-4,
        alignment=False,
        random_state=None,
        device="cpu",
        kernels="auto",
        dtype="float32",
    ):
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
        self.dtype = dtype

    def fit(self, X, y):
        """Train on X (n, D) and labels y (n,), from new weights; neither is changed. Return self.

        Raises:
            ValueError: X or y does not fit, y has a single class, or a parameter is out of its range. BackendError: the device is absent.
        """
        X, y = validate_data(self, X, y, dtype=["float64", "float32"], ensure_min_samples=2)
        check_classification_targets(y)
        self.classes_ = unique_labels(y)
        if len(self.classes_) < 2:
            raise ValueError(f"y must have two classes or more, got 1 class: {self.classes_[0]!r}")
        self._check_counts()
        rng, aside = check_random_state(self.random_state), None
        seed = int(rng.randint(np.iinfo(np.int32).max))
        if self.early_stopping:
            parts = train_test_split(
                X, y, test_size=self.validation_fraction, random_state=seed, stratify=self._strata(y)
            )
            X, aside, y, y_aside = parts
            aside = aside, y_aside
        self._begin(X, y, seed, aside)
        best, since, kept = -np.inf, 0, None
        while self.n_iter_ < self.max_iter and since < self.n_iter_no_change:
            record = self._epoch()
            if record is None:
                raise ValueError(
                    f"the loss is not finite after {self.n_iter_} epochs: lower learning_rate_init (now "
                    f"{self.learning_rate_init}), or scale the columns of X"
                )
            if self.early_stopping:
                self.validation_scores_.append(record.test_accuracy)
                since = 0 if record.test_accuracy > best + self.tol else since + 1
                if record.test_accuracy > best or kept is None:
                    best, kept = record.test_accuracy, self._training.arrays()
        self._bring_home(kept or self._training.arrays())
        return self

    def partial_fit(self, X, y, classes=None):
        """Train one epoch on X (n, D) and y (n,), going on from the present weights and state. Return self.

        Args:
            classes: all labels there will be; needed in the first call alone.
        """
        first = not hasattr(self, "classes_")
        if first and classes is None:
            raise ValueError("classes must be given in the first call of partial_fit")
        X, y = validate_data(self, X, y, dtype=["float64", "float32"], reset=first)
        check_classification_targets(y)
        if first:
            self.classes_ = unique_labels(classes)
            if len(self.classes_) < 2:
                raise ValueError(f"classes must be two or more, got {self.classes_}")
        elif classes is not None and not np.array_equal(self.classes_, unique_labels(classes)):
            raise ValueError(
                f"classes must be those of the first call, {self.classes_}, got {unique_labels(classes)}"
            )
        if not np.isin(y, self.classes_).all():
            raise ValueError(f"y has labels that are not among the classes {self.classes_}")
        self._check_counts()
        if first:
            self._begin(X, y, int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max)), None)
        else:
            training = self._resumed(X, y)
            training.problem, training.batch_size = self._problem(X, y, None), self._batch(len(X))
        if self._epoch() is None:
            raise ValueError(f"the loss is not finite: lower learning_rate_init (now {self.learning_rate_init})")
        self._bring_home(self._training.arrays())
        return self

    def decision_function(self, X):
        """Return the logits of X (n, D): (n,) for two classes, else (n, n_classes); float64, whatever it was trained in."""
        check_is_fitted(self)
        h, f = validate_data(self, X, dtype="float64", reset=False), activations.get(self.activation).f
        layers = list(zip(self.coefs_, self.intercepts_ or [0.0] * len(self.coefs_), strict=True))
        for l, (W, b) in enumerate(layers):
            h = np.matmul(h, np.asarray(W, "float64")) + b
            if l < len(layers) - 1:
                h = f(np, h)
        return h[:, 0] if self.n_outputs_ == 1 else h

    def predict_proba(self, X):
        """Return the probability of each class, (n, n_classes), rows that sum to 1."""
        z = self.decision_function(X)
        return np.stack([expit(-z), expit(z)], axis=1) if z.ndim == 1 else softmax(z, axis=1)

    def predict(self, X):
        """Return the most probable label of each row of X, (n,)."""
        z = self.decision_function(X)
        return self.classes_[(z > 0).astype(int) if z.ndim == 1 else z.argmax(axis=1)]

    def _check_counts(self):
        for name in ("max_iter", "n_iter_no_change"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
                raise ValueError(f"{name} must be a whole number of at least 1, got {shown(value)}")

    def _strata(self, y):
        """Return y where each class is there twice, so that both parts can have it."""
        return y if np.unique(y, return_counts=True)[1].min() > 1 else None

    def _batch(self, n):
        return min(128, n) if self.batch_size == "auto" else min(self.batch_size, n)

    def _targets(self, y):
        place = np.searchsorted(self.classes_, y)
        return place[:, None] if len(self.classes_) == 2 else np.eye(len(self.classes_))[place]

    def _problem(self, X, y, aside):
        """Return the problem of X and y, tested on `aside`, or on one example, which says nothing and costs nothing."""
        X_test, y_test = aside or (X[:1], y[:1])
        loss = "bce" if len(self.classes_) == 2 else "cross-entropy"
        backend = self._backend if hasattr(self, "_backend") else Backend(self.device, kernels=self.kernels)
        return Given(X, self._targets(y), X_test, self._targets(y_test), loss, self.dtype, backend)

    def _begin(self, X, y, seed, aside):
        """Make the network and its training, and forget what was learned before."""
        for name in ("_backend", "_training"):
            self.__dict__.pop(name, None)
        self._seed, self.n_iter_, self.loss_curve_, self.alignment_curve_ = seed, 0, [], []
        self.validation_scores_ = [] if self.early_stopping else None
        self._training = self._new_training(self._problem(X, y, aside))

    def _new_training(self, problem):
        hidden = self.hidden_layer_sizes if np.ndim(self.hidden_layer_sizes) else (self.hidden_layer_sizes,)
        self._backend = problem.backend
        sizes = (problem.features, *hidden, problem.outputs)
        network = MLP(sizes, self.activation, self.bias, self.dtype, self._seed, problem.backend)
        kind, given = (self.solver, {}) if isinstance(self.solver, type) else optimizers.parse(self.solver)
        optimizer = kind(self.learning_rate_init, weight_decay=self.alpha, **given)
        batch, feedback = self._batch(problem.train_size), Feedback(self.feedback)
        return Training(network, problem, self.rule, optimizer, feedback, batch, align=bool(self.alignment))

    def _resumed(self, X, y):
        """Return the training to go on with: made anew, if this object was a file meanwhile."""
        if not hasattr(self, "_training"):
            self._training = self._new_training(self._problem(X, y, None))
            self._training.go_on_from(self._arrays)
        return self._training

    def _epoch(self):
        """Train one epoch and keep its curves; return its Record, None if the loss is not finite."""
        record = self._training.run_epoch()
        self.n_iter_ += 1
        if self._training.diverged:
            return None
        self.loss_curve_.append(record.train_loss)
        if record.alignment is not None:
            self.alignment_curve_.append(record.alignment["gradient"])
        return record

    def _bring_home(self, arrays):
        self._arrays = arrays
        layers = range(sum(name.startswith("parameters/W") for name in arrays))
        self.coefs_ = [arrays[f"parameters/W{layer}"] for layer in layers]
        self.intercepts_ = [arrays[f"parameters/b{layer}"] for layer in layers] if self.bias else []
        self.n_outputs_ = self.coefs_[-1].shape[1]

    def __getstate__(self):
        # Arrays of a device stay behind: all that is needed to go on is in _arrays, on the host.
        return {
            name: value for name, value in super().__getstate__().items() if name not in ("_training", "_backend")
        }


class RandomFeatures(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """The random first layer of a lazy baseline (``dfanp.baselines``), for a linear model on top.

    Args:
        n_components: how many features. kind: "relu", "gaussian", "fourier" or "linear".
        random_state: of the weights.

    Attributes:
        components_: weights (D, n_components), float64. offset_: (n_components,), zero but for fourier, which takes X in [0, 1].

    Source: Daniely & Malach 2020; Demirbilek 2021, section 2.1.
    """

    def __init__(self, n_components=512, *, kind="relu", random_state=None):
        self.n_components = n_components
        self.kind = kind
        self.random_state = random_state

    def fit(self, X, y=None):
        """Draw the weights for the width of X (n, D). Return self."""
        X = validate_data(self, X, dtype="float64")
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        network = Features(
            (X.shape[1], self.n_components, 1), self.kind, "float64", seed, Backend("cpu", kernels="numpy")
        )
        self.components_ = network.parameters["W0"]
        self.offset_ = network.parameters.get("b0", np.zeros(self.n_components))
        self._n_features_out = self.n_components
        return self

    def transform(self, X):
        """Return the features of X (n, D): (n, n_components), float64."""
        check_is_fitted(self)
        a = np.matmul(validate_data(self, X, dtype="float64", reset=False), self.components_) + self.offset_
        return activation_of(self.kind).f(np, a)
