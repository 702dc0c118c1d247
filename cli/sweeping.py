"""Shared by the commands that run sweeps: options, progress, interrupts."""

from .live import View, header
from .main import Interrupted, check_interrupted, hush_if_gone
from .options import Place, Whole, as_json, option, quiet, threads

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


def follow(sweep, out, quiet, head=()):
    """Run the pending jobs of a Sweep, showing its progress; return whether a job failed.

    The first Ctrl-C (or SIGTERM, or SIGHUP) stops after the running epochs and saves them; the second stops at once.

    Args:
        head: lines that are printed first.

    Raises:
        Interrupted: the user stopped it.
    """
    from dfanp.system import signals

    view = View(sweep, quiet)

    def interrupt(signum, frame):
        hush_if_gone()
        if sweep.stopping:
            raise KeyboardInterrupt
        sweep.stop()
        view.say("stopping after the running epochs (Ctrl-C again: at once)")

    for line in head or (header(sweep, out) if view.done < view.runs else ()):
        view.say(line)
    failed = False
    try:
        with signals.handled(interrupt), view:
            check_interrupted()
            for outcome in sweep.outcomes():
                view.ended(outcome)
                failed = failed or outcome.state == "failed"
    except KeyboardInterrupt:
        raise Interrupted(saved(view, out)) from None
    if sweep.stopping:
        raise Interrupted(saved(view, out))
    return failed


def saved(view, out):
    """Return what a View says of an interrupted sweep."""
    return f"{view.so_far()} and in {out}: the same command resumes there"
