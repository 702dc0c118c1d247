"""What a run is, as data: settings that make its problem, its network and its training, and that a record can keep."""

from dataclasses import asdict, dataclass, fields, replace
from typing import ClassVar, get_args, get_type_hints

from . import plugins, rules
from .errors import DataError, RecordError
from .problems import Parity, Synthetic, load
from .records import present
from .registry import Registry
from .training import Training

MOST_REPEATS = 10_000


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """What all runs have: two runs with equal settings on one tier have equal bytes.

    Args:
        lr: the learning rate; no default, since it depends on all the rest (``dfanp.experiments.rates``).
        method: the name of a rule, "bp", "fa" or "dfa", or of a lazy baseline, such as "ntk" (``dfanp.baselines``).
        opt: an optimizer, as a text that ``optimizers.parse`` reads: "adam", "adam:beta1=0.8".
        epochs, batch_size, layers, align: as in ``Training``. feedback: a distribution, as in ``Feedback``.
        hidden: widths of the hidden layers. activation, bias, dtype: as in ``MLP``. weight_decay: as in ``Optimizer``.
        seed, repeats: the run trains the seeds seed, seed + 1, … seed + repeats - 1 together.
        device: "cpu" or "gpu", as resolved. kernels: the tier that computes; a Run resolves "auto".
        plugins: name and SHA-256 of each file of definitions (``dfanp.plugins``); empty takes those that are loaded.
    """

    lr: float
    method: str = "dfa"
    opt: str = "rmsprop"
    epochs: int = 20
    batch_size: int = 128
    hidden: tuple = (512,)
    activation: str = "relu"
    bias: bool = False
    feedback: str = "uniform"
    weight_decay: float = 0.0
    layers: str = "all"
    seed: int = 0
    repeats: int = 1
    dtype: str = "float32"
    align: bool = False
    device: str = "cpu"
    kernels: str = "auto"
    plugins: tuple = ()

    name: ClassVar[str]  # of the problem
    of_problem: ClassVar[tuple] = ("dtype", "device", "kernels")  # the settings that its problem depends on
    data: ClassVar[None] = None  # the name of a data set, where the problem has one

    @property
    def seeds(self):
        """The seeds that are trained together."""
        return tuple(range(self.seed, self.seed + self.repeats))

    def config(self):
        """Return the settings as a dict of JSON values, the problem's name first."""
        found = {"problem": self.name} | {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
        if not self.plugins:
            del found["plugins"]
        return present(found)

    def dataset(self, data_dir=None):
        """Return the ``Dataset`` that the problem draws from, loaded, or None if it has none."""
        return None

    @property
    def title(self):
        """The problem, for people."""
        raise NotImplementedError

    @property
    def headline(self):
        """The run in a line, for people."""
        widths = "-".join(map(str, self.hidden))
        rule = rules.RULES.get(self.method) if self.method in rules.RULES else rules.bp
        told = f", {self.feedback} B" if rule.feedback_shape is not None else ""
        layers = "" if self.layers == "all" else ", output layer alone"
        return (
            f"{self.title}: {self.method.upper()}{told}, {self.opt} at lr {self.lr:g}, "
            f"{widths} {self.activation}{layers}"
        )

    def agreed(self, dataset):
        """Return the settings with the digests of `dataset` and of the plugins.

        Raises:
            DataError: they name another dataset. PluginError: they name a plugin that is not loaded.
        """
        plugins.require(self.plugins)
        return replace(self, plugins=plugins.digests())

    def training(self, *parts):
        """Return the Training of its `parts`: network, problem, rule, optimizer, feedback, batch size."""
        return Training(*parts, layers=self.layers, align=self.align)

    def problem(self, dataset, backend):
        """Return the problem; a ValueError if a setting is out of its range."""
        raise NotImplementedError

    def features(self, dataset):
        """Return the width of the problem's inputs."""
        raise NotImplementedError

    def bytes_of_examples(self, features):
        """Return the bytes of the examples of an epoch, for inputs so wide."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class ParitySettings(TrainingSettings):
    """A run on the parity of k digits.

    Args (beside those of TrainingSettings):
        k: digits side by side, 1 to 10.
        data: a data set's name. held_out: test on held-out training images instead of the test images (for tuning).
        train_size, test_size: examples in an epoch.
        data_sha256: ``Dataset.digest`` of the data; None takes what is there.
    """

    k: int = 3
    train_size: int = 60_000
    test_size: int = 10_000
    data: str = "digits"
    held_out: bool = False
    data_sha256: str | None = None

    name = "parity"
    of_problem = ("k", "train_size", "test_size", "data", "held_out", "data_sha256", *TrainingSettings.of_problem)

    @property
    def title(self):
        return f"parity of k = {self.k}, {self.data}"

    def dataset(self, data_dir=None):
        return load(self.data, data_dir)

    def agreed(self, dataset):
        if self.data_sha256 not in (None, dataset.digest):
            raise DataError(f"{self.data}: the data have the SHA-256 {dataset.digest}, not {self.data_sha256}")
        return replace(super().agreed(dataset), data_sha256=dataset.digest)

    def problem(self, dataset, backend):
        images = dataset.hold_out() if self.held_out else dataset
        return Parity(images, self.k, self.train_size, self.test_size, self.dtype, backend)

    def features(self, dataset):
        return self.k * dataset.train.pixels.shape[1]

    def bytes_of_examples(self, features):
        return (self.train_size + self.test_size) * 8 * (self.k + 1)


@dataclass(frozen=True, kw_only=True)
class SyntheticSettings(TrainingSettings):
    """A run on the synthetic problem, in full batches if nothing else is said.

    Args (beside those of TrainingSettings):
        n, d, c, labels, test_points: as in ``problems.Synthetic``. points_seed: its seed.
        batch_size: None takes n.
    """

    n: int = 256
    d: int = 15
    c: int = 3
    labels: str | tuple = "thesis"
    test_points: int = 4000
    points_seed: int = 0
    epochs: int = 500
    batch_size: int | None = None
    opt: str = "sgd"

    name = "synthetic"
    of_problem = ("n", "d", "c", "labels", "test_points", "points_seed", *TrainingSettings.of_problem)

    @property
    def title(self):
        return f"{self.c}² disks, n = {self.n}, d = {self.d}"

    def problem(self, dataset, backend):
        return Synthetic(self.n, self.d, self.c, self.labels, self.test_points, self.points_seed, self.dtype, backend)

    def features(self, dataset):
        return self.d

    def bytes_of_examples(self, features):
        return (self.n + self.test_points) * 8 * (features + 1)


PROBLEMS = Registry(
    "problem",
    lambda thing: isinstance(thing, type) and issubclass(thing, TrainingSettings),
    (ParitySettings, SyntheticSettings),
)


def from_config(config, path):
    """Return the settings whose ``config()`` is `config`, a dict that the file `path` holds.

    Settings of the same problem that have more fields are subclasses of its class, without a name of their own.

    Raises:
        RecordError: there are no such settings, or a value is of another type than they have; it names path and setting.
    """
    problem, unknown = config.get("problem"), "not the settings of a run that this dfanp knows"
    kind = PROBLEMS[problem] if isinstance(problem, str) and problem in PROBLEMS else None
    given = {name: tuple(v) if isinstance(v, list) else v for name, v in present(config).items() if name != "problem"}
    kinds = [kind, *kind.__subclasses__()] if kind else []
    fit = [each for each in kinds if given.keys() <= {one.name for one in fields(each)}]
    if not fit or "lr" not in given:
        raise RecordError(f"{path}: {unknown}: {config!r:.200}")
    misfits = {each: [name for name, value in given.items() if not is_of(each, name, value)] for each in fit}
    kind = next((each for each in fit if not misfits[each]), fit[0])
    if misfits[kind]:
        name = misfits[kind][0]
        raise RecordError(f"{path}: {name} cannot be {given[name]!r:.100}: {unknown}")
    return kind(**given)


def is_of(kind, name, value):
    """Whether a value has the type of the setting `name` of a class of settings; widths are whole numbers, at least one of them."""
    wanted = get_type_hints(kind)[name]
    if isinstance(value, bool):
        return wanted is bool or bool in get_args(wanted)
    if name == "hidden":
        return (
            isinstance(value, tuple) and len(value) > 0 and all(type(width) is int and width >= 1 for width in value)
        )
    if name == "plugins":
        return isinstance(value, tuple) and all(isinstance(each, str) for each in value)
    if name == "repeats" and not (isinstance(value, int) and 1 <= value <= MOST_REPEATS):
        return False
    return isinstance(value, (int, float) if wanted is float else wanted)
