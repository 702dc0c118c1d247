"""The kernels of a tier, as far as they agree with the reference implementation; elsewhere that implementation.

Before a kernel first replaces the reference implementation in a process (for a combination of rule, activation, loss,
optimizer with its text hyperparameters, and dtype), both compute the same few steps on a small example. If the
results differ, the reference implementation is used. They differ if a line was edited, a subclass overrides a method,
or a GPU or compiler computes something else. ``auto`` warns in one line; for a tier requested by name a difference is
an error.
"""

import warnings
from copy import copy
from dataclasses import fields

import numpy as np

from ..errors import BackendError
from ..inputs import Bank, StackedDigits, WeightGradient, dtype_name
from .mirror import NUMBERS, number
from .tier import KernelFailure, Tier

# combination compared in this process -> None (agrees), how the kernel differs, or DECLINED (it has no such kernel)
VERDICTS: dict = {}
DECLINED = object()


class KernelWarning(UserWarning):
    """A kernel differs from the reference implementation, which is used instead."""


class Kernels:
    """The operations of the kernel table for a Backend, by kernels of the tier or by the reference implementation.

    Args:
        tier, plain: the tier, and that of the reference implementation, on the same arrays.
        by_name: whether the tier was requested by name; then it is an error if it differs.

    Attributes:
        name: of the tier.
        notes: one line for each kernel that was rejected.
    """

    def __init__(self, tier, plain, by_name=True):
        self.tier, self.plain, self.by_name, self.backend = tier, plain, by_name, None
        self.name, self.notes, self._updates = tier.name, [], {}

    def __getattr__(self, name):
        if name in ("precision", "blas_threads"):
            return getattr(self.tier, name)
        raise AttributeError(f"Kernels has no attribute {name!r}")

    def product(self, X, W):
        """Return X @ W for StackedDigits or an array X, (n, H) or (R, n, H); W is not changed."""
        if not isinstance(X, StackedDigits):
            return X @ W
        return (self.tier if self.multiplies(X.dtype, W.ndim, len(X.shape)) else self.plain).product(X, W)

    def gradient(self, gradient):
        """Return a WeightGradient as an array, (D, H) or (R, D, H); an array is returned unchanged."""
        if not isinstance(gradient, WeightGradient):
            return gradient
        sizes = gradient.X.dtype, gradient.delta.ndim, len(gradient.X.shape)
        return (self.tier if self.multiplies(*sizes) else self.plain).gradient(gradient)

    def update_all(self, optimizer, parameters, t, replicas=None):
        """Do one step of `optimizer` on several parameters: see ``Tier.update_all``."""
        parameters = [(as_dtype(self.plain.xp, g, more[0].dtype), *more) for g, *more in parameters]
        if self.updates(optimizer, parameters[0][1], replicas) and all(map(is_dense, parameters)):
            self.tier.update_all(optimizer, parameters, t)
        else:
            each = [(self.gradient(g), *more) for g, *more in parameters]
            self.plain.update_all(optimizer, each, t, replicas)

    def output(self, loss, z, y, learning=True, built_in=None):
        """Return the error and the totals of the output: see ``Tier.output``.

        Args:
            built_in: the name of the loss, if it is built in; others have no kernel.
        """
        if built_in is not None:
            y = as_dtype(self.plain.xp, y, z.dtype)
        if built_in in self.tier.losses and type(self.tier).output is not Tier.output:
            agrees = self.agrees(
                ("output", loss, dtype_name(z.dtype), z.shape[-1] > 1, z.ndim, y.ndim),
                f"the loss {loss.name}",
                dtype_name(z.dtype),
                lambda tier: output_of(tier, self.backend, loss, z, y),
            )
            return (self.tier if agrees else self.plain).output(loss, z, y, learning)
        return self.plain.output(loss, z, y, learning)

    def multiplies(self, dtype, axes, X_axes):
        """Whether products of the tier with stacked digits agree, for weights and examples with this many axes."""
        return self.tier is self.plain or self.agrees(
            ("product", StackedDigits.dense, WeightGradient.dense, dtype, axes, X_axes),
            "products of stacked digits",
            dtype,
            lambda tier: products_of(tier, self.backend, dtype, axes, X_axes),
        )

    def updates(self, optimizer, theta, replicas):
        """Whether the updates of the tier for an optimizer agree, on arrays like theta."""
        if self.tier is self.plain:
            return False
        # The optimizer object and its update, so that a step costs only a lookup.
        key = id(optimizer), type(optimizer).update, theta.dtype, replicas
        found = self._updates.get(key)
        if found is None or found[0] is not optimizer:
            self._updates[key] = found = (
                optimizer,
                self._updates_as_defined(optimizer, dtype_name(theta.dtype), replicas),
            )
        return found[1]

    def _updates_as_defined(self, optimizer, dtype, replicas):
        if number(self.tier.optimizers, optimizer.kernel) is None:
            return False
        return self.agrees(
            ("update", *form_of(optimizer), dtype, replicas is not None),
            f"the updates of {type(optimizer).__name__}",
            dtype,
            lambda tier: updates_of(tier, self.backend, optimizer, dtype, replicas),
        )

    def agrees(self, key, what, dtype, compute, part=None):
        """Whether the tier agrees with the reference implementation in ``compute(tier)``, name -> array.

        Args:
            key: of the comparison, which is done once per process.
            what: is compared, for messages.
            dtype: of the arrays.
            compute: returns None if the tier has no such kernel, which is not a disagreement.
            part: the key of a comparison that this one includes.

        Raises:
            BackendError: they differ, and the tier was requested by name.
        """
        key = type(self.tier), key
        if key not in VERDICTS:
            with np.errstate(all="ignore"):
                try:
                    mine, limit = compute(self.tier), self.tier.tolerance[dtype]
                    VERDICTS[key] = DECLINED if mine is None else difference(mine, compute(self.plain), limit)
                except KernelFailure as failure:
                    VERDICTS[key] = failure
        if VERDICTS[key] is None and part is not None:
            VERDICTS.setdefault((type(self.tier), part), None)
        if VERDICTS[key] is None or VERDICTS[key] is DECLINED:
            return VERDICTS[key] is None
        self.turn_down(what, VERDICTS[key])
        return False

    def turn_down(self, what, why):
        """Say that the definition is computed in the place of a kernel.

        Args:
            what: for messages, what the kernel would have computed.
            why: how it differs, or a KernelFailure.

        Raises:
            BackendError: the tier was asked for by name.
        """
        failed = isinstance(why, KernelFailure)
        line = f"the {self.name} kernels {'cannot' if failed else 'do not'} compute {what}"
        line += f" ({why})" if failed else f" as the code defines it ({why})"
        if self.by_name:
            raise BackendError(f"{line}; use --kernels auto or numpy (kernels='auto')")
        if line not in self.notes:
            self.notes.append(line)
            warnings.warn(f"{line}: the definition is computed instead", KernelWarning, stacklevel=3)


