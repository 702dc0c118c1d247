"""One run from its settings: build it, run it, keep its records, go on where it stopped."""

import platform
from dataclasses import asdict, dataclass

import numpy as np

from . import optimizers
from .backend import Backend
from .errors import RecordError
from .feedback import Feedback
from .network import MLP
from .problems import Parity, load
from .records import RunFolder, read_log
from .training import Training
from .version import __version__


@dataclass(frozen=True)
class Settings:
    """What a parity run is: two runs with equal settings on one tier have equal bytes.

    Args:
        lr: the learning rate; no default, since it hangs on all the rest (``dfanp.experiments.rates``).
        k: digits side by side, 1 to 10.
        method: a rule, "bp", "fa" or "dfa".
        opt: an optimizer, with its default hyperparameters.
        epochs, batch_size, hidden (widths of the hidden layers), activation, bias, feedback, dtype, weight_decay,
        layers:
            as in ``Training``, ``MLP``, ``Feedback``.
        seed, repeats: the run trains the seeds seed, seed + 1, … seed + repeats - 1 together.
        data: a data set's name. held_out: test on held-out training images instead of the test images (for tuning).
        align: whether the records carry alignment.
        device: "cpu" or "gpu", as resolved.
    """

    lr: float
    k: int = 3
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
    data: str = "digits"
    held_out: bool = False
    dtype: str = "float32"
    align: bool = False
    device: str = "cpu"

    @property
    def seeds(self):
        """The seeds that are trained together."""
        return tuple(range(self.seed, self.seed + self.repeats))


def build(settings, backend=None, dataset=None):
    """Return the Training that `settings` describe, before its first epoch.

    Args:
        backend: a ``Backend``; None resolves ``settings.device``.
        dataset: a ``Dataset`` in place of ``settings.data``, already loaded.

    Raises:
        ValueError: a setting is out of its range. DataError: the data are not there. BackendError: the device is not.
    """
    for name in ("epochs", "repeats"):
        value = getattr(settings, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")
    backend = backend or Backend(settings.device)
    optimizer = optimizers.get(settings.opt)(settings.lr, weight_decay=settings.weight_decay)
    feedback = Feedback(settings.feedback)
    dataset = dataset or load(settings.data)
    problem = Parity(
        dataset.hold_out() if settings.held_out else dataset, settings.k, dtype=settings.dtype, backend=backend
    )
    # A single run has no replica axis; its numbers are the same with one.
    seed = settings.seed if settings.repeats == 1 else settings.seeds
    sizes = (problem.features, *settings.hidden, problem.outputs)
    network = MLP(sizes, settings.activation, settings.bias, settings.dtype, seed, backend)
    return Training(
        network,
        problem,
        settings.method,
        optimizer,
        feedback,
        settings.batch_size,
        layers=settings.layers,
        align=settings.align,
    )


def rows_of(record, training, settings):
    """Return the log lines of one epoch: a dict for each seed that was still running when the epoch began."""
    rows = []
    for r, seed in enumerate(settings.seeds):
        solo = record.replica(r) if training.network.replicas else record
        row = {"epoch": record.epoch, "seed": seed}
        if np.isfinite(solo.train_loss) and np.isfinite(solo.test_loss):
            row |= {name: value for name, value in asdict(solo).items() if name not in ("epoch", "seconds")}
            if row["alignment"] is None:
                del row["alignment"]
        else:
            row["status"] = "diverged"
        rows.append(row)
    return rows


def environment(backend):
    """Return a dict that says where a run runs: versions, machine, array library, BLAS threads."""
    return {
        "dfanp": __version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "kernels": backend.name,
        backend.name: backend.xp.__version__,
        "threads": backend.threads,
    }


class Run:
    """A run that yields its log lines, epoch by epoch, and keeps them in a folder if one is named.

    Args:
        settings: a ``Settings``.
        out: a folder, or None. If a run with these settings stands there, it goes on where it stopped, on as many
            BLAS threads as it began with, and ends with the same bytes as one never stopped.
        threads: BLAS threads for a new run; None takes every core.
        dataset: see ``build``.

    Attributes:
        training: the ``Training``.
        rows: all log lines so far, those of an earlier start included.
        environment: see ``environment``.

    Raises:
        ValueError, DataError, BackendError: see ``build``. RecordError: see ``RunFolder``.
    """

    def __init__(self, settings, out=None, threads=None, dataset=None):
        self.settings, self.folder, self.rows = settings, None, []
        backend = Backend(settings.device, threads)
        self.training = build(settings, backend, dataset)
        self.environment = environment(backend)
        if out is not None:
            self.folder = RunFolder(out, asdict(settings), self.environment)
            try:
                self._resume()
            except BaseException:
                self.close()
                raise

    def _resume(self):
        self.environment = self.folder.environment
        if self.training.backend.threads is not None and isinstance(self.environment.get("threads"), int):
            self.training.backend.threads = max(1, self.environment["threads"])
        arrays = self.folder.load(self.training.arrays())
        if arrays is not None:
            try:
                self.training.restore(arrays)
            except ValueError as error:
                raise RecordError(f"{self.folder.path}: the checkpoint is corrupt ({error})") from None
        self.rows = read_log(self.folder.path)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        """Give the folder back."""
        if self.folder is not None:
            self.folder.close()

    def epochs(self):
        """Train what is left, yielding ``(record, rows)`` for each epoch once it is on the disk."""
        training = self.training
        while training.epoch < self.settings.epochs and not training.diverged:
            running = [status == "ok" for status in self.statuses()]
            record = training.run_epoch()
            rows = [
                row
                for row, was_running in zip(rows_of(record, training, self.settings), running, strict=True)
                if was_running
            ]
            if self.folder is not None:
                self.folder.append(rows, record.seconds, record.epoch, training.arrays())
            self.rows += rows
            yield record, rows

    def statuses(self):
        """Return "ok" or "diverged" for each seed."""
        status = self.training.status
        return [status] if isinstance(status, str) else status
