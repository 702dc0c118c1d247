"""Processes that train: this one, joblib's workers, or those of a Dask cluster."""

import signal
import threading
from contextlib import contextmanager

from .errors import BackendError


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


@contextmanager
def deaf():
    """Ignore SIGINT: what is started meanwhile ignores it for good.

    Ctrl-C reaches every process of a terminal. The one that started the sweep tells its workers what to do.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _in_workers(task, jobs, workers):
    from concurrent.futures.process import BrokenProcessPool

    from joblib import Parallel, delayed
    from joblib.externals.loky import get_reusable_executor

    parallel = Parallel(n_jobs=workers, backend="loky", return_as="generator_unordered")
    ended = False
    try:
        with deaf():  # some milliseconds: to start the workers, not to wait for them
            started = Parallel(n_jobs=workers, backend="loky", return_as="generator")(
                delayed(int)() for _ in range(workers)
            )
        for _ in started:
            pass
        yield from parallel(delayed(task)(job) for job in jobs)
        ended = True
    except BrokenProcessPool as error:
        raise Crash(f"its worker died ({type(error).__name__})") from None
    finally:
        if not ended:
            get_reusable_executor().shutdown(wait=False, kill_workers=True)


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
                yield from parallel(delayed(task)(job) for job in jobs)
            except KilledWorker as error:
                raise Crash(f"its worker died ({type(error).__name__})") from None
