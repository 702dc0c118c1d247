"""One run from its settings: build it, run it, keep its records, go on where it stopped."""

import platform
import warnings
from dataclasses import replace

import numpy.random  # noqa: F401  (now: a module of Cython swallows the Ctrl-C that comes while it is loaded)

from .. import baselines, optimizers, plugins
from ..backend import Backend, check_threads, gpu_name
from ..errors import RecordError, by_name, shown
from ..feedback import Feedback
from ..files.npz import read_checkpoint
from ..kernels import KernelWarning
from ..network import MLP
from ..version import __version__
from .folder import RunFolder
from .history import row_of


def build(settings, backend=None, dataset=None):
    """Return the Training that `settings` describe, before its first epoch.

    Args:
        settings: of ``dfanp.settings``.
        backend: a ``Backend``; None resolves ``settings.device``.
        dataset: a ``Dataset`` in place of theirs, already loaded.

    Raises:
        PluginError: they name a plugin that is not loaded.
        ValueError: a setting is out of its range.
        DataError: the data are not there.
        BackendError: the device is not.
    """
    plugins.require(settings.plugins)
    backend = backend or Backend(settings.device, kernels=settings.kernels)
    # A single run has no replica axis; its numbers are the same with one.
    seed = settings.seed if settings.repeats == 1 else settings.seeds
    return training_on(settings.problem(dataset or settings.dataset(), backend), settings, seed, settings.lr)


def training_on(problem, settings, seed, lr):
    """Return the Training that `settings` describe on `problem`, with their seed and learning rate, or R of both."""
    kind, hyperparameters = optimizers.parse(settings.opt)
    optimizer = kind(lr, weight_decay=settings.weight_decay, **hyperparameters)
    sizes = (problem.features, *settings.hidden, problem.outputs)
    if settings.method in baselines.BASELINES:
        scale = getattr(problem, "scale", (1.0, 0.0))
        check_lazy(settings)
        make = baselines.get(settings.method).network
        network, rule = make(sizes, settings.dtype, seed, problem.backend, *scale), "bp"
    else:
        network = MLP(sizes, settings.activation, settings.bias, settings.dtype, seed, problem.backend)
        rule = by_name("method", settings.method, dict.fromkeys(baselines.methods(), settings.method))
    batch_size = settings.batch_size or problem.train_size
    return settings.training(network, problem, rule, optimizer, Feedback(settings.feedback), batch_size)


def restored(settings, checkpoint=None, dataset=None):
    """Return the network of a single run: as it began, or with the parameters in the file `checkpoint`.

    Raises:
        RecordError: the file is not a checkpoint of such a run. And as ``build``.
    """
    training = build(settings, dataset=dataset)
    if checkpoint is not None:
        training.restore(read_checkpoint(checkpoint, training.arrays()))
    return training.network


def check_lazy(settings):
    """Raise unless the `settings` of a lazy baseline leave to it what it decides itself."""
    decided = {"activation": "relu", "bias": False, "layers": "all", "align": False}
    for name, value in decided.items():
        if getattr(settings, name) != value:
            raise ValueError(
                f"{name} must be left at {value!r}: the method {settings.method!r} decides it, "
                f"got {shown(getattr(settings, name))}"
            )


def rows_of(record, training):
    """Return what the log tells of an epoch: a dict for each replica (one for a single run)."""
    replicas = training.network.replicas
    return [row_of(record.replica(r) if replicas else record) for r in range(replicas or 1)]


def environment(backend):
    """Return a dict that says where a run runs: versions, machine, array library, BLAS threads, what no kernel computes."""
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
    """A run that yields its log lines, epoch by epoch, and keeps them in a folder if one is named.

    Args:
        settings: of ``dfanp.settings``.
        out: a folder, or None. If it has a run with these settings, that is resumed where it stopped, on as many BLAS threads as
            it began with, and ends with the same bytes as one never stopped. It may get other `epochs`, if no fewer than it has done.
        threads: BLAS threads for a new run; None takes every core.
        dataset: see ``build``.

    Attributes:
        settings: as given, with the data's digest and the tier of the kernels.
        training: the ``Training``.
        rows: all log lines so far, those of an earlier start included.
        seconds: epoch -> its time.
        kept: how many epochs are in the folder (without one: done).
        environment: see ``environment``; that of the first start.
        changed: what of it is another now, name -> value.

    Raises:
        ValueError, DataError, BackendError: see ``build``.
        RecordError: see ``RunFolder``.
    """

    def __init__(self, settings, out=None, threads=None, dataset=None):
        self.folder, self.rows, self.seconds, self.kept, self.changed = None, [], {}, 0, {}
        backend = Backend(settings.device, threads, settings.kernels)
        dataset = dataset or settings.dataset()
        self.training = build(settings, backend, dataset)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", KernelWarning)  # kept in the environment
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
        self.kept = self.training.epoch

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        """Give the folder back."""
        if self.folder is not None:
            self.folder.close()

    def epochs(self):
        """Train what is left, yielding ``(record, rows)`` for each epoch once it is on the disk.

        A Run that was cut off inside an epoch, or could not write one, does not go on: make a new one of the same folder.
        """
        training = self.training
        while training.epoch < self.settings.epochs and not training.diverged:
            if training.epoch != self.kept:
                raise RecordError(f"{self.folder.path}: epoch {training.epoch} was not written; open the run again")
            running = [status == "ok" for status in self.statuses()]
            record = training.run_epoch()
            replicas = zip(self.settings.seeds, rows_of(record, training), running, strict=True)
            rows = [{"epoch": record.epoch, "seed": seed} | row for seed, row, was_running in replicas if was_running]
            if self.folder is not None:
                self.folder.append(rows, record.seconds, record.epoch, training.arrays())
            self.kept = record.epoch
            self.rows += rows
            self.seconds[record.epoch] = round(record.seconds, 6)
            yield record, rows

    def statuses(self):
        """Return "ok" or "diverged" for each seed."""
        status = self.training.status
        return [status] if isinstance(status, str) else status
