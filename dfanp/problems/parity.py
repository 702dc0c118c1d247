"""The parity problem: is the sum of k digits, side by side, odd? (Daniely & Malach 2020; Demirbilek 2021, 2.1)"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from numbers import Integral
from typing import TYPE_CHECKING, Any

import dfanp

from ..checks import MOST
from ..errors import by_name
from ..system.lazy import lazy
from .fields import setting, settings_of
from .rates import default_rate
from .settings import TrainingSettings
from .stored import OfDataset, data_set

if TYPE_CHECKING:
    from ..backend import Backend
    from .images import Dataset

np = lazy("numpy")
PROBE_SIZE = 1000


class ParitySettings(OfDataset, TrainingSettings):
    """Train a network to classify whether the sum of k digits, side by side, is odd."""

    lr: float = setting(unset="tuned for the method, optimizer and data; printed")
    epochs: int = setting(20, "Number of epochs, each of new examples.")
    k: int = setting(3, "Number of digits side by side.", least=1, most=10)
    train_size: int = setting(60_000, "Number of training examples per epoch.", least=1, most=MOST)
    test_size: int = setting(10_000, "Number of test examples after each epoch.", least=1, most=MOST)
    data: str = data_set("digits")  # type: ignore[misc]
    held_out: bool = False
    data_sha256: str | None = None

    name = "parity"
    about = "the parity of k digits"
    chance = 0.5
    examples = (
        "dfanp parity --k 3 --method dfa --opt rmsprop",
        "dfanp parity --method bp --opt sgd --repeats 3 --align --plot curves.png",
        "dfanp parity --epochs 50 --out runs/dfa  # the same command resumes it after an interrupt",
        "dfanp tune parity --lr log:1e-4:1e-1:8 --opt sgd,rmsprop --method bp,dfa --out tuned",
        "dfanp tune parity --lr log:1e-5:1:16 --halving 3 --repeats 3 --out tuned --workers 2 --plot rates.png",
    )

    @property
    def title(self):
        return f"parity of k = {self.k}, {self.data}"

    def starting_rate(self):
        return default_rate(self.data, self.method, self.opt, self.feedback)

    def problem(self, dataset, backend):
        return Parity(self.images(dataset), self.k, self.train_size, self.test_size, self.dtype, backend)

    def features(self, dataset):
        return self.k * dataset.train.pixels.shape[1]

    def bytes_of_examples(self, features):
        return (self.train_size + self.test_size) * 8 * (self.k + 1)


SETTINGS = settings_of(ParitySettings)


class Parity:
    """New examples every epoch: k independent permutations of the images side by side, target 1 if the sum is odd.

    If an epoch has more examples than there are images, several permutations are concatenated. For k = 1 the images
    are in their original order, as in the thesis.

    Args:
        dataset: a ``Dataset`` (``dfanp.load("digits")``).
        k, train_size, test_size: as in ``ParitySettings``; examples consist of the training or of the test images.
        dtype: of the inputs, ``"float32"`` or ``"float64"``.
        backend: a ``Backend``; None takes the CPU.

    Attributes:
        features: D = k · pixels of an image.
        scale: (s, t) such that X · s + t are the pixels in [0, 1].
        outputs, loss: 1 and ``"bce"``: the logit of "odd".
        classes: the classes of its two signs.
    """

    outputs, loss = 1, "bce"
    classes = ("even", "odd")

    def __init__(
        self,
        dataset: "Dataset",
        k: int = ParitySettings.k,
        train_size: int = ParitySettings.train_size,
        test_size: int = ParitySettings.test_size,
        dtype: str = ParitySettings.dtype,
        backend: "Backend | None" = None,
    ) -> None:
        by_name("dtype", dtype, dict.fromkeys(dfanp.network.DTYPES))
        self.k, self.train_size = SETTINGS["k"].checked(k), SETTINGS["train_size"].checked(train_size)
        self.test_size = SETTINGS["test_size"].checked(test_size)
        self.dataset, self.dtype, self.backend = dataset, dtype, backend or dfanp.Backend("cpu")
        self.features = k * dataset.train.pixels.shape[1]
        largest = max(1, int(dataset.train.pixels.max()))
        self.scale = dataset.std / largest, dataset.mean / largest
        self._labels: dict = {}  # of the images, on the backend
        self._banks = {
            part: dfanp.inputs.Bank(images.pixels, dataset.mean, dataset.std, dtype, self.backend)
            for part, images in (("train", dataset.train), ("test", dataset.test))
        }

    def __repr__(self) -> str:
        return f"Parity({self.dataset.name}, k={self.k}, {self.train_size} + {self.test_size} examples, {self.features} features)"

    def train(self, seed: int | Sequence[int], epoch: int) -> tuple[Any, Any]:
        """Return X (train_size, D), as StackedDigits, and y (train_size, 1); with R seeds a leading R."""
        return self._examples("train", seed, lambda one: dfanp.streams.streams(one).train(epoch), self.train_size)

    def test(self, seed: int | Sequence[int], epoch: int) -> tuple[Any, Any]:
        """Return X (test_size, D), as StackedDigits, and y (test_size, 1); with R seeds a leading R."""
        return self._examples("test", seed, lambda one: dfanp.streams.streams(one).test(epoch), self.test_size)

    def probe(self, seed: int | Sequence[int]) -> tuple[Any, Any]:
        """Return 1000 examples of training images, like ``train``; they are the same throughout a run."""
        return self._examples("train", seed, lambda one: dfanp.streams.streams(one).probe, PROBE_SIZE)

    def groups(self, X: Any) -> dict[str, Any]:
        """Return the groups of test examples X: the digits in each, (n, k)."""
        return {"digits": self.dataset.test.labels[self.backend.to_host(X.picks)].astype(int)}

    def _examples(self, part, seed, stream, n):
        images, xp = getattr(self.dataset, part), self.backend.xp
        on_cpu = self.backend.device == "cpu"
        # What a card waits for is drawn on all cores, and moved in half the bytes.
        how = ("int64", 1) if on_cpu else ("int32", dfanp.backend.usable_cores())
        picks = self.backend.asarray(drawn(seed, stream, len(images), n, self.k, *how))
        picks = picks if on_cpu else xp.astype(picks, xp.int64)
        if part not in self._labels:
            self._labels[part] = self.backend.asarray(images.labels)
        labels = xp.reshape(xp.take(self._labels[part], xp.reshape(picks, (-1,)), axis=0), picks.shape)
        y = xp.sum(labels, axis=-1, keepdims=True, dtype=xp.int64) % 2
        return dfanp.inputs.StackedDigits(self._banks[part], picks), xp.astype(y, getattr(xp, self.dtype))


def drawn(seed, stream, images, n, k, dtype="int64", threads=1):
    """Return ``picked`` of a seed, of a dtype, or of several seeds along a leading axis, drawn by so many threads.

    Args:
        stream: ``stream(seed)`` is the generator of a seed.
    """
    alone = isinstance(seed, Integral)
    seeds = (seed,) if alone else seed
    picks = np.empty((len(seeds), n, k), dtype)
    draw = lambda r: picked(stream(seeds[r]), images, n, k, picks[r])
    if threads > 1 and len(seeds) > 1:
        with ThreadPoolExecutor(min(threads, len(seeds))) as pool:
            list(pool.map(draw, range(len(seeds))))
    else:
        for r in range(len(seeds)):
            draw(r)
    return picks[0] if alone else picks


def picked(rng, images, n, k, out=None):
    """Return n rows of k image numbers, int64 (n, k), or `out`: in each column permutations of all `images`, cut at n."""
    picks = np.empty((n, k), np.int64) if out is None else out
    if k == 1:
        picks[:, 0] = np.tile(np.arange(images), -(-n // images))[:n]
        return picks
    for column in picks.T:
        for start in range(0, n, images):
            column[start : start + images] = rng.permutation(images)[: n - start]
    return picks
