"""The additional settings of published runs (see ``published``)."""

from dataclasses import dataclass
from itertools import pairwise

from ..checks import MOST
from ..problems import ClassesSettings, ParitySettings, SyntheticSettings
from ..problems.fields import setting
from ..registry import register
from ..system.lazy import lazy

np = lazy("numpy")


@dataclass(frozen=True, kw_only=True)
class Published:
    """The settings `align` and `redraw` of ``PublishedTraining``."""

    align: bool | str = setting(
        False,
        "Measure alignment with backpropagation after each epoch: on a fixed probe set, or as in Demirbilek 2021.",
        words={"probe": True, "published": "published"},
    )
    redraw: int | None = setting(
        None,
        "Redraw the weights (from the next seed) after this many epochs, keeping B and the optimizer state.",
        least=1,
        most=MOST,
        metavar="EPOCHS",
    )

    def training(self, *parts):
        from .published import PublishedTraining

        more = dict(
            align=self.align, redraw=self.redraw, measures=self.measures_of_updates(*parts), schedule=self.schedule
        )
        return PublishedTraining(*parts, layers=self.layers, **more)


@register
class PublishedParity(Published, ParitySettings):
    """A run on the parity of k digits as it was published."""


@register
class PublishedSynthetic(Published, SyntheticSettings):
    """A run on the synthetic problem as it was published."""


@register
class PublishedClasses(ClassesSettings):
    """A run on the classes of images with the initial weights of Akrout et al. 2019: N(0, 1/(fan_in + fan_out))."""

    init: str = setting("normal")

    def training(self, network, *parts):
        if self.init != "normal":
            raise ValueError(f"init must be 'normal', got {self.init!r}")
        network.load(normal_weights(network))
        return super().training(network, *parts)


def normal_weights(network):
    """Return name -> host array: weights and biases of a network from N(0, 1/(fan_in + fan_out)), by its seeds."""
    from ..streams import per_replica, streams

    found = {}
    for letter, stream in (("W", "weights"), ("b", "biases"))[: 1 + network.bias]:
        shapes = list(pairwise(network.sizes))

        def one_seed(seed, letter=letter, stream=stream, shapes=shapes):
            rng = getattr(streams(seed), stream)
            each = [rng.normal(0, (a + b) ** -0.5, (a, b)[letter == "b" :]) for a, b in shapes]
            return np.concatenate([array.ravel() for array in each])

        flat, start = per_replica(network.seed, one_seed), 0
        for l, (a, b) in enumerate(shapes):
            size = b if letter == "b" else a * b
            part = flat[..., start : start + size]
            found[f"{letter}{l}"] = part.reshape(*flat.shape[:-1], *(a, b)[letter == "b" :])
            start += size
    return found
