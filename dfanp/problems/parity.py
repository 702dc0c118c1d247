"""The parity problem: is the sum of k digits, side by side, odd? (Daniely & Malach 2020; Demirbilek 2021, 2.1)"""

from numbers import Integral

import numpy as np

from ..backend import Backend
from ..errors import by_name, shown
from ..inputs import Bank, StackedDigits
from ..network import DTYPES
from ..streams import per_replica, streams
from .arrays import MOST

PROBE_SIZE = 1000


class Parity:
    """New examples every epoch: k independent permutations of the images side by side, target 1 if the sum is odd.

    Where an epoch has more examples than there are images, permutations follow one another. For k = 1 the images
    come in their own order, as in the thesis.

    Args:
        dataset: a ``Dataset`` (``dfanp.load("digits")``).
        k: how many digits stand side by side, 1 to 10.
        train_size, test_size: examples in an epoch, from the training and from the test images.
        dtype: of the inputs, ``"float32"`` or ``"float64"``.
        backend: a ``Backend``; None takes the CPU.

    Attributes:
        features: D = k · pixels of an image.
        scale: (s, t) such that X · s + t are the pixels in [0, 1].
        outputs, loss: 1 and ``"bce"``: the logit of "odd".
    """

    outputs, loss = 1, "bce"

    def __init__(self, dataset, k=3, train_size=60_000, test_size=10_000, dtype="float32", backend=None):
        for name, value, most in (("k", k, 10), ("train_size", train_size, MOST), ("test_size", test_size, MOST)):
            if isinstance(value, bool) or not isinstance(value, Integral) or not 1 <= value <= most:
                raise ValueError(f"{name} must be a whole number from 1 to {most}, got {shown(value)}")
        by_name("dtype", dtype, dict.fromkeys(DTYPES))
        self.dataset, self.k, self.dtype = dataset, k, dtype
        self.train_size, self.test_size, self.backend = train_size, test_size, backend or Backend("cpu")
        self.features = k * dataset.train.pixels.shape[1]
        largest = max(1, int(dataset.train.pixels.max()))
        self.scale = dataset.std / largest, dataset.mean / largest
        self._banks = {
            part: Bank(images.pixels, dataset.mean, dataset.std, dtype, self.backend)
            for part, images in (("train", dataset.train), ("test", dataset.test))
        }

    def train(self, seed, epoch):
        """Return X (train_size, D), as StackedDigits, and y (train_size, 1); after R where `seed` is a sequence."""
        return self._examples("train", seed, lambda one: streams(one).train(epoch), self.train_size)

    def test(self, seed, epoch):
        """Return X (test_size, D), as StackedDigits, and y (test_size, 1); after R where `seed` is a sequence."""
        return self._examples("test", seed, lambda one: streams(one).test(epoch), self.test_size)

    def probe(self, seed):
        """Return 1000 examples of training images that stay the same for the whole run, as ``train`` does."""
        return self._examples("train", seed, lambda one: streams(one).probe, PROBE_SIZE)

    def _examples(self, part, seed, stream, n):
        images = getattr(self.dataset, part)
        picks = per_replica(seed, lambda one: picked(stream(one), len(images), n, self.k))
        labels = images.labels[picks].sum(axis=-1, dtype=np.int64)[..., None] % 2
        asarray = self.backend.asarray
        X = StackedDigits(self._banks[part], asarray(picks))
        return X, asarray(labels, self.dtype)


def picked(rng, images, n, k):
    """Return n rows of k image numbers, int64 (n, k): in each column permutations of all `images`, cut at n."""
    rounds = -(-n // images)
    if k == 1:
        return np.tile(np.arange(images), rounds)[:n, None]
    columns = [np.concatenate([rng.permutation(images) for _ in range(rounds)])[:n] for _ in range(k)]
    return np.stack(columns, axis=1)
