"""Learning rules: the teaching signal that each hidden layer receives. They differ by one line; the loop below is shared.

W leads from the layer that receives the signal to the next one, shape (d_l, d_{l+1}); B has the shape that the rule
needs in its place: (d_{l+1}, d_l) for FA, (d_L, d_l) for DFA. e is the error of the output, (n, d_L); delta that of
the next layer, (n, d_{l+1}).

So FA is BP where B is W.T, and DFA is FA where the next layer is the output:

    >>> import numpy as np
    >>> from dfanp import MLP
    >>> network, rng = MLP([3, 4, 1], "tanh", dtype="float64", seed=0), np.random.default_rng(0)
    >>> h, e = network.forward(rng.normal(size=(5, 3))), rng.normal(size=(5, 1))
    >>> gradient = lambda rule, B: gradients(rule, network, [B], h, e)["W0"]
    >>> np.allclose(gradient(fa, network.W[1].T), gradient(bp, None))
    True
    >>> B = rng.normal(size=(1, 4))
    >>> np.allclose(gradient(dfa, B), gradient(fa, B)), np.allclose(gradient(dfa, B), gradient(bp, None))
    (True, False)

A rule of your own is one more such line:

    >>> sign = Rule("sign-symmetric", lambda at: at.delta @ at.xp.sign(at.W.mT))
    >>> gradient(sign, None).shape
    (3, 4)
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .checks import is_whole
from .errors import shown
from .network import bound
from .registry import Registry


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
        rng: random arrays of the network's dtype on its device, ``at.rng.normal(size=at.h.shape[-2:])``: see
            ``streams.Draws``. They depend on the seed, the step and the layer alone.

    With replicas the arrays (but for a shared y) have a leading axis R, which ``@`` and ``.mT`` leave alone.
    """

    __slots__ = ("xp", "W", "B", "h", "delta", "e", "y", "l", "_draws")

    def __init__(self, xp, W, B, h, delta, e, y=None, l=1, draws=None):
        self.xp, self.W, self.B, self.h, self.delta, self.e, self.y, self.l = xp, W, B, h, delta, e, y, l
        self._draws = draws

    @property
    def n(self):
        return self.e.shape[-2]

    @property
    def rng(self):
        if not hasattr(self._draws, "normal"):
            if self._draws is None:
                raise ValueError("this rule draws random numbers: give gradients() its draws")
            self._draws = self._draws(self.l)
        return self._draws


class AfterStep(NamedTuple):
    """What ``Rule.after_step`` gets once the optimizer's step is done; it may change the arrays of W and B in place.

    Attributes:
        xp: the array namespace.
        W: the L weight matrices.
        B: the feedback matrices, of the lowest hidden layer first.
        h: what every layer put out before the step, h[0] the input.
        e, y: output error and targets, (n, d_L).
        lr: the learning rate, a number, or with a rate for each replica an array (R, 1, 1).
        rng: as in ``At``.
    """

    xp: object
    W: list
    B: list
    h: list
    e: object
    y: object
    lr: object
    rng: object


def next_layer(sizes, l):
    """Return the shape of a B in the place of the weights to the next layer, (d_{l+1}, d_l)."""
    return sizes[l + 1], sizes[l]


def output(sizes, l):
    """Return the shape of a B that leads from the output straight to layer l, (d_L, d_l)."""
    return sizes[-1], sizes[l]


class Rule(NamedTuple):
    """A learning rule.

    Attributes:
        name: for settings and records.
        signal: ``signal(at)``, what a hidden layer receives, (n, d_l), from an ``At``.
        feedback_shape: ``feedback_shape(sizes, l)`` of the B of hidden layer l; None for a rule without B.
        feedback_gradient: ``feedback_gradient(at)``, of the shape of B, for a B that learns: the optimizer takes it as it takes
            the gradients of the weights. None where B is fixed.
        after_step: ``after_step(after)``, called with an ``AfterStep`` when a step is done, for what a gradient cannot say.
    """

    name: str
    signal: Callable
    feedback_shape: Callable | None = None
    feedback_gradient: Callable | None = None
    after_step: Callable | None = None


# The signal comes from the next layer or directly from the output; B is fixed, or learns.
# Rumelhart, Hinton & Williams 1986; Demirbilek 2021, section 1.1
bp = Rule("bp", lambda at: at.delta @ at.W.mT)
# Feedback alignment: Lillicrap et al. 2016
fa = Rule("fa", lambda at: at.delta @ at.B, next_layer)
# Direct feedback alignment: Nøkland 2016; Demirbilek 2021, section 1.2
dfa = Rule("dfa", lambda at: at.e @ at.B, output)

# Kolen & Pollack 1994; Akrout et al. 2019, eqs. 16 and 17: B has the gradient of the weights that it
# replaces, and with weight decay becomes their transpose.
kp = Rule("kp", lambda at: at.delta @ at.B, next_layer, lambda at: at.delta.mT @ at.h)
# The same, directly from the output: Webster et al. 2021
dkp = Rule("dkp", lambda at: at.e @ at.B, output, lambda at: at.e.mT @ at.h)

# Feedback with the signs of W: Liao, Leibo & Poggio 2016; Xiao et al. 2018. Its sizes are all
# alike, fixed and random, or random anew in each step.
usf = Rule("usf", lambda at: at.delta @ (initial_size(at) * at.xp.sign(at.W.mT)))
frsf = Rule("frsf", lambda at: at.delta @ (at.xp.abs(at.B) * at.xp.sign(at.W.mT)), next_layer)
brsf = Rule("brsf", lambda at: at.delta @ (at.xp.abs(sizes_anew(at)) * at.xp.sign(at.W.mT)))


