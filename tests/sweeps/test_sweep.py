import os
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from dfanp_bench import crash_test

import dfanp
from dfanp import DataError, RecordError
from dfanp.runs.run import Run, training_on
from dfanp.runs.saved import SavedRun
from dfanp.runs.store import Store, key_of
from dfanp.settings import ParitySettings
from dfanp.sweeps import grids, jobs
from dfanp.sweeps.sweep import Sweep

from ..former import rewrite_sweep

pytestmark = pytest.mark.slow

BASE = ParitySettings(lr=0.01, k=1, hidden=(8,), epochs=2, train_size=20_000, data="digits", opt="sgd")


def contents(folder):
    return crash_test.contents(folder)


def finished(settings, folder, **options):
    """Run a sweep to its end; return its outcomes."""
    with Sweep(settings, folder, keep=True, **options) as sweep:
        return list(sweep.outcomes())


@pytest.fixture(autouse=True)
def few_jobs():
    """Join even these few runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jobs, "JOBS_AT_LEAST", 1)
        yield


def grid_of_seven():
    return [
        *grids.product(BASE, lr=[0.1, 0.01], seed=[0, 1]),
        *grids.product(BASE, hidden=[(9,)], seed=[0, 3]),
        ParitySettings(**{**vars(BASE), "hidden": (600, 600), "epochs": 1}),
    ]


@pytest.fixture
def grid():
    """Seven runs in three jobs."""
    return grid_of_seven()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The contents of a sweep of these seven that nothing interrupts, in one process."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jobs, "JOBS_AT_LEAST", 1)
        finished(grid_of_seven(), folder)
    return contents(folder)


def test_each_run_comes_out_as_if_it_had_run_alone(grid, tmp_path):
    outcomes = finished(grid, tmp_path / "sweep")
    assert [len(outcome.results) for outcome in outcomes] == [4, 2, 1]
    for settings in (grid[1], grid[4], grid[6]):
        run = Run(settings)
        alone = [{name: v for name, v in row.items() if name != "seed"} for _, rows in run.epochs() for row in rows]
        store = Store(tmp_path / "sweep")
        (key,) = (k for k, r in store.results.items() if r.config == run.settings.config())
        assert store.results[key].rows == alone and store.results[key].status == "done"
        with np.load(tmp_path / "sweep" / "checkpoints" / f"{key}.npz") as kept:
            arrays = run.training.arrays()
            assert arrays.keys() == set(kept)
            assert all(np.array_equal(arrays[name], kept[name]) for name in arrays)


def test_workers_do_not_change_the_answer(grid, undisturbed, tmp_path):
    finished(grid[::-1], tmp_path, workers=2)
    assert contents(tmp_path) == undisturbed


def test_workers_do_not_change_the_answer_of_the_numpy_tier(tmp_path):
    settings = grids.product(ParitySettings(**{**vars(BASE), "kernels": "numpy", "hidden": (64,)}), k=[1, 2])
    finished(settings, tmp_path / "one", threads=2)
    finished(settings, tmp_path / "two", workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_a_cluster_does_not_change_the_answer(grid, undisturbed, tmp_path):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", host="127.0.0.1", local_directory=tmp_path
    ) as cluster:
        finished(grid, tmp_path / "cluster", workers=None, cluster=cluster.scheduler_address)
    assert contents(tmp_path / "cluster") == undisturbed


def test_a_cluster_that_is_not_there(grid, tmp_path):
    pytest.importorskip("distributed")
    with pytest.raises(dfanp.BackendError, match="the cluster nonsense://x cannot be reached"):
        finished(grid, tmp_path, cluster="nonsense://x")


def test_what_is_done_is_not_done_again(grid, tmp_path):
    finished(grid[:4], tmp_path)
    assert [len(outcome.results) for outcome in finished(grid, tmp_path)] == [2, 1]
    assert finished(grid, tmp_path) == []
    next((tmp_path / "checkpoints").iterdir()).unlink()
    assert len(finished(grid, tmp_path)) == 1
    assert len((tmp_path / "store.jsonl").read_bytes().splitlines()) == len(grid)


def test_runs_are_joined_where_that_is_faster(monkeypatch):
    monkeypatch.setattr(jobs, "JOBS_AT_LEAST", 8)
    small = jobs.resolved(grids.product(BASE, seed=range(40)))
    assert [len(job.keys) for job in jobs.jobs_of(small)] == [5] * 8
    many = jobs.resolved(grids.product(BASE, seed=range(200)))
    assert [len(job.keys) for job in jobs.jobs_of(many)] == [16] * 12 + [8]
    large = jobs.resolved(grids.product(BASE, hidden=[(4096,)], k=[10], seed=range(3)))
    assert [len(job.keys) for job in jobs.jobs_of(large)] == [1, 1, 1] or large[0].kernels == "numpy"
    assert len(jobs.jobs_of([*small[:9], *small[:9]])) == 5  # equal ones once


def test_a_gpu_is_filled(monkeypatch):
    """By one job where its memory allows that; whatever the number of workers that a CPU would want."""
    monkeypatch.setattr(jobs, "JOBS_AT_LEAST", 8)
    runs_there = [replace(each, device="gpu", kernels="cuda") for each in grids.product(BASE, seed=range(100))]
    for free, least, most in ((100 << 30, 1, 1), (100 << 20, 2, 50), (1, 100, 100)):
        monkeypatch.setattr(jobs, "_free_bytes", lambda device, free=free: free)
        found = jobs.jobs_of(runs_there)
        assert sum(len(job.keys) for job in found) == 100 and least <= len(found) <= most


@pytest.mark.parametrize("workers", [1, 2])
def test_a_job_that_is_too_large_for_the_memory_is_divided(grid, undisturbed, tmp_path, monkeypatch, workers):
    monkeypatch.setattr("dfanp.sweeps.sweep.train", small_jobs_alone)
    outcomes = finished(grid, tmp_path / "divided", workers=workers)
    states = [outcome.state for outcome in outcomes]
    assert states.count("divided") == 4 and states.count("done") == 7
    assert "too large for the memory" in next(each.error for each in outcomes if each.state == "divided")
    assert contents(tmp_path / "divided") == undisturbed


def small_jobs_alone(job, folder, **options):
    """Train a job as ``jobs.train`` does, if memory held no two runs."""
    with pytest.MonkeyPatch.context() as patch:
        train = jobs._train

        def limited(job, *more):
            if len(job.keys) > 1:
                raise MemoryError("out of memory allocating 4,816,896 bytes")
            return train(job, *more)

        patch.setattr(jobs, "_train", limited)
        return jobs.train(job, folder, **options)


def test_a_run_that_diverges_leaves_the_others_alone(tmp_path):
    settings = grids.product(BASE, lr=[1e30, 0.01], method=["bp"])
    (outcome,) = finished(settings, tmp_path)
    assert [each.status for each in outcome.results] == ["diverged", "done"]
    assert outcome.results[0].rows[-1] == {"epoch": 1, "status": "diverged"}
    assert len(outcome.results[1].rows) == 2


def test_a_run_that_raises_fails_alone_and_is_tried_again(grid, tmp_path, monkeypatch):
    def broken(problem, settings, seed, lr):
        if settings.hidden == (9,):
            raise ArithmeticError("no room\nfor that")
        return training_on(problem, settings, seed, lr)

    monkeypatch.setattr(jobs, "training_on", broken)
    outcomes = finished(grid, tmp_path)
    assert [outcome.state for outcome in outcomes] == ["done", "failed", "done"]
    assert outcomes[1].error == "ArithmeticError: no room"
    assert [why for _, why in Store(tmp_path).failures.values()] == ["ArithmeticError: no room"] * 2
    monkeypatch.undo()
    assert [outcome.state for outcome in finished(grid, tmp_path)] == ["done"]
    assert not Store(tmp_path).failures


class Killed(Sweep):
    """A sweep whose job of hidden width 9 kills its worker, `times` times."""

    times = 1

    @property
    def _task(self):
        task, folder, times = super()._task, str(self.path), self.times

        def killing(job):
            attempts = f"{folder}/progress/attempts"
            if job.settings[0].hidden == (9,):
                with open(attempts, "a") as file:
                    file.write("x")
                if os.path.getsize(attempts) <= times:
                    open(f"{folder}/progress/{job.name}.running", "w").close()
                    os.kill(os.getpid(), signal.SIGKILL)
            return task(job)

        return killing


@pytest.mark.parametrize("times", [1, 5])
def test_a_worker_that_is_killed(grid, undisturbed, tmp_path, times):
    """Its job is tried once more, alone: then it is done, or has failed; the others are done in either case."""
    with Killed(grid, tmp_path / "killed", workers=2, keep=True) as sweep:
        sweep.times = times
        outcomes = list(sweep.outcomes())
    failed = [outcome for outcome in outcomes if outcome.state == "failed"]
    assert sorted(len(outcome.job.keys) for outcome in outcomes) == [1, 2, 4]
    assert [len(outcome.job.keys) for outcome in failed] == ([] if times == 1 else [2])
    assert all("its worker died" in outcome.error for outcome in failed)
    finished(grid, tmp_path / "killed")
    assert contents(tmp_path / "killed") == undisturbed


def test_stopping_ends_after_the_epoch_and_goes_on_from_there(grid, undisturbed, tmp_path, monkeypatch):
    with Sweep(grid, tmp_path / "stopped", keep=True) as sweep:
        train_one = dfanp.Training.run_epoch

        def stop_in_the_first(self):
            sweep.stop()
            return train_one(self)

        monkeypatch.setattr(dfanp.Training, "run_epoch", stop_in_the_first)
        assert [outcome.state for outcome in sweep.outcomes()] == ["stopped", "stopped", "stopped"]
        assert len(list((tmp_path / "stopped" / "progress").glob("*.npz"))) == 1
    trained = []
    monkeypatch.setattr(dfanp.Training, "run_epoch", lambda self: trained.append(self.epoch + 1) or train_one(self))
    finished(grid, tmp_path / "stopped")
    assert trained == [2, 1, 2, 1]
    assert contents(tmp_path / "stopped") == undisturbed
    assert not list((tmp_path / "stopped" / "progress").iterdir())


@pytest.mark.parametrize("change", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b[:-900] + b"x" * 900])
def test_damaged_progress_is_reported(grid, tmp_path, monkeypatch, change):
    monkeypatch.setattr(jobs, "SAVE_AFTER", 0.0)
    monkeypatch.setattr(jobs, "SAVE_SHARE", 1e9)
    one, train_one = grid[4:5], dfanp.Training.run_epoch

    def interrupted(self):
        if self.epoch == 1:
            raise KeyboardInterrupt
        return train_one(self)

    monkeypatch.setattr(dfanp.Training, "run_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        finished(one, tmp_path)
    monkeypatch.setattr(dfanp.Training, "run_epoch", train_one)
    (progress,) = (tmp_path / "progress").glob("*.npz")
    progress.write_bytes(change(progress.read_bytes()))
    (outcome,) = finished(one, tmp_path)
    assert outcome.state == "failed" and "the progress is damaged; delete the file" in outcome.error
    progress.unlink()
    assert [outcome.state for outcome in finished(one, tmp_path)] == ["done"]


def test_a_full_disk_fails_what_cannot_be_written_and_the_rest_goes_on(grid, tmp_path, monkeypatch):
    append, calls = Store.add, []

    def full_at_first(self, results, seconds):
        calls.append(results)
        if len(calls) == 1:
            raise RecordError("the run cannot be written (No space left on device)")
        append(self, results, seconds)

    monkeypatch.setattr(Store, "add", full_at_first)
    assert [outcome.state for outcome in finished(grid, tmp_path)] == ["failed", "done", "done"]
    monkeypatch.undo()
    assert [outcome.state for outcome in finished(grid, tmp_path)] == ["done"]
    assert len(Store(tmp_path).results) == len(grid)


def test_settings_that_do_not_fit(tmp_path):
    with pytest.raises(ValueError, match="one seed, got seeds 0, 1, 2"):
        Sweep(grids.product(BASE, repeats=3), tmp_path)
    with pytest.raises(DataError, match="not 00"):
        Sweep(grids.product(BASE, data_sha256="00"), tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_job_of_a_run_does_not_change_it(grid, undisturbed, tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "JOBS_AT_LEAST", 8)
    assert len(finished(grid, tmp_path)) == len(grid)
    assert contents(tmp_path) == undisturbed


def test_a_sweep_of_an_earlier_version_is_done(grid, tmp_path):
    """Its runs, kept arrays and times are found under the keys of now; another run goes beside them."""
    finished(grid, tmp_path)
    before, keys = Store(tmp_path), rewrite_sweep(tmp_path)
    with Sweep(grid, tmp_path, keep=True) as sweep:
        assert not sweep.pending
        assert sweep.results() == list(before.results.values()) and sweep.store.seconds == before.seconds
    assert [outcome.state for outcome in finished([*grid, replace(BASE, seed=7)], tmp_path)] == ["done"]
    assert len(Store(tmp_path).results) == len(grid) + 1
    run = Run(grid[1])
    list(run.epochs())
    kept = SavedRun(tmp_path / "checkpoints" / f"{keys[key_of(run.settings.config())]}.npz")
    assert kept.settings == run.settings and np.array_equal(kept.final(1).W[0], run.training.network.W[0])


def test_one_sweep_at_a_time(grid, tmp_path):
    with Sweep(grid, tmp_path), pytest.raises(RecordError, match="another process is writing to this sweep"):
        Sweep(grid, tmp_path)


def test_killed_ten_times():
    """Five hundred times: ``dfanp bench kills --kills 500``."""
    found = crash_test.survive(10)
    assert found["kills"] == 10 and found["equal"] == found["sweeps"] >= 1 and found["of_one_begun"] > 2
    assert found["of_the_parent"] > 2


def test_an_interrupt_of_the_killing_itself_leaves_no_process_behind(tmp_path, monkeypatch):
    """No terminal's signal reaches what it starts."""
    started, wait = [], subprocess.Popen.wait

    def interrupted(process, timeout=None):
        if timeout is None:
            return wait(process)
        started.append(process.pid)
        raise KeyboardInterrupt

    monkeypatch.setattr(
        crash_test, "finish", lambda path, workers: (path / "checkpoints").mkdir(parents=True, exist_ok=True)
    )
    monkeypatch.setattr(crash_test, "contents", lambda path: None)
    monkeypatch.setattr(subprocess.Popen, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        crash_test.survive(1, workers=(2,))
    (group,) = started
    crash_test.wait_until_gone(group)


def test_a_process_that_remains_is_found_and_killed():
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"], start_new_session=True)
    assert crash_test.remaining(process.pid) == [process.pid]
    with pytest.raises(crash_test.Different, match="1 processes still run 0.1 seconds after their parent was killed"):
        crash_test.wait_until_gone(process.pid, patience=0.1)
    assert process.wait(60) == -signal.SIGKILL and crash_test.remaining(process.pid) == []
