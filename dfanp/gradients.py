"""What a learning rule is, and the gradients that it makes. ``rules`` has the table of them.

Most rules differ by one line, the teaching signal that each hidden layer receives; the loop below is shared. W leads from the
layer that receives the signal to the next one, shape (d_l, d_{l+1}); B has the shape that the rule needs in its place.
e is the error of the output, (n, d_L); delta that of the next layer, (n, d_{l+1}).

    >>> import numpy as np
    >>> from dfanp import MLP
    >>> network, rng = MLP([3, 4, 1], "tanh", dtype="float64", seed=0), np.random.default_rng(0)
    >>> h, e = network.forward(rng.normal(size=(5, 3))), rng.normal(size=(5, 1))
    >>> sign = Rule("sign-symmetric", lambda at: at.delta @ at.xp.sign(at.W.mT))
    >>> gradients(sign, network, None, h, e)["W0"].shape
    (3, 4)

A rule of another shape makes all gradients itself. This one follows the loss along a random direction:

    >>> def along(at):
    ...     v = {name: at.rng.normal(size=theta.shape) for name, theta in at.trained.items()}
    ...     moved = at.forward(parameters={name: theta + 1e-6 * v[name] for name, theta in at.trained.items()})
    ...     slope = (at.losses(moved) - at.losses(at.h)).mean() / 1e-6
    ...     return {name: slope * v[name] for name in v}
    >>> random = Rule("random", gradients=along)
"""

from collections.abc import Callable
from copy import copy
from typing import Any, NamedTuple

import numpy as np

from .checks import is_whole
from .errors import shown
from .inputs import WeightGradient
from .registry import named


class At:
    """What a rule may use where it makes the signal of hidden layer l. It changes none of it.

    Attributes:
        xp: the array namespace.
        W: the weights above the layer, (d_l, d_{l+1}).
        B: its feedback matrix, or None.
        h: the activations of the layer, (n, d_l).
        delta: the delta of the layer above, (n, d_{l+1}).
        e: the output error, (n, d_L), the mean over n in it.
        y: the targets, (n, d_L).
        n: how many examples.
        l: the number of the layer, 1 … L-1.
        loss: the ``Loss`` of the problem.
        rng: random arrays of the network's dtype on its device, ``at.rng.normal(size=at.h.shape[-2:])``: see
            ``streams.Draws``. They depend on the seed, the step and the layer alone.

    With replicas the arrays (but for a shared y) have a leading axis R, which ``@`` and ``.mT`` leave alone.
    """

    __slots__ = ("xp", "W", "B", "h", "delta", "e", "y", "l", "_draws", "_loss")

    def __init__(self, xp, W, B, h, delta, e, y=None, l=1, draws=None, loss=None):
        self.xp, self.W, self.B, self.h, self.delta, self.e, self.y, self.l = xp, W, B, h, delta, e, y, l
        self._draws, self._loss = draws, loss

    @property
    def n(self):
        return self.e.shape[-2]

    @property
    def loss(self):
        if self._loss is None:
            raise ValueError("this rule reads the loss: give gradients() its loss")
        return self._loss

    @property
    def rng(self):
        if not hasattr(self._draws, "normal"):
            if self._draws is None:
                raise ValueError("this rule draws random numbers: give gradients() its draws")
            self._draws = self._draws(self.l)
        return self._draws


