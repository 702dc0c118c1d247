"""The bugs of Demirbilek 2021 as subclasses, written against the public interfaces only.

    EpochAdam             its Adam counts epochs in the bias correction: --opt adam:count=epochs
    PublishedTraining     redraws weights but keeps B and the optimizer state (--redraw), and measures alignment on the last
                          batch of an epoch (--align published)
    PublishedParity, PublishedSynthetic, PublishedClasses     the settings of such runs (published_settings)

Importing this module registers them, here and in the workers of a sweep.
"""

from math import ceil

from .. import rules
from ..alignment import cosine, feedback_alignment
from ..checks import whole
from ..inputs import dense
from ..optimizers import Adam
from ..plugins import share
from ..registry import register
from ..training import Training
from .published_settings import PublishedClasses, PublishedParity, PublishedSynthetic

__all__ = [
    "EpochAdam",
    "PublishedClasses",
    "PublishedParity",
    "PublishedSynthetic",
    "PublishedTraining",
    "published_alignment",
]

share(__name__)


@register
class EpochAdam(Adam):
    """Adam whose t counts epochs instead of updates: figures 3.4 and B.2."""

    name = "adam:count=epochs"

    def clock(self, step, epoch):
        return epoch


class PublishedTraining(Training):
    """A Training as it was run for figures 3.2 to 3.5.

    Args:
        align: as for Training, or ``"published"`` (only with one hidden layer; see ``published_alignment``).
        redraw: None, or a number of epochs after which weights and data are redrawn from the next seed, while B and
            the optimizer state are kept. This is how the runs of figures 3.3 and 3.4 were repeated.
    """

    def __init__(self, network, *parts, align=False, redraw=None, **more):
        if redraw is not None:
            whole("redraw", redraw, other=" or None")
        self.as_published = isinstance(align, str) and align == "published"
        if self.as_published and len(network.sizes) != 3:
            raise ValueError("align can be 'published' with one hidden layer alone")
        super().__init__(network, *parts, align=False if self.as_published else align, **more)
        if self.as_published and self.rule.signal is None:
            raise ValueError(f"align can be 'published' for rules with a signal alone, not for {self.rule.name!r}")
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
        return totals, published_alignment(self.rule, self.network, self.B, h, e, y, self.draws, self.loss)


def published_alignment(rule, network, B, h, e, y=None, draws=None, loss=None):
    """Return ``{"feedback": [a], "gradient": [b, 1]}`` as in Demirbilek 2021, on the last batch of an epoch.

    a: the cosine of B with W1.T. b: of the gradient of W0 by `rule` with the one by BP, row by row (one per input),
    averaged over the rows; a zero row counts 0. h and e belong to the weights before the step, but BP uses the W1
    after it.

    Args:
        network: with one hidden layer, after the step.
        h, e: of the batch, before the step.
        y, draws, loss: see ``rules.gradients``.
    """
    xp, slope = network.backend.xp, network.slope(h, 1)
    at = rules.At(xp, network.W[1], B[0] if B else None, h[1], e, e, y, 1, draws, loss)
    mine, exact = (dense(h[0].mT @ (each.signal(at) * slope)) for each in (rule, rules.bp))
    by_row = cosine(xp, mine[..., :, None, :], exact[..., :, None, :])
    first = xp.mean(by_row, axis=-1)
    return {"feedback": feedback_alignment(rule, network, B), "gradient": [first, xp.ones_like(first)]}
