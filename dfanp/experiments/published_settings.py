"""The additional settings of published runs (see ``published``)."""

from dataclasses import dataclass

from ..checks import MOST
from ..problems import ParitySettings, SyntheticSettings
from ..problems.fields import setting
from ..registry import register


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

        return PublishedTraining(*parts, layers=self.layers, align=self.align, redraw=self.redraw)


@register
class PublishedParity(Published, ParitySettings):
    """A run on the parity of k digits as it was published."""


@register
class PublishedSynthetic(Published, SyntheticSettings):
    """A run on the synthetic problem as it was published."""
