"""Whether a sweep survives: it is killed with SIGKILL, with its workers or without, at random moments, and started again.

Each time that it has come to its end its store and its checkpoints must be those of a sweep that nobody disturbed, and none of the
processes that were killed may have left a worker behind.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from dfanp.errors import DfanpError

AFTER_START = 0.7  # seconds; half of the kills come so long after it, the others while it starts
SAVE_AFTER = 0.05  # seconds between two savings of a job's progress: often, so that kills fall into them
PATIENCE = 60.0  # seconds after which a worker has outlived its parent; it should take one


def settings():
    """Return the runs: 32, in 8 jobs of four that are trained together."""
    from dfanp.settings import ParitySettings
    from dfanp.sweeps import grids

    base = ParitySettings(lr=1.0, epochs=8, data="digits", train_size=20_000, test_size=2000)
    axes = {"hidden": [(8,), (9,)], "opt": ["sgd", "adam"], "k": [1, 2], "lr": [0.1, 0.01], "seed": [0, 1]}
    return grids.product(base, **axes)


def child(folder, workers):
    """Run the sweep in `folder` to its end, in this process."""
    from dfanp.sweeps import jobs
    from dfanp.sweeps.sweep import Sweep

    jobs.SAVE_AFTER, jobs.SAVE_SHARE = SAVE_AFTER, 1.0
    with Sweep(settings(), folder, workers, keep=True) as sweep:
        for outcome in sweep.outcomes():
            if outcome.state != "done":
                sys.exit(f"{outcome.state}: {outcome.error}")


def start(folder, workers):
    """Return the process of a ``child``, leader of a group that its workers belong to."""
    code = f"from dfanp_bench.crash_test import child; child({str(folder)!r}, {workers})"
    # Nobody reads stdout: a worker of joblib prints there where it begins and its parent is gone.
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", code], start_new_session=True, **pipes)


def contents(folder):
    """Return what must be the same: the sorted lines of the store, and name -> bytes of the checkpoints."""
    folder = Path(folder)
    lines = sorted((folder / "store.jsonl").read_bytes().splitlines(keepends=True))
    return lines, {path.name: path.read_bytes() for path in sorted((folder / "checkpoints").iterdir())}


def remaining(group):
    """Return the numbers of the processes of a group that still run; not of one that has ended and that nobody waited for."""
    if not Path("/proc/self/stat").exists():  # not Linux
        with suppress(ProcessLookupError):
            os.killpg(group, 0)
            return [group]
        return []
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            state, _, its_group = path.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state not in "ZX":
                found.append(int(path.parent.name))
    return found


def wait_until_gone(group, patience=PATIENCE):
    """Return once no process of a group runs any more; raise Different, and kill them, if that takes too long."""
    until = time.monotonic() + patience
    while left := remaining(group):
        if time.monotonic() > until:
            kill_group(group)
            raise Different(f"{len(left)} processes still run {patience:g} seconds after their parent was killed")
        time.sleep(0.05)


class Different(Exception):
    """A sweep that was killed ended otherwise than one that was not, or left a process behind."""


def report(result):
    """Return a line on what ``survive`` found."""
    return (
        f"{result['kills']} kills, {result['of_one_begun']} of them of a sweep that had begun, {result['of_the_parent']} without its "
        f"workers, which ended by themselves; {result['sweeps']} sweeps came to their end, each with the store and checkpoints of one "
        "that nobody disturbed"
    )


def survive(kills, workers=(1, 2), seed=0, say=lambda text: None):
    """Kill sweeps so many times; return a dict that says how often it hit one that had begun, or its parent alone, and how many ended.

    Args:
        kills: how many. workers: each start draws one of these numbers. seed: of the moments. say: called with a line on progress.

    Raises:
        Different: what the docstring of this module promises is not so.
    """
    if not hasattr(os, "killpg"):
        raise DfanpError("this system cannot kill a process with its workers at once, so there is nothing to measure")
    rng, found = random.Random(seed), {"kills": 0, "of_one_begun": 0, "of_the_parent": 0, "sweeps": 0, "equal": 0}
    with tempfile.TemporaryDirectory() as folder:
        quiet = Path(folder) / "undisturbed"
        finish(quiet, 1)
        wanted, began = contents(quiet), time.monotonic()
        finish(quiet, 1)  # nothing is left to do: that is how long it takes to start
        startup = time.monotonic() - began
        while found["kills"] < kills:
            path, groups = Path(folder) / f"killed{found['sweeps']}", []
            while found["kills"] < kills:
                moment = rng.choice((rng.uniform(0, startup), startup + rng.uniform(0, AFTER_START)))
                whole = rng.random() < 0.5
                group = killed(start(path, rng.choice(workers)), moment, whole)
                if group is None:
                    break  # it came to its end before its time
                groups.append(group)
                found["kills"] += 1
                found["of_the_parent"] += not whole
                found["of_one_begun"] += (path / "store.jsonl").exists()
                say(f"kill {found['kills']} of {kills}")
            finish(path, rng.choice(workers))  # while workers of the last one may still be there
            found["sweeps"] += 1
            compare(path, wanted, groups)
            found["equal"] += 1
    return found


def compare(path, wanted, groups):
    """Raise Different unless the sweep in `path` has the contents `wanted`, and no process of the `groups` goes on."""
    for group in groups:
        wait_until_gone(group)
    if contents(path) != wanted:
        raise Different(f"{path.name}: another store or checkpoints than those of a sweep undisturbed")


def killed(process, moment, whole):
    """Kill a process of ``start`` after `moment` seconds, its `whole` group or it alone; return the group, None if it had ended."""
    with ended_with_us(process), process.stderr:
        try:
            process.wait(timeout=moment)
            return None
        except subprocess.TimeoutExpired:
            kill_group(process.pid) if whole else process.kill()
            process.wait()
            return process.pid


def finish(path, workers):
    """Run the sweep in `path` to its end."""
    process = start(path, workers)
    with ended_with_us(process):
        _, complaint = process.communicate()
    if process.returncode:
        raise Different(f"a sweep that was started again failed: {complaint.decode(errors='replace').strip()[-300:]}")


@contextmanager
def ended_with_us(process):
    """End the group of a process if an exception, such as Ctrl-C's, ends the block: no terminal's signals reach it."""
    try:
        yield
    except BaseException:
        kill_group(process.pid)
        process.wait()
        raise


def kill_group(group):
    """Send SIGKILL to a group of processes, if it is still there."""
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
