"""Adversarial examples: inputs moved so that a trained network answers wrongly, and how many of its answers stay right.

An attack follows the gradient of the loss with respect to the input. This gradient belongs to the function that the
network computes: every layer passes it down through the transpose of its weights, by whatever rule they were learned.

    true    d(mean loss)/dX, through W.T
    own     what the rule itself would send to the input, through its feedback: not a gradient. The input has no B, so one
            is drawn as those of the hidden layers are (with usf and its kin: the signs of W0)

An attack through the second one fails without the network being robust; this is called gradient masking (Athalye,
Carlini & Wagner 2018). A sign of it is that many steps are no stronger than one. Attacks (u the input in [0, 1]):

    fgsm      clip(u + ε sign g, 0, 1)                                           Goodfellow, Shlens & Szegedy 2015, eq. 2
    pgd       `steps` steps of 2.5 ε / steps, each projected to |u' - u| <= ε and to [0, 1], from a uniformly
              random start within ε                                              Madry et al. 2018, eq. 3 ff.
    random    clip(u + ε s, 0, 1) with random signs s: no attack, but what ε alone does

    >>> import dfanp
    >>> problem = dfanp.Classes(dfanp.load("digits"), train_size=1000)
    >>> network = dfanp.MLP([problem.features, 50, 10], "tanh", seed=0)
    >>> training = dfanp.Training(network, problem, "dfa", dfanp.Adam(0.003))
    >>> _ = list(training.epochs(8))
    >>> (found,) = measured(training, epsilons=(0.1, 0.5), samples=200)
    >>> found.clean > 0.85, found.accuracy["pgd"][1] < 0.02, found.accuracy["own pgd"][0] > found.accuracy["pgd"][0] + 0.1
    (True, True, True)
"""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any, NamedTuple

import numpy as np

from .. import rules
from ..backend import Backend
from ..checks import is_number, number, whole
from ..errors import shown
from ..gradients import At, of_shape
from ..inputs import dense
from ..losses import Loss
from ..network import FORWARD, MLP
from ..registry import provider
from ..rules import Rule
from ..streams import Draws, streams

EPSILONS = (0.02, 0.05, 0.1, 0.2, 0.5)
STEPS, SAMPLES = 20, 1000
MOST_STEPS, MOST_SAMPLES = 10_000, 10**6
REACH = 2.5  # the steps of PGD together, in ε
CHUNK = 500  # examples that are attacked at once
# name of an attack -> what it is
ATTACKS = {
    "fgsm": "FGSM",
    "pgd": "PGD",
    "own fgsm": "FGSM through its own feedback (masked)",
    "own pgd": "PGD through its own feedback (masked)",
    "random": "random signs",
}


def input_gradient(network: MLP, loss: Loss, X: Any, y: Any) -> Any:
    """Return d(mean loss)/dX, (n, D), through the weights of the network, by whatever rule they were learned.

    Args:
        network: a network without replicas; it is not changed.
        loss: a Loss.
        X: inputs (n, D), of the network's dtype.
        y: targets (n, d_L).

    Raises:
        ValueError: shapes do not fit, or the class of the network has a forward pass of its own and does not define its
            ``to_input``.
    """
    check_class(network)
    check_examples(network, X, y)
    xp, h, signal = network.backend.xp, network.forward(X), None
    delta = e = loss.error(xp, h[-1], y)
    for l in reversed(range(1, len(network.W))):
        signal = delta @ network.W[l].mT
        delta = network.delta(h, l, signal) if l > 1 else None
    return e @ network.W[0].mT if signal is None else network.to_input(h, signal)


def transported(
    rule: Rule, network: MLP, B: Sequence[Any], loss: Loss, X: Any, y: Any, draws: Callable[[int], Any] | None = None
) -> Any:
    """Return the signal that `rule` would send to the input, (n, D). Under "bp" it is ``input_gradient``.

    Args:
        rule: a Rule with a signal.
        network, loss, X, y: as in ``input_gradient``.
        B: the feedback matrices, that of the input (which training does not use) first; not read by a rule without B.
        draws: see ``rules.gradients``.
    """
    if rule.signal is None:
        raise ValueError(f"the rule {rule.name!r} has no signal, so it sends nothing to the input")
    check_examples(network, X, y)
    xp, h = network.backend.xp, network.forward(X)
    delta = e = loss.error(xp, h[-1], y)
    for l in reversed(range(len(network.W))):
        at = At(xp, network.W[l], B[l] if B else None, h[l], delta, e, y, l, draws, loss)
        signal = of_shape(xp, rule.signal(at), h[l].shape, rule, "signal")
        delta = network.delta(h, l, signal) if l else signal
    return delta


def check_class(network):
    """Raise a ValueError unless the class that defines ``to_input`` knows all methods of the forward pass."""
    kind = type(network)
    by = provider(kind, "to_input")
    for name in FORWARD:
        if not issubclass(by, provider(kind, name)):
            raise ValueError(
                f"{kind.__name__} has its own {name}(), so it must define its input gradient: to_input()"
            )


