"""The problems: parity, the synthetic problem, classes of images, a teacher, plain arrays, and data sets.

A problem is any object with these attributes and methods (``Arrays`` is the shortest one):

    features, outputs   the widths d_0 and d_L of its networks
    loss                a Loss, or its name
    dtype, backend      of its arrays
    train_size          number of examples of a training epoch
    train(seed, epoch)  the training set of an epoch: inputs X (n, D) and targets y (n, d_L), in training order
    test(seed, epoch)   the test set of an epoch, likewise
    probe(seed)         a fixed set of examples for measurements during training, likewise

Optional are ``weights(seed, epoch)``, the weights of the training examples, (n,) of mean 1, or None; ``classes``, the names of the classes for a negative and a positive output, and ``groups(X)``, the groups
of test examples X: name -> whole numbers (n,) or (n, k).

With a sequence of R seeds the arrays have a leading replica axis R (test and probe may omit it if all
replicas share them). All are arrays of the problem's backend, or ``StackedDigits``; targets may have another dtype,
such as whole numbers.

``PROBLEMS`` contains the problems that have commands: name -> class of their settings.
"""

from typing import TYPE_CHECKING

from ..registry import Registry
from ..system.lazy import names_of
from .arrays import Arrays
from .classes import Classes, ClassesSettings
from .conv import ConvSettings
from .fields import settings_of
from .own import OwnSettings
from .parity import Parity, ParitySettings
from .settings import TrainingSettings
from .synthetic import Synthetic, SyntheticSettings
from .targets import Targets, TargetsSettings
from .teacher import Teacher, TeacherSettings

if TYPE_CHECKING:
    from .datasets import load
    from .images import Dataset

__all__ = ["Arrays", "Classes", "Dataset", "Parity", "Synthetic", "Targets", "Teacher", "load"]
__getattr__, __dir__ = names_of(__name__, {"datasets": "load", "images": "Dataset"})


class Problems(Registry):
    """The classes of settings by the names of their problems.

    A subclass of one of them without a new name is a variant for the same problem, with more settings or values.
    """

    def name_of(self, thing):
        settings_of(thing)  # raises if a setting is invalid
        name = super().name_of(thing)
        return f"{name}:{thing.__name__}" if name in self and "name" not in vars(thing) else name

    def variants(self, kind):
        """Return the classes for the problem of the class `kind`, that class first."""
        return [kind, *(each for name, each in self._things.items() if name.startswith(f"{kind.name}:"))]


PROBLEMS = Problems(
    "problem",
    lambda thing: isinstance(thing, type) and issubclass(thing, TrainingSettings),
    (
        ParitySettings,
        SyntheticSettings,
        ClassesSettings,
        ConvSettings,
        TeacherSettings,
        TargetsSettings,
        OwnSettings,
    ),
)
