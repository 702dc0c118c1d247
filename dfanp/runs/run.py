"""A run from its settings: built, trained, recorded, and resumed."""

import platform
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.random  # noqa: F401  (imported early: a Cython module swallows a Ctrl-C that arrives while it loads)

from .. import baselines, optimizers, plugins
from ..backend import Backend, check_threads, gpu_name
from ..errors import RecordError, by_name, shown
from ..feedback import Feedback
from ..files.npz import read_checkpoint
from ..kernels import KernelWarning
from ..network import MLP
from ..problems.images import Dataset
from ..problems.settings import TrainingSettings
from ..streams import streams
from ..training import Record, Training
from ..version import __version__
from .folder import RunFolder
from .history import row_of


def build(settings: TrainingSettings, backend: Backend | None = None, dataset: Dataset | None = None) -> Training:
    """Return the Training that `settings` describe, before its first epoch.

    Args:
        settings: of ``dfanp.settings``.
        backend: a ``Backend``; None resolves ``settings.device``.
        dataset: the ``Dataset`` of the settings, if it is already loaded.

    Raises:
        PluginError: the settings name a plugin that is not loaded.
        ValueError: a setting is out of range.
        DataError: the data are missing.
        BackendError: the device cannot be used.
    """
    plugins.require(settings.plugins)
    backend = backend or Backend(settings.device, kernels=settings.kernels)
    # A single run has no replica axis; with one, its numbers would be the same.
    seed = settings.seeds if len(settings.seeds) > 1 else settings.seeds[0]
    return training_on(settings.problem(dataset or settings.dataset(), backend), settings, seed, settings.lr)


def training_on(problem, settings, seed, lr):
    """Return the Training that `settings` describe on `problem`, with this seed and learning rate, or R of each."""
    kind, hyperparameters = optimizers.parse(settings.opt)
    optimizer = kind(lr, weight_decay=settings.weight_decay, **hyperparameters)
    if settings.method in baselines.BASELINES:
        sizes = (problem.features, *settings.hidden, problem.outputs)
        scale = getattr(problem, "scale", (1.0, 0.0))
        check_lazy(settings)
        make = baselines.get(settings.method).network
        network, rule = make(sizes, settings.dtype, seed, problem.backend, *scale), "bp"
    else:
        network = settings.network(problem, seed)
        rule = by_name("method", settings.method, dict.fromkeys(baselines.methods(), settings.method))
    if settings.nudge:
        network.load(nudged(network, settings.nudge))
    batch_size = settings.batch_size or problem.train_size
    return settings.training(network, problem, rule, optimizer, Feedback(settings.feedback), batch_size)


def nudged(network: MLP, share: float) -> dict[str, Any]:
    """Return name -> host array: the weights, each moved by at most `share` of the largest of its matrix.

    How far is drawn by the network's seed, each replica by its own. Trainings near their stability limit are chaotic: runs
    that begin so close together end as far apart as rounding alone, on another processor say, may put them.
    """
    seeds, found = network.seed if network.replicas else (network.seed,), {}
    for name, theta in network.parameters.items():
        if name.startswith("W"):
            W = np.asarray(network.backend.to_host(theta), np.float64).reshape(len(seeds), *theta.shape[-2:])
            drawn = [streams(seed).nudge(int(name[1:])).uniform(-1, 1, theta.shape[-2:]) for seed in seeds]
            found[name] = (W + share * abs(W).max(axis=(1, 2), keepdims=True) * np.stack(drawn)).reshape(theta.shape)
    return found


def restored(settings: TrainingSettings, checkpoint: str | Path | None = None, dataset: Dataset | None = None) -> MLP:
    """Return the network of a single run: its initial one, or one with the parameters in the file `checkpoint`.

    Raises:
        RecordError: the file is not a checkpoint of this run. And as ``build``.
    """
    training = build(settings, dataset=dataset)
    if checkpoint is not None:
        training.restore(read_checkpoint(checkpoint, training.arrays()))
    return training.network


def check_lazy(settings):
    """Raise if `settings` change what a lazy baseline determines itself."""
    decided = {"activation": "relu", "bias": False, "layers": "all", "align": False}
    for name, value in decided.items():
        if getattr(settings, name) != value:
            raise ValueError(
                f"{name} must be {value!r} for the method {settings.method!r}, got {shown(getattr(settings, name))}"
            )