def check_examples(network, X, y):
    """Raise a ValueError unless X and y are finite arrays that fit the network and each other."""
    n, real = getattr(X, "shape", (0,))[0], lambda a: getattr(getattr(a, "dtype", None), "kind", "f") in "fiub"
    for name, a, shape in (("X", X, (n, network.sizes[0])), ("y", y, (n, network.sizes[-1]))):
        if tuple(getattr(a, "shape", ())) != shape or not n or not real(a):
            raise ValueError(
                f"{name} must be an array of real numbers of shape (n, {shape[1]}), with one n of X and y, got {shown(a)}"
            )
        if not bool(network.backend.xp.all(network.backend.xp.isfinite(a))):
            raise ValueError(f"{name} must be finite")


def fgsm(gradient: Callable[[Any], Any], u: np.ndarray, epsilon: float) -> np.ndarray:
    """Return inputs (n, D) moved from `u` by one step of `epsilon`; ``gradient(u)`` is (n, D), and u in [0, 1]."""
    return np.clip(u + epsilon * np.sign(gradient(u)), 0.0, 1.0)


def pgd(
    gradient: Callable[[Any], Any], u: np.ndarray, epsilon: float, rng: np.random.Generator, steps: int = STEPS
) -> np.ndarray:
    """Return inputs (n, D) moved from `u` by projected gradient steps, at most `epsilon` in each entry."""
    low, high = np.maximum(u - epsilon, 0.0), np.minimum(u + epsilon, 1.0)
    moved = np.clip(u + rng.uniform(-epsilon, epsilon, u.shape), low, high)
    for _ in range(steps):
        moved = np.clip(moved + REACH * epsilon / steps * np.sign(gradient(moved)), low, high)
    return moved


def random_signs(u: np.ndarray, epsilon: float, rng: np.random.Generator) -> np.ndarray:
    """Return inputs (n, D) moved from `u` by `epsilon` up or down at random."""
    return np.clip(u + epsilon * rng.choice((-1.0, 1.0), u.shape), 0.0, 1.0)


class Target(NamedTuple):
    """A trained network under attack, in NumPy and float64, and the examples that are attacked.

    Attributes:
        seed: of the network.
        network: an ``MLP`` without replicas.
        rule, loss: of its training.
        B: the feedback matrices, that of the input first; empty for a rule without B.
        u: the test inputs in [0, 1], (n, D).
        y: their targets, (n, d_L).
        scale: (s, t) such that u = X · s + t.
        draws: for a rule that draws, see ``rules.gradients``.
    """

    seed: int
    network: MLP
    rule: Rule
    loss: Loss
    B: list
    u: np.ndarray
    y: np.ndarray
    scale: tuple
    draws: Callable

    def X(self, u):
        """Return the network's inputs for u."""
        s, t = self.scale
        return (u - t) / s

    def true(self, u, y):
        """Return the gradient of the mean loss with respect to the input, up to a positive factor."""
        return input_gradient(self.network, self.loss, self.X(u), y)

    def own(self, u, y):
        """Return what the rule would send to the input, up to a positive factor."""
        return transported(self.rule, self.network, self.B, self.loss, self.X(u), y, self.draws)

    def correct(self, u, y):
        """Return how many of the inputs u (n, D) are classified as y says."""
        return int(self.loss.correct(np, self.network.forward(self.X(u))[-1], y).sum())

    def takes(self, other):
        """Whether the examples of another Target are inputs and targets of this one."""
        same = self.network.sizes[0] == other.network.sizes[0] and self.network.sizes[-1] == other.network.sizes[-1]
        return same and self.loss.name == other.loss.name


class Attacked(NamedTuple):
    """How a network answers under attack.

    Attributes:
        seed: of the network.
        clean: accuracy without an attack.
        accuracy: attack -> accuracy at each ε. The attacks are those of ATTACKS; those through the rule's own feedback are
            missing under "bp", where they are the true ones, for a rule without a signal, and below a convolution.
        transfer: name of another network -> its accuracy on the examples that FGSM made for this one, at each ε.
        vanished: share of the examples whose true gradient is exactly zero: no attack can move these. A rounding of the
            error of very large logits does this, as do units that are all inactive.
    """

    seed: int
    clean: float
    accuracy: dict
    transfer: dict
    vanished: float


def measured(
    training: Any,
    epsilons: Sequence[float] = EPSILONS,
    steps: int = STEPS,
    samples: int = SAMPLES,
    others: "Mapping[str, Target] | None" = None,
) -> list[Attacked]:
    """Return an Attacked for each seed of a Training that has not diverged, on its test set.

    Args:
        training: of images: its problem has ``scale``, (s, t) such that X · s + t lies in [0, 1].
        epsilons: the largest changes of a pixel, in (0, 1].
        steps: of PGD.
        samples: how many test examples, the first ones.
        others: name -> Target, for the transfer.

    Raises:
        ValueError: the problem has no such inputs, or no accuracy; or an argument is out of range.
    """
    epsilons = checked_epsilons(epsilons)
    whole("steps", steps, most=MOST_STEPS)
    return [attacked(each, epsilons, steps, others) for each in targets(training, samples)]


