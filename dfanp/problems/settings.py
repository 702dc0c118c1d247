"""The settings of a run: data that determine its problem, network and training, and that records contain.

A problem is one file: its examples (see ``dfanp.problems``), and a subclass of ``TrainingSettings`` that creates
them. ``dfanp.register`` adds its commands.
"""

from collections.abc import Sequence
from dataclasses import MISSING, asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, dataclass_transform

import dfanp

from .. import plugins
from ..checks import MOST
from .fields import setting, settings_of
from .rates import Rate, rate_of_optimizer

if TYPE_CHECKING:
    from .images import Dataset

# Settings of earlier versions, with the value for which they had no effect.
FORMER = {"redraw": None}
# Settings that earlier versions did not have, with the value for which they have no effect: records leave them out.
ADDED = {"updates": 0, "nudge": 0.0, "schedule": "constant"}


def present(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config without obsolete settings, if they had no effect."""
    return {name: value for name, value in config.items() if not (name in FORMER and value == FORMER[name])}


def complete(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config with the settings, too, that records leave out because they had no effect."""
    return config | {name: value for name, value in ADDED.items() if name not in config}


class Sizes(NamedTuple):
    """The width of the inputs of a problem, and the number of examples of an epoch."""

    features: int
    train_size: int


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(setting,))
@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """The settings of all runs: two runs with equal settings and the same tier have equal bytes.

    A subclass becomes a frozen dataclass; each annotated attribute is a setting, described by ``setting``. The seeds
    seed, seed + 1, … seed + repeats - 1 are trained together. `plugins` has name and SHA-256 of each plugin
    (``dfanp.plugins``); empty takes those that are loaded.

    The docstring of a subclass is the help of its command. It may also define:

        name        of the problem, for its command `dfanp NAME` and for records
        about       a short description: "the parity of k digits"
        examples    command lines for the help of `dfanp NAME` and `dfanp tune NAME`
        problem()   the problem; all other methods have a default

    Raises:
        ValueError: a setting is invalid; the message names it.
    """

    lr: float = setting(help="Learning rate.", above=0, unset="that of the optimizer, if it has one")
    method: str = setting(
        "dfa",
        "Learning rule, of dfanp or of a plugin, or a lazy baseline with a fixed random gate or features.",
        names=lambda: dfanp.baselines.methods(),
    )
    opt: str = setting(
        "rmsprop",
        "Optimizer; hyperparameters follow its name, as in momentum:momentum=0.95 or adam:beta1=0.8.",
        names=lambda: dfanp.optimizers.OPTIMIZERS,
        parse=lambda text: dfanp.optimizers.canonical(text),
        parameters=lambda name: dfanp.optimizers.own_fields(dfanp.optimizers.get(name)),
    )
    schedule: str = setting(
        "constant",
        "Learning-rate schedule; parameters follow its name, as in step:every=5:factor=0.5 or cosine:warmup=2.",
        names=lambda: dfanp.schedules.SCHEDULES,
        parse=lambda text: dfanp.schedules.canonical(text),
        parameters=lambda name: dfanp.schedules.own_parameters(name),
    )
    epochs: int = setting(20, "Number of epochs.", least=1, most=MOST)
    batch_size: int = setting(128, "Number of examples per mini-batch.", least=1, most=MOST)
    hidden: tuple[int, ...] = setting(
        (512,), "Number of hidden units per layer, e.g. 512,512.", least=1, most=MOST, metavar="WIDTHS"
    )
    activation: str = setting("relu", "Activation of the hidden layers.", names=lambda: dfanp.activations.ACTIVATIONS)
    bias: bool = setting(False, "Whether layers have biases.")
    feedback: str = setting(
        "uniform",
        "Distribution of the feedback matrices B; their structure follows, as in uniform:density=0.1:scale=2.",
        names=lambda: dfanp.feedback.DISTRIBUTIONS,
        parse=lambda text: dfanp.feedback.canonical(text),
        parameters=lambda name: dfanp.feedback.STRUCTURE,
    )
    weight_decay: float = setting(0.0, "Factor of the L2 penalty.", least=0, most=1e6)
    layers: str = setting("all", "Train all layers, or only the output layer.", names=("all", "output"))
    seed: int | tuple[int, ...] = setting(
        0, "Seed of the weights, of B and of each epoch's data; or several, such as 0,3,7.", least=0, metavar="SEEDS"
    )
    repeats: int = setting(1, "Train this many seeds (seed, seed + 1, …) in one loop.", least=1, most=10_000)
    nudge: float = setting(
        0.0,
        "Move each initial weight by up to this share of its layer's largest, such as 1e-6: how far rounding alone may move a "
        "result.",
        least=0,
        most=1,
    )
    dtype: str = setting("float32", "Floating-point type of all arrays.", names=lambda: dfanp.network.DTYPES)
    align: bool = setting(
        False, "Measure alignment with backpropagation after each epoch, on a fixed probe set.", words={"probe": True}
    )
    updates: int = setting(
        0,
        "Compare each rule's update with backpropagation after each epoch: cosine, norm, bias, variance and signal-to-noise "
        "ratio over this many draws (0: do not).",
        least=0,
        most=10**6,
        swept=False,
    )
    device: str = setting("cpu", "Device to train on.", names=("cpu", "gpu"), auto="the GPU if it works", swept=False)
    kernels: str = setting(
        "auto",
        "Kernels to use; auto: the fastest available.",
        names=lambda: ("auto", *dfanp.kernels.TIERS),
        swept=False,
    )
    plugins: tuple[str, ...] = ()

    name: ClassVar[str]
    about: ClassVar[str] = "a problem"
    examples: ClassVar[tuple] = ()
    chance: ClassVar[float | None] = None  # the accuracy of guessing, if it is known
    data: ClassVar[Any] = None  # the name of a data set, if the problem has one (see OfDataset)

    def __init_subclass__(cls, **more):
        super().__init_subclass__(**more)
        if "name" in vars(cls) and "about" not in vars(cls):
            cls.about = f"the problem {cls.name}"
        if cls.__doc__ is None:
            cls.__doc__ = f"Train a network on {cls.about}."
        dataclass(frozen=True, kw_only=True)(cls)

    def __post_init__(self):
        for name, each in settings_of(type(self)).items():
            value = getattr(self, name)
            if value is not each.default:
                object.__setattr__(self, name, each.checked(value))
        if (
            self.schedule != "constant"
        ):  # one over all epochs says how many: with more of them it would be another one
            completed = dfanp.schedules.completed(self.schedule, self.epochs)
            object.__setattr__(self, "schedule", dfanp.schedules.canonical(completed))

    def __reduce_ex__(self, protocol):
        # Another process may not have loaded the plugin that defines the class.
        if plugins.defines(type(self)):
            return plugins.rebuilt, (plugins.loaded(), type(self).__module__, type(self).__qualname__, vars(self))
        return super().__reduce_ex__(protocol)

    @property
    def of_problem(self) -> tuple[str, ...]:
        """The names of the settings on which its problem depends."""
        general = settings_of(TrainingSettings)
        return (*(name for name in settings_of(type(self)) if name not in general), "dtype", "device", "kernels")

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that are trained together: each `seed`, and those after it, `repeats` in all."""
        first = self.seed if isinstance(self.seed, tuple) else (self.seed,)
        return tuple(dict.fromkeys(one + i for one in first for i in range(self.repeats)))

    def config(self) -> dict[str, Any]:
        """Return the settings as a dict of JSON values, the name of the problem first; unused ones are omitted."""
        found = {"problem": self.name} | {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
        if not self.plugins:
            del found["plugins"]
        added = {name for name, value in ADDED.items() if found[name] == value}
        return present({name: value for name, value in found.items() if name not in added})

    @classmethod
    def decided(cls, given: dict[str, list], data_dir: Any = None) -> dict[str, list]:
        """Return the settings given by options, and those that the problem determines.

        Args:
            given: name of a setting -> list of its values: one, several for a sweep, or none if it is not given.
            data_dir: see ``problems.load``.

        Returns:
            the same, without names that have the defaults of the class.

        Raises:
            ValueError, DataError, BackendError: something requested by name is not available, or settings contradict
                each other.
        """
        found = {name: values for name, values in given.items() if values}
        on = {kind: found.get(kind, ["auto"]) for kind in ("device", "kernels")}
        return found | {"device": [dfanp.Backend(on["device"][0], kernels=on["kernels"][0]).device]}

    def starting_rate(self) -> Rate:
        """Return the default ``Rate`` (whatever `lr` is).

        Raises:
            ValueError: no default is known.
        """
        default = settings_of(type(self))["lr"].default
        return rate_of_optimizer(self.opt) if default is MISSING else Rate(default, f"the default of {self.name}")

    def dataset(self, data_dir: Any = None) -> "Dataset | None":
        """Return the ``Dataset`` of the problem, loaded, or None if it has none."""
        return None

    def loading(self) -> tuple[Any, ...]:
        """Return a function and its arguments without the last one, the folder: it returns ``dataset``, loaded once."""
        return (lambda folder: None,)

    def about_data(self, data_dir: Any = None) -> Sequence[tuple[str, str]]:
        """Return lines that describe its data set, (subject, text); none if it has none."""
        return []

    @property
    def title(self) -> str:
        """A description of the problem."""
        every, general = settings_of(type(self)), settings_of(TrainingSettings)
        own = [f"{name} = {getattr(self, name)}" for name in every if name not in general and every[name].help]
        return ", ".join([self.name, *own])

    @property
    def headline(self) -> str:
        """A description of the run, one line."""
        widths = "-".join(map(str, self.hidden))
        rules = dfanp.rules
        rule = rules.RULES.get(self.method) if self.method in rules.RULES else rules.bp
        drawn = f", {self.feedback} B" if rule.feedback_shape is not None else ""
        layers = "" if self.layers == "all" else ", output layer only"
        scheduled = "" if self.schedule == "constant" else f" ({self.schedule})"
        return (
            f"{self.title}: {self.method.upper()}{drawn}, {self.opt} at lr {self.lr:g}{scheduled}, "
            f"{widths} {self.activation}{layers}"
        )

    def agreed(self, dataset: "Dataset | None") -> "TrainingSettings":
        """Return the settings with the digests of `dataset` and of the plugins.

        Raises:
            DataError: the settings name another dataset.
            PluginError: the settings name a plugin that is not loaded.
        """
        plugins.require(self.plugins)
        return replace(self, plugins=plugins.digests())

    def training(self, *parts):
        """Return the Training of its `parts`: network, problem, rule, optimizer, feedback, batch size."""
        more = {"measures": self.measures_of_updates(*parts), "schedule": self.schedule}
        return dfanp.Training(*parts, layers=self.layers, align=self.align, **more)

    def network(self, problem: Any, seed: Any) -> Any:
        """Return the initial network of a rule, for a seed or R of them."""
        sizes = (*self.widths(problem.features), problem.outputs)
        return dfanp.MLP(sizes, self.activation, self.bias, self.dtype, seed, problem.backend)

    def theory(self, epochs: Sequence[int]) -> Sequence[float] | None:
        """Return the test loss that a theory predicts after each of `epochs`, the mean over the seeds; None without one."""
        return None

    @property
    def hidden_layers(self) -> int:
        """The number of hidden layers of its networks."""
        return len(self.hidden)

    def widths(self, features: int) -> tuple[int, ...]:
        """Return the widths of its dense layers, that of the inputs of the lowest first, without the output."""
        return (features, *self.hidden)

    def measures_of_updates(self, network, problem, rule, *rest):
        """Return the Measures that the setting `updates` asks for."""
        if not self.updates:
            return ()
        from ..analysis.updates import measures

        return measures(network.sizes, rule, max(2, self.updates))

    def problem(self, dataset: "Dataset | None", backend: Any) -> Any:
        """Return the problem; a ValueError if settings contradict each other."""
        raise NotImplementedError

    def features(self, dataset: "Dataset | None") -> int:
        """Return the width of the problem's inputs."""
        return sizes_of(self.alone(), dataset).features

    def bytes_of_examples(self, features):
        """Return the size in bytes of the examples of an epoch, for inputs of this width."""
        return 2 * sizes_of(self.alone(), None).train_size * 8 * (features + 1)

    def alone(self):
        """Return settings with the same problem, on the CPU, and defaults for all others."""
        own = {name: getattr(self, name) for name in self.of_problem}
        return type(self)(lr=1.0, plugins=self.plugins, **own | {"device": "cpu", "kernels": "numpy"})


SIZES: dict[Any, Sizes] = {}  # settings -> Sizes


def sizes_of(settings, dataset):
    """Return the Sizes of the problem of `settings`, which is created once for this."""
    if settings not in SIZES:
        made = settings.problem(dataset or settings.dataset(), dfanp.Backend("cpu", kernels="numpy"))
        SIZES[settings] = Sizes(made.features, made.train_size)
    return SIZES[settings]