def is_dense(parameter):
    """Whether a parameter and its state have no gaps in memory, as kernels write them; one that a user put in may have."""
    _, theta, state, _ = parameter
    arrays = theta, *vars(state).values()
    return all(getattr(getattr(array, "flags", None), "c_contiguous", True) for array in arrays)


def difference(mine, definition, limit):
    """Return None if host arrays agree within `limit` times the largest number, else the first difference."""
    for name, wanted in definition.items():
        scale = np.abs(wanted).max(initial=0)
        if mine[name].shape != wanted.shape:
            return f"{name} has the shape {mine[name].shape} and not {wanted.shape}"
        apart = np.abs(mine[name] - wanted)
        if not (apart <= limit * scale).all() and not np.array_equal(mine[name], wanted, equal_nan=True):
            worst = np.nanmax(apart) / scale if scale else np.inf
            return f"{name} differs by {worst:.2g} of its size"
    return None


def as_dtype(xp, array, dtype):
    """Return an array or a WeightGradient converted to a dtype: kernels support only that of the network.

    Python code may produce another: ``at.delta * np.sqrt(2)`` is float64, whatever the dtype of delta.
    """
    if isinstance(array, WeightGradient):
        return WeightGradient(array.X, as_dtype(xp, array.delta, dtype))
    return array if array.dtype == dtype else xp.astype(array, dtype)


def form_of(optimizer):
    """Return the properties of an optimizer that select its kernel, as opposed to the sizes of its steps."""
    words = tuple(getattr(optimizer, each.name) for each in fields(optimizer) if isinstance(each.default, str))
    methods = type(optimizer).update, type(optimizer).step, type(optimizer).init
    return type(optimizer), methods, words, optimizer.weight_decay > 0, type(optimizer.lr)