class Batch(At):
    """What ``Rule.gradients`` gets: a mini-batch, and the network that it has passed. It changes none of it.

    Attributes:
        xp, e, y, n, loss, rng: as in ``At``.
        network: the ``MLP``.
        W, B: lists of the weights, and of the feedback matrices, lowest layer first.
        h: a list of what every layer puts out, h[0] the input.
        first: the lowest layer that is trained, counted from 0.
        trained: name -> array of the parameters of the layers `first` … L-1, whose gradients are wanted.
    """

    __slots__ = ("network", "first", "trained")

    def __init__(self, network, B, h, e, y, first, draws, loss):
        super().__init__(network.backend.xp, network.W, B or [], h, None, e, y, 1, draws, loss)
        self.network, self.first = network, first
        names = [f"{letter}{l}" for l in range(first, len(self.W)) for letter in "Wb"[: 1 + network.bias]]
        self.trained = {name: network.parameters[name] for name in names}

    def forward(self, X=None, parameters=None):
        """Return what every layer puts out for other inputs X, or with other parameters, name -> array of some of them."""
        network = self.network
        if parameters is not None:
            network = copy(network)
            network.parameters = self.network.parameters | parameters
        return network.forward(self.h[0] if X is None else X)

    def losses(self, h):
        """Return the loss of each example, float64 (n,) or (R, n), where the layers put out h."""
        return self.xp.astype(self.loss.per_example(self.xp, h[-1], self.y), self.xp.float64)

    def of_deltas(self, deltas, h=None):
        """Return the gradients that the deltas of the layers make, name -> array.

        Args:
            deltas: of the layers `first` … L-1, in this order; the first is the delta of layer `first` + 1, (n, d).
            h: what the layers below put out; None takes h of the batch.
        """
        found, h = {}, self.h if h is None else h
        for l, delta in enumerate(deltas, self.first):
            found[f"W{l}"] = h[l].mT @ delta
            if self.network.bias:
                found[f"b{l}"] = self.xp.sum(delta, axis=-2)
        return found

    def own_shape(self, theta):
        """Return the shape of a parameter without the replica axis, for ``rng``."""
        return theta.shape[1:] if self.network.replicas else theta.shape

    def times(self, number, arrays):
        """Return arrays, name -> array of a parameter's shape, times a number, or one number for each replica (R,)."""
        number = self.xp.asarray(number)
        expanded = {name: number[(..., *[None] * (1 if name[0] == "b" else 2))] for name in arrays}
        return {name: self.xp.astype(expanded[name], array.dtype) * array for name, array in arrays.items()}


class AfterStep(NamedTuple):
    """What ``Rule.after_step`` gets once the optimizer's step is done; it may change the arrays of W, b and B in place.

    Attributes:
        xp: the array namespace.
        W: the L weight matrices.
        B: the feedback matrices, of the lowest hidden layer first.
        h: what every layer put out before the step, h[0] the input.
        e, y: output error and targets, (n, d_L). Like h they are None for ``Rule.before_training``.
        lr: the learning rate, a number, or with a rate for each replica an array (R, 1, 1).
        rng: as in ``At``.
        b: the biases, (d,) each; an empty list without.
        layer: ``layer(l, x)``, what the layer above the weights W[l] puts out for inputs x, (n, d_l): of the last
            layer the output y_hat of the loss.
        step: how many steps have been done.
    """

    xp: object
    W: list
    B: list
    h: list
    e: object
    y: object
    lr: object
    rng: object
    b: list = []
    layer: Any = None
    step: int = 0


def next_layer(sizes, l):
    """Return the shape of a B in the place of the weights to the next layer, (d_{l+1}, d_l)."""
    return sizes[l + 1], sizes[l]


def output(sizes, l):
    """Return the shape of a B that leads from the output straight to layer l, (d_L, d_l)."""
    return sizes[-1], sizes[l]


class Rule(NamedTuple):
    """A learning rule: a `signal`, or, for one of another shape, `gradients`.

    Attributes:
        name: for settings and records.
        signal: ``signal(at)``, what a hidden layer receives, (n, d_l), from an ``At``.
        feedback_shape: ``feedback_shape(sizes, l)`` of the B of hidden layer l; None for a rule without B. With `gradients`
            it may return None for a layer that has no B: the list of B then has the others.
        feedback_gradient: ``feedback_gradient(at)``, of the shape of B, for a B that learns: the optimizer takes it as it takes
            the gradients of the weights. None where B is fixed.
        after_step: ``after_step(after)``, called with an ``AfterStep`` when a step is done, for what a gradient cannot say.
        gradients: ``gradients(batch)``, from a ``Batch`` name -> gradient, for each of ``batch.trained`` one of its shape. It takes
            the place of the whole loop, for a rule that is no signal of a layer.
        before_training: ``before_training(after)``, called once with an ``AfterStep``, before the first step.
    """

    name: str
    signal: Callable | None = None
    feedback_shape: Callable | None = None
    feedback_gradient: Callable | None = None
    after_step: Callable | None = None
    gradients: Callable | None = None
    before_training: Callable | None = None

    def __repr__(self):
        return named(self)