def rows_of(record, training):
    """Return the rows of an epoch, one dict per replica (one for a single run)."""
    replicas = training.network.replicas
    return [row_of(record.replica(r) if replicas else record) for r in range(replicas or 1)]


def environment(backend: Backend) -> dict[str, Any]:
    """Return a dict of versions, machine, array library, BLAS threads, and rejected kernels."""
    found = {
        "dfanp": __version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        backend.name: backend.xp.__version__,
        "threads": backend.threads,
    }
    notes = backend.kernels.notes
    gpu = {} if backend.device == "cpu" else {"gpu": gpu_name(backend.xp)}
    return found | gpu | ({"by definition": list(notes)} if notes else {})


class Run:
    """A run that yields its log lines, epoch by epoch, and saves them in a folder if one is given.

    Args:
        settings: of ``dfanp.settings``.
        out: a folder, or None. If it holds a run with these settings, that run is resumed, with the number of BLAS
            threads of its first start, and ends with the same bytes as an uninterrupted one. Its `epochs` may change,
            but not below those done.
        threads: BLAS threads of a new run; None takes every core.
        dataset: see ``build``.

    Attributes:
        settings: as given, with the digest of the data and the tier of the kernels.
        training: the ``Training``.
        rows: all log lines so far, including those of earlier starts.
        seconds: epoch -> its time.
        saved: number of epochs in the folder (without a folder: done).
        environment: that of the first start, see ``environment``.
        changed: the values that differ now, name -> value.

    Raises:
        ValueError, DataError, BackendError: see ``build``.
        RecordError: see ``RunFolder``.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        out: str | Path | None = None,
        threads: int | None = None,
        dataset: Dataset | None = None,
    ) -> None:
        self.folder: RunFolder | None = None
        self.rows: list[dict] = []
        self.seconds: dict[int, float] = {}
        self.changed: dict[str, Any] = {}
        self.saved = 0
        backend = Backend(settings.device, threads, settings.kernels)
        dataset = dataset or settings.dataset()
        self.training = build(settings, backend, dataset)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", KernelWarning)  # it is in the environment
            self.training.prepare()
        self.settings = replace(settings.agreed(dataset), kernels=backend.kernels.name)
        self.environment = environment(backend)
        if out is not None:
            self.folder = RunFolder(out, self.settings.config(), self.environment)
            try:
                self._resume()
            except BaseException:
                self.close()
                raise

    def _resume(self):
        here, self.environment = self.environment, self.folder.environment
        self.changed = {name: value for name, value in here.items() if self.environment.get(name) != value}
        try:
            if self.training.backend.threads is not None:
                check_threads(self.environment.get("threads"))
                self.training.backend.threads = self.environment["threads"]
            arrays, self.rows, self.seconds = self.folder.load(self.training.arrays(), self.settings.seeds)
            if arrays is not None:
                self.training.restore(arrays)
        except ValueError as error:
            raise RecordError(f"{self.folder.path}: the run is corrupt ({error})") from None
        self.folder.extend()
        self.saved = self.training.epoch

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the lock of the folder."""
        if self.folder is not None:
            self.folder.close()

    def epochs(self) -> Iterator[tuple[Record, list[dict]]]:
        """Train the remaining epochs, yielding ``(record, rows)`` for each once it is on the disk.

        A Run that was interrupted within an epoch, or could not write one, cannot continue: create a new one with the
        same folder.
        """
        training = self.training
        while training.epoch < self.settings.epochs and not training.diverged:
            if training.epoch != self.saved:
                name = self.folder.path if self.folder else self.settings.name
                raise RecordError(f"{name}: epoch {training.epoch} was not written; open the run again")
            running = [status == "ok" for status in self.statuses()]
            record = training.run_epoch()
            replicas = zip(self.settings.seeds, rows_of(record, training), running, strict=True)
            rows = [{"epoch": record.epoch, "seed": seed} | row for seed, row, was_running in replicas if was_running]
            if self.folder is not None:
                self.folder.append(rows, record.seconds, record.epoch, training.arrays())
            self.saved = record.epoch
            self.rows += rows
            self.seconds[record.epoch] = round(record.seconds, 6)
            yield record, rows

    def statuses(self) -> list[str]:
        """Return "ok" or "diverged" for each seed."""
        status = self.training.status
        return [status] if isinstance(status, str) else status
