"""The settings of runs as they were published: what of them other runs do not have (see ``published``)."""

from dataclasses import dataclass

from ..checks import MOST
from ..problems import ParitySettings, SyntheticSettings
from ..problems.fields import setting
from ..registry import register


@dataclass(frozen=True, kw_only=True)
class Published:
    """What they have more: `align` and `redraw` of ``PublishedTraining``."""

    align: bool | str = setting(
        False,
        "Measure alignment with backpropagation after each epoch: on a fixed probe set, or as Demirbilek 2021 did.",
        words={"probe": True, "published": "published"},
    )
    redraw: int | None = setting(
        None,
        "Draw new weights (of the next seed) after so many epochs, and keep B and the optimizer's state.",
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
