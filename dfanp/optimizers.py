"""Optimizers: frozen hyperparameters, an explicit state, and the update equation of the source.

Each one implements the equation of Demirbilek 2021, section 1.4, by default; where other sources or
PyTorch differ, the variant is an explicit argument. g is the gradient, theta the parameter, lr the
learning rate (eta).

Weight decay is the L2 term inside the gradient, g + weight_decay · theta (as in PyTorch; not the
decoupled form of AdamW).

SGD steps by 0.1 times the gradient; RMSProp by 0.1 whatever the size of the gradient (at the first
step 1/sqrt(1 - rho) times as far, since v starts at zero):

    >>> from dfanp import Backend
    >>> for optimizer in (SGD(lr=0.1), RMSProp(lr=0.1)):
    ...     backend, theta = Backend("cpu"), {"W0": np.array([[1.0, 1.0]])}
    ...     state = optimizer.init(backend, theta)
    ...     optimizer.step(backend, theta, {"W0": np.array([[2.0, 0.02]])}, state)
    ...     print(theta["W0"].round(3).tolist())
    [[0.8, 0.998]]
    [[0.684, 0.684]]

A subclass with an ``update`` is an optimizer of your own. It becomes a frozen dataclass
automatically:

    >>> class SignSGD(Optimizer):
    ...     def update(self, xp, theta, g, s, lr, t):
    ...         theta -= lr * xp.sign(g)
    >>> SignSGD(lr=0.1)
    SignSGD(lr=0.1, weight_decay=0.0)
"""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, dataclass_transform

import numpy as np

from .checks import is_number, is_whole
from .errors import by_name, shown
from .inputs import dtype_name
from .registry import Registry, provider

if TYPE_CHECKING:
    from .backend import Backend


@dataclass
class State:
    """The state of an optimizer.

    ``step`` counts updates, ``slots[name]`` holds the state arrays of a parameter.

    ``replicas`` is the length of the leading replica axis of all parameters, or None.
    """

    step: int = 0
    slots: dict = field(default_factory=dict)
    lr: dict = field(default_factory=dict)  # per parameter: a number, or an array that broadcasts along the replicas
    replicas: int | None = None


def hyperparameter(default, wanted, fits):
    """Return the field of a hyperparameter: default, description of its range, ``fits(value)``."""
    return field(default=default, metadata={"wanted": wanted, "fits": fits})


def fraction(default):
    """Return the field of a hyperparameter in [0, 1)."""
    return hyperparameter(default, "in [0, 1)", lambda x: 0 <= x < 1)


def positive(default):
    """Return the field of a hyperparameter above 0."""
    return hyperparameter(default, "above 0", lambda x: 0 < x < np.inf)


def choice(default, other):
    """Return the field of a hyperparameter that is one of two words."""
    return hyperparameter(
        default, f"{default!r} or {other!r}", lambda x: isinstance(x, str) and x in (default, other)
    )


