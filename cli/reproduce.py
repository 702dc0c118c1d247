"""`dfanp reproduce`: all experiments in one go."""

import click

from .reproducing import reproduce_tasks, reproduction_options


@click.command(context_settings={"show_default": True})
@reproduction_options
def reproduce(**given):
    """Train and draw all figures of Demirbilek 2021 and of its future work, and print the table of results.

    Published and corrected, twenty seeds each, on MNIST. After an interrupt the same command resumes it.

    \b
    Examples:
      dfanp reproduce              # about six hours on two cores
      dfanp reproduce --seeds 3    # as many as the thesis: 77 minutes
      dfanp reproduce --quick      # minutes, to check that everything works

    Files: in --out, records/ (one .json per figure and mode), figures/ (one .svg and one .png each), table.md, and
    the store of the sweep.

    Output: the table of published and reproduced results in Markdown (none with --quick); with --json one object:
    figures, table, missing. Progress on stderr.

    Exit status: 1 if runs failed; figures whose runs are complete are drawn.

    See also: dfanp figure, dfanp data fetch.
    """
    from dfanp.experiments import experiments

    return reproduce_tasks(
        [(each, mode) for each in experiments().values() if not each.study for mode in each.modes], **given
    )
