"""Optimizers: frozen hyperparameters, an explicit state, and the update as its source prints it.

Each one implements the equation of Demirbilek 2021, section 1.4, by default; where other sources or PyTorch differ,
the variant is an explicit argument. g is the gradient, theta the parameter, lr the learning rate (eta).

Weight decay is the L2 term inside the gradient, g + weight_decay · theta (as in PyTorch; not the decoupled form of
AdamW).

A step of 0.1 times the gradient, or of 0.1 whatever the gradient's size (at first 1/sqrt(1 - rho) of it, while v is young):

    >>> from dfanp import Backend
    >>> for optimizer in (SGD(lr=0.1), RMSProp(lr=0.1)):
    ...     backend, theta = Backend("cpu"), {"W0": np.array([[1.0, 1.0]])}
    ...     state = optimizer.init(backend, theta)
    ...     optimizer.step(backend, theta, {"W0": np.array([[2.0, 0.02]])}, state)
    ...     print(theta["W0"].round(3).tolist())
    [[0.8, 0.998]]
    [[0.684, 0.684]]
"""

from dataclasses import dataclass, field, fields
from types import SimpleNamespace
from typing import ClassVar

import numpy as np

from .errors import by_name, shown


@dataclass
class State:
    """What an optimizer remembers: ``step`` counts updates, ``slots[name]`` holds the named arrays of a parameter."""

    step: int = 0
    slots: dict = field(default_factory=dict)
    lr: dict = field(default_factory=dict)  # per parameter: a number, or an array that broadcasts along the replicas


def root(xp, v, eps, placement):
    """Return sqrt(v + eps) (placement "inside") or sqrt(v) + eps ("outside")."""
    return xp.sqrt(v + eps) if placement == "inside" else xp.sqrt(v) + eps


@dataclass(frozen=True)
class Optimizer:
    """What all optimizers share.

    Args:
        lr: the learning rate, positive; a sequence of R of them trains each replica with its own.
        weight_decay: the L2 factor, at least 0.

    Raises:
        ValueError: a hyperparameter is out of its range.
    """

    lr: float | tuple
    weight_decay: float = field(default=0.0, kw_only=True)

    slots: ClassVar[tuple] = ()  # names of the state arrays, each of the parameter's shape, zero at first
    # what each hyperparameter must be: (description, test)
    ranges: ClassVar[dict] = {
        "weight_decay": ("at least 0", lambda x: 0 <= x < np.inf),
        "momentum": ("in [0, 1)", lambda x: 0 <= x < 1),
        "rho": ("in [0, 1)", lambda x: 0 <= x < 1),
        "beta1": ("in [0, 1)", lambda x: 0 <= x < 1),
        "beta2": ("in [0, 1)", lambda x: 0 <= x < 1),
        "eps": ("above 0", lambda x: 0 < x < np.inf),
        "eps_placement": ("'inside' or 'outside'", lambda x: isinstance(x, str) and x in ("inside", "outside")),
        "accumulate": ("'scaled' or 'unscaled'", lambda x: isinstance(x, str) and x in ("scaled", "unscaled")),
        "count": ("'steps' or 'epochs'", lambda x: isinstance(x, str) and x in ("steps", "epochs")),
    }

    def __post_init__(self):
        rates = tuple(self.lr) if np.ndim(self.lr) == 1 else (self.lr,)
        if len(rates) == 0 or not all(is_number(rate) and 0 < rate < np.inf for rate in rates):
            raise ValueError(f"lr must be a finite number above 0 (or a sequence of them), got {shown(self.lr)}")
        # Python's floats leave the dtype of an array alone; NumPy's would make every product a float64.
        object.__setattr__(self, "lr", tuple(map(float, rates)) if np.ndim(self.lr) == 1 else float(self.lr))
        for each in fields(self)[1:]:
            value = getattr(self, each.name)
            wanted, test = self.ranges[each.name]
            if (not is_number(value) and not isinstance(each.default, str)) or not test(value):
                raise ValueError(f"{each.name} must be {wanted}, got {shown(value)}")
            if is_number(value):
                object.__setattr__(self, each.name, float(value))

    def init(self, backend, parameters, replicas=None):
        """Return the State before the first step for `parameters` (name -> array), on their device.

        Args:
            replicas: the length R of the replica axis that all parameters have; None if they have none.
        """
        if not is_number(self.lr) and len(self.lr) != replicas:
            raise ValueError(
                f"lr has {len(self.lr)} values, one a replica, but there are {replicas or 'no'} replicas"
            )
        state = State()
        for name, theta in parameters.items():
            zeros = {slot: backend.xp.zeros_like(theta) for slot in self.slots}
            state.slots[name] = SimpleNamespace(**zeros)
            state.lr[name] = self.lr
            if not is_number(self.lr):
                column = np.reshape(np.asarray(self.lr, dtype=float), (-1,) + (1,) * (theta.ndim - 1))
                state.lr[name] = backend.asarray(column, str(theta.dtype).rpartition(".")[2])
        return state

    def step(self, backend, parameters, gradients, state, epoch=1):
        """Update every parameter that has a gradient, and its state, in place, by the kernels of `backend`.

        Args:
            parameters, gradients: name -> array; gradients of the mean loss. They are not changed.
            state: from ``init``.
            epoch: 1, 2, …; only Adam with ``count="epochs"`` reads it.
        """
        state.step += 1
        each = [(g, parameters[name], state.slots[name], state.lr[name]) for name, g in gradients.items()]
        backend.kernels.update_all(self, each, state.step, epoch)

    def update(self, xp, theta, g, s, lr, step, epoch):
        """Change `theta` and the arrays of its state `s` in place, by the equation of the class; g has the decay in it."""
        raise NotImplementedError