def feedback_shapes(rule, sizes):
    """Return the shape of B for each hidden layer of a network of `sizes`: an empty list for a rule without B.

    Raises:
        ValueError: what the rule says is no shape, or it has a feedback_gradient and no feedback_shape.
    """
    if (rule.signal is None) == (rule.gradients is None):
        raise ValueError(f"the rule {rule.name!r} must have either a signal or gradients")
    if rule.gradients is not None and rule.feedback_gradient is not None:
        raise ValueError(f"the rule {rule.name!r} has gradients, so feedback_gradient must be None")
    if rule.feedback_shape is None:
        if rule.feedback_gradient is not None:
            raise ValueError(
                f"the rule {rule.name!r} has a feedback_gradient, so it needs a feedback_shape, got None"
            )
        return []
    shapes = [rule.feedback_shape(sizes, l) for l in range(1, len(sizes) - 1)]
    if rule.gradients is not None:
        shapes = [shape for shape in shapes if shape is not None]
    for shape in shapes:
        if np.shape(shape) != (2,) or not all(is_whole(d) and d > 0 for d in shape):
            raise ValueError(
                f"feedback_shape of the rule {rule.name!r} must return two whole numbers of at least 1 (rows, width of the "
                f"layer), got {shown(shape)}"
            )
    return [tuple(map(int, shape)) for shape in shapes]


def gradients(rule, network, B, h, e, y=None, first=0, draws=None, loss=None):
    """Return the gradient of the mean loss as `rule` sees it, for the parameters of layers `first` … L-1.

    The gradient of the last layer is exact under every rule with a signal: its delta is e itself. So is every gradient under BP.

    Args:
        rule: a Rule.
        network: the MLP that made `h`; it is not changed.
        B: a list with the feedback matrix of each hidden layer, lowest first; not read by a rule without B.
        h: ``network.forward(X)``.
        e: the output error d(mean loss)/dh[L], shape of h[L]. It holds the only mean over the batch.
        y: the targets, shape of e, for a rule that reads them.
        first: the lowest layer that is trained; below it nothing is computed.
        draws: ``draws(l)`` returns the random arrays of layer l, for a rule that draws.
        loss: the Loss of the problem, for a rule that reads it.

    Returns:
        name -> array, for each of these parameters one of its shape; a WeightGradient for the weights of StackedDigits. Where B
        learns, "B0" … too, in the order of the list `B`.
    """
    if rule.gradients is not None:
        return checked(rule, Batch(network, B, h, e, y, first, draws, loss))
    xp, W = network.backend.xp, network.W
    found, delta = {}, e
    for l in reversed(range(first, len(W))):
        found[f"W{l}"] = h[l].mT @ delta
        if network.bias:
            found[f"b{l}"] = xp.sum(delta, axis=-2)
        if l > first:
            at = At(xp, W[l], B[l - 1] if B else None, h[l], delta, e, y, l, draws, loss)
            if rule.feedback_gradient is not None:
                found[f"B{l - 1}"] = of_shape(xp, rule.feedback_gradient(at), at.B.shape, rule, "feedback_gradient")
            delta = network.delta(h, l, of_shape(xp, rule.signal(at), h[l].shape, rule, "signal"))
    return found


def checked(rule, batch):
    """Return the gradients of a rule that makes all of them, if each has the shape of its parameter."""
    found, trained = rule.gradients(batch), batch.trained
    if not isinstance(found, dict) or found.keys() != trained.keys():
        names = sorted(map(str, found)) if isinstance(found, dict) else type(found).__name__
        raise ValueError(
            f"gradients of the rule {rule.name!r} must return a dict of {', '.join(trained)}, got {names}"
        )
    joint = bool(batch.network.replicas)
    return {n: of_shape(batch.xp, g, trained[n].shape, rule, f"gradients[{n!r}]", joint) for n, g in found.items()}


def of_shape(xp, array, shape, rule, what, joint=None):
    """Return what a rule made, if it has that shape: any other might be broadcast to something that nobody meant.

    The replica axis alone may be missing, where a rule makes the same for all replicas.

    Args:
        joint: whether `shape` has a replica axis; None: if it has three axes.
    """
    if isinstance(array, WeightGradient):
        X, delta = array
        found = (*delta.shape[:-2], X.shape[-1], delta.shape[-1])
        if found == tuple(shape):
            return array
    found = getattr(array, "shape", None)
    joint = len(shape) == 3 if joint is None else joint
    if found is not None and joint and tuple(found) == tuple(shape[1:]):
        return xp.broadcast_to(array, shape)
    if found != shape:
        raise ValueError(
            f"{what} of the rule {rule.name!r} must return an array of shape {shape}, "
            f"got {getattr(array, 'shape', type(array).__name__)}"
        )
    return array