def initial_size(at):
    """Return the standard deviation of W before training, when it is uniform within its bound."""
    return bound(at.W.shape[-2]) / 3**0.5


def sizes_anew(at):
    """Return a matrix of the shape of W.T with that standard deviation, another one in each step."""
    return initial_size(at) * at.rng.normal(size=at.W.mT.shape[-2:])


# The sign of the error, or the label in its place, directly from the output: Frenkel, Lefebvre &
# Bol 2021.
sdfa = Rule("sdfa", lambda at: at.xp.sign(at.e) / at.n @ at.B, output)
drtp = Rule("drtp", lambda at: -labels(at) / at.n @ at.B, output)


def labels(at):
    """Return the targets y; of a single output 2 y - 1, so that examples with y = 0 send a signal."""
    return 2 * at.y - 1 if at.y.shape[-1] == 1 else at.y


def single_output(sizes, l):
    """Return the shape of ``output``; a ValueError says so if there is more than one output."""
    if sizes[-1] != 1:
        raise ValueError(f"the rule 'mdfa' is for networks with one output, got {sizes[-1]}")
    return output(sizes, l)


def stay_positive(after):
    """Raise the weights above the first layer, in place, to at least 1e-6."""
    for W in after.W[1:]:
        W[...] = after.xp.clip(W, 1e-6, None)


# Monotone DFA, for an increasing activation: Lechner 2020. B and the weights above the first layer
# are positive, so that every hidden unit moves in the direction of the output.
mdfa = Rule("mdfa", lambda at: at.e @ at.xp.abs(at.B), single_output, after_step=stay_positive)

KNOWN = bp, fa, dfa, kp, dkp, usf, frsf, brsf, sdfa, drtp, mdfa
RULES = Registry("rule", lambda thing: isinstance(thing, Rule), KNOWN)


def get(rule):
    """Return the Rule called `rule`, or one as it is; a ValueError names those there are."""
    return RULES.get(rule)


def feedback_shapes(rule, sizes):
    """Return the shape of B for each hidden layer of a network of `sizes`: an empty list for a rule without B.

    Raises:
        ValueError: what the rule says is no shape, or it has a feedback_gradient and no feedback_shape.
    """
    if rule.feedback_shape is None:
        if rule.feedback_gradient is not None:
            raise ValueError(
                f"the rule {rule.name!r} has a feedback_gradient, so it needs a feedback_shape, got None"
            )
        return []
    shapes = [rule.feedback_shape(sizes, l) for l in range(1, len(sizes) - 1)]
    for shape in shapes:
        if np.shape(shape) != (2,) or not all(is_whole(d) and d > 0 for d in shape):
            raise ValueError(
                f"feedback_shape of the rule {rule.name!r} must return two whole numbers of at least 1 (rows, width of the "
                f"layer), got {shown(shape)}"
            )
    return [tuple(map(int, shape)) for shape in shapes]


def gradients(rule, network, B, h, e, y=None, first=0, draws=None):
    """Return the gradient of the mean loss as `rule` sees it, for the parameters of layers `first` … L-1.

    The gradient of the last layer is exact under every rule: its delta is e itself. So is every gradient under BP.

    Args:
        rule: a Rule.
        network: the MLP that made `h`; it is not changed.
        B: a list with the feedback matrix of each hidden layer, lowest first; not read by a rule without B.
        h: ``network.forward(X)``.
        e: the output error d(mean loss)/dh[L], shape of h[L]. It holds the only mean over the batch.
        y: the targets, shape of e, for a rule that reads them.
        first: the lowest layer that is trained; below it nothing is computed.
        draws: ``draws(l)`` returns the random arrays of layer l, for a rule that draws.

    Returns:
        name -> array, for each of these parameters one of its shape; a WeightGradient for the weights of StackedDigits. Where B
        learns, "B0" … too, in the order of the list `B`.
    """
    xp, W = network.backend.xp, network.W
    found, delta = {}, e
    for l in reversed(range(first, len(W))):
        found[f"W{l}"] = h[l].mT @ delta
        if network.bias:
            found[f"b{l}"] = xp.sum(delta, axis=-2)
        if l > first:
            at = At(xp, W[l], B[l - 1] if B else None, h[l], delta, e, y, l, draws)
            if rule.feedback_gradient is not None:
                found[f"B{l - 1}"] = of_shape(xp, rule.feedback_gradient(at), at.B.shape, rule, "feedback_gradient")
            delta = of_shape(xp, rule.signal(at), h[l].shape, rule, "signal") * network.slope(h, l)
    return found


def of_shape(xp, array, shape, rule, what):
    """Return what a rule made, if it has that shape: any other might be broadcast to something that nobody meant.

    The replica axis alone may be missing, where a rule makes the same for all replicas.
    """
    found = getattr(array, "shape", None)
    if found is not None and len(shape) == 3 and tuple(found) == tuple(shape[1:]):
        return xp.broadcast_to(array, shape)
    if found != shape:
        raise ValueError(
            f"{what} of the rule {rule.name!r} must return an array of shape {shape}, "
            f"got {getattr(array, 'shape', type(array).__name__)}"
        )
    return array
