"""The jobs of a sweep: runs that are trained together, by one process."""

import time
import warnings
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import NamedTuple

from .. import optimizers, plugins
from ..backend import Backend, first_line
from ..baselines import BASELINES
from ..errors import RecordError
from ..kernels import KernelWarning
from ..problems.folders import named_folder
from ..problems.parity import PROBE_SIZE
from ..runs.history import is_diverged
from ..runs.run import rows_of, training_on
from ..runs.store import Result, key_of
from ..training import TEST_BATCH
from .executors import cancelled
from .plan import RUNNING, Beat, name_of
from .progress import read_progress, write_final, write_progress

SAVE_AFTER = 5.0  # minimum of seconds of training between two checkpoints of a job
SAVE_SHARE = 0.05  # maximal share of a job's time that saving takes
JOBS_AT_LEAST = 8  # minimal number of jobs of a sweep with as many runs, for as many workers
MOST_JOINED = 16  # replicas of a job on the CPU
MOST_ON_GPU = 256  # more gain no speed, and lose more work on an interrupt
SHARE_OF_GPU = 0.7  # maximal share of its free memory for a job, by estimate
JOINED_BYTES = {"numpy": 64 << 20}  # maximal size of the weights of a job
OTHERS_JOINED_BYTES = 2 << 20  # beyond the cache, joining does not speed up the compiled tiers


class Job(NamedTuple):
    """Runs that are trained together: `settings`, which differ only in seed and learning rate, and their keys."""

    settings: tuple
    keys: tuple

    @property
    def name(self):
        """The name of its files."""
        return name_of(self.keys)


class Outcome(NamedTuple):
    """The outcome of a job: its Results, or why it has none.

    Attributes:
        state: "done", "stopped" (it resumes from its checkpoint), "divided" (it was too large for the memory; its
            halves are trained instead) or "failed".
        error: one line, if it was divided or failed.
        seconds: of training, by this and earlier starts.
        notes: one line for each kernel that was rejected (``Kernels.notes``).
    """

    job: Job
    state: str
    results: tuple = ()
    error: str | None = None
    seconds: float = 0.0
    notes: tuple = ()


def resolved(settings, data_dir=None):
    """Return each of `settings` with the digest of its data and the names of its device and kernels.

    Raises:
        DataError, BackendError, ValueError: a setting is not available here, or out of range.
    """
    found = []
    for each in settings:
        if len(each.seeds) != 1:
            raise ValueError(f"a run of a sweep has one seed, got seeds {', '.join(map(str, each.seeds))}")
        found.append(replace(each.agreed(_dataset(each, data_dir)), kernels=_kernels_of(each.device, each.kernels)))
    return found


def _dataset(settings, data_dir):
    load, *own = settings.loading()
    return load(*own, named_folder(data_dir))


@lru_cache
def _kernels_of(device, kernels):
    return Backend(device, kernels=kernels).kernels.name


def _free_bytes(device):
    return Backend(device, kernels="numpy").free_bytes()


def jobs_of(settings, data_dir=None):
    """Return the Jobs for a list of resolved settings without duplicates, in the order of their first runs."""
    alike, unique = {}, dict.fromkeys(settings)
    for each in unique:
        alike.setdefault(replace(each, lr=1.0, seed=0), []).append(each)
    jobs = []
    for shape, runs in alike.items():
        most = most_joined(shape, shape.features(_dataset(shape, data_dir)))
        if shape.device == "cpu":  # a GPU has a single worker, whose jobs should fill it
            most = min(most, ceil(len(unique) / JOBS_AT_LEAST))
        size = ceil(len(runs) / ceil(len(runs) / most))
        jobs += [job_of(runs[start : start + size]) for start in range(0, len(runs), size)]
    order = {each: place for place, each in enumerate(settings)}
    return sorted(jobs, key=lambda job: order[job.settings[0]])


def job_of(runs):
    """Return the Job of a list of settings."""
    return Job(tuple(runs), tuple(key_of(each.config()) for each in runs))


def halves(job):
    """Return the two halves of a Job."""
    middle = ceil(len(job.keys) / 2)
    return [Job(job.settings[part], job.keys[part]) for part in (slice(middle), slice(middle, None))]


