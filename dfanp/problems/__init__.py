"""The problems to learn: data sets, parity, the synthetic problem, plain arrays.

A problem is anything with these attributes and methods (see ``Arrays`` for the shortest one):

    features, outputs   the widths d_0 and d_L of a network for it
    loss                its Loss, or the name of one
    dtype, backend      of its arrays
    train_size          examples in a training epoch
    train(seed, epoch)  the training set of an epoch: inputs X (n, D) and targets y (n, d_L), in the order of training
    test(seed, epoch)   the test set of an epoch, likewise
    probe(seed)         a fixed set of examples for measurements during training, likewise

With a sequence of R seeds the arrays have a leading replica axis R (test and probe may leave it out where all
replicas share them). All are arrays of the problem's backend, or ``StackedDigits``.
"""

from .arrays import Arrays
from .datasets import load
from .images import Dataset
from .parity import Parity
from .synthetic import Synthetic

__all__ = ["Arrays", "Dataset", "Parity", "Synthetic", "load"]
