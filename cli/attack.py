"""`dfanp attack`: adversarial examples for saved runs."""

import json
import sys

import click

from .options import (
    Grid,
    Place,
    PositiveNumber,
    Whole,
    as_json,
    data_dir,
    drawing,
    option,
    plugin,
    quiet,
    usage_errors,
)
from .terminal import echo, table


@click.command(context_settings={"show_default": True})
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=Place())
@option(
    "--epsilon",
    "epsilons",
    type=Grid(PositiveNumber()),
    default="0.02,0.05,0.1,0.2,0.5",
    metavar="LIST",
    help="Largest changes of a pixel, where pixels are in [0, 1].",
)
@option("--steps", type=Whole(1, 10_000), default=20, help="Number of steps of PGD.")
@option("--samples", type=Whole(1, 10**6), default=1000, help="Number of test examples, the first ones.")
@option("--plot", type=Place("file"), metavar="FILE", help="Draw accuracy over epsilon to a .png, .svg or .pdf.")
@data_dir
@plugin
@as_json
@quiet
def attack(runs, epsilons, steps, samples, plot, data_dir, as_json, quiet):
    """Attack trained networks with adversarial examples (FGSM and PGD), and count the answers that stay right.

    RUN... are folders made by --out, of problems with images; seeds of a run are attacked one by one.

    Attacks follow the gradient of the network's function, through the transposed weights, by whatever rule they were
    learned. Beside them, masked, is what the rule's own feedback would send to the input: an attack through it is weak,
    although the network is not robust. Controls are random signs, examples made for another run or seed, and a large
    epsilon, at which nothing may be left. With several runs, paired differences from the first follow.

    \b
    Examples:
      dfanp attack runs/bp runs/dfa --plot attack.png
      dfanp attack runs/dfa --epsilon 0.01,0.1 --samples 200 && dfanp report runs/dfa --out attacked.html

    Files: reads each RUN and its data; writes attack.json into each, for `dfanp report`, and the picture of --plot.

    Output: a table of test accuracies; with --json one object: a record for each run by its name. Progress on stderr.

    Exit status: 1 also if a problem has no inputs with limits, such as the disks and the teacher.

    See also: dfanp report, dfanp represent.
    """
    from dfanp.analysis.attacks import checked_epsilons
    from dfanp.reports import attacks as pictures
    from dfanp.reports import plots
    from dfanp.reports.run_report import labels
    from dfanp.runs import attacked

    with usage_errors():
        plot = plot and plots.checked_file(plot)
        checked_epsilons(epsilons)
    folders = dict(zip(labels(runs), runs, strict=True))
    say = (lambda text: None) if quiet else lambda text: click.echo(text, err=True)
    found = attacked.attacked(folders, epsilons, steps, samples, data_dir, say)
    if as_json:
        click.echo(json.dumps(found, allow_nan=False))
    else:
        show(found)
    sys.stdout.flush()
    for name, folder in folders.items():
        say(f"wrote {attacked.write(folder, found[name])}")
    if plot:
        with drawing(plot):
            pictures.draw(found, plot, ", ".join(found))
        say(f"plot      {plot}")
    return 0


def show(found):
    """Print the accuracies of each run, the paired differences from the first, and the controls."""
    from dfanp.analysis.intervals import mean_interval
    from dfanp.runs import attacked

    record = next(iter(found.values()))
    shown = lambda mean, half: f"{mean:.3f}" + ("" if half is None else f" ± {half:.3f}")
    cell = lambda values: "-" if None in values else shown(*mean_interval(values))
    head = ["run", "attack", *(f"ε = {epsilon:g}" for epsilon in (0, *record["epsilons"]))]
    body = [
        [name, title, *map(cell, columns)]
        for name, each in found.items()
        for title, columns in attacked.rows(each).items()
    ]
    echo("\n".join(table(head, body)))
    counts = ", ".join(f"{name} {len(each['seeds'])}" for name, each in found.items())
    echo(f"\nTest accuracy on {record['samples']} examples; seeds: {counts}; intervals of 95 % (t).")
    first, *others = found
    body = []
    for other in others:
        for attack, title in {"fgsm": "FGSM", "pgd": "PGD"}.items():
            pairs = attacked.differences(found[other], found[first], attack)
            if pairs:
                body.append(
                    [f"{other} - {first}", title, *(shown(mean, half) for mean, half, _ in pairs), pairs[0][2]]
                )
    if body:
        echo("\n" + "\n".join(table(["paired difference", *head[1:], "seeds"], body)))
    for name, each in found.items():
        controls(name, each)


def controls(name, record):
    """Print what a large ε leaves of a run, and the examples without a gradient."""
    largest = max(range(len(record["epsilons"])), key=record["epsilons"].__getitem__)
    left = max(one["accuracy"]["pgd"][largest] for one in record["seeds"])
    at = f"at ε = {record['epsilons'][largest]:g} PGD leaves {left:.3f}"
    if left > record["chance"]:
        echo(f"{name}: {at}, more than chance ({record['chance']:.3f}): ε is small, or the attack is too weak")
    else:
        echo(f"{name}: {at} at most (chance {record['chance']:.3f})")
    vanished = max(one["vanished"] for one in record["seeds"])
    if vanished:
        echo(
            f"{name}: the gradient of up to {100 * vanished:.1f} % of the examples is exactly 0; no attack moves these"
        )