def most_joined(settings, features):
    """Return the maximal number of runs with these settings in a job; on a GPU, as many as its free memory holds."""
    number = 4 if settings.dtype == "float32" else 8
    size = number * sum(a * b for a, b in pairwise((*settings.widths(features), 1)))
    if settings.device != "cpu":
        # Weights, gradient, state and temporaries of an update; the largest batch; the examples of this epoch and the
        # next.
        slots = len(optimizers.parse(settings.opt)[0].slots)
        batch = number * max(TEST_BATCH, settings.batch_size or 0) * (features + 3 * sum(settings.hidden))
        each = size * (3 + slots) + batch + 3 * settings.bytes_of_examples(features)
        if (
            settings.align
        ):  # which computes in float64: weights, feedback and gradients, and the probe with what it leads to
            each += 8 * (3 * size // number + PROBE_SIZE * (features + 3 * sum(settings.hidden)))
        return max(1, min(MOST_ON_GPU, int(SHARE_OF_GPU * _free_bytes(settings.device) / each)))
    if settings.method in BASELINES:  # each has its own tables of products
        return 1
    return max(1, min(MOST_JOINED, JOINED_BYTES.get(settings.kernels, OTHERS_JOINED_BYTES) // size))


@lru_cache(maxsize=2)
def _problem(settings, data_dir, threads):
    """Return the problem of `settings`, shared by the runs of this process."""
    backend = Backend(settings.device, threads, settings.kernels)
    return settings.problem(_dataset(settings, data_dir), backend)


def train(job, folder, threads=1, data_dir=None, keep=frozenset(), definitions=((), ())):
    """Train a job in this process; return its Outcome. Failures of a run do not raise.

    After each epoch it checks for a file ``stop`` in the folder; if it exists, the job saves its progress and ends. A
    cancelled job of a cluster ends without saving.

    Args:
        folder: of the sweep.
        threads: of the kernels; the numpy tier, whose last bits depend on it, takes 1.
        keep: keys of the runs whose final arrays are saved.
        definitions: the plugins of the main process (``plugins.loaded``).
    """
    folder = Path(folder)
    marker = folder / "progress" / f"{job.name}{RUNNING}"
    try:
        if (folder / "stop").exists() or cancelled():
            return Outcome(job, "stopped")
        with suppress(OSError):  # on a full disk, a crash cannot be attributed to this job
            marker.touch()
        plugins.load_all(definitions)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", KernelWarning)  # it is in the notes of the Outcome
            return _train(job, folder, threads, data_dir, keep, Beat(marker))
    except MemoryError as error:
        state = "divided" if len(job.keys) > 1 else "failed"
        return Outcome(job, state, error=f"too large for the memory ({first_line(error)})")
    except Exception as error:
        line = (str(error).strip().splitlines() or [""])[0]
        return Outcome(job, "failed", error=f"{type(error).__name__}: {line}")
    finally:
        with suppress(OSError):
            marker.unlink(missing_ok=True)


def _train(job, folder, threads, data_dir, keep, beat):
    first, single = job.settings[0], len(job.settings) == 1
    first.agreed(_dataset(first, data_dir))
    bare = type(first)(lr=1.0, plugins=first.plugins, **{name: getattr(first, name) for name in first.of_problem})
    problem = _problem(bare, data_dir, 1 if first.kernels == "numpy" else threads)
    seeds, rates = (tuple(getattr(each, name) for each in job.settings) for name in ("seed", "lr"))
    training = training_on(problem, first, *((seeds[0], rates[0]) if single else (seeds, rates)))
    path = folder / "progress" / f"{job.name}.npz"
    arrays, rows, seconds = read_progress(path, training.arrays(), len(seeds))
    if arrays is not None:
        training.restore(arrays)
    saved, cost = time.monotonic(), 0.0

    def save():
        nonlocal saved, cost
        began = time.monotonic()
        with suppress(RecordError, OSError):  # on a full disk the run continues, but could not be resumed
            write_progress(path, training.arrays(), rows, seconds)
        saved = time.monotonic()
        cost = saved - began

    while training.epoch < first.epochs and not training.diverged:
        beat(training.epoch)
        record = training.run_epoch()
        seconds += record.seconds
        for each, row in zip(rows, rows_of(record, training), strict=True):
            if not each or not is_diverged(each[-1]):
                each.append(row)
        over = training.epoch == first.epochs or training.diverged
        if not over and ((asked := (folder / "stop").exists()) or cancelled()):
            if asked:  # a cancelled job must not write: another sweep may use the folder
                save()
            return Outcome(job, "stopped", seconds=seconds)
        if not over and time.monotonic() - saved > max(SAVE_AFTER, cost / SAVE_SHARE):
            save()
    for r, key in enumerate(job.keys):
        if key in keep:
            write_final(folder / "checkpoints" / f"{key}.npz", training.arrays(), None if single else r)
    results = [
        Result(key, each.config(), "diverged" if is_diverged(own[-1]) else "done", own)
        for key, each, own in zip(job.keys, job.settings, rows, strict=True)
    ]
    return Outcome(job, "done", tuple(results), seconds=seconds, notes=tuple(training.backend.kernels.notes))
