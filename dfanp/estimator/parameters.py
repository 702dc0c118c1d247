"""Shared by the estimators: checks of parameters by name, and fits that change everything or nothing."""

from contextlib import contextmanager
from copy import copy
from numbers import Integral
from types import SimpleNamespace

import numpy as np
from sklearn.utils import check_random_state

from .. import activations, optimizers, rules, schedules
from ..backend import Backend
from ..checks import MOST, is_whole, limit, number, truth, whole
from ..errors import by_name, shown
from ..feedback import Feedback
from ..network import DTYPES
from ..optimizers import OPTIMIZERS

LARGEST_SEED = np.iinfo(np.int32).max
# scikit-learn's names of activations, where dfanp has another one, and of what makes predictions of the logits.
ACTIVATIONS = {"logistic": "sigmoid"}
OUTPUT_ACTIVATIONS = {"bce": "logistic", "cross-entropy": "softmax", "mse": "identity"}


@contextmanager
def all_or_nothing(estimator):
    """Yield a copy of an estimator to fit. If the block ends without an error, the estimator becomes that copy."""
    draft = copy(estimator)
    yield draft
    estimator.__dict__ = draft.__dict__


@contextmanager
def argument(name):
    """Add the argument `name` to the message of a ValueError or TypeError within the block, if it lacks it."""
    try:
        yield
    except (ValueError, TypeError) as error:
        kind, message = ValueError if isinstance(error, ValueError) else TypeError, str(error)
        raise kind(message if name in message else f"{name}: {message}") from None


def real(**limits):
    """Return a check of a finite number within the limits of ``checks.number``; the check returns a float."""
    return lambda name, value: float(number(name, value, **limits))


def widths(name, value):
    """Return the widths of hidden layers, one number or a sequence of them, as a tuple."""
    each = tuple(value) if np.ndim(value) == 1 else (value,)
    try:
        return tuple(whole(name, width, most=MOST) for width in each)
    except ValueError:
        wanted = f"a whole number from 1 to {limit(MOST)}, or a sequence of them"
        raise ValueError(f"{name} must be {wanted}, got {shown(value)}") from None


def batch(name, value):
    """Return the mini-batch size: 200 for "auto"."""
    if isinstance(value, str) and value == "auto":
        return 200
    try:
        return whole(name, value)
    except ValueError:
        raise ValueError(f"{name} must be 'auto' or a whole number of at least 1, got {shown(value)}") from None


def solver(name, value):
    """Return the class of an optimizer and its hyperparameters, from a text or the class."""
    if OPTIMIZERS.fits(value):
        return value, {}
    with argument(name):
        if not isinstance(value, str):
            wanted = "a text such as 'adam' or 'momentum:momentum=0.95', or a subclass of dfanp.Optimizer"
            raise TypeError(f"{name} must be {wanted}, got {shown(value)}")
        return optimizers.parse(value)


def verbosity(name, value):
    """Return whether to print: a truth value, or as in scikit-learn a whole number of at least 0."""
    return bool(value if is_whole(value) and value >= 0 else truth(name, value, " or a whole number"))


def called(get):
    """Return a check that calls ``get(value)`` of the library; its errors name the parameter."""

    def checked(name, value):
        with argument(name):
            return get(value)

    return checked


def activation_of(name, value):
    """Return an Activation, of dfanp's name or scikit-learn's."""
    with argument(name):
        return activations.get(ACTIVATIONS.get(value, value) if isinstance(value, str) else value)


def schedule(name, value):
    """Return a learning-rate schedule as it is; scikit-learn's others are refused in words."""
    with argument(name):
        if value in ("invscaling", "adaptive") and isinstance(value, str):
            raise ValueError(f"{name} {value!r} is not one of dfanp's: 'inverse' and 'step:every=20' are similar")
        try:
            schedules.parse(value)
        except ValueError as error:
            raise ValueError(f"{name} {shown(value)}: {error}") from None
        return value


# parameter -> ``check(name, value)``, which returns the value in its internal form
CHECKS = {
    "hidden_layer_sizes": widths,
    "rule": called(rules.get),
    "activation": activation_of,
    "solver": solver,
    "learning_rate": schedule,
    "learning_rate_init": real(above=0),
    "alpha": real(least=0),
    "feedback": called(Feedback),
    "bias": truth,
    "batch_size": batch,
    "max_iter": whole,
    "verbose": verbosity,
    "warm_start": truth,
    "early_stopping": truth,
    "validation_fraction": real(above=0, below=1),
    "n_iter_no_change": whole,
    "tol": real(least=0),
    "alignment": truth,
    "random_state": called(check_random_state),
    "dtype": called(lambda value: by_name("dtype", value, {name: name for name in DTYPES})),
}
# The parameters that must not change between two calls of partial_fit, with the functions that make them comparable.
FIXED = {
    name: CHECKS[name] for name in ("hidden_layer_sizes", "rule", "activation", "solver", "feedback", "bias", "dtype")
}
FIXED["random_state"] = lambda name, value: (
    value if isinstance(value, str) else int(value) if isinstance(value, Integral) else type(value).__name__
)


def checked(estimator):
    """Return the parameters of an estimator in their internal form, its `backend`, and ``optimizer(weight_decay)``.

    Raises:
        ValueError, TypeError: a parameter is out of range; the message names it.
        BackendError: the device or the kernels cannot be used.
    """
    found = {name: check(name, getattr(estimator, name)) for name, check in CHECKS.items()}
    kind, hyperparameters = found["solver"]
    with argument("solver"):
        kind(found["learning_rate_init"], **hyperparameters)
    found["learning_rate"] = schedules.completed(found["learning_rate"], found["max_iter"])
    with argument("learning_rate"):
        schedules.of(found["learning_rate"])
    optimizer = lambda decay: kind(found["learning_rate_init"], weight_decay=decay, **hyperparameters)
    backend = Backend(estimator.device, estimator.threads, estimator.kernels)
    return SimpleNamespace(**found, optimizer=optimizer, backend=backend)


def fixed(estimator):
    """Return the current values of the parameters in FIXED, name -> value, in a form that can be pickled."""
    found = {name: getattr(estimator, name) for name in FIXED}
    as_is = ("hidden_layer_sizes", "random_state")  # a list may be changed; a generator cannot be compared
    return found | {name: FIXED[name](name, found[name]) for name in as_is}


def check_unchanged(estimator, began_with, calls="calls of partial_fit"):
    """Raise a ValueError that names a parameter whose value differs from that in `began_with` (see ``fixed``)."""
    for name, form in FIXED.items():
        before, now = began_with[name], getattr(estimator, name)
        if form(name, before) != form(name, now):
            raise ValueError(
                f"{name} cannot change between {calls}: training began with {shown(before)}, "
                f"got {shown(now)}; set it back, or call fit{' without it' * ('warm_start' in calls)} to start again"
            )