def root(xp, v, eps, placement):
    """Return sqrt(v + eps) (placement "inside") or sqrt(v) + eps ("outside")."""
    return xp.sqrt(v + eps) if placement == "inside" else xp.sqrt(v) + eps


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field, hyperparameter))
@dataclass(frozen=True)
class Optimizer:
    """The base of all optimizers.

    A subclass is a frozen dataclass: its annotated attributes are its hyperparameters.

    Args:
        lr: the learning rate, positive; a sequence of R of them trains each replica with its own; a
            mapping trains each layer with its own: ``{0: 0.1, 1: 0.01}`` from the number of the layer,
            as in "W0" and "b0", to one of the above. (A B that learns has the rate of the weights
            that it replaces.) No kernel has a rate per layer, so training is then slower.
        weight_decay: the L2 factor, at least 0.

    Attributes:
        name: of the class, for settings and records; by default the name of the class in lower
            case.
        slots: names of the state arrays, each of the parameter's shape, zero at first.
        elementwise: whether ``update`` treats each number of a parameter alone. It then gets large
            arrays in flat pieces, which is faster. The class that defines ``update`` sets it; a
            subclass with another ``update`` does not inherit it.

    Raises:
        ValueError: a hyperparameter is out of its range.
    """

    lr: float | tuple | dict
    weight_decay: float = field(
        default=0.0, kw_only=True, metadata={"wanted": "at least 0", "fits": lambda x: 0 <= x < np.inf}
    )

    name: ClassVar[str] = "optimizer"
    slots: ClassVar[tuple] = ()
    elementwise: ClassVar[bool] = False
    ranges: ClassVar[dict] = {}  # name of a hyperparameter -> its field's metadata

    def __init_subclass__(cls, **more):
        super().__init_subclass__(**more)
        if "name" not in vars(cls):
            cls.name = cls.__name__.lower()
        if "lr" in vars(cls):  # a default; it stays the first argument
            cls.lr = field(default=cls.lr, kw_only=False)
        dataclass(frozen=True, kw_only=True)(cls)
        for each in fields(cls)[1:]:
            if each.default is MISSING and each.default_factory is MISSING:
                raise TypeError(f"the hyperparameter {each.name} of {cls.__name__} must have a default")
        # Stored here, because a class that is decorated with @dataclass again loses it.
        cls.ranges = {each.name: each.metadata for each in fields(cls) if each.metadata}

    def __post_init__(self):
        if isinstance(self.lr, Mapping):
            if not self.lr or not all(is_whole(layer) and layer >= 0 for layer in self.lr):
                raise ValueError(f"lr must map the numbers of layers (0, 1, …) to rates, got {shown(dict(self.lr))}")
            object.__setattr__(self, "lr", {int(layer): checked_rate(rate) for layer, rate in self.lr.items()})
        else:
            object.__setattr__(self, "lr", checked_rate(self.lr))
        for each in fields(self):
            if each.name == "lr":
                continue
            value, range_ = getattr(self, each.name), self.ranges.get(each.name, {})
            wanted = range_.get("wanted", "a finite number")
            numeric = isinstance(each.default, float)
            fits = range_.get("fits", np.isfinite if numeric else lambda value: True)
            if (numeric and not is_number(value)) or not fits(value):
                raise ValueError(f"{each.name} must be {wanted}, got {shown(value)}")
            if numeric:
                object.__setattr__(self, each.name, float(value))

    def init(self, backend: "Backend", parameters: Mapping[str, Any], replicas: int | None = None) -> State:
        """Return the State before the first step for `parameters` (name -> array), on their device.

        Args:
            replicas: the length R of the replica axis that all parameters have; None if they have
                none.
        """
        state = State(replicas=replicas)
        for name, theta in parameters.items():
            zeros = {slot: backend.xp.zeros_like(theta) for slot in self.slots}
            state.slots[name] = SimpleNamespace(**zeros)
            rate = state.lr[name] = self.rate_of(name)
            if isinstance(rate, tuple):
                if len(rate) != replicas:
                    raise ValueError(
                        f"lr has {len(rate)} values, one for each replica, but there are {replicas or 'no'} replicas"
                    )
                column = np.reshape(np.asarray(rate, dtype=float), (-1,) + (1,) * (theta.ndim - 1))
                state.lr[name] = backend.asarray(column, dtype_name(theta.dtype))
        return state

    def rate_of(self, name: str) -> float | tuple:
        """Return the learning rate, or one per replica, of the parameter called `name`.

        A ValueError if `lr` has none for its layer.
        """
        if not isinstance(self.lr, dict):
            return self.lr
        layer = int(name[1:]) + (name[0] == "B")
        if layer not in self.lr:
            raise ValueError(f"lr must have a rate for layer {layer}, whose {name} is trained, got {shown(self.lr)}")
        return self.lr[layer]

    def step(
        self,
        backend: "Backend",
        parameters: Mapping[str, Any],
        gradients: Mapping[str, Any],
        state: State,
        epoch: int = 1,
    ) -> None:
        """Update every parameter that has a gradient, and its state, in place.

        Args:
            parameters, gradients: name -> array; gradients of the mean loss. They are not changed.
            state: from ``init``.
            epoch: 1, 2, …, for a ``clock`` that reads it.
        """
        state.step += 1
        each = [(g, parameters[name], state.slots[name], state.lr[name]) for name, g in gradients.items()]
        backend.kernels.update_all(self, each, self.clock(state.step, epoch), state.replicas)

    def clock(self, step: int, epoch: int) -> int:
        """Return the t of the equations at an update (counted from 1) of an epoch: its number."""
        return step

    def update(self, xp: Any, theta: Any, g: Any, s: Any, lr: Any, t: int) -> None:
        """Change `theta` and the arrays of its state `s` in place, by the equation of the class.

        Args:
            xp: the array namespace.
            theta: a parameter: (d_{l-1}, d_l), or (d_l,) for a bias. If the class is `elementwise`,
                a flat part of it, or with replicas an array with a leading axis R.
            g: its gradient, of the same shape, including the weight decay. It is not changed.
            s: its state arrays of that shape, ``s.v`` for the slot "v".
            lr: the learning rate: a number, or an array that broadcasts along the replicas.
            t: from ``clock``.
        """
        raise NotImplementedError

    @property
    def cut(self) -> bool:
        """Whether ``update`` may get its arrays in pieces: its class is elementwise."""
        by = provider(type(self), "update")
        return bool(vars(by).get("elementwise", False)) and "update" not in vars(self)

    @property
    def kernel(self) -> str | None:
        """The name of the kernel for ``update``, if it is that of a built-in optimizer; else None.

        None, too, if each layer has its own rate.
        """
        if isinstance(self.lr, dict):
            return None
        kind = type(self)
        of_class = kernel_of(kind.update, tuple(kind.slots), kind.step, kind.init)
        return of_class if DEFINING.isdisjoint(vars(self)) else None


