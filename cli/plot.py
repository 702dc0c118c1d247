"""`dfanp plot`: pictures of saved runs and sweeps."""

from pathlib import Path

import click

from dfanp.measures import LAST

from .names import Name
from .options import Place, Whole, drawing, option, plugin, usage_errors


@click.command(context_settings={"show_default": True})
@click.argument("folders", nargs=-1, required=True, metavar="DIR...", type=Place("dir"))
@option("--out", required=True, type=Place("file"), metavar="FILE", help="The picture: a .png, .svg or .pdf.")
@option(
    "--x",
    type=Name(["auto", "epoch", "lr"]),
    default="auto",
    help="Draw over the epochs (at the best rate of each setting), or against the learning rate; auto: the rate, "
    "if there are several.",
)
@option("--last", type=Whole(min=1), default=LAST, help="Number of last epochs whose mean is drawn against the rate.")
@option(
    "--measure",
    type=Name(table="measures.MEASURES"),
    default="test_accuracy",
    help="Measure to draw: an accuracy, a loss, or one that a plugin registers.",
)
@plugin
def plot(folders, out, x, last, measure):
    """Draw runs and sweeps: means over the seeds with 95 % intervals, one curve per setting.

    DIR... are folders made by --out of `dfanp parity`, `dfanp synthetic` or `dfanp tune`; runs may be unfinished.

    \b
    Examples:
      dfanp plot tuned --out rates.png
      dfanp plot runs/bp runs/dfa --out curves.svg

    Files: reads each DIR; writes the picture of --out.

    Output: one line about the file written.

    See also: dfanp results, dfanp tune.
    """
    from dfanp import DfanpError
    from dfanp.reports import plots
    from dfanp.sweeps import tuning
    from dfanp.sweeps.grids import varied

    with usage_errors():
        path = plots.checked_file(out)
    results = [result for folder in folders for result in read(folder)]
    if not results:
        raise DfanpError(f"{', '.join(folders)}: there is no finished run to draw")
    if x == "auto":
        x = "lr" if "lr" in varied([result.config for result in results]) else "epoch"
    shown = tuning.candidates(results, last, measure) if x == "lr" else best_rates(results, last)
    with drawing(path):
        if x == "lr":
            plots.draw_rates(shown, path, measure, last)
        else:
            plots.draw_curves(shown, path, measure)
    click.echo(f"wrote {path}")


def best_rates(results, last):
    """Return the Results with the best rate of each group: curves of its other rates would hide it."""
    from dfanp.sweeps import tuning

    found = tuning.candidates(results, last)
    groups = tuning.grouped(found, tuning.axes(found)).values()
    configs = [each.config for group in groups for each in ([tuning.best(group)] if tuning.best(group) else group)]
    return [result for result in results if {n: v for n, v in result.config.items() if n != "seed"} in configs]


def read(folder):
    """Return the Results in a folder: of a sweep, or of a run (also an unfinished one)."""
    from dfanp import DfanpError
    from dfanp.reports.run_report import checked_log
    from dfanp.runs.history import by_seed
    from dfanp.runs.store import Result, Store, key_of

    folder = Path(folder)
    if (folder / "store.jsonl").exists():
        with Store(folder) as store:
            return list(store.results.values())
    if not (folder / "config.json").exists():
        raise DfanpError(f"{folder}: holds neither a run (config.json) nor a sweep (store.jsonl)")
    run, _, log = checked_log(folder)
    config, found = run["config"], []
    for seed, history in by_seed(log).items():
        own = {name: value for name, value in config.items() if name != "repeats"} | {"seed": seed, "repeats": 1}
        found.append(Result(key_of(own), own, "diverged" if history.diverged else "done", history.rows))
    return found
