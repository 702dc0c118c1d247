"""Learning rules: the teaching signal that each hidden layer receives. They differ by one line; ``gradients`` has the loop.

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

from .gradients import AfterStep, At, Batch, Rule, feedback_shapes, gradients, next_layer, of_shape, output
from .more_rules.forward_gradient import forward_gradient
from .more_rules.local import local, pred
from .more_rules.node_perturbation import node_perturbation
from .more_rules.pepita import pepita
from .more_rules.weight_mirror import wm
from .more_rules.weight_perturbation import weight_perturbation
from .network import bound
from .registry import Registry

__all__ = [
    "KNOWN",
    "RULES",
    "AfterStep",
    "At",
    "Batch",
    "Rule",
    "feedback_shapes",
    "get",
    "gradients",
    "next_layer",
    "of_shape",
    "output",
]

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

# Rules of more than one line have a file each in more_rules.
FURTHER = wm, local, pred, node_perturbation, weight_perturbation, forward_gradient, pepita
KNOWN = bp, fa, dfa, kp, dkp, usf, frsf, brsf, sdfa, drtp, mdfa, *FURTHER
RULES = Registry("rule", lambda thing: isinstance(thing, Rule), KNOWN)


def get(rule):
    """Return the Rule called `rule`, or one as it is; a ValueError names those there are."""
    return RULES.get(rule)
