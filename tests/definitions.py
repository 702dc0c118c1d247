"""Rules, activations, losses, optimizers, networks, loops and problems as a user defines them.

Each is named like one of dfanp's own, so that whatever is looked up by a name, and not by the thing, is found out.
"""

from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest

import dfanp
from dfanp import rules
from dfanp.kernels import why_not
from dfanp.problems.datasets import Dataset

from .conftest import images
from .kernels.emulated import emulated_backend

TIERS = ("native", "numba", "cuda")


def backend_of(tier, threads=1):
    """Return a Backend with the kernels of a tier, the cuda tier emulated; skip where it is not there."""
    if tier == "cuda":
        return emulated_backend()
    if why_not(tier):
        pytest.skip(f"no {tier} kernels: {why_not(tier)}")
    return dfanp.Backend("cpu", kernels=tier, threads=threads)


# Rules

sign_symmetric = dfanp.Rule("bp", lambda at: at.delta @ at.xp.sign(at.W.mT))
# Kolen & Pollack 1994: B gets the gradient of the weights that it stands in for, transposed.
kolen_pollack = dfanp.Rule("fa", lambda at: at.delta @ at.B, rules.next_layer, lambda at: at.delta.mT @ at.h)
# Frenkel, Lefebvre & Bol 2021, direct random target projection.
target_projection = dfanp.Rule("dfa", lambda at: at.y @ at.B / at.n, rules.output)
noisy = dfanp.Rule("bp", lambda at: at.delta @ at.W.mT + 0.05 * at.rng.normal(size=at.h.shape[-2:]))


def mirror(after):
    """Turn each B towards the weights by noise sent through them (Akrout et al. 2019), at the learning rate."""
    for W, B in zip(after.W[1:], after.B, strict=True):
        noise = after.rng.normal(size=(20, W.shape[-2]))
        B[...] = 0.9 * B + after.lr * (noise @ W).mT @ noise / 20


weight_mirror = dfanp.Rule("fa", lambda at: at.delta @ at.B, rules.next_layer, after_step=mirror)


def clip(after):
    for W in after.W:
        W[...] = after.xp.clip(W, -0.3, 0.3)


def by_direction(at):
    """Return a random direction times the derivative of the loss along it, and half the feedback that B gives."""
    found = rules.get("forward-gradient").gradients(at)
    return {
        name: g + 0.1 * at.xp.mean(at.B[0], axis=(-2, -1), keepdims=True) if name == "W0" else g
        for name, g in found.items()
    }


def doubled_at_first(after):
    for B in after.B:
        B *= 2


random_direction = dfanp.Rule("dfa", None, rules.output, gradients=by_direction, before_training=doubled_at_first)
clipped = dfanp.Rule("dfa", lambda at: at.e @ at.B, rules.output, after_step=clip)
RULES = {
    "sign-symmetric": sign_symmetric,
    "kolen-pollack": kolen_pollack,
    "target-projection": target_projection,
    "noisy": noisy,
    "weight-mirror": weight_mirror,
    "clipped": clipped,
    "random-direction": random_direction,
}

# Activations and losses

softsign = dfanp.Activation("tanh", lambda xp, a: a / (1 + xp.abs(a)), lambda xp, h: (1 - xp.abs(h)) ** 2)
doubled = dfanp.Activation("identity", lambda xp, a: a + a, lambda xp, h: 2 * xp.ones_like(h))

hinge = dfanp.Loss(
    "bce",
    lambda xp, z, y: xp.sum(xp.maximum(1 - (2 * y - 1) * z, 0.0), axis=-1),
    predict=lambda xp, z: z,
    error=lambda xp, z, y: -(2 * y - 1) * xp.astype((2 * y - 1) * z < 1, z.dtype) / z.shape[-2],
    correct=lambda xp, z, y: xp.all((z > 0) == (y > 0.5), axis=-1),
)
log_cosh = dfanp.Loss(
    "mse",
    lambda xp, z, y: xp.sum(xp.log(xp.cosh(z - y)), axis=-1),
    predict=lambda xp, z: z,
    error=lambda xp, z, y: xp.tanh(z - y) / z.shape[-2],
)