def checked_rate(lr):
    """Return a learning rate as a float, or a sequence of them as a tuple of floats; a ValueError for anything else."""
    rates = tuple(lr) if np.ndim(lr) == 1 else (lr,)
    if len(rates) == 0 or not all(is_number(rate) and 0 < rate < np.inf for rate in rates):
        raise ValueError(f"lr must be a finite number above 0 (or a sequence of them), got {shown(lr)}")
    # Python's floats leave the dtype of an array alone; NumPy's would make every product a float64.
    return tuple(map(float, rates)) if np.ndim(lr) == 1 else float(lr)


DEFINING = {"update", "slots", "step", "init"}  # the attributes of an Optimizer that a kernel implements


@cache
def kernel_of(update, slots, step, init):
    """Return the name of the optimizer of dfanp that has these attributes, or None."""
    found = (kind for kind in OPTIMIZERS.values() if OPTIMIZERS.built_in(kind))
    of = lambda kind: (kind.update, tuple(kind.slots), kind.step, kind.init)
    return next((kind.name for kind in found if of(kind) == (update, slots, step, init)), None)


class SGD(Optimizer):
    """theta -= lr · g. Thesis, section 1.4.1, Gradient Descent."""

    name, elementwise = "sgd", True

    def update(self, xp, theta, g, s, lr, t):
        theta -= lr * g


class Momentum(Optimizer):
    """v = momentum · v + lr · g;  theta -= v. Thesis, section 1.4.1, Momentum (Polyak 1964).

    PyTorch's buffer is v / lr: the same steps while lr is constant.
    """

    momentum: float = fraction(0.9)
    name, slots, elementwise = "momentum", ("v",), True

    def update(self, xp, theta, g, s, lr, t):
        s.v[...] = self.momentum * s.v + lr * g
        theta -= s.v


class Nesterov(Optimizer):
    """v = momentum · v + lr · grad(theta - momentum · v);  theta -= v. Thesis, section 1.4.1, NAG.

    The two points are one here: the arrays hold phi = theta - momentum · v, where the gradient is
    taken, and the equation becomes phi -= momentum · v_new + lr · g (Bengio, Boulanger-Lewandowski
    & Pascanu 2013, eq. 7; PyTorch's form). Outputs and records are those of phi.
    """

    momentum: float = fraction(0.9)
    name, slots, elementwise = "nesterov", ("v",), True

    def update(self, xp, theta, g, s, lr, t):
        s.v[...] = self.momentum * s.v + lr * g
        theta -= self.momentum * s.v + lr * g


class Adagrad(Optimizer):
    """G += g²;  theta -= lr / sqrt(G + eps) · g.

    Thesis, section 1.4.2, Adagrad (Duchi, Hazan & Singer 2011).

    PyTorch has ``eps_placement="outside"``: lr / (sqrt(G) + eps).
    """

    eps: float = positive(1e-8)
    eps_placement: str = choice("inside", "outside")
    name, slots, elementwise = "adagrad", ("v",), True

    def update(self, xp, theta, g, s, lr, t):
        s.v[...] = s.v + g**2
        theta -= lr * g / root(xp, s.v, self.eps, self.eps_placement)


class Adadelta(Optimizer):
    """v = rho · v + (1-rho) · g²;  d = lr · sqrt(u + eps) / sqrt(v + eps) · g;  u = rho · u + (1-rho) · d²;
    theta -= d.

    Thesis, section 1.4.2, Adadelta (Zeiler 2012, algorithm 1, has no lr). ``accumulate="scaled"``:
    u averages the step taken, lr included; ``"unscaled"``: the step before lr, as PyTorch does.
    They agree at lr = 1.
    """

    lr: float | tuple | dict = 1.0
    rho: float = fraction(0.9)
    eps: float = positive(1e-8)
    accumulate: str = choice("scaled", "unscaled")
    name, slots, elementwise = "adadelta", ("v", "u"), True

    def update(self, xp, theta, g, s, lr, t):
        s.v[...] = self.rho * s.v + (1 - self.rho) * g**2
        unscaled = xp.sqrt(s.u + self.eps) / xp.sqrt(s.v + self.eps) * g
        scaled = lr * unscaled
        d = scaled if self.accumulate == "scaled" else unscaled
        s.u[...] = self.rho * s.u + (1 - self.rho) * d**2
        theta -= scaled


