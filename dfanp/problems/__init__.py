"""The problems to learn: data sets, parity, the synthetic problem, plain arrays.

A problem is anything with these attributes and methods (see ``Arrays`` for the shortest one):

    features, outputs   the widths d_0 and d_L of a network for it
    loss                its Loss, or the name of one
    dtype, backend      of its arrays
    train_size          examples in a training epoch
    train(seed, epoch)  the training set of an epoch: inputs X (n, D) and targets y (n, d_L), in the order of training
    test(seed, epoch)   the test set of an epoch, likewise
    probe(seed)         a fixed set of examples for measurements during training, likewise

It may have more: ``classes``, names of what the two signs of one output mean, and ``groups(X)``, the groups that test
examples X belong to: name -> whole numbers (n,) or (n, k).

With a sequence of R seeds the arrays have a leading replica axis R (test and probe may leave it out where all
replicas share them). All are arrays of the problem's backend, or ``StackedDigits``; targets may have another dtype,
such as whole numbers.

``PROBLEMS`` has those with commands of their own: the classes of their settings, by the problem's name.
"""

from typing import TYPE_CHECKING

from ..registry import Registry
from ..system.lazy import names_of
from .arrays import Arrays
from .fields import settings_of
from .parity import Parity, ParitySettings
from .settings import TrainingSettings
from .synthetic import Synthetic, SyntheticSettings

if TYPE_CHECKING:
    from .datasets import load
    from .images import Dataset

__all__ = ["Arrays", "Dataset", "Parity", "Synthetic", "load"]
__getattr__, __dir__ = names_of(__name__, {"datasets": "load", "images": "Dataset"})


class Problems(Registry):
    """The classes of settings by the names of their problems.

    A subclass of one of them without a name of its own is a variant, for the same problem: it may have more settings,
    or take more values.
    """

    def name_of(self, thing):
        settings_of(thing)  # which says what is wrong with one
        name = super().name_of(thing)
        return f"{name}:{thing.__name__}" if name in self and "name" not in vars(thing) else name

    def variants(self, kind):
        """Return the classes for the problem of the class `kind`, that class first."""
        return [kind, *(each for name, each in self._things.items() if name.startswith(f"{kind.name}:"))]


PROBLEMS = Problems(
    "problem",
    lambda thing: isinstance(thing, type) and issubclass(thing, TrainingSettings),
    (ParitySettings, SyntheticSettings),
)