# Optimizers


class Squashed(dfanp.Optimizer):
    """A step that no gradient makes longer than lr, with a memory that is bound anew."""

    name, slots, elementwise = "rmsprop", ("v",), True
    rho: float = 0.5

    def update(self, xp, theta, g, s, lr, t):
        s.v = self.rho * s.v + g
        theta -= lr * s.v / (1 + xp.abs(s.v))


class LARS(dfanp.Optimizer):
    """You, Gitman & Ginsburg 2017: as long a step as the whole matrix allows, so it may not get it in pieces."""

    name = "momentum"

    def update(self, xp, theta, g, s, lr, t):
        assert theta.ndim <= 2  # a matrix or a bias, of one replica
        theta -= lr * xp.sqrt(xp.sum(theta * theta)) / xp.sqrt(xp.sum(g * g)) * g


class SGD(dfanp.SGD):
    """Half the step, under the name of the whole one."""

    name = "sgd"

    def update(self, xp, theta, g, s, lr, t):
        theta -= lr / 2 * g


class Warm(dfanp.Adagrad):
    """An accumulator that does not begin at zero."""

    name = "adagrad"

    def init(self, backend, parameters, replicas=None):
        state = super().init(backend, parameters, replicas)
        for slots in state.slots.values():
            slots.v += 0.1
        return state


class Clipping(dfanp.SGD):
    """A step by gradients that have no entry beyond 0.01."""

    name = "sgd"

    def step(self, backend, parameters, gradients, state, epoch=1):
        clip = lambda g: backend.xp.clip(backend.kernels.gradient(g), -0.01, 0.01)
        super().step(backend, parameters, {name: clip(g) for name, g in gradients.items()}, state, epoch)


class Slow(dfanp.Adam):
    """An Adam that counts every other step."""

    name = "adam"

    def clock(self, step, epoch):
        return (step + 1) // 2


OPTIMIZERS = {
    "elementwise": Squashed(0.1, rho=0.7),
    "whole matrix": LARS(0.05),
    "half a step": SGD(0.5),
    "init": Warm(0.1),
    "step": Clipping(0.5),
    "clock": Slow(0.02),
}
BUILT_IN = {"rmsprop": dfanp.RMSProp(0.1), "momentum": dfanp.Momentum(0.05), "sgd": dfanp.SGD(0.5)}
BUILT_IN |= {"adagrad": dfanp.Adagrad(0.1), "adam": dfanp.Adam(0.02)}

# Networks


class Scaled(dfanp.MLP):
    """Layers that put out half of what they did."""

    def hidden(self, layer, h):
        return super().hidden(layer, h) / 2

    def slope(self, h, l):
        return self.activation.df(self.backend.xp, 2 * h[l]) / 2


class Scored(dfanp.MLP):
    """Outputs that are at most 2."""

    def forward(self, X):
        *h, z = super().forward(X)
        return [*h, 2 * self.backend.xp.tanh(z)]


NETWORKS = {"hidden": Scaled, "forward": Scored}

# Loops


class Twice(dfanp.Training):
    """Each batch leads to two steps."""

    def learn(self, X, y, epoch):
        super().learn(X, y, epoch)
        return super().learn(X, y, epoch)


class Smoothed(dfanp.Training):
    """Targets that are never quite 0 or 1, to learn and to test."""

    def epoch_by_steps(self, X, y, learning_in):
        return super().epoch_by_steps(X, 0.9 * y + 0.05, learning_in)


LOOPS = {"learn": Twice, "epoch_by_steps": Smoothed}


