"""Taking turns: every candidate runs once a round, round after round, so that what else the machine does hits all alike."""

import json
import os
import subprocess
import sys
from contextlib import ExitStack, suppress
from statistics import median, quantiles

from dfanp.errors import DfanpError


class CandidateError(DfanpError):
    """A candidate cannot run; the message is one line."""


class Worker:
    """A candidate's process, made by ``python -m dfanp_bench.worker``; use it in a ``with`` block.

    Args:
        title: what the results call it.
        name, settings: see ``dfanp_bench.candidates``.
        log: a file that gets what its process prints; None drops it.
    """

    def __init__(self, title, name, settings, log=None):
        self.title = title
        command = [sys.executable, "-m", f"{__package__}.worker", name, json.dumps(settings)]
        # One compiler thread: PyTorch's pool of compiler processes would outlive the compilation.
        environment = os.environ | {"TORCHINDUCTOR_COMPILE_THREADS": "1"}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with open(log or os.devnull, "a", encoding="utf-8") as errors:
            if log:
                print(f"-- {title} {json.dumps(settings)}", file=errors, flush=True)
            self.process = subprocess.Popen(command, env=environment, encoding="utf-8", stderr=errors, **pipes)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        with self.process:  # waits, and closes its pipes
            self.process.kill()

    def answer(self):
        """Return the next reply; a CandidateError if it reports a failure, or if there is none."""
        line = self.process.stdout.readline()
        reply = json.loads(line) if line else {"error": "its process ended"}
        if "error" in reply:
            raise CandidateError(f"{self.title} cannot run ({reply['error']})")
        return reply

    def go(self, run):
        """Return the reply to one turn of `run`: ``{"seconds", "value"}``."""
        with suppress(BrokenPipeError):  # it has died; its last words are in the other pipe
            print(run, file=self.process.stdin, flush=True)
        return self.answer()


def take_turns(
    candidates, rounds, runs=("run",), check=None, unchecked=(), optional=(), say=lambda text: None, log=None
):
    """Return ``(seconds, failed)``: title -> run -> a list with one time a round, and title -> why it could not run.

    Each run of each candidate is made once before the first round, untimed: libraries load, code is compiled, banks are prepared.

    Args:
        candidates: title -> (name, settings).
        rounds: how many.
        runs: which runs of each, one after another in a turn.
        check: called with title -> value of the run "check" before anything is timed; it raises where they disagree.
        unchecked: titles that have no such run.
        optional: titles that may fail without ending the measurement.
        say: called with a line on progress.
        log: a file that gets what the candidates print.
    """
    failed = {}

    def attempt(worker, what):
        try:
            return what()
        except CandidateError as error:
            if worker.title not in optional:
                raise
            failed[worker.title] = str(error)

    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(title, *each, log=log)) for title, each in candidates.items()]
        for worker in workers:
            attempt(worker, worker.answer)
        if check:
            asked = [worker for worker in workers if worker.title not in {*failed, *unchecked}]
            values = {worker.title: attempt(worker, lambda w=worker: w.go("check")["value"]) for worker in asked}
            check({title: value for title, value in values.items() if title not in failed})
        for worker in workers:
            for run in runs:
                if worker.title not in failed:
                    attempt(worker, lambda worker=worker, run=run: worker.go(run))
        workers = [worker for worker in workers if worker.title not in failed]
        seconds = {worker.title: {run: [] for run in runs} for worker in workers}
        for turn in range(rounds):
            for worker in workers:
                for run in runs:
                    seconds[worker.title][run].append(worker.go(run)["seconds"])
            say(f"round {turn + 1} of {rounds}")
    return seconds, failed


FENCE, NEAR = (
    1.5,
    0.1,
)  # interquartile ranges from the quartiles, and share of the median, within which nothing is an outlier


def summary(times):
    """Return what a list of times comes to, one a round.

    Returns:
        median, min, max, all; outliers, the numbers of the rounds (from 1) that are farther than 1.5 interquartile ranges from the
        quartiles (Tukey 1977) and farther than a tenth from the median; low and high, the extremes of the other rounds.
    """
    middle = median(times)
    first, _, third = quantiles(times, n=4, method="inclusive") if len(times) > 1 else [middle] * 3
    reach = FENCE * (third - first)
    apart = lambda time: not first - reach <= time <= third + reach and abs(time - middle) > NEAR * middle
    outliers = [number for number, time in enumerate(times, 1) if apart(time)]
    inside = [time for time in times if not apart(time)]
    found = {"median": middle, "min": min(times), "max": max(times), "low": min(inside), "high": max(inside)}
    return found | {"outliers": outliers, "all": times}


def speedup(times, peer):
    """Return how many times as fast as `peer` a candidate is: the median over the rounds of the quotients within a round."""
    return median(theirs / ours for ours, theirs in zip(times, peer, strict=True))
