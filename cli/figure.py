"""`dfanp figure`: train the runs of a figure of the thesis, and draw it."""

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
    help="Published repeats what was run, including its bugs; corrected fixes them (if they differ).",
)
@reproduction_options
def figure(names, mode, **given):
    """Train the runs of a figure of Demirbilek 2021, write its record, and draw it.

    FIGURE... are figures of the thesis: 2.1, 2.2, 3.1, 3.2, 3.3, 3.4, 3.5, 3.7, 3.8, B.1, B.2; or of its future work:
    labels, transfer, depth, width, activation; or rules, all rules on one problem; or studies that `dfanp reproduce`
    leaves out: adam, adaptive, align (when does DFA align?), conv-digits, conv, conv-fashion, online.

    \b
    Examples:
      dfanp figure 3.4 --mode corrected
      dfanp figure 2.2 3.8 --out disks
      dfanp figure 3.1 --quick

    Files: in --out, records/ (one .json per figure and mode), figures/ (one .svg and one .png each), table.md (for
    figures with published numbers), and the store of the sweep, from which the same command resumes.

    Output: the table of published and reproduced results in Markdown (none with --quick); with --json one object:
    figures, table, missing. Progress on stderr.

    Exit status: 1 if runs failed; figures whose runs are complete are drawn.

    See also: dfanp reproduce, dfanp results.
    """
    from dfanp.experiments import get
    from dfanp.experiments.experiment import MODES

    wanted = MODES if mode == "both" else (mode,)
    tasks = [(get(name), one) for name in dict.fromkeys(names) for one in get(name).modes if one in wanted]
    if not tasks:
        raise click.UsageError(f"figure {', '.join(names)} has no mode {mode!r}, only {get(names[0]).modes[0]!r}")
    return reproduce_tasks(tasks, **given)