def is_number(x):
    """Whether x is a real number (NumPy's scalars included), and no bool."""
    return isinstance(x, (int, float, np.integer, np.floating)) and not isinstance(x, bool)


@dataclass(frozen=True)
class SGD(Optimizer):
    """theta -= lr · g. Thesis, section 1.4.1, Gradient Descent."""

    def update(self, xp, theta, g, s, lr, step, epoch):
        theta -= lr * g


@dataclass(frozen=True, kw_only=True)
class Momentum(Optimizer):
    """v = momentum · v + lr · g;  theta -= v. Thesis, section 1.4.1, Momentum (Polyak 1964).

    PyTorch's buffer is v / lr: the same steps while lr is constant.
    """

    momentum: float = 0.9
    slots = ("v",)

    def update(self, xp, theta, g, s, lr, step, epoch):
        s.v[...] = self.momentum * s.v + lr * g
        theta -= s.v


@dataclass(frozen=True, kw_only=True)
class Nesterov(Optimizer):
    """v = momentum · v + lr · grad(theta - momentum · v);  theta -= v. Thesis, section 1.4.1, NAG.

    The two points are one here: the arrays hold phi = theta - momentum · v, where the gradient is taken, and the
    equation becomes phi -= momentum · v_new + lr · g (Bengio, Boulanger-Lewandowski & Pascanu 2013, eq. 7; PyTorch's
    form). Outputs and records are those of phi.
    """

    momentum: float = 0.9
    slots = ("v",)

    def update(self, xp, theta, g, s, lr, step, epoch):
        s.v[...] = self.momentum * s.v + lr * g
        theta -= self.momentum * s.v + lr * g


@dataclass(frozen=True, kw_only=True)
class Adagrad(Optimizer):
    """G += g²;  theta -= lr / sqrt(G + eps) · g. Thesis, section 1.4.2, Adagrad (Duchi, Hazan & Singer 2011).

    PyTorch has ``eps_placement="outside"``: lr / (sqrt(G) + eps).
    """

    eps: float = 1e-8
    eps_placement: str = "inside"
    slots = ("v",)

    def update(self, xp, theta, g, s, lr, step, epoch):
        s.v[...] = s.v + g**2
        theta -= lr * g / root(xp, s.v, self.eps, self.eps_placement)


@dataclass(frozen=True, kw_only=True)
class Adadelta(Optimizer):
    """v = rho · v + (1-rho) · g²;  d = lr · sqrt(u + eps) / sqrt(v + eps) · g;  u = rho · u + (1-rho) · d²;
    theta -= d.

    Thesis, section 1.4.2, Adadelta (Zeiler 2012, algorithm 1, has no lr). ``accumulate="scaled"``: u averages the
    step taken, lr included; ``"unscaled"``: the step before lr, as PyTorch does. They agree at lr = 1.
    """

    lr: float | tuple = field(default=1.0, kw_only=False)
    rho: float = 0.9
    eps: float = 1e-8
    accumulate: str = "scaled"
    slots = ("v", "u")

    def update(self, xp, theta, g, s, lr, step, epoch):
        s.v[...] = self.rho * s.v + (1 - self.rho) * g**2
        unscaled = xp.sqrt(s.u + self.eps) / xp.sqrt(s.v + self.eps) * g
        scaled = lr * unscaled
        d = scaled if self.accumulate == "scaled" else unscaled
        s.u[...] = self.rho * s.u + (1 - self.rho) * d**2
        theta -= scaled


