"""`dfanp represent`: what a hidden layer of a kept run says about its inputs."""

import json
import sys

import click

from .names import Name
from .options import Place, Whole, as_json, data_dir, drawing, option, plugin, quiet, usage_errors
from .terminal import table as table_of


@click.command(context_settings={"show_default": True})
@click.argument("run", metavar="RUN", type=Place())
@option("--layer", type=Whole(min=1), help="Hidden layer, from 1.  [default: 1]")
@option(
    "--place",
    type=Whole(min=1),
    help="Of parity: one digit alone, through the weights of its place, from 1, before the activation.",
)
@option("--seed", type=Whole(min=0), help="Which seed of the run.  [default: the first]")
@option("--samples", type=Whole(40, 10**6), default=5000, help="Test examples that are looked at.")
@option("--map", "kind", type=Name(["tsne", "pca"]), default="tsne", help="Of --plot: points in a plane.")
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
    """Show what a hidden layer of RUN says about its inputs, before and after training.

    RUN is a folder that --out made, or a file in the checkpoints of a sweep with --keep. Probes learn to read labels off half of the
    examples, and are tested on the other half: a linear one, 15 nearest neighbours, and these in the plane of two principal
    components.

    \b
    Examples:
      dfanp parity --k 3 --out runs/dfa && dfanp represent runs/dfa --place 1
      dfanp represent runs/dfa --layer 1 --plot map.png

    Files: reads RUN, and the data that it was trained on; writes the picture of --plot.

    Output: a table of accuracies, and the shares of the variance that the two components have; with --json one object: seed, before, after.

    See also: dfanp parity, dfanp export.
    """
    from dfanp.analysis import probes
    from dfanp.reports import plots
    from dfanp.runs.saved import SavedRun

    if layer and place:
        raise click.UsageError("--layer and --place are two views: ask for one")
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
