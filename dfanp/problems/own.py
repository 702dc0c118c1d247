"""Your own data: a file of examples, classified or regressed (see ``reading`` for the formats).

>>> import numpy as np, tempfile, dfanp
>>> file = tempfile.mkdtemp() + "/mine.npz"
>>> rng = np.random.default_rng(0)
>>> X = rng.normal(size=(200, 3))
>>> np.savez(file, X=X, y=np.where(X[:, 0] > X[:, 1], "left", "right"))
>>> data = load(file)
>>> data.task, data.classes, data.X.shape, data.X_test.shape
('classification', ('left', 'right'), (160, 3), (40, 3))
>>> problem = Own(data)
>>> network = dfanp.MLP([problem.features, 16, problem.outputs], bias=True, seed=0)
>>> *_, last = dfanp.Training(network, problem, "dfa", dfanp.Adam(0.01), batch_size=20).epochs(10)
>>> last.test_accuracy > 0.9
True
"""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dfanp

from ..errors import DataError, by_name
from ..system.lazy import lazy
from .arrays import Arrays
from .fields import setting
from .rates import Rate, default_rate
from .settings import TrainingSettings
from .stored import OfDataset

if TYPE_CHECKING:
    from ..backend import Backend
    from ..losses import Loss

np = lazy("numpy")
TASKS = ("classification", "regression")
SCALES = ("features", "all", "none")
MOST_CLASSES = 20  # whole numbers with more values are taken to be quantities
BATCH = 128
FEW = 6  # names in a line


class OwnSettings(OfDataset, TrainingSettings):
    """Train a network on your own data: a .npz, .csv or .parquet file, or a folder of IDX files.

    DATA is such a file or folder. A table has a line of names, and one column is the label: --label names it, else it is
    one called label, target, class or y, or the last column. Columns of text become one input per value. An .npz file
    has the arrays X and y, and X_test and y_test if there are any. Labels that are texts, or whole numbers with at most
    20 values, are classes; others are regressed (--task decides otherwise). What was understood is printed first.

    Inputs are scaled to mean 0 and variance 1, and so are the labels of a regression, whose loss is half the mean squared
    error in units of their variance. `dfanp export` undoes the scaling in the weights.
    """

    lr: float = setting(unset="that of the parity problem; printed")
    epochs: int = setting(20, "Number of epochs, each of all training examples.")
    batch_size: int | None = setting(None, unset=f"{BATCH}, or all if there are fewer")  # type: ignore[assignment]
    bias: bool = True
    data: str = setting(help="File or folder with the examples.", swept=False, positional=True)  # type: ignore[misc]
    label: str | None = setting(
        None, "Column of the label, or the array in an .npz file.", unset="as above", metavar="NAME", swept=False
    )
    drop: str | None = setting(
        None, "Columns to leave out, separated by commas.", unset="none", metavar="NAMES", swept=False
    )
    task: str | None = setting(None, "What to learn.", names=TASKS, unset="by the labels", swept=False)
    test: str | None = setting(
        None, "File with the test examples.", unset="a part of DATA", metavar="PATH", swept=False
    )
    test_share: float = setting(
        0.2, "Share of DATA that is tested on, if there are no test examples.", above=0, most=0.9, swept=False
    )
    split_seed: int = setting(0, "Seed of this part; it is drawn from each class alike.", least=0, swept=False)
    scale: str | None = setting(
        None, "Scale each feature, all alike, or none.", names=SCALES, unset="each, of images all alike"
    )
    loss: str | None = setting(
        None,
        "Loss of the outputs.",
        names=lambda: dfanp.losses.LOSSES,
        unset="bce for two classes, cross-entropy for more, mse for regression",
    )
    held_out: bool = False
    data_sha256: str | None = None

    name = "train"
    about = "your own data"
    examples = (
        "dfanp train iris.csv --label species --method dfa --opt adam --repeats 3 --out runs/iris",
        "dfanp train mine.npz --hidden 128-128 --epochs 50 --plot curves.png",
        "dfanp train runs/dfa --seed 5 --out runs/again  # a saved run again, of any problem, by its config.json",
        "dfanp tune train iris.csv --method bp,dfa --lr log:1e-4:1e-1:7 --repeats 3 --out tuned",
    )

    @property
    def title(self):
        return f"{Path(self.data).name}" + (f", {self.label}" if self.label else "")

    @classmethod
    def decided(cls, given, data_dir=None):
        found = super(OfDataset, cls).decided(given, data_dir)
        if found.get("data"):
            own = {name: found[name][0] for name in OF_DATA if found.get(name)}
            data = load(**own, folder=data_dir)
            found |= {"label": [data.label], "task": [data.task]}
        return found

    def loading(self):
        return _loaded, *(getattr(self, name) for name in OF_DATA)

    def dataset(self, data_dir=None):
        return load(**{name: getattr(self, name) for name in OF_DATA}, folder=data_dir)

    def images(self, dataset):
        return dataset.hold_out() if self.held_out else dataset

    def about_data(self, data_dir=None):
        return self.dataset(data_dir).described

    def starting_rate(self):
        lr, source = default_rate("digits", self.method, self.opt, self.feedback)
        return Rate(lr, f"{source} of parity; your data may want another one")

    def problem(self, dataset, backend):
        return Own(self.images(dataset), self.loss, self.scale, self.dtype, backend)

    def features(self, dataset):
        return dataset.X.shape[1]

    def bytes_of_examples(self, features):
        return 4 * 10_000 * 8 * (features + 1)

    def training(self, network, problem, rule, optimizer, feedback, batch_size):
        batch_size = min(self.batch_size or BATCH, problem.train_size)
        return super().training(network, problem, rule, optimizer, feedback, batch_size)


