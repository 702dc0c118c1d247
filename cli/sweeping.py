"""What the commands that run or show sweeps share: options, progress, interrupts, tables."""

import math
import signal
import sys
import time

import click

from dfanp.backend import MOST_THREADS

from .main import Interrupted
from .options import as_json

OPTIONS = (
    click.option(
        "--out",
        type=click.Path(file_okay=False),
        required=True,
        metavar="DIR",
        help="Keep the results here; what is there is not run again.",
    ),
    click.option("--workers", type=click.IntRange(1, 1024), default=1, help="Processes that train."),
    click.option(
        "--threads", type=click.IntRange(1, MOST_THREADS), help="Of each worker.  [default: the cores, divided]"
    ),
    click.option(
        "--cluster", metavar="ADDRESS", help="Train on the workers of this Dask scheduler, tcp://host:port."
    ),
    click.option("--keep", is_flag=True, help="Keep the final weights and states of each run."),
    click.option("--plot", metavar="FILE", help="Draw accuracy against the rate to a .png, .svg or .pdf."),
    as_json,
    click.option("--quiet", is_flag=True, help="Nothing on stderr but errors."),
)


def sweep_options(command):
    """Give a command the options of a sweep."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def follow(sweep, out, quiet):
    """Run what is pending of a Sweep, telling how far it is; return whether a job failed.

    The first Ctrl-C lets the running epochs end and saves; the second stops at once.

    Raises:
        Interrupted: the user stopped it.
    """
    total, pending = sum(len(job.keys) for job in sweep.jobs), sweep.pending
    done, failed, began = total - sum(len(job.keys) for job in pending), False, time.monotonic()
    first, last_told = done, -math.inf

    def say(text):
        if not quiet:
            click.echo(text, err=True)

    def interrupt(signum, frame):
        if sweep.stopping:
            raise KeyboardInterrupt
        sweep.stop()
        say("stopping after the running epochs (Ctrl-C again: at once)")

    kept = f"{out} keeps what is done: the same command goes on from there"
    if first and pending:
        say(f"{first} of {total} runs are in {out} already")
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        bar = click.progressbar(length=total, file=sys.stderr, show_pos=True, label="runs") if _bar(quiet) else None
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
            elif over or now - last_told >= 1:
                last_told = now
                what = f"failed: {outcome.error}" if outcome.state == "failed" else "done"
                say(f"{done}/{total} runs  {what}  {left:.0f} s left")
    except KeyboardInterrupt:
        raise Interrupted(kept) from None
    finally:
        signal.signal(signal.SIGINT, before)
        if _bar(quiet):
            click.echo(err=True)
    if sweep.stopping:
        raise Interrupted(kept)
    return failed


def _bar(quiet):
    return not quiet and sys.stderr.isatty()


def columns(head, body):
    """Return the lines of a table, each column as wide as its widest cell; numbers to the right."""
    rows = [[str(cell) for cell in row] for row in (head, *body)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    numeric = [all(row[i][:1] in "+-±.0123456789" for row in rows[1:]) for i in range(len(head))]
    pad = lambda cell, i: cell.rjust(widths[i]) if numeric[i] else cell.ljust(widths[i])
    return ["  ".join(pad(cell, i) for i, cell in enumerate(row)).rstrip() for row in rows]
