"""`dfanp represent`: probes of a hidden layer of a saved run."""

import json
import sys

import click

from .names import Name
from .options import Place, Whole, as_json, data_dir, drawing, option, plugin, quiet, usage_errors
from .terminal import table as table_of


@click.command(context_settings={"show_default": True})
@click.argument("run", metavar="RUN", type=Place())
@option("--layer", type=Whole(min=1), help="Number of the hidden layer, from 1.  [default: 1]")
@option(
    "--place",
    type=Whole(min=1),
    help="For parity: show a single digit through the weights of its place, from 1, before the activation.",
)
@option("--seed", type=Whole(min=0), help="Seed of the run.  [default: the first]")
@option("--samples", type=Whole(40, 10**6), default=5000, help="Number of test examples.")
@option(
    "--map", "kind", type=Name(["tsne", "pca"]), default="tsne", help="Projection to the plane that --plot draws."
)
@option(
    "--plot",
    type=Place("file"),
    metavar="FILE",
    help="Draw the representations, before and after training, to a .png, .svg or .pdf.",
)
@data_dir
@plugin
@as_json
@quiet
def represent(run, layer, place, seed, samples, kind, plot, data_dir, as_json, quiet):
    """Probe what a hidden layer of RUN represents, before and after training.

    RUN is a folder made by --out, or a file in the checkpoints of a sweep with --keep. Probes learn to predict labels
    from one half of the examples and are tested on the other: a linear one, 15 nearest neighbours, and 15 nearest
    neighbours in the plane of the two leading principal components.

    \b
    Examples:
      dfanp parity --k 3 --out runs/dfa && dfanp represent runs/dfa --place 1
      dfanp represent runs/dfa --layer 1 --plot map.png

    Files: reads RUN and its data; writes the picture of --plot.

    Output: a table of accuracies and of the shares of variance of the two components; with --json one object: seed,
    before, after.

    See also: dfanp parity, dfanp export.
    """
    from dfanp.analysis import probes
    from dfanp.reports import plots
    from dfanp.runs.saved import SavedRun

    if layer and place:
        raise click.UsageError("--layer and --place exclude each other: give one")
    with usage_errors():
        plot = plot and plots.checked_file(plot)
    saved = SavedRun(run, data_dir)
    seed = saved.seeds[0] if seed is None else seed
    saved.check_alive(seed)
    with usage_errors():
        seen = {
            when: saved.represented(network, layer or 1, place, seed, samples)
            for when, network in (("before", saved.initial(seed)), ("after", saved.final(seed)))
        }
    if not quiet:
        click.echo(f"{saved.title}, seed {seed}", err=True)
    found = {when: probes.measured(each) for when, each in seen.items()}
    click.echo(json.dumps({"seed": seed, **found}, allow_nan=False) if as_json else table(found))
    sys.stdout.flush()
    if plot:
        planes = {when: probes.plane(each, kind) for when, each in seen.items()}
        with drawing(plot):
            plots.draw_maps(planes, plot, saved.title)
    return 0


def table(found):
    """Return the measures in columns: before and after."""
    labels = [name for name in found["after"] if name != "variance"]
    body = [
        [label, probe, *(f"{found[when][label][probe]:.4f}" if label in found[when] else "-" for when in found)]
        for label in labels
        for probe in found["after"][label]
    ]
    for number in range(2):
        shares = [found[when]["variance"] for when in found]
        body.append(
            ["variance", f"component {number + 1}", *(f"{s[number]:.4f}" if number < len(s) else "-" for s in shares)]
        )
    return "\n".join(table_of(["label", "read by", *found], body))
