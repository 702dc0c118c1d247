"""No process outlives the one that started it, however that ends."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial

import pytest
from dfanp_bench.crash_test import kill_group, remaining, wait_until_gone

from dfanp.settings import ParitySettings
from dfanp.sweeps import executors, jobs
from dfanp.sweeps.sweep import Sweep

from ..waiting import PATIENCE, until

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")]

# A task says who computes it, and takes for ever unless there is a file `go`.
TASKS = """
import os, pathlib, sys, time
from dfanp.sweeps.executors import run_jobs

def task(path):
    pathlib.Path(path + ".new").write_text(str(os.getpid()))
    os.rename(path + ".new", path)
    while not pathlib.Path(path).with_name("go").exists():
        time.sleep(0.02)
    return os.getpid()

if __name__ == "__main__":
    paths = [f"{sys.argv[1]}/{name}" for name in ("a", "b")]
"""
# A sweep of runs that take for ever.
SWEEP = """
import sys
from dfanp.sweeps import Sweep, grids
from dfanp.settings import ParitySettings

if __name__ == "__main__":
    base = ParitySettings(lr=0.01, hidden=(8,), epochs=10**8, data="digits", opt="sgd", train_size=500, test_size=50)
    workers, cluster = sys.argv[2:]
    with Sweep(grids.product(base, k=[1, 2]), sys.argv[1], int(workers), cluster=cluster or None) as sweep:
        list(sweep.outcomes())
"""


@pytest.fixture
def start(tmp_path):
    """Start a script, with `arguments` after a folder, as the leader of a group; what is left of that when the test ends is killed."""
    started = []

    def call(code, *arguments):
        path = tmp_path / "script.py"
        path.write_text(code)
        command = [sys.executable, path, tmp_path / "files", *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen(command, start_new_session=True, **pipes))
        return started[-1]

    (tmp_path / "files").mkdir()
    yield call
    for each in started:
        kill_group(each.pid)
        with each:
            pass


def at_work(process, folder, count):
    """Return the processes that compute the `count` tasks of a script, once they do."""

    def begun():
        assert process.poll() is None, process.stderr.read()
        files = [each for each in folder.iterdir() if each.name in "ab"]
        return len(files) == count and [int(each.read_text()) for each in files]

    return until(begun)


@pytest.mark.parametrize(
    "run, busy",
    [("list(run_jobs(task, paths, 2))", 2), ("list(run_jobs(task, paths[:1], 1, alone=True))", 1)],
    ids=["workers", "alone"],
)
def test_workers_end_when_the_process_that_started_them_is_killed(start, tmp_path, run, busy):
    process = start(f"{TASKS}    {run}\n")
    workers = at_work(process, tmp_path / "files", busy)
    assert process.pid not in workers and set(workers) < set(remaining(process.pid))
    process.kill()
    wait_until_gone(process.pid)


def test_workers_that_wait_for_work_end_as_well(start):
    process = start(f"{TASKS}    print(*run_jobs(len, paths, 2), flush=True)\n    time.sleep(10**6)\n")
    assert len(process.stdout.readline().split()) == 2
    assert len(remaining(process.pid)) > 2
    process.kill()
    wait_until_gone(process.pid)


def test_workers_leave_signals_to_the_process_that_started_them(start, tmp_path):
    """A terminal, or a batch system, may send them to all of a group."""
    process = start(f"{TASKS}    print(*sorted(run_jobs(task, paths, 2)))\n")
    workers = at_work(process, tmp_path / "files", 2)
    for worker in workers:
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(worker, each)
    (tmp_path / "files" / "go").touch()
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (0, "") and out.split() == [str(each) for each in sorted(workers)]
    wait_until_gone(process.pid)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_sweep_of_the_library_is_stopped_by_signals(start, tmp_path, sent, workers):
    process = start(SWEEP, str(workers), "")
    until(lambda: process.poll() is not None or len(list(tmp_path.glob("files/progress/*.running"))) == workers)
    process.send_signal(sent)
    _, err = process.communicate(timeout=PATIENCE)
    # The process that keeps joblib's semaphores may say something after it.
    assert process.returncode == -signal.SIGINT and "KeyboardInterrupt" in err.splitlines()
    wait_until_gone(process.pid)


@pytest.mark.parametrize("left_by", ["close", "break"])
def test_a_sweep_that_is_left_ends_its_workers(tmp_path, left_by):
    base = ParitySettings(lr=0.01, hidden=(8,), epochs=1, data="digits", opt="sgd", train_size=500, test_size=50)
    with Sweep([base, replace(base, k=2, epochs=10**8)], tmp_path, workers=2) as sweep:
        if left_by == "close":
            outcomes = sweep.outcomes()
            assert next(outcomes).state == "done"
            workers = multiprocessing.active_children()
            sweep.close()
        else:
            for _ in sweep.outcomes():
                workers = multiprocessing.active_children()
                break
        assert len(workers) >= 2
        until(lambda: not any(each.is_alive() for each in workers))
    with Sweep([base], tmp_path) as sweep:  # the folder is free
        assert not sweep.pending


def test_a_cluster_ends_the_jobs_of_a_client_that_has_ended(start, tmp_path):
    """Its workers stay, and work for the next client; whose processes they are is none of a job's business."""
    distributed = pytest.importorskip("distributed")
    markers = lambda: list(tmp_path.glob("files/progress/*.running"))
    local = {"dashboard_address": ":0", "host": "127.0.0.1", "local_directory": tmp_path / "dask"}
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, **local) as cluster:
        with distributed.Client(cluster) as client:
            # A busy machine may save in time, before the job is cancelled; a cancelled one must not write.
            client.run(setattr, jobs, "SAVE_AFTER", float("inf"))
        for sent in (signal.SIGKILL, signal.SIGTERM):
            process = start(SWEEP, "2", cluster.scheduler_address)
            until(lambda process=process: process.poll() is not None or len(markers()) == 2)
            process.send_signal(sent)
            process.communicate(timeout=PATIENCE)
            until(lambda: not markers())
            assert not list(tmp_path.glob("files/progress/*"))
        assert sorted(executors.run_jobs(len, ["a", "bc"], 2, cluster.scheduler_address)) == [1, 2]


def late(parent, job):
    """Return the job after as many seconds; one of less than 0 ends a worker."""
    if job < 0 and os.getpid() != parent:
        os._exit(1)
    time.sleep(max(job, 0))
    return job


@pytest.mark.parametrize("jobs", [[0.2, 0.0, 0.1], [0.0, -1.0, 0.1]], ids=["late", "a worker dies"])
def test_results_in_the_order_of_the_jobs(jobs):
    assert executors.in_order(partial(late, os.getpid()), jobs, 2) == jobs


GROWS = """
import time

import numpy as np

from dfanp.sweeps.executors import run_jobs


def task(n, kept=[]):
    kept.append(np.ones(50_000_000))
    time.sleep(0.8)
    return n


if __name__ == "__main__":
    import grows

    print(sorted(run_jobs(grows.task, range(8), 2)))
"""


def test_a_worker_whose_memory_grew_is_replaced_in_silence(tmp_path):
    """joblib ends it between two jobs, where psutil says how large it is."""
    pytest.importorskip("psutil")
    (tmp_path / "grows.py").write_text(GROWS)
    done = subprocess.run([sys.executable, tmp_path / "grows.py"], capture_output=True, text=True, cwd=tmp_path,
                          env=os.environ | {"PYTHONPATH": str(tmp_path)}, timeout=120)  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{list(range(8))}\n", "")
