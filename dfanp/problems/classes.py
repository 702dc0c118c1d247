"""The classes of images: which of the ten digits, or of the ten kinds of clothes, is it?"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import dfanp

from ..checks import MOST, choice
from ..errors import by_name
from ..system.lazy import lazy
from .fields import setting, settings_of
from .parity import PROBE_SIZE, picked
from .rates import Rate, default_rate
from .settings import TrainingSettings
from .stored import OfDataset, data_set

if TYPE_CHECKING:
    from ..backend import Backend
    from .images import Dataset

np = lazy("numpy")
LABELS = 10  # outputs; a data set has no more classes
LOSSES = ("cross-entropy", "bce")
PIXELS = ("normalised", "unit")
ORDERS = ("shuffled", "fixed")


class ClassesSettings(OfDataset, TrainingSettings):
    """Train a network to classify images into their ten classes.

    With the loss bce the outputs are ten independent probabilities; the largest one decides.
    """

    lr: float = setting(unset="that of the parity problem; printed")
    epochs: int = setting(20, "Number of epochs, each of all training examples.")
    train_size: int | None = setting(
        None, "Number of training examples, the first ones.", least=1, most=MOST, unset="all"
    )
    test_size: int | None = setting(None, "Number of test examples, the first ones.", least=1, most=MOST, unset="all")
    loss: str = setting("cross-entropy", "Loss of the ten outputs.", names=LOSSES)
    pixels: str = setting("normalised", "Pixels of mean 0 and variance 1, or from 0 to 1.", names=PIXELS)
    order: str = setting("shuffled", "Order of the examples: new in each epoch, or that of the files.", names=ORDERS)
    data: str = data_set("digits")  # type: ignore[misc]
    held_out: bool = False
    data_sha256: str | None = None

    name = "classes"
    about = "the classes of images"
    chance = 1 / LABELS
    examples = (
        "dfanp classes --method dfa --opt adam --hidden 800,800 --activation tanh",
        "dfanp classes --method kp --opt sgd --lr 0.3 --loss bce --activation sigmoid --align --repeats 3",
        "dfanp tune classes --method bp,fa,dfa,pred --lr log:1e-4:1e-1:7 --out tuned",
    )

    @property
    def title(self):
        return f"classes, {self.data}"

    def starting_rate(self):
        lr, source = default_rate(self.data, self.method, self.opt, self.feedback)
        return Rate(lr, f"{source}; {self.name} may want another one")

    def problem(self, dataset, backend):
        sizes = self.train_size, self.test_size
        return Classes(self.images(dataset), *sizes, self.loss, self.pixels, self.order, self.dtype, backend)

    def features(self, dataset):
        return dataset.train.pixels.shape[1]

    def bytes_of_examples(self, features):
        return 2 * 60_000 * 8 * (LABELS + 1)


SETTINGS = settings_of(ClassesSettings)


class Classes:
    """Images as they are, and their classes as one of ten outputs that is 1.

    Args:
        dataset: a ``Dataset`` (``dfanp.load("digits")``).
        train_size, test_size: how many images, the first ones; None takes all.
        loss, pixels, order: as in ``ClassesSettings``.
        dtype: of the inputs, ``"float32"`` or ``"float64"``.
        backend: a ``Backend``; None takes the CPU.

    Attributes:
        features: pixels of an image.
        scale: (s, t) such that X · s + t are the pixels in [0, 1].
        outputs: 10.
        loss: a ``Loss`` for which the largest output is the class.
    """

    outputs = LABELS

    def __init__(
        self,
        dataset: "Dataset",
        train_size: int | None = None,
        test_size: int | None = None,
        loss: str = "cross-entropy",
        pixels: str = "normalised",
        order: str = "shuffled",
        dtype: str = "float32",
        backend: "Backend | None" = None,
    ) -> None:
        by_name("dtype", dtype, dict.fromkeys(dfanp.network.DTYPES))
        for name, value, known in (("loss", loss, LOSSES), ("pixels", pixels, PIXELS), ("order", order, ORDERS)):
            choice(name, value, known)
        self.loss = one_class(loss)
        self.order, self.dataset, self.dtype, self.backend = order, dataset, dtype, backend or dfanp.Backend("cpu")
        given = {"train": train_size, "test": test_size}
        self._sizes = {part: self._size(part, size) for part, size in given.items()}
        self.train_size, self.features = self._sizes["train"], dataset.train.pixels.shape[1]
        largest = max(1, int(dataset.train.pixels.max()))
        mean, std = (dataset.mean, dataset.std) if pixels == "normalised" else (0.0, float(largest))
        self.scale = std / largest, mean / largest
        self._banks = {
            part: dfanp.inputs.Bank(getattr(dataset, part).pixels, mean, std, dtype, self.backend) for part in given
        }

    def _size(self, part, size):
        there = len(getattr(self.dataset, part))
        if size is None:
            return there
        size = SETTINGS[f"{part}_size"].checked(size)
        if size > there:
            raise ValueError(f"{part}_size must be at most the {there} images of {self.dataset.name}, got {size}")
        return size

    def __repr__(self) -> str:
        sizes = " + ".join(str(size) for size in self._sizes.values())
        return f"Classes({self.dataset.name}, {sizes} images, {self.features} features, {self.outputs} outputs)"

    def train(self, seed: int | Sequence[int], epoch: int) -> tuple[Any, Any]:
        """Return X (train_size, D), as StackedDigits, and y (train_size, 10); with R seeds and a new order a leading R."""
        n, streams = self.train_size, dfanp.streams
        if self.order == "fixed":
            return self._examples("train", np.arange(n))
        return self._examples(
            "train", streams.per_replica(seed, lambda one: streams.streams(one).train(epoch).permutation(n))
        )

    def test(self, seed: int | Sequence[int], epoch: int) -> tuple[Any, Any]:
        """Return the test set, the same for every seed and epoch."""
        return self._examples("test", np.arange(self._sizes["test"]))

    def probe(self, seed: int | Sequence[int]) -> tuple[Any, Any]:
        """Return 1000 of the training images, with repetitions if there are fewer."""
        streams, n = dfanp.streams, self.train_size
        rows = streams.per_replica(seed, lambda one: picked(streams.streams(one).probe, n, PROBE_SIZE, 2)[:, 0])
        return self._examples("train", rows)

    def groups(self, X: Any) -> dict[str, Any]:
        """Return the groups of test examples X: the class of each, (n, 1)."""
        return {"classes": self.dataset.test.labels[self.backend.to_host(X.picks)].astype(int)}

    def _examples(self, part, rows):
        y = np.eye(LABELS)[getattr(self.dataset, part).labels[rows]]
        X = dfanp.inputs.StackedDigits(self._banks[part], self.backend.asarray(rows[..., None]))
        return X, self.backend.asarray(y, self.dtype)


def one_class(loss):
    """Return the Loss of a name, with the largest of several outputs as the class."""
    losses = dfanp.losses
    found = losses.get(loss)
    return found if loss == "cross-entropy" else found._replace(name=f"{loss}-classes", correct=losses.same_class)
