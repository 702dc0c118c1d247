"""`dfanp figure`: train what a figure of the thesis shows, and draw it."""

import click

from dfanp.experiments import experiments
from dfanp.experiments.experiment import MODES

from .options import Name
from .reproducing import reproduce_tasks, reproduction_options


@click.command(context_settings={"show_default": True})
@click.argument("names", nargs=-1, required=True, type=Name(list(experiments())), metavar="FIGURE...")
@click.option(
    "--mode",
    type=click.Choice([*MODES, "both"]),
    default="both",
    help="As it was run, slips included, or as it was meant (where they differ).",
)
@reproduction_options
def figure(names, mode, **given):
    """Train what a figure of Demirbilek 2021 shows, write its record, and draw it.

    \b
    2.1 2.2 3.1 3.2 3.3 3.4 3.5 3.7 3.8 B.1 B.2    figures of the thesis
    labels transfer depth width activation         what it leaves to future work

    \b
    Examples:
      dfanp figure 3.4 --mode corrected
      dfanp figure 2.2 3.8 --out disks
      dfanp figure 3.1 --quick
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
