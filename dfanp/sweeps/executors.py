"""Processes that train: this one, joblib's workers, or those of a Dask cluster.

A worker of joblib has a thread that ends it when the process that started it has ended, even if that was killed. The
workers of a cluster do not belong to this process; there a job checks whether it was cancelled (``cancelled``).
"""

import multiprocessing
import os
import sys
import threading
import time
import warnings
from functools import partial

from ..errors import BackendError
from ..system import signals

LOOK = 0.5  # seconds between two checks of a worker whether its parent is alive


class Crash(Exception):
    """A worker died; the text is one line about it."""


def run_jobs(task, jobs, workers, cluster=None, alone=False):
    """Yield ``task(job)`` for each job, in the order in which they end.

    Args:
        task: a function that can be pickled.
        workers: number of processes; 1 means this one, unless `alone`.
        cluster: the address of a Dask scheduler; workers None then takes all of its workers.
        alone: whether each job runs in a separate process.

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


def in_order(task, jobs, workers):
    """Return the list of ``task(job)``, in the order of the jobs; what is left when a worker dies, this process computes.

    Args: as ``run_jobs``.
    """
    numbered, found = list(enumerate(jobs)), {}
    try:
        for number, result in run_jobs(partial(_numbered, task), numbered, workers):
            found[number] = result
    except Crash:  # perhaps too little memory for so many processes
        pass
    return [found[number] if number in found else task(job) for number, job in numbered]


def _numbered(task, job):
    number, own = job
    return number, task(own)


def begin_worker(parent):
    """Initialise a worker of the process `parent`: it ignores signals, and ends when `parent` ends."""
    signals.ignore()
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent):
    """Wait until the process `parent` has ended, and end this one at once.

    Nothing is saved: another sweep may already use the folder. Incomplete files have temporary names.
    """
    if os.name == "nt":  # there os.getppid() does not change when the parent ends
        multiprocessing.parent_process().join()
    else:
        while os.getppid() == parent:
            time.sleep(LOOK)
    os._exit(1)


def _in_workers(task, jobs, workers):
    from concurrent.futures.process import BrokenProcessPool

    from joblib import Parallel, delayed
    from joblib.externals.loky import get_reusable_executor

    # A worker whose memory has grown ends between two jobs, and a new one takes its place: nothing for a user to do.
    warnings.filterwarnings("ignore", "A worker stopped while some jobs were given to the executor", UserWarning)
    options = {"n_jobs": workers, "backend": "loky", "initializer": begin_worker, "initargs": (os.getpid(),)}
    parallel = Parallel(return_as="generator_unordered", **options)
    ended = False
    try:
        # Ctrl-C reaches every process of a terminal, and batch systems signal all processes of a job; only this one
        # handles it.
        with signals.held_back():
            _start_trackers()
        with signals.held_back():  # only while the workers start, which takes milliseconds
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
    """Yield from a generator of joblib without its warning when it is closed early."""
    try:
        for outcome in outcomes:  # noqa: UP028  (yield from would close it before the block below)
            yield outcome
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outcomes.close()


def _start_trackers():
    """Start the resource trackers of multiprocessing and loky in advance, because starting them unblocks signals."""
    if os.name == "posix":
        from multiprocessing import resource_tracker

        from joblib.externals.loky.backend import resource_tracker as of_loky

        resource_tracker.ensure_running()
        of_loky.ensure_running()


def cancelled():
    """Whether this is a cancelled task of a Dask cluster: its client has ended or no longer needs it."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return False
    try:
        worker = distributed.get_worker()
        return worker.state.tasks[worker.get_current_task()].state == "cancelled"
    except (ValueError, KeyError):  # not a worker of a cluster, or not the thread of its task
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
