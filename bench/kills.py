"""Whether a sweep survives: it is killed with SIGKILL, it and its workers, at random moments, and started again.

Each time that it has come to its end its store and its checkpoints must be those of a sweep that nobody disturbed.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dfanp.errors import DfanpError

AFTER_START = 0.7  # seconds; half of the kills come so long after it, the others while it starts
SAVE_AFTER = 0.05  # seconds between two savings of a job's progress: often, so that kills fall into them


def settings():
    """Return the runs: 32, in 8 jobs of four that are trained together."""
    from dfanp import grids
    from dfanp.settings import ParitySettings

    base = ParitySettings(lr=1.0, epochs=8, data="digits", train_size=20_000, test_size=2000)
    axes = {"hidden": [(8,), (9,)], "opt": ["sgd", "adam"], "k": [1, 2], "lr": [0.1, 0.01], "seed": [0, 1]}
    return grids.product(base, **axes)


def child(folder, workers):
    """Run the sweep in `folder` to its end, in this process."""
    from dfanp import jobs, sweeps

    jobs.SAVE_AFTER, jobs.SAVE_SHARE = SAVE_AFTER, 1.0
    with sweeps.Sweep(settings(), folder, workers, keep=True) as sweep:
        for outcome in sweep.outcomes():
            if outcome.state != "done":
                sys.exit(f"{outcome.state}: {outcome.error}")


def start(folder, workers):
    """Return the process of a ``child``, leader of a group that its workers belong to."""
    code = f"from dfanp_bench.kills import child; child({str(folder)!r}, {workers})"
    return subprocess.Popen([sys.executable, "-c", code], start_new_session=True, stderr=subprocess.PIPE)


def contents(folder):
    """Return what must be the same: the sorted lines of the store, and name -> bytes of the checkpoints."""
    folder = Path(folder)
    lines = sorted((folder / "store.jsonl").read_bytes().splitlines(keepends=True))
    return lines, {path.name: path.read_bytes() for path in sorted((folder / "checkpoints").iterdir())}


class Different(Exception):
    """A sweep that was killed came out otherwise than one that was not."""


def report(result):
    """Return a line on what ``survive`` found."""
    return (
        f"{result['kills']} kills, {result['of_one_begun']} of them of a sweep that had begun; {result['sweeps']} sweeps came to "
        "their end, each with the store and checkpoints of one that nobody disturbed"
    )


def survive(kills, workers=(1, 2), seed=0, say=lambda text: None):
    """Kill sweeps so many times; return a dict that tells how often it hit one that had begun, and what came of it.

    Args:
        kills: how many. workers: each start draws one of these numbers. seed: of the moments. say: called with a line on progress.

    Raises:
        Different: what the docstring of this module promises is not so.
    """
    if not hasattr(os, "killpg"):
        raise DfanpError("this system cannot kill a process with its workers at once, so there is nothing to measure")
    rng, hit, finished, done = random.Random(seed), 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        quiet = Path(folder) / "undisturbed"
        finish(quiet, 1)
        wanted, began = contents(quiet), time.monotonic()
        finish(quiet, 1)  # nothing is left to do: that is how long it takes to start
        startup = time.monotonic() - began
        while done < kills:
            path = Path(folder) / f"killed{finished}"
            while done < kills:
                process = start(path, rng.choice(workers))
                moment = rng.choice((rng.uniform(0, startup), startup + rng.uniform(0, AFTER_START)))
                try:
                    process.wait(timeout=moment)
                    break  # it came to its end before its time
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
                finally:
                    process.stderr.close()
                done += 1
                hit += (path / "store.jsonl").exists()
                say(f"kill {done} of {kills}")
            finish(path, rng.choice(workers))
            if contents(path) != wanted:
                raise Different(f"after {done} kills a sweep has another store or checkpoints than one undisturbed")
            finished += 1
    return {"kills": done, "of_one_begun": hit, "sweeps": finished, "equal": finished}


def finish(path, workers):
    """Run the sweep in `path` to its end."""
    process = start(path, workers)
    _, complaint = process.communicate()
    if process.returncode:
        raise Different(f"a sweep that was started again failed: {complaint.decode(errors='replace').strip()[-300:]}")
