"""`dfanp synthetic`: train on disks in a plane."""

import click

from .options import COUNT, Whole, option
from .running import checked_files, options, run_options, train, training_options

DEFAULT_LR = 0.5  # Chizat & Bach 2020, and Demirbilek 2021 for every optimizer


@click.command(context_settings={"show_default": True})
@option("--n", type=COUNT, default=256, help="Training points.")
@option("--d", type=Whole(3, 10**6), default=15, help="Columns of an input: a 1, two that tell, noise.")
@option("--c", type=Whole(1, 100), default=3, help="Disks along each side of the grid.")
@option(
    "--labels",
    metavar="TEXT",
    help="Of the c² disks, such as 011110100, or random.  [default: the thesis' for c = 3, else random]",
)
@option("--test-points", type=COUNT, default=4000, help="Test points.")
@option("--points-seed", type=Whole(min=0), default=0, help="Of the points, and of random labels.")
@training_options("sgd", 500, None, "Passes over the points, each tested.", "Points a step.  [default: all]", "0.5")
@options(*run_options)
def synthetic(lr, labels, device, threads, out, plot, as_json, quiet, **given):
    """Train a network to tell the label of the disk that a point lies in.

    \b
    Examples:
      dfanp synthetic --method bp --layers output  # the lazy network, against
      dfanp synthetic --method bp                  # the whole one
      dfanp synthetic --n 512 --d 25 --labels random --points-seed 3 --repeats 3 --plot curves.png

    Points are drawn on c × c disks in a plane, and hidden among dimensions that tell nothing (Chizat & Bach 2020).

    Files: --out keeps a run in DIR, as `dfanp parity` does.

    Output: a table with a row a seed, and with --repeats the mean and its 95 % interval; with --json one object: config, environment,
    runs, summary. On stderr the learning rate, the device, and how far it is.

    Exit status: a run that diverges (a loss that is not finite) has failed.

    See also: dfanp tune synthetic, dfanp plot, dfanp export.
    """
    from dfanp import Backend
    from dfanp.experiments.published import settings_of
    from dfanp.settings import SyntheticSettings

    plot = checked_files(out, plot)
    device = Backend(device, kernels=given["kernels"]).device  # first: what is absent is all there is to say
    if lr is None:
        lr = DEFAULT_LR
        if not quiet:
            click.echo(f"lr        {lr:g} (Demirbilek 2021, for every optimizer)", err=True)
    labels = labels or ("thesis" if given["c"] == 3 else "random")
    settings = settings_of(SyntheticSettings, lr=lr, labels=labels, device=device, **given)
    return train(settings, out, threads, None, plot, as_json, quiet)
