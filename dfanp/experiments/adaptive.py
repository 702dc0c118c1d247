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

share(__name__)
SHARED = {"layer": (-2, -1), "pixel": (-1,), "unit": (-2,)}  # -> the axes of W over which the mean is taken
FIRST = (0.1, 10.0)
RHO, EPS = RMSProp.rho, RMSProp.eps


def shared_rmsprop(by, axes):
    """Return the class of an RMSProp whose second moment is shared along axes of W; a bias keeps one for each unit."""

    class Shared(Optimizer):
        name = f"rmsprop:shared={by}"
        slots = ("v",)

        def update(self, xp, theta, g, s, lr, t):
            squares = (
                xp.mean(g * g, axis=axes, keepdims=True) if g.shape[-2:] == theta.shape[-2:] and g.ndim > 1 else g * g
            )
            s.v[...] = RHO * s.v + (1 - RHO) * squares
            theta -= lr * g / xp.sqrt(s.v + EPS)

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


# label -> the optimizer, and rates to choose from, for BP and for DFA
WAYS = {
    "SGD": ("sgd", (0.06, 0.12, 0.24), (0.009, 0.018, 0.036)),
    "SGD, first layer 0.1": ("sgd:first=0.1", (0.12, 0.24, 0.48), (0.018, 0.036, 0.072)),
    "SGD, first layer 10": ("sgd:first=10", (0.012, 0.024, 0.048), (0.0018, 0.0036, 0.0072)),
    "SGD, standardised pixels": ("sgd", (0.03, 0.06, 0.12), (0.0045, 0.009, 0.018)),
    "RMSProp by layer": ("rmsprop:shared=layer", (0.0001, 0.0002, 0.0004), (0.00011, 0.00022, 0.00044)),
    "by pixel": ("rmsprop:shared=pixel", (0.0002, 0.0004, 0.0008), (0.00011, 0.00022, 0.00044)),
    "by unit": ("rmsprop:shared=unit", (0.0002, 0.0004, 0.0008), (0.00011, 0.00022, 0.00044)),
    "each weight": ("rmsprop", (0.0002, 0.0004, 0.0008), (0.00011, 0.00022, 0.00044)),
}
EPOCHS = 20


def series(mode, scale):
    """Return the runs of each rule, each way to adapt and each rate."""
    seeds, found = scale.at_most(STUDY_SEEDS).seeds, []
    for label, (opt, *rates) in WAYS.items():
        for rule, choices in zip(("bp", "dfa"), rates, strict=True):
            for lr in choices[:2] if scale.quick else choices:
                given = dict(lr=lr, method=rule, opt=opt, k=3, data=scale.data, epochs=min(EPOCHS, scale.most_epochs))
                given |= dict(train_size=scale.train_size, test_size=scale.test_size)
                given |= dict(kernels=scale.kernels, device=scale.device)
                given |= {"pixels": "standardised"} if "standardised" in label else {}
                if scale.quick:
                    given |= dict(train_size=min(1000, scale.train_size), hidden=(64,))
                runs = tuple(made(ParitySettings, seed=seed, **given) for seed in seeds)
                found.append(Series(label, runs, rule.upper(), lr))
    return found


EXPERIMENTS = (
    Experiment(
        "adaptive", "Why adaptive methods help DFA more than BP", "adaptive", series, (CORRECTED,), study=True
    ),
)