OF_DATA = (
    "data",
    "label",
    "drop",
    "task",
    "test",
    "test_share",
    "split_seed",
)  # settings that determine the examples


@dataclass(frozen=True)
class OwnData:
    """Training and test examples as they were read, not scaled.

    Attributes:
        name: of the file.
        X, X_test: inputs (n, D), float64.
        y, y_test: numbers of classes (n,), or for regression values (n, T), float64.
        classes: names of the classes; None for regression.
        features: names of the columns of X, or None.
        label: name of the label.
        pixels: whether all inputs are alike.
        described: lines about them, (subject, text).
    """

    name: str
    X: Any
    y: Any
    X_test: Any
    y_test: Any
    classes: tuple[str, ...] | None
    features: tuple[str, ...] | None
    label: str
    pixels: bool
    described: tuple = ()

    @property
    def task(self) -> str:
        """One of TASKS."""
        return TASKS[self.classes is None]

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of examples and classes: equal data have equal digests."""
        content = hashlib.sha256(repr((self.classes, self.label)).encode())
        for array in (self.X, self.y, self.X_test, self.y_test):
            content.update(f"{array.shape} {array.dtype}".encode() + array.tobytes())
        return content.hexdigest()

    def hold_out(self, every: int = 5) -> "OwnData":
        """Return these data without the test examples: one in `every` training examples of each class is its test set.

        Raises:
            DataError: there are too few.
        """
        from .images import every_nth

        held = every_nth(np.zeros(len(self.y), int) if self.classes is None else self.y, every)
        if not held.any() or held.all():
            raise DataError(f"{self.name}: nothing can be held out of {len(self.y)} training examples")
        return replace(self, X=self.X[~held], y=self.y[~held], X_test=self.X[held], y_test=self.y[held])


def load(
    data: str,
    label: str | None = None,
    drop: str | None = None,
    task: str | None = None,
    test: str | None = None,
    test_share: float = 0.2,
    split_seed: int = 0,
    folder: Any = None,
) -> OwnData:
    """Return the OwnData of a file or folder; arguments as in ``OwnSettings`` and ``reading.read``.

    Raises:
        DataError: it cannot be read, or has no such label; the message says where.
    """
    from .folders import named_folder

    return _loaded(data, label, drop, task, test, test_share, split_seed, named_folder(folder))


@lru_cache(maxsize=4)
def _loaded(data, label, drop, task, test, test_share, split_seed, folder):
    from . import reading

    raw = reading.read(data, label, test, drop, folder)
    every = raw.y if raw.y_test is None else np.concatenate([raw.y, raw.y_test])
    task = task or guessed(every)
    y, y_test, classes = raw.y, raw.y_test, None
    if task == "classification":
        y, y_test, classes = classified(data, raw, every)
    elif every.dtype.kind != "f":
        raise DataError(f"{data}: the label {raw.label!r} is text, which cannot be regressed")
    else:
        y, y_test = (None if part is None else part.reshape(len(part), -1) for part in (y, y_test))
    X, X_test = raw.X, raw.X_test
    if X_test is None:
        order = dfanp.streams.streams(split_seed).labels.permutation(len(y))
        X, y = X[order], y[order]
        held = share_of_each(np.zeros(len(y), int) if classes is None else y, test_share)
        if not held.any() or held.all():
            raise DataError(f"{data}: {len(y)} examples are too few to train and to test on")
        X, X_test, y, y_test = X[~held], X[held], y[~held], y[held]
    found = OwnData(Path(data).name, X, y, X_test, y_test, classes, raw.features, raw.label, raw.pixels)
    return replace(found, described=description(found, raw))


def guessed(y):
    """Return the task for labels."""
    if y.ndim == 2:
        return TASKS[not one_hot(y)]
    if y.dtype.kind != "f":
        return TASKS[0]
    return TASKS[not ((y == np.round(y)).all() and len(np.unique(y)) <= MOST_CLASSES)]


def one_hot(y):
    """Whether each row of labels has a single 1, and 0 elsewhere."""
    return y.dtype.kind in "fb" and y.shape[1] > 1 and np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all()


def classified(data, raw, every):
    """Return the numbers of the classes of y and y_test, and the names of the classes."""
    if every.ndim == 2:
        if not one_hot(every):
            raise DataError(f"{data}: the label {raw.label!r} has {every.shape[1]} columns, which are no classes")
        numbers, names = every.argmax(axis=1), tuple(map(str, range(every.shape[1])))
    else:
        values, numbers = np.unique(every, return_inverse=True)
        names = tuple(f"{value:g}" if isinstance(value, float) else str(value) for value in values)
    if len(names) < 2:
        raise DataError(f"{data}: the label {raw.label!r} has a single class, {names[0]!r}")
    if len(names) > len(numbers) // 2:
        raise DataError(
            f"{data}: the label {raw.label!r} has {len(names)} classes for {len(numbers)} examples; "
            "--label names another column, --task regression takes numbers"
        )
    n = len(raw.y)
    return numbers[:n], None if raw.y_test is None else numbers[n:], names


def share_of_each(labels, share):
    """Return a mask of a share of the examples, of each label alike: what it lacks of a whole example goes to the next label."""
    places = np.argsort(labels, kind="stable")
    mask = np.zeros(len(labels), bool)
    mask[places[np.diff(np.floor(share * np.arange(len(labels) + 1) + 0.5)) > 0]] = True
    return mask


def description(data, raw):
    """Return lines about the data: (subject, text)."""
    n, D = len(data.y) + len(data.y_test), data.X.shape[1]
    names = f" ({', '.join(data.features[:FEW])}{', …' if D > FEW else ''})" if data.features else ""
    lines = [("data", f"{data.name}: {n} examples of {D} feature{'s' * (D > 1)}{names}")]
    labels = np.concatenate([data.y, data.y_test])
    if data.classes is None:
        low, high = labels.min(axis=0)[0], labels.max(axis=0)[0]
        many = f"{labels.shape[1]} numbers" if labels.shape[1] > 1 else f"a number from {low:g} to {high:g}"
        lines.append(("label", f"{data.label}, {raw.how}: {many}, regressed"))
    else:
        counts = np.bincount(labels, minlength=len(data.classes))
        each = ", ".join(f"{name} {count}" for name, count in zip(data.classes[:FEW], counts, strict=False))
        more = ", …" if len(data.classes) > FEW else ""
        lines.append(("label", f"{data.label}, {raw.how}: {len(data.classes)} classes ({each}{more})"))
    of = "" if raw.X_test is None else ", as the data have it"
    lines.append(("split", f"{len(data.y)} to train on, {len(data.y_test)} to test on{of}"))
    return tuple(lines)


class Own(Arrays):
    """The problem of ``OwnData``, scaled.

    Args:
        data: of ``load``.
        loss: a ``Loss`` or its name; None takes bce for two classes, cross-entropy for more, mse for regression.
        scale: one of SCALES; None scales each feature, of images all alike.
        dtype, backend: as in ``Arrays``.

    Attributes:
        classes: names of the classes, or None.
        shift, spread: of the inputs, (D,), float64: a network gets (x - shift) / spread.
        target_shift, target_spread: of the labels, (T,): it answers (y - shift) / spread.

    Raises:
        ValueError: the loss does not fit the task.
    """

    def __init__(
        self,
        data: OwnData,
        loss: "str | Loss | None" = None,
        scale: str | None = None,
        dtype: str = "float32",
        backend: "Backend | None" = None,
    ) -> None:
        losses, K = dfanp.losses, len(data.classes or ())
        scale = scale or ("all" if data.pixels else "features")
        by_name("scale", scale, dict.fromkeys(SCALES))
        loss = losses.get(loss or ("mse" if not K else "bce" if K == 2 else "cross-entropy"))
        if K and loss.correct is None:
            raise ValueError(
                f"the loss {loss.name!r} is for regression; {data.label} has {K} classes (--task regression)"
            )
        if not K and loss in (losses.bce, losses.cross_entropy):
            raise ValueError(
                f"the loss {loss.name!r} is for classes; {data.label} is regressed (--task classification)"
            )
        self.data, self.classes = data, data.classes
        self.shift, self.spread = scaling(data.X, scale)
        self.target_shift, self.target_spread = scaling(data.y, "none" if K or scale == "none" else "features")
        if K == 2 and loss is losses.bce:
            y, y_test = (part[:, None] for part in (data.y, data.y_test))
        elif K:
            y, y_test = (np.eye(K)[part] for part in (data.y, data.y_test))
            loss = (
                loss._replace(name=f"{loss.name}-classes", correct=losses.same_class) if loss is losses.bce else loss
            )
        else:
            y, y_test = ((part - self.target_shift) / self.target_spread for part in (data.y, data.y_test))
        X, X_test = ((part - self.shift) / self.spread for part in (data.X, data.X_test))
        super().__init__(X, y, X_test, y_test, loss, dtype, backend)


def scaling(values, scale):
    """Return the mean and the standard deviation of each column, (D,); 0 and 1 for "none", 1 for a constant."""
    values = values if values.ndim > 1 else values[:, None]
    D = values.shape[1]
    if scale == "none":
        return np.zeros(D), np.ones(D)
    axis = 0 if scale == "features" else None
    mean, std = values.mean(axis=axis), values.std(axis=axis)
    # The deviation of equal numbers may be the rounding of their mean.
    std = np.where(std > 1e-12 * np.maximum(1, np.abs(mean)), std, 1.0)
    return np.broadcast_to(mean, (D,)).copy(), np.broadcast_to(std, (D,)).copy()


def unscaled(network, problem):
    """Return an MLP with biases that takes the inputs of the data, and answers in their units: the scaling is in its weights.

    Args:
        network: an MLP without replicas, trained on `problem`, an ``Own``; it is not changed.
    """
    last, host = len(network.sizes) - 2, network.backend.to_host
    arrays = {name: np.asarray(host(theta), np.float64) for name, theta in network.parameters.items()}
    arrays = {f"b{l}": np.zeros(width) for l, width in enumerate(network.sizes[1:])} | arrays
    arrays["b0"] = arrays["b0"] - (problem.shift / problem.spread) @ arrays["W0"]
    arrays["W0"] = arrays["W0"] / problem.spread[:, None]
    arrays[f"W{last}"] = arrays[f"W{last}"] * problem.target_spread
    arrays[f"b{last}"] = arrays[f"b{last}"] * problem.target_spread + problem.target_shift
    made = dfanp.MLP(network.sizes, network.activation, True, network.dtype, 0, network.backend)
    made.load({name: array.astype(network.dtype) for name, array in arrays.items()})
    return made
