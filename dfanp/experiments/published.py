"""What Demirbilek 2021 ran where it is not what was meant, as subclasses, built through the interfaces that everybody has.

    EpochAdam             its Adam counts epochs in the bias correction: ``--opt adam:count=epochs``
    PublishedTraining     weights drawn anew while B and the optimizer's state stay (``--redraw``), and alignment measured on the last
                          batch of an epoch (``--align published``)
    PublishedParity, PublishedSynthetic     the settings of such runs

Importing this module gives them their names, here and in the workers of a sweep.
"""

from dataclasses import dataclass
from math import ceil
from numbers import Integral

from .. import rules
from ..alignment import cosine, feedback_alignment
from ..errors import shown
from ..inputs import dense
from ..optimizers import Adam
from ..plugins import share
from ..registry import register
from ..settings import ParitySettings, SyntheticSettings
from ..training import Training

share(__name__)


@register
class EpochAdam(Adam):
    """Adam whose t counts epochs, and not updates: figures 3.4 and B.2."""

    name = "adam:count=epochs"

    def clock(self, step, epoch):
        return epoch


class PublishedTraining(Training):
    """A Training as it was run for figures 3.2 to 3.5.

    Args (beside those of Training):
        align: also ``"published"``, for a network with one hidden layer: see ``published_alignment``.
        redraw: None; or a number of epochs, after each of which weights are drawn anew, from the next seed, and data too,
            while B and the optimizer's state stay: how the runs of figures 3.3 and 3.4 were repeated.
    """

    def __init__(self, network, *parts, align=False, redraw=None, **more):
        if redraw is not None and (isinstance(redraw, bool) or not isinstance(redraw, Integral) or redraw < 1):
            raise ValueError(f"redraw must be a whole number of at least 1 or None, got {shown(redraw)}")
        self.as_published = isinstance(align, str) and align == "published"
        if self.as_published and len(network.sizes) != 3:
            raise ValueError("align can be 'published' with one hidden layer alone")
        super().__init__(network, *parts, align=False if self.as_published else align, **more)
        self.redraw = redraw

    def data_of(self, epoch):
        if self.redraw is None:
            return self.seed, epoch
        repeat, before = divmod(epoch - 1, self.redraw)
        seed = self.seed + repeat if isinstance(self.seed, int) else tuple(one + repeat for one in self.seed)
        return seed, before + 1

    def examples(self, epoch):
        seed, own_epoch = self.data_of(epoch)
        if own_epoch == 1 and epoch > 1:
            self.network.redraw(seed)
        return super().examples(epoch)

    def train_and_measure(self, X, y, epoch):
        if not self.as_published:
            return super().train_and_measure(X, y, epoch)
        n, totals = X.shape[-2], 0.0
        last = (ceil(n / self.batch_size) - 1) * self.batch_size
        if last:
            totals = self.run_steps(X[..., :last, :], y[..., :last, :], epoch)
        X, y = X[..., last:, :], y[..., last:, :]
        h = self.network.forward(X)
        e = self.loss.error(self.backend.xp, h[-1], y)
        totals = totals + self.learn(X, y, epoch)
        return totals, published_alignment(self.rule, self.network, self.B, h, e)


def published_alignment(rule, network, B, h, e):
    """Return ``{"feedback": [a], "gradient": [b, 1]}`` as Demirbilek 2021 measured them, on the last batch of an epoch.

    a: the cosine of B with W1.T. b: of the gradient of W0 by `rule` with the one by BP, row by row (an input each), the mean over
    the rows; a row that is zero counts 0. h and e are of the weights before the step, the W1 that BP takes here is the one after it.

    Args:
        network: with one hidden layer, after the step. h, e: of the batch, before the step.
    """
    xp, slope = network.backend.xp, network.slope(h, 1)
    at = rules.At(xp, network.W[1], B[0] if B else None, h[1], e, e)
    mine, exact = (dense(h[0].mT @ (each.signal(at) * slope)) for each in (rule, rules.bp))
    by_row = cosine(xp, mine[..., :, None, :], exact[..., :, None, :])
    first = xp.mean(by_row, axis=-1)
    return {"feedback": feedback_alignment(rule, network, B), "gradient": [first, xp.ones_like(first)]}


@dataclass(frozen=True, kw_only=True)
class Published:
    """What settings of a run as it was published have more: `align` and `redraw` of ``PublishedTraining``."""

    align: bool | str = False
    redraw: int | None = None

    def training(self, *parts):
        return PublishedTraining(*parts, layers=self.layers, align=self.align, redraw=self.redraw)


@dataclass(frozen=True, kw_only=True)
class PublishedParity(Published, ParitySettings):
    """A run on the parity of k digits as it was published."""


@dataclass(frozen=True, kw_only=True)
class PublishedSynthetic(Published, SyntheticSettings):
    """A run on the synthetic problem as it was published."""


KINDS = {ParitySettings: PublishedParity, SyntheticSettings: PublishedSynthetic}


def settings_of(kind, redraw=None, **given):
    """Return settings of the class `kind`, or of its published one if they ask for what that alone has.

    Args:
        redraw: as in ``PublishedTraining``. given: other settings.
    """
    if redraw is None and given.get("align") != "published":
        return kind(**given)
    return KINDS[kind](redraw=redraw, **given)
