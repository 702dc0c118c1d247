"""Many runs: in workers, joined where that is faster, resumed whatever happened; each comes out as if it had run alone.

A sweep is a list of settings (``grids.product`` makes one) and a folder (``store.Store``). Runs that differ only in seed and
learning rate are joined into jobs, replicas of one training, where a step of several costs less than several steps. How
they are joined hangs on the settings alone, and results hang neither on that nor on the workers: on one tier the sweep has the
same store.

Only the process that started the sweep writes the store. A job that takes long keeps its progress in a file of its own, from
which the next start goes on.
"""

import weakref
from contextlib import suppress
from functools import partial
from pathlib import Path

from .. import plugins
from ..backend import default_threads, usable_cores
from ..errors import RecordError
from ..problems.folders import named_folder
from ..runs.store import Store, key_of
from ..system import signals
from .jobs import Outcome, halves, jobs_of, resolved, train


class Sweep:
    """A sweep in its folder.

    Args:
        settings: a list of ``dfanp.settings``, each with repeats 1.
        path: of the folder; made if it is not there. What stands in it already is not run again.
        workers: processes that train; 1 trains in this one. With `cluster`, tasks at once (None: all it has).
        threads: of the kernels, in each worker; None divides the cores that this process may use, within the limits that are set
            for it (``threads.default_threads``). The numpy tier takes 1, so that its bits do not depend on the workers.
        data_dir: see ``problems.load``.
        keep: whether to keep the final arrays of each run; or those of `settings` to keep them of.
        cluster: the address of a Dask scheduler whose workers see the folder under the same name.

    Attributes:
        store: the ``Store``.
        jobs: all Jobs.
        stopping: whether ``stop`` was called.

    Raises:
        RecordError: see ``Store``.
        ValueError, DataError, BackendError: see ``resolved``.
    """

    def __init__(self, settings, path, workers=1, threads=None, data_dir=None, keep=False, cluster=None):
        data_dir = named_folder(data_dir)  # workers may have another environment and current folder
        self.settings = resolved(settings, data_dir)
        self.jobs, self.workers, self.cluster = jobs_of(self.settings, data_dir), workers, cluster
        self.data_dir, self.path = data_dir, Path(path).absolute()
        wanted = self.settings if keep is True else resolved(keep or [], data_dir)
        self.keep = frozenset(key_of(each.config()) for each in wanted)
        self.threads = threads or min(default_threads(), max(1, usable_cores() // (workers or 1)))
        self.store, self.stopping, self._running = Store(self.path, write=True), False, lambda: None
        try:
            for name in ("progress", "checkpoints") if keep else ("progress",):
                (self.path / name).mkdir(exist_ok=True)
            (self.path / "stop").unlink(missing_ok=True)
            for stale in [*self.path.glob("*/*.partial"), *self.path.glob("progress/*.running")]:
                stale.unlink(missing_ok=True)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        """End what is still running, and give the folder back."""
        outcomes = self._running()
        if outcomes is not None:
            with suppress(ValueError):  # another thread is in it
                outcomes.close()
        self.store.close()

    def stop(self):
        """Ask the running jobs to end after their epoch; ``outcomes`` then ends, and a new Sweep goes on from there."""
        self.stopping = True
        (self.path / "stop").touch()

    @property
    def pending(self):
        """The Jobs with a run that has no result yet (or whose final arrays are wanted and not there)."""
        kept = lambda key: key not in self.keep or self.store.checkpoint(key).exists()
        lacks = lambda key: key not in self.store.results or not kept(key)
        return [job for job in self.jobs if any(map(lacks, job.keys))]

    def results(self):
        """Return the Results of this sweep's settings that are there, in their order."""
        keys = dict.fromkeys(key_of(each.config()) for each in self.settings)
        return [self.store.results[key] for key in keys if key in self.store.results]

    def outcomes(self):
        """Run what is pending, yielding the Outcome of each job once it is on the disk, in the order in which they end.

        A worker that dies takes others' work with it. The jobs that were running then are tried again, one at a time, each in a
        process of its own; one that kills that too has failed. A job that is too large for the memory is divided, and its halves are
        run.

        In the main thread SIGTERM and SIGHUP raise KeyboardInterrupt meanwhile, as Ctrl-C does, where nobody handles or ignores
        them. However this ends, or its process, no worker goes on.
        """
        outcomes = self._outcomes()
        self._running = weakref.ref(outcomes)  # who drops it ends it, too
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
        """A function of a job that trains it."""
        shared = dict(threads=self.threads, data_dir=self.data_dir, keep=self.keep, definitions=plugins.loaded())
        return partial(train, folder=str(self.path), **shared)

    def _keep(self, outcome):
        """Write what came of a job, and return it: as failed, if it cannot be written."""
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
