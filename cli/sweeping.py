"""Shared by the commands that run sweeps: options, progress, interrupts."""

import math
import sys
import time

import click

from .main import Interrupted, check_interrupted, hush_if_gone
from .options import Place, Whole, as_json, option, quiet, threads
from .terminal import bar as bar_of
from .terminal import moves

OPTIONS = (
    option(
        "--out",
        type=Place("dir"),
        required=True,
        metavar="DIR",
        help="Save the results in this folder; resume it if it exists.",
    ),
    option("--workers", type=Whole(1, 1024), default=1, help="Number of worker processes."),
    threads("Number of threads of each worker.  [default: the cores, divided among the workers]"),
    option("--cluster", metavar="ADDRESS", help="Train on the workers of this Dask scheduler, tcp://host:port."),
    option("--keep", is_flag=True, help="Save the final weights and optimizer states of each run."),
    option(
        "--plot", type=Place("file"), metavar="FILE", help="Draw accuracy against the rate to a .png, .svg or .pdf."
    ),
    as_json,
    quiet,
)


def follow(sweep, out, quiet):
    """Run the pending jobs of a Sweep, printing its progress; return whether a job failed.

    The first Ctrl-C (or SIGTERM, or SIGHUP) stops after the running epochs and saves them; the second stops at once.

    Raises:
        Interrupted: the user stopped it.
    """
    from dfanp.system import signals

    def say(text):
        if not quiet:
            click.echo(text, err=True)

    def interrupt(signum, frame):
        hush_if_gone()
        if sweep.stopping:
            raise KeyboardInterrupt
        sweep.stop()
        say("stopping after the running epochs (Ctrl-C again: at once)")

    saved = f"the finished runs are in {out}: the same command resumes there"
    try:
        with signals.handled(interrupt):
            check_interrupted()
            failed = run_pending(sweep, out, quiet, say)
    except KeyboardInterrupt:
        raise Interrupted(saved) from None
    if sweep.stopping:
        raise Interrupted(saved)
    return failed


def run_pending(sweep, out, quiet, say):
    """Do the work of ``follow``, apart from signals."""
    total, pending = sum(len(job.keys) for job in sweep.jobs), sweep.pending
    done, failed, began = total - sum(len(job.keys) for job in pending), False, time.monotonic()
    first, last_printed = done, -math.inf
    if first and pending:
        say(f"{first} of {total} runs are in {out} already")
    bar = bar_of(total, "runs") if not quiet and moves(sys.stderr) else None
    try:
        if bar:
            bar.update(done)
        for outcome in sweep.outcomes():
            if outcome.state == "stopped":
                continue
            if outcome.state == "divided":
                say(f"{len(outcome.job.keys)} runs at once are {outcome.error}: trained as two halves")
                continue
            done, failed = done + len(outcome.job.keys), failed or outcome.state == "failed"
            left = (time.monotonic() - began) * (total - done) / (done - first)
            now, over = time.monotonic(), done == total or outcome.state == "failed"
            if bar:
                bar.update(len(outcome.job.keys))
            elif over or now - last_printed >= 1:
                last_printed = now
                what = f"failed: {outcome.error}" if outcome.state == "failed" else "done"
                say(f"{done}/{total} runs  {what}  {left:.0f} s left")
    finally:
        if bar:
            click.echo(err=True)
    return failed
