"""However a command that trains is ended, no process of it remains, and the same command resumes it to the same bytes."""

import os
import signal

import pytest
from dfanp_bench.crash_test import contents, kill_group, remaining, wait_until_gone

from ..waiting import PATIENCE, until

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")]

SIZES = ("--data", "digits", "--hidden", "256", "--train-size", "20000", "--device", "cpu")
TUNE = ("tune", "parity", *SIZES, "--lr", "0.001,0.002", "--workers", "2", "--keep")
SWEEPS = {
    "tune parity": (*TUNE, "--epochs", "3000"),
    "tune synthetic": ("tune", "synthetic", "--lr", "0.1,0.5", "--epochs", "1000000", "--workers", "2"),
    "figure": ("figure", "3.1", "3.2", "3.3", "3.4", "--quick", "--workers", "2"),
    "reproduce": ("reproduce", "--quick", "--workers", "2"),
}
RUNS = {
    "parity": ("parity", *SIZES, "--epochs", "100000"),
    "synthetic": ("synthetic", "--epochs", "100000000"),
}


@pytest.fixture
def start(process, tmp_path):
    """Start a command with ``--out``, as the leader of a group; what is left of that when the test ends is killed."""
    groups = []

    def call(*args, **more):
        running = process(*args, "--out", tmp_path / "out", start_new_session=True, **more)
        groups.append(running.pid)
        return running

    yield call
    for group in groups:
        kill_group(group)


def trains(running, folder):
    """Wait until a command trains: until a worker has begun with each of two jobs, or a run has its first epoch."""

    def begun():
        assert running.poll() is None
        return len(list(folder.glob("progress/*.running"))) >= 2 or (folder / "checkpoint.npz").exists()

    until(begun)


def test_a_sweep_whose_process_alone_was_killed(start, dfanp, tmp_path):
    """Its workers end, the lock is free at once, and the next start ends as one that nobody disturbed."""
    args = (*TUNE, "--epochs", "40")
    running = start(*args)
    trains(running, tmp_path / "out")
    assert len(remaining(running.pid)) >= 3
    running.kill()
    running.wait()
    assert dfanp(*args, "--out", tmp_path / "out").code == 0
    wait_until_gone(running.pid)
    assert dfanp(*args, "--out", tmp_path / "whole").code == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert not list((tmp_path / "out" / "progress").iterdir())


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("args", SWEEPS.values(), ids=SWEEPS)
def test_signals_end_a_sweep_as_ctrl_c_does(start, tmp_path, args, sent):
    running = start(*args)
    trains(running, tmp_path / "out")
    running.send_signal(sent)
    _, err = running.communicate(timeout=PATIENCE)
    assert running.returncode == 130 and "Traceback" not in err
    *_, first, last = err.splitlines()
    assert first == "stopping after the running epochs (Ctrl-C again: at once)"
    done, _, said = last.removeprefix("dfanp: interrupted; ").partition(" ")
    assert done.isdecimal() and said.endswith(
        f"are finished and in {tmp_path / 'out'}: the same command resumes there"
    )
    wait_until_gone(running.pid)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("args", RUNS.values(), ids=RUNS)
def test_signals_end_a_run_as_ctrl_c_does(start, tmp_path, args, sent):
    running = start(*args)
    trains(running, tmp_path / "out")
    running.send_signal(sent)
    _, err = running.communicate(timeout=PATIENCE)
    assert running.returncode == 130 and "Traceback" not in err
    assert "epochs are in" in err.splitlines()[-1] and err.splitlines()[-1].startswith("dfanp: interrupted; ")


@pytest.mark.parametrize("args", [SWEEPS["tune parity"], RUNS["parity"]], ids=["tune", "parity"])
def test_a_terminal_that_closes_ends_it_as_ctrl_c_does(start, tmp_path, args):
    fcntl, pty, termios = (pytest.importorskip(name) for name in ("fcntl", "pty", "termios"))
    ours, theirs = pty.openpty()
    try:
        streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
        running = start(*args, **streams, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.set_blocking(ours, False)
        trains(running, tmp_path / "out")
    finally:
        os.close(theirs)
        os.close(ours)
    assert running.wait(PATIENCE) == 130
    wait_until_gone(running.pid)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_nohup(start, tmp_path, workers):
    """A signal that is ignored when the command starts stays ignored."""
    args = ("tune", "parity", *SIZES, "--lr", "0.001,0.002", "--epochs", "20", "--workers", workers)
    running = start(*args, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    until(lambda: running.poll() is not None or list(tmp_path.glob("out/progress/*.running")))
    os.killpg(running.pid, signal.SIGHUP)
    _, err = running.communicate(timeout=PATIENCE)
    assert running.returncode == 0 and "2/2 runs  done" in err
    wait_until_gone(running.pid)
