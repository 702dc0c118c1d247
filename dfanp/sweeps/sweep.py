"""Sweeps: many runs in worker processes, joined where that is faster, and resumed after any interrupt.

A sweep is a list of settings (see ``grids.product``) and a folder (``runs.store.Store``). Runs that differ only in
seed and learning rate are joined into jobs, replicas of one training, if that is faster. How they are joined depends
only on the settings, and the results depend neither on that nor on the workers: on the same tier, every start yields
the same store.

Only the process that started the sweep writes the store. A long job saves its progress in a file, from which the next
start resumes.
"""

import weakref
from collections.abc import Generator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from .. import plugins
from ..backend import default_threads, usable_cores
from ..errors import RecordError
from ..problems.folders import named_folder
from ..problems.settings import TrainingSettings
from ..runs.store import Result, Store, key_of
from ..system import signals
from .jobs import Job, Outcome, halves, jobs_of, resolved, train
from .plan import running, write_plan


class Sweep:
    """A sweep in its folder.

    Args:
        settings: a list of ``dfanp.settings``, each with repeats 1.
        path: of the folder, created if it does not exist. Runs whose results it contains are not trained again.
        workers: number of processes; 1 trains in this one. With `cluster`, concurrent tasks (None: as many as it has
            workers).
        threads: of the kernels in each worker; None divides the cores of this process among the workers
            (``threads.default_threads``). The numpy tier uses 1, so that its bits do not depend on the workers.
        data_dir: see ``problems.load``.
        keep: whether to save the final arrays of each run, or the list of settings for which to save them.
        cluster: the address of a Dask scheduler, whose workers must see the folder under the same path.

    Attributes:
        store: the ``Store``.
        jobs: all Jobs.
        stopping: whether ``stop`` was called.

    Raises:
        RecordError: see ``Store``.
        ValueError, DataError, BackendError: see ``resolved``.
    """

    def __init__(
        self,
        settings: Sequence[TrainingSettings],
        path: str | Path,
        workers: int | None = 1,
        threads: int | None = None,
        data_dir: str | Path | None = None,
        keep: bool | Sequence[TrainingSettings] = False,
        cluster: str | None = None,
    ) -> None:
        data_dir = named_folder(data_dir)  # workers may have another environment and current folder
        self.settings = resolved(settings, data_dir)
        self.jobs, self.workers, self.cluster = jobs_of(self.settings, data_dir), workers, cluster
        self.data_dir, self.path = data_dir, Path(path).absolute()
        self._by_name = {job.name: job for job in self.jobs}
        wanted = self.settings if keep is True else resolved(keep or [], data_dir)
        self.keep = frozenset(key_of(each.config()) for each in wanted)
        self.threads = threads or min(default_threads(), max(1, usable_cores() // (workers or 1)))
        self.store, self.stopping, self._running = Store(self.path, write=True), False, lambda: None
        try:
            for name in ("progress", "checkpoints") if keep else ("progress",):
                (self.path / name).mkdir(exist_ok=True)
            (self.path / "stop").unlink(missing_ok=True)
            write_plan(self.path, self.jobs)
            for stale in [*self.path.glob("*/*.partial"), *self.path.glob("progress/*.running")]:
                stale.unlink(missing_ok=True)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Sweep":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End running jobs, and release the lock of the folder."""
        outcomes = self._running()
        if outcomes is not None:
            with suppress(ValueError):  # it is running in another thread
                outcomes.close()
        self.store.close()

    def stop(self) -> None:
        """Ask the running jobs to end after their epoch. ``outcomes`` then ends, and a new Sweep resumes."""
        self.stopping = True
        (self.path / "stop").touch()

    @property
    def pending(self) -> list[Job]:
        """The Jobs with a run without a result (or without the final arrays that `keep` asks for)."""
        saved = lambda key: key not in self.keep or self.store.checkpoint(key).exists()
        lacks = lambda key: key not in self.store.results or not saved(key)
        return [job for job in self.jobs if any(map(lacks, job.keys))]

    def running(self) -> list[tuple[Job, int]]:
        """Return the Jobs that run now, each with the number of epochs that it has finished; any thread may ask."""
        now = running(self.path)
        return [(self._by_name[name], epochs) for name, epochs in now.items() if name in self._by_name]

    def results(self) -> list[Result]:
        """Return the Results so far, in the order of the settings."""
        keys = dict.fromkeys(key_of(each.config()) for each in self.settings)
        return [self.store.results[key] for key in keys if key in self.store.results]

    def outcomes(self) -> Generator[Outcome, None, None]:
        """Run the pending jobs, yielding the Outcome of each in the order in which they end, once it is on the disk.

        If a worker dies, the jobs that were running are retried one at a time, each in a separate process; a job that
        crashes that process, too, has failed. A job that is too large for the memory is divided into halves.

        Meanwhile SIGTERM and SIGHUP raise KeyboardInterrupt in the main thread, as Ctrl-C does, unless they are
        handled or ignored already. No worker survives the end of this generator or of its process.
        """
        outcomes = self._outcomes()
        self._running = weakref.ref(outcomes)  # dropping the generator ends it
        return outcomes

    def _outcomes(self):
        with signals.as_ctrl_c():
            yield from self._run()

    def _run(self):
        from .executors import Crash, run_jobs

        suspects, waiting = [], self.pending
        while (suspects or waiting) and not self.stopping:
            alone = bool(suspects)
            batch = [suspects[0]] if alone else waiting
            ended, divided = set(), []
            try:
                for outcome in run_jobs(self._task, batch, self.workers, self.cluster, alone):
                    ended.add(outcome.job.name)
                    if outcome.state == "divided":
                        divided += halves(outcome.job)
                        self._by_name |= {half.name: half for half in divided}
                    yield self._keep(outcome)
            except Crash as crash:
                left = [job for job in batch if job.name not in ended]
                if alone:
                    yield self._keep(Outcome(batch[0], "failed", error=str(crash)))
                else:
                    running = {each.stem for each in self.path.glob("progress/*.running")}
                    suspects = [job for job in left if job.name in running] or left[: self.workers or 1]
                    waiting = [job for job in left if job not in suspects] + divided
                    continue
            if alone:
                suspects, waiting = suspects[1:], waiting + divided
            else:
                waiting = divided

    @property
    def _task(self):
        """A function that trains a job."""
        shared = dict(threads=self.threads, data_dir=self.data_dir, keep=self.keep, definitions=plugins.loaded())
        return partial(train, folder=str(self.path), **shared)

    def _keep(self, outcome):
        """Write the outcome of a job and return it; as failed, if it cannot be written."""
        job = outcome.job
        if outcome.state == "done":
            try:
                self.store.add(outcome.results, outcome.seconds / len(job.keys))
            except RecordError as error:
                outcome = Outcome(job, "failed", error=str(error))
        if outcome.state == "failed":
            for each in job.settings:
                with suppress(RecordError):
                    self.store.fail(each.config(), outcome.error)
        elif outcome.state == "done":
            (self.path / "progress" / f"{job.name}.npz").unlink(missing_ok=True)
        return outcome