@dataclass(frozen=True, kw_only=True)
class RMSProp(Optimizer):
    """v = rho · v + (1-rho) · g²;  theta -= lr / sqrt(v + eps) · g. Thesis, section 1.4.2, RMSProp (Hinton 2012).

    PyTorch has ``eps_placement="outside"`` and calls rho alpha (0.99 there).
    """

    rho: float = 0.9
    eps: float = 1e-8
    eps_placement: str = "inside"
    slots = ("v",)

    def update(self, xp, theta, g, s, lr, step, epoch):
        s.v[...] = self.rho * s.v + (1 - self.rho) * g**2
        theta -= lr * g / root(xp, s.v, self.eps, self.eps_placement)


@dataclass(frozen=True, kw_only=True)
class Adam(Optimizer):
    """m = beta1 · m + (1-beta1) · g;  v = beta2 · v + (1-beta2) · g²;  m_hat = m / (1 - beta1^t);
    v_hat = v / (1 - beta2^t);  theta -= lr / sqrt(v_hat + eps) · m_hat. Thesis, section 1.4.2, ADAM.

    Kingma & Ba 2015 (algorithm 1) and PyTorch have ``eps_placement="outside"``. t counts updates; with
    ``count="epochs"`` it counts epochs, which is what the experiments of the thesis ran.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    eps_placement: str = "inside"
    count: str = "steps"
    slots = ("m", "v")

    def update(self, xp, theta, g, s, lr, step, epoch):
        t = step if self.count == "steps" else epoch
        s.m[...] = self.beta1 * s.m + (1 - self.beta1) * g
        s.v[...] = self.beta2 * s.v + (1 - self.beta2) * g**2
        m_hat = s.m / (1 - self.beta1**t)
        v_hat = s.v / (1 - self.beta2**t)
        theta -= lr * m_hat / root(xp, v_hat, self.eps, self.eps_placement)


OPTIMIZERS = {
    "sgd": SGD,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "adagrad": Adagrad,
    "adadelta": Adadelta,
    "rmsprop": RMSProp,
    "adam": Adam,
}


def get(name):
    """Return the optimizer class called `name`; a ValueError names those there are."""
    return by_name("optimizer", name, OPTIMIZERS)


def parse(text):
    """Return the optimizer class and the hyperparameters that a text such as ``momentum:momentum=0.95`` names.

    A text is the optimizer's name, then ``:NAME=VALUE`` for each hyperparameter other than lr and weight_decay that is not at
    its default: ``adam:count=epochs:eps_placement=outside``.

    Raises:
        ValueError: a name is not known, or a value is out of its range.
    """
    if not isinstance(text, str):
        raise TypeError(f"text must be a str such as 'adam:count=epochs', got {shown(text)}")
    name, *arguments = text.split(":")
    kind, found = get(name), {}
    defaults = {each.name: each.default for each in fields(kind) if each.name not in ("lr", "weight_decay")}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not defaults:
            raise ValueError(f"{name} has no hyperparameters but lr, got {shown(argument)}")
        by_name(f"hyperparameter of {name}", key, defaults)
        if not equals:
            raise ValueError(f"{argument!r}: write NAME=VALUE, such as {key}={defaults[key]}")
        try:
            found[key] = value if isinstance(defaults[key], str) else float(value)
        except ValueError:
            raise ValueError(f"{key} must be a number, got {shown(value)}") from None
    kind(1.0, **found)  # says what is out of its range
    return kind, found


def canonical(text):
    """Return the shortest text that ``parse`` reads as it reads `text`: equal optimizers, equal texts."""
    kind, given = parse(text)
    standard = {each.name: each.default for each in fields(kind)}
    told = [f"{name}={value}" for name, value in sorted(given.items()) if value != standard[name]]
    return ":".join([text.partition(":")[0], *told])
