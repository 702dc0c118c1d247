"""Why do adaptive methods help DFA more than BP? Parts of RMSProp, one at a time, written against the public interfaces only.

    rmsprop:shared=layer    one second moment for each layer: a rate that follows the size of its gradient
    rmsprop:shared=pixel    one for each input of a layer, the mean over its units
    rmsprop:shared=unit     one for each unit, the mean over its inputs
    sgd:first=0.1, 10       SGD whose lowest layer has 0.1 or 10 times the rate
    standardised pixels     SGD on inputs of which each pixel has mean 0 and variance 1 (or is 0)

RMSProp keeps one for each weight. Importing this module registers them, here and in the workers of a sweep.
"""

import numpy as np

from ..inputs import Bank
from ..optimizers import SGD, Optimizer, RMSProp
from ..plugins import share
from ..problems import Parity
from ..problems.fields import setting
from ..registry import register
from ..settings import ParitySettings, made
from .experiment import CORRECTED, STUDY_SEEDS, Experiment, Series
from .published_settings import PublishedParity
from .rates import TUNED, default_rate
from .table import changes, markdown_of_changes

share(__name__)
SHARED = {"layer": (-2, -1), "pixel": (-1,), "unit": (-2,)}  # -> the axes of W over which the mean is taken
FIRST = (0.1, 10.0)
RHO, EPS = RMSProp.rho, RMSProp.eps


def shared_rmsprop(by, axes):
    """Return the class of an RMSProp whose second moment is shared along axes of W; a bias keeps one for each unit."""

    class Shared(Optimizer):
        name = f"rmsprop:shared={by}"
        slots = ("v",)

        def init(self, backend, parameters, replicas=None):
            state = super().init(backend, parameters, replicas)
            for name in parameters:
                if name[0] == "W":
                    state.slots[name].v = backend.xp.mean(state.slots[name].v, axis=axes, keepdims=True)
            return state

        def update(self, xp, theta, g, s, lr, t):
            shared = tuple(axis for axis in range(-g.ndim, 0) if s.v.shape[axis] != g.shape[axis])
            s.v[...] = RHO * s.v + (1 - RHO) * (xp.mean(g * g, axis=shared, keepdims=True) if shared else g * g)
            theta -= lr / xp.sqrt(s.v + EPS) * g

    Shared.__doc__ = f"RMSProp with one second moment for each {by}."
    return Shared


def sgd_by_layer(factor):
    """Return the class of an SGD whose lowest layer has `factor` times the rate."""

    class ByLayer(SGD):
        name = f"sgd:first={factor:g}"

        def init(self, backend, parameters, replicas=None):
            state = super().init(backend, parameters, replicas)
            state.lr |= {each: factor * rate for each, rate in state.lr.items() if each in ("W0", "b0")}
            return state

    ByLayer.__doc__ = f"SGD whose lowest layer has {factor:g} times the rate."
    return ByLayer


OPTIMIZERS = [register(shared_rmsprop(by, axes)) for by, axes in SHARED.items()]
OPTIMIZERS += [register(sgd_by_layer(factor)) for factor in FIRST]


@register
class StandardisedParity(PublishedParity):
    """A run on the parity of k digits whose pixels are standardised one by one."""

    pixels: str = setting("standardised")

    def problem(self, dataset, backend):
        if self.pixels != "standardised":
            raise ValueError(f"pixels must be 'standardised', got {self.pixels!r}")
        return Standardised(self.images(dataset), self.k, self.train_size, self.test_size, self.dtype, backend)

    def bytes_of_examples(self, features):
        return (self.train_size + self.test_size) * 8 * (features + 1)


class Standardised(Parity):
    """Parity with dense inputs, each pixel of mean 0 and variance 1 over the training images, or 0 if it never changes."""

    def __init__(self, *args):
        super().__init__(*args)
        raw = self.dataset.train.pixels
        mean, std = raw.mean(axis=0), raw.std(axis=0)
        mean, std = (self.backend.asarray(each, self.dtype) for each in (mean, np.where(std > 0, std, np.inf)))
        del self.scale  # X is no longer the pixels times one number
        for part, images in (("train", self.dataset.train), ("test", self.dataset.test)):
            self._banks[part] = Bank(images.pixels, mean, std, self.dtype, self.backend)

    def _examples(self, *which):
        X, y = super()._examples(*which)
        return X.dense(), y


# label -> settings of its runs
WAYS = {
    "SGD": {"opt": "sgd"},
    "SGD, first layer 0.1": {"opt": "sgd:first=0.1"},
    "SGD, first layer 10": {"opt": "sgd:first=10"},
    "SGD, standardised pixels": {"opt": "sgd", "pixels": "standardised"},
    "RMSProp by layer": {"opt": "rmsprop:shared=layer"},
    "by pixel": {"opt": "rmsprop:shared=pixel"},
    "by unit": {"opt": "rmsprop:shared=unit"},
    "each weight": {"opt": "rmsprop"},
}
EPOCHS, LAST = 10, 5  # the mean of the last ones is compared


def rate(data, rule, label):
    """Return the learning rate of a way: its own on MNIST, otherwise that of SGD or RMSProp."""
    tuned = TUNED["adaptive"][rule].get(label) if data != "digits" else None
    return tuned or default_rate(data, rule, WAYS[label]["opt"].partition(":")[0]).lr


def run(data, rule, label, **more):
    """Return the settings of a run of k = 3."""
    return made(
        ParitySettings, **{"lr": rate(data, rule, label), "method": rule, "k": 3, "data": data, **WAYS[label], **more}
    )


def series(mode, scale):
    """Return the runs of each rule and each way to adapt."""
    seeds, found = scale.at_most(STUDY_SEEDS).seeds, []
    given = dict(epochs=min(EPOCHS, scale.most_epochs), train_size=scale.train_size, test_size=scale.test_size)
    given |= dict(kernels=scale.kernels, device=scale.device)
    if scale.quick:
        given |= dict(train_size=min(1000, scale.train_size), hidden=(64,))
    for rule in ("bp", "dfa"):
        for label in WAYS:
            runs = tuple(run(scale.data, rule, label, seed=seed, **given) for seed in seeds)
            found.append(Series(label, runs, rule.upper()))
    return found


def late(series):
    """Return seed -> mean test accuracy of the last epochs of a series' run; one that diverged counts as 0.5."""
    of = lambda run: float(np.mean(run[-LAST:])) if run and run[-1] is not None else 0.5
    return {seed: of(run) for seed, run in enumerate(series["test_accuracy"])}


def gains(record):
    """Return the Change from SGD to each way in a record of this experiment."""
    return changes(record, "SGD", late)


EXPERIMENTS = (
    Experiment(
        "adaptive",
        "Why adaptive methods help DFA more than BP",
        "adaptive",
        series,
        (CORRECTED,),
        study=True,
        table=lambda record: markdown_of_changes(gains(record)),
    ),
)
