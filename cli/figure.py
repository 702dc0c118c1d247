"""`dfanp figure`: train what a figure of the thesis shows, and draw it."""

import click

from .names import Name
from .options import option
from .reproducing import reproduce_tasks, reproduction_options


@click.command(context_settings={"show_default": True})
@click.argument("names", nargs=-1, required=True, type=Name(table="experiments.experiments"), metavar="FIGURE...")
@option(
    "--mode",
    type=Name(["published", "corrected", "both"]),
    default="both",
    help="Published: as it was run, including its bugs; corrected: without them (where they differ).",
)
@reproduction_options
def figure(names, mode, **given):
    """Train what a figure of Demirbilek 2021 shows, write its record, and draw it.

    FIGURE... are figures of the thesis: 2.1, 2.2, 3.1, 3.2, 3.3, 3.4, 3.5, 3.7, 3.8, B.1, B.2; or what it leaves to future work: labels,
    transfer, depth, width, activation.

    \b
    Examples:
      dfanp figure 3.4 --mode corrected
      dfanp figure 2.2 3.8 --out disks
      dfanp figure 3.1 --quick

    Files: in --out, records/ (a .json for each figure and mode), figures/ (a .svg and a .png of each), table.md (where there are
    published numbers), and the store of the sweep, so that what is done is not done again.

    Output: the table of published and reproduced results in Markdown (none with --quick); with --json one object: figures, table,
    missing. Progress on stderr.

    Exit status: 1 if runs failed; the figures that have all of theirs are drawn.

    See also: dfanp reproduce, dfanp results.
    """
    from dfanp.experiments import get
    from dfanp.experiments.experiment import MODES

    wanted = MODES if mode == "both" else (mode,)
    tasks = [(get(name), one) for name in dict.fromkeys(names) for one in get(name).modes if one in wanted]
    if not tasks:
        raise click.UsageError(
            f"figure {', '.join(names)} has no mode {mode!r}: there is {get(names[0]).modes[0]!r} alone"
        )
    return reproduce_tasks(tasks, **given)