def checked_epsilons(epsilons):
    """Return a sequence of ε as a tuple of floats; a ValueError for anything else."""
    if isinstance(epsilons, (str, bytes)) or not hasattr(epsilons, "__len__") or not 0 < len(epsilons) <= 100:
        raise ValueError(f"epsilons must be a sequence of 1 to 100 numbers, got {shown(epsilons)}")
    return tuple(float(number("each of epsilons", each, above=0, most=1)) for each in epsilons)


def attacked(target: Target, epsilons: Sequence[float], steps: int, others: Mapping[str, Target] | None) -> Attacked:
    """Return the Attacked of a Target; ``others`` that do not take its examples are left out."""
    others = {name: each for name, each in (others or {}).items() if each.takes(target)}
    right: dict[str, np.ndarray] = {}
    passed, n, vanished = {name: np.zeros(len(epsilons)) for name in others}, len(target.u), 0
    for start in range(0, n, CHUNK):
        u, y = target.u[start : start + CHUNK], target.y[start : start + CHUNK]
        vanished += int((target.true(u, y) == 0).all(axis=1).sum())
        for place, epsilon in enumerate(epsilons):
            moved = examples(target, u, y, epsilon, steps, streams(target.seed).attack(start, place))
            for name, each in moved.items():
                right.setdefault(name, np.zeros(len(epsilons)))[place] += target.correct(each, y)
            for name, other in others.items():
                passed[name][place] += other.correct(moved["fgsm"], y)
    share = lambda counts: [round(float(count) / n, 6) for count in counts]
    return Attacked(
        target.seed,
        target.correct(target.u, target.y) / n,
        {name: share(right[name]) for name in ATTACKS if name in right},
        {name: share(counts) for name, counts in passed.items()},
        vanished / n,
    )


def sends_to_input(rule, network):
    """Whether a rule has a signal of its own for the input of a network: of dense layers, that is, and not by BP."""
    return rule.signal is not None and rule is not rules.bp and provider(type(network), "to_input") is MLP


def examples(
    target: Target, u: np.ndarray, y: np.ndarray, epsilon: float, steps: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Return attack -> the inputs that it makes of u (n, D) with targets y (n, d_L), for the attacks that the rule has."""
    true, own = (lambda moved: target.true(moved, y)), (lambda moved: target.own(moved, y))
    made = {
        "fgsm": fgsm(true, u, epsilon),
        "pgd": pgd(true, u, epsilon, rng, steps),
        "random": random_signs(u, epsilon, rng),
    }
    if sends_to_input(target.rule, target.network):
        made |= {"own fgsm": fgsm(own, u, epsilon), "own pgd": pgd(own, u, epsilon, rng, steps)}
    return made


def targets(training: Any, samples: int = SAMPLES) -> list[Target]:
    """Return a Target for each seed of a Training that has not diverged, with its first test examples.

    Raises:
        ValueError: see ``measured``.
    """
    samples, problem, net = whole("samples", samples, most=MOST_SAMPLES), training.problem, training.network
    scale = getattr(problem, "scale", None)
    if training.loss.correct is None:
        raise ValueError("an attack needs classes: the loss of this problem has no accuracy")
    if not isinstance(scale, tuple) or len(scale) != 2 or not all(map(is_number, scale)) or not scale[0] > 0:
        raise ValueError(
            "an attack needs inputs with limits, such as pixels: this problem does not say its scale to [0, 1]"
        )
    backend, found = Backend("cpu", kernels="numpy"), []
    host = lambda array: np.asarray(training.backend.to_host(array), np.float64)
    seeds = training.seed if isinstance(training.seed, tuple) else (training.seed,) * (net.replicas or 1)
    for r, seed in enumerate(seeds):
        if np.atleast_1d(training.status)[r] != "ok":
            continue
        own = lambda array, r=r, axes=2: host(array)[r] if net.replicas and array.ndim > axes else host(array)
        network = copy(net)
        network.backend, network.dtype, network.seed, network.parameters = backend, "float64", seed, {}
        network.load({name: own(theta, axes=1 + (name[0] != "b")) for name, theta in net.parameters.items()})
        X, y = problem.test(seed, training.data_of(max(1, training.epoch))[1])
        X, y = (host(dense(each[:samples, :])) for each in (X, y))
        B, shape = [], training.rule.feedback_shape
        if shape is not None and sends_to_input(training.rule, network):
            shapes = [shape(net.sizes, l) for l in (*range(1, len(net.sizes) - 1), 0)]
            B = [training.feedback.draw(shapes, seed)[-1], *map(own, training.B)]
        draws = lambda l, seed=seed: Draws(seed, training.state.step + 1, l, backend, "float64")
        u = np.clip(X * scale[0] + scale[1], 0.0, 1.0)
        found.append(Target(seed, network, training.rule, training.loss, B, u, y, scale, draws))
    return found


def chance(y: np.ndarray) -> float:
    """Return the accuracy of the most frequent answer for targets y (n, d_L), one-hot or of one output."""
    of = y[:, 0] > 0.5 if y.shape[1] == 1 else y.argmax(axis=1)
    return float(np.unique(of, return_counts=True)[1].max() / len(of))