def comparable(optimizer, replicas, rate=0.1):
    """Return a similar optimizer, with hyperparameters whose effect is larger than rounding errors.

    A decay of 1e-6, an eps of 1e-8 or a momentum of 0 would hide how the kernel uses them.
    """
    found, fractions = copy(optimizer), iter((0.8, 0.7))
    for name in (*NUMBERS, "momentum"):
        value = getattr(optimizer, name, None)
        if isinstance(value, float) and (name != "weight_decay" or value > 0):
            object.__setattr__(found, name, 0.1 if name in ("weight_decay", "eps") else next(fractions))
    lr = rate if not isinstance(optimizer.lr, tuple) else tuple(rate * (1 + 0.2 * r) for r in range(replicas))
    object.__setattr__(found, "lr", lr)
    return found


def digits(backend, dtype, axes=2, n=9, std=90.0):
    """Return n examples of two images of six pixels, half of them black; with three axes, for two replicas."""
    rng = np.random.default_rng(5)
    pixels = rng.integers(1, 256, (8, 6), dtype=np.uint8) * (rng.random((8, 6)) < 0.5).astype(np.uint8)
    picks = rng.integers(0, 8, (2, n, 2)[3 - axes :])
    return StackedDigits(Bank(pixels, 80.0, std, dtype, backend), backend.asarray(picks))


def products_of(tier, backend, dtype, axes, X_axes):
    """Return products of weights and deltas, with this many axes, and small stacked digits, by a tier."""
    rng, X = np.random.default_rng(6), digits(backend, dtype, X_axes)
    W, delta = (backend.asarray(rng.normal(size=(2, d, 5)[3 - axes :]), dtype) for d in (12, 9))
    found = {"X @ W": tier.product(X, W)}
    if axes >= X_axes:
        found["X.T @ delta"] = tier.gradient(WeightGradient(X, delta))
    return on_host(backend, found)


def updates_of(tier, backend, optimizer, dtype, replicas):
    """Return the effect of the first two updates and a later one, by a tier, on weights and biases."""
    rng, R = np.random.default_rng(7), 2 if replicas else None
    optimizer, leading = comparable(optimizer, 2), (2,) if replicas else ()
    normal = lambda *shape: rng.normal(size=(*leading, *shape))
    array = lambda *shape: backend.asarray(normal(*shape), dtype)
    # The last two are large and small, as gradients may be, so that clipping shows.
    scales = {"b0": 1.0, "b1": 1e3, "b2": 1e-3}
    hosts = {"W0": normal(12, 5), "W1": normal(5, 3)} | {name: scale * normal(5) for name, scale in scales.items()}
    before, after = ({name: backend.asarray(host.copy(), dtype) for name, host in hosts.items()} for _ in range(2))
    state, X = optimizer.init(backend, after, R), digits(backend, dtype, 2 + bool(replicas))
    for t in (1, 2, 1000):
        gradients = WeightGradient(X, array(9, 5) / 4), array(5, 3), *(scale * array(5) for scale in scales.values())
        each = [(g, after[n], state.slots[n], state.lr[n]) for n, g in zip(after, gradients, strict=True)]
        tier.update_all(optimizer, each, t)
    found = {name: after[name] - before[name] for name in after}
    found |= {f"{slot} of {n}": a for n, s in state.slots.items() for slot, a in vars(s).items()}
    return on_host(backend, found)


def output_of(tier, backend, loss, z, y):
    """Return error and totals for small and large logits, with axes like those of z and y, by a tier."""
    rng, outputs, dtype = np.random.default_rng(8), 1 if z.shape[-1] == 1 else 3, dtype_name(z.dtype)
    shape = lambda like: (2, 150, outputs)[3 - like.ndim :]
    logits = backend.asarray(rng.normal(size=shape(z)) * 10.0 ** rng.uniform(-1, 1, shape(z)), dtype)
    targets = rng.integers(1, 11, shape(y)) / 10
    if outputs > 1:
        targets /= targets.sum(axis=-1, keepdims=True)
    e, totals = tier.output(loss, logits, backend.asarray(targets, dtype))
    return on_host(backend, {"e": e, "totals": totals})


def on_host(backend, arrays):
    """Return name -> NumPy array, a copy."""
    return {name: np.array(backend.to_host(array)) for name, array in arrays.items()}


def defined(backend):
    """Return a copy of a Backend that uses the reference implementation."""
    found = copy(backend)
    found.kernels = Kernels(backend.kernels.plain, backend.kernels.plain)
    found.kernels.backend = found
    return found