class RMSProp(Optimizer):
    """v = rho · v + (1-rho) · g²;  theta -= lr / sqrt(v + eps) · g.

    Thesis, section 1.4.2, RMSProp (Hinton 2012).

    PyTorch has ``eps_placement="outside"`` and calls rho alpha (0.99 there).
    """

    rho: float = fraction(0.9)
    eps: float = positive(1e-8)
    eps_placement: str = choice("inside", "outside")
    name, slots, elementwise = "rmsprop", ("v",), True

    def update(self, xp, theta, g, s, lr, t):
        s.v[...] = self.rho * s.v + (1 - self.rho) * g**2
        theta -= lr * g / root(xp, s.v, self.eps, self.eps_placement)


class Adam(Optimizer):
    """m = beta1 · m + (1-beta1) · g;  v = beta2 · v + (1-beta2) · g²;  m_hat = m / (1 - beta1^t);
    v_hat = v / (1 - beta2^t);  theta -= lr / sqrt(v_hat + eps) · m_hat. Thesis, section 1.4.2,
    ADAM.

    Kingma & Ba 2015 (algorithm 1) and PyTorch have ``eps_placement="outside"``. t counts updates.
    """

    beta1: float = fraction(0.9)
    beta2: float = fraction(0.999)
    eps: float = positive(1e-8)
    eps_placement: str = choice("inside", "outside")
    name, slots, elementwise = "adam", ("m", "v"), True

    def update(self, xp, theta, g, s, lr, t):
        s.m[...] = self.beta1 * s.m + (1 - self.beta1) * g
        s.v[...] = self.beta2 * s.v + (1 - self.beta2) * g**2
        m_hat = s.m / (1 - self.beta1**t)
        v_hat = s.v / (1 - self.beta2**t)
        theta -= lr * m_hat / root(xp, v_hat, self.eps, self.eps_placement)


OPTIMIZERS = Registry(
    "optimizer",
    lambda thing: isinstance(thing, type) and issubclass(thing, Optimizer),
    (SGD, Momentum, Nesterov, Adagrad, Adadelta, RMSProp, Adam),
)


def get(name: str | type[Optimizer]) -> type[Optimizer]:
    """Return the optimizer class called `name`, or one as it is.

    A ValueError lists the known names.
    """
    return OPTIMIZERS.get(name)


def own_fields(kind):
    """Return the hyperparameters that a text can set: all except lr and weight_decay."""
    return {each.name: each for each in fields(kind) if each.name not in ("lr", "weight_decay")}


def parse(text: str) -> tuple[type[Optimizer], dict[str, Any]]:
    """Return the optimizer class and the hyperparameters in a text: ``momentum:momentum=0.95``.

    A text is the optimizer's name, followed by ``:NAME=VALUE`` for each hyperparameter (except lr
    and weight_decay) that differs from its default: ``adam:beta1=0.8:eps_placement=outside``. A
    class may also be registered under such a text.

    Raises:
        ValueError: a name is not known, or a value is out of its range.
    """
    kind, _, arguments = split(text)
    name, known, found = kind.name, own_fields(kind), {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not known:
            raise ValueError(f"{name} has no hyperparameters but lr, got {shown(argument)}")
        default = by_name(f"hyperparameter of {name}", key, known).default
        if not equals:
            raise ValueError(f"{argument!r}: write NAME=VALUE, such as {key}={default}")
        found[key] = converted(key, value, default)
    kind(1.0, **found)  # raises if a value is out of range
    return kind, found


def split(text):
    """Return the class that a text names, its name, and its other hyperparameters, ``NAME=VALUE``."""
    if not isinstance(text, str):
        raise TypeError(f"text must be a str such as 'adam:eps_placement=outside', got {shown(text)}")
    name, *arguments = text.split(":")
    for argument in arguments:
        if f"{name}:{argument}" in OPTIMIZERS:
            kind = OPTIMIZERS[f"{name}:{argument}"]
            return kind, kind.name, [each for each in arguments if each != argument]
    return get(name), name, arguments


def converted(key, value, default):
    """Return the text of a value as the type of the hyperparameter's default."""
    words = {"true": True, "false": False}
    try:
        if isinstance(default, bool):
            return words[value.lower()]
        return type(default)(value) if isinstance(default, (int, float)) else value
    except (ValueError, KeyError):
        kind = {bool: "true or false", int: "a whole number"}.get(type(default), "a number")
        raise ValueError(f"{key} must be {kind}, got {shown(value)}") from None


def canonical(text: str) -> str:
    """Return the shortest text that means the same: equal optimizers have equal texts."""
    (kind, given), name = parse(text), split(text)[1]
    defaults = {key: each.default for key, each in own_fields(kind).items()}
    base, *variant = name.split(":")
    changed = [f"{key}={value}" for key, value in given.items() if value != defaults[key]]
    return ":".join([base, *sorted([*variant, *changed])])