def own_problem(backend, dtype, X, y, loss="bce"):
    """Return a problem that is no class of dfanp's: an object with the attributes that a problem has."""
    X, y = backend.asarray(X, dtype), backend.asarray(y)
    examples = lambda seed, epoch=1: (X, y)
    return SimpleNamespace(
        features=X.shape[-1], outputs=y.shape[-1], loss=loss, dtype=dtype, backend=backend, train_size=X.shape[-2],
        train=examples, test=examples, probe=examples,
    )  # fmt: skip


def numbers(outputs, n=40, features=6):
    """Return X (n, features) and y (n, outputs), zeros and ones: one-hot for several outputs."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((n, features))
    kind = (X[:, 0] * X[:, 1] > 0).astype(int) + (X[:, 2] > 0) * (outputs > 2)
    return X, np.eye(outputs)[kind] if outputs > 1 else kind[:, None].astype(float)


# What is trained with them

# What a training is made of where a case says nothing else.
DEFAULTS = dict(
    rule="dfa", activation="tanh", loss="bce", optimizer=dfanp.SGD(0.5), network=dfanp.MLP, loop=dfanp.Training
)


def training(backend, dtype, shape, seed=None, parts=None):
    """Return a Training of a shape.

    That is one hidden layer on digits ("digits") or on arrays with two replicas ("joint"); or two hidden layers with biases and
    replicas, which share their rate ("deep") or have their own ("rates"), as they do in "joint".

    Args:
        seed: None takes the seeds of the shape; one of them trains that replica alone.
    """
    part = DEFAULTS | (parts or {})
    optimizer, seeds = part["optimizer"], 0 if shape == "digits" else (4, 7)
    if shape in ("joint", "rates"):
        rates = (optimizer.lr, 1.5 * optimizer.lr)
        optimizer = replace(optimizer, lr=rates if seed is None else rates[seeds.index(seed)])
    if shape == "digits":
        problem = dfanp.Parity(digits(), 2, train_size=40, test_size=30, dtype=dtype, backend=backend)
        problem.loss = part["loss"]
    else:
        X, y = numbers(3 if shape in ("deep", "rates") else 1)
        problem = own_problem(backend, dtype, X, y.astype(dtype), part["loss"])
    hidden = (6, 4) if shape in ("deep", "rates") else (6,)
    sizes = (problem.features, *hidden, problem.outputs)
    seed = seeds if seed is None else seed
    network = part["network"](sizes, part["activation"], shape in ("deep", "rates"), dtype, seed, backend)
    return part["loop"](network, problem, part["rule"], optimizer, batch_size=16, align=True)


@cache
def digits():
    rng = np.random.default_rng(1)
    return Dataset("tiny", images(rng, 40), images(rng, 20), 30.0, 50.0, 0)


def outcome(run, epochs=2):
    """Return name -> array of all that a training has learned and measured."""
    records = list(run.epochs(epochs))
    assert len(records) == epochs
    found = {name: array for name, array in run.arrays().items() if array.dtype.kind == "f"}
    for name in ("train_loss", "test_loss", "train_accuracy", "test_accuracy"):
        if getattr(records[0], name) is not None:
            found[name] = np.array([getattr(record, name) for record in records])
    for name, cosines in records[-1].alignment.items():
        found |= {f"cosine, {name} {layer}": np.array(cosine) for layer, cosine in enumerate(cosines)}
    return found


def apart(mine, theirs):
    """Return how far two outcomes are apart: as a share of the scale of each array, the most of all arrays.

    The scale is the largest number, but 1 for a cosine: two matrices that are nearly orthogonal leave one near zero, while it is
    rounded as a sum of terms whose size is 1.
    """
    assert mine.keys() == theirs.keys()

    def scale(name):
        return 1.0 if name.startswith("cosine") else max(np.abs(theirs[name]).max(initial=0), 1e-9)

    return max(np.abs(mine[name] - theirs[name]).max(initial=0) / scale(name) for name in mine)
