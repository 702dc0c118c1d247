"""Processes that train: this one, joblib's workers, or those of a Dask cluster.

joblib's workers end when the process that started them has ended, be it killed: each has a thread that looks. The workers of a
cluster were started by others; there a job looks whether it is still wanted (``cancelled``).
"""

import multiprocessing
import os
import sys
import threading
import time
import warnings

from ..errors import BackendError
from ..system import signals

LOOK = 0.5  # seconds between two looks of a worker at whether its parent is still there


class Crash(Exception):
    """A worker died; the text says so in a line."""


def run_jobs(task, jobs, workers, cluster=None, alone=False):
    """Yield ``task(job)`` for each job, in the order in which they end.

    Args:
        task: a function that can be pickled.
        workers: processes; 1 is this one, unless `alone`.
        cluster: the address of a Dask scheduler; workers None then takes all that it has.
        alone: whether the jobs get a process of their own.

    Raises:
        Crash: a worker died.
        BackendError: the cluster cannot be used.
    """
    if cluster is not None:
        yield from _on_cluster(task, jobs, workers, cluster)
    elif workers == 1 and not alone:
        yield from map(task, jobs)
    else:
        yield from _in_workers(task, jobs, 2 if alone else workers)


def begin_worker(parent):
    """Begin a worker of the process `parent`, which alone decides when it ends: signals are ignored, and its death is noticed."""
    signals.ignore()
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent):
    """Wait until the process `parent` has ended, however it ended, and end this one at once.

    Nothing is saved by then: another sweep may already have the folder. Whatever file is half written has another name.
    """
    if os.name == "nt":  # the number of the parent stays the same there when it has ended
        multiprocessing.parent_process().join()
    else:
        while os.getppid() == parent:
            time.sleep(LOOK)
    os._exit(1)


def _in_workers(task, jobs, workers):
    from concurrent.futures.process import BrokenProcessPool

    from joblib import Parallel, delayed
    from joblib.externals.loky import get_reusable_executor

    options = {"n_jobs": workers, "backend": "loky", "initializer": begin_worker, "initargs": (os.getpid(),)}
    parallel = Parallel(return_as="generator_unordered", **options)
    ended = False
    try:
        # Ctrl-C reaches every process of a terminal, and a batch system may signal all of a job: the workers leave it to this one.
        with signals.held_back():
            _start_trackers()
        with signals.held_back():  # some milliseconds: to start the workers, not to wait for them
            started = Parallel(return_as="generator", **options)(delayed(int)() for _ in range(workers))
        for _ in started:
            pass
        yield from quietly(parallel(delayed(task)(job) for job in jobs))
        ended = True
    except BrokenProcessPool as error:
        raise Crash(f"its worker died ({type(error).__name__})") from None
    finally:
        if not ended:
            get_reusable_executor(kill_workers=True).shutdown(wait=False)


def quietly(outcomes):
    """Yield what a generator of joblib does, which warns where it is left early: the jobs that are cut off then are no waste."""
    try:
        for outcome in outcomes:  # noqa: UP028  (yield from would close it before the block below)
            yield outcome
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outcomes.close()


def _start_trackers():
    """Start the processes in which multiprocessing and loky keep track of semaphores: when the former starts, it lets signals through."""
    if os.name == "posix":
        from multiprocessing import resource_tracker

        from joblib.externals.loky.backend import resource_tracker as of_loky

        resource_tracker.ensure_running()
        of_loky.ensure_running()


def cancelled():
    """Whether this is a task of a Dask cluster that nobody waits for any more: its client has ended or has given it up."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return False
    try:
        worker = distributed.get_worker()
        return worker.state.tasks[worker.get_current_task()].state == "cancelled"
    except (ValueError, KeyError):  # this is no worker of a cluster, or not the thread of its task
        return False


def _on_cluster(task, jobs, workers, address):
    try:
        from dask.distributed import Client, KilledWorker
    except ImportError:
        raise BackendError("Dask is not installed (pip install 'dfanp[cluster]')") from None
    from joblib import Parallel, delayed, parallel_config

    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError, TimeoutError) as error:
        raise BackendError(f"the cluster {address} cannot be reached ({error})") from None
    with client:
        threads = client.nthreads()
        if not threads:
            raise BackendError(f"the cluster {address} has no workers")
        if max(threads.values()) > 1:
            raise BackendError(
                f"the cluster {address} has workers with several threads; start them with --nthreads 1 (more with --nworkers)"
            )
        with parallel_config(backend="dask"):
            parallel = Parallel(n_jobs=workers or len(threads), return_as="generator_unordered")
            try:
                yield from quietly(parallel(delayed(task)(job) for job in jobs))
            except KilledWorker as error:
                raise Crash(f"its worker died ({type(error).__name__})") from None
