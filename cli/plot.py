"""`dfanp plot`: pictures of saved runs and sweeps."""

from pathlib import Path

import click

from dfanp.measures import LAST

from .names import Name, Setting
from .options import Place, Whole, drawing, option, plugin, usage_errors

AXES = ("auto", "epoch")


class Axis(Setting):
    """A setting, or one of AXES."""

    def convert(self, value, param, ctx):
        return value


class Size(click.ParamType):
    """Width and height in inches, such as 6.4x4.2."""

    name = "size"

    def convert(self, value, param, ctx):
        if isinstance(value, tuple):
            return value
        try:
            width, height = map(float, value.lower().split("x"))
            if 1 <= width <= 100 and 1 <= height <= 100:
                return width, height
        except ValueError:
            pass
        self.fail(f"{value!r} is not a width and a height in inches from 1 to 100, such as 6.4x4.2", param, ctx)


@click.command(context_settings={"show_default": True})
@click.argument("folders", nargs=-1, required=True, metavar="DIR...", type=Place("dir"))
@option("--out", type=Place("file"), default="plot.png", metavar="FILE", help="The picture: a .png, .svg or .pdf.")
@option(
    "--x",
    type=Axis("name"),
    default="auto",
    metavar="NAME",
    help="Draw over the epochs (epoch), or against this setting; auto: for one sweep with several learning rates "
    "against these (lr), else over the epochs.",
)
@option(
    "--hue",
    type=Setting("names"),
    metavar="NAMES",
    help="One line for each combination of these settings, or of folder.  [default: all that differ]",
)
@option("--facet", type=Setting("names"), metavar="NAMES", help="One panel for each combination of these settings.")
@option(
    "--last", type=Whole(min=1), default=LAST, help="Number of last epochs whose mean is drawn against a setting."
)
@option(
    "--measure",
    type=Name(table="measures.MEASURES"),
    help="Measure to draw: an accuracy, a loss, or one that a plugin registers.  [default: test_accuracy, of a "
    "regression test_loss]",
)
@option("--title", metavar="TEXT", help="Title of the picture.")
@option("--size", type=Size(), metavar="WxH", help="Width and height in inches, such as 6.4x4.2.")
@plugin
def plot(folders, out, x, hue, facet, last, measure, title, size):
    """Draw runs and sweeps: means over the seeds with 95 % intervals, one line per setting.

    DIR... are folders made by --out of `dfanp parity` and the other problems, or of `dfanp tune`; runs may be
    unfinished. Several folders have a line each, with its name.

    Where the learning rate is on no axis and no line, the best one of each setting is drawn. Other settings that are on
    none are averaged over, and the command says so.

    \b
    Examples:
      dfanp plot runs/bp runs/dfa --out curves.svg
      dfanp plot tuned --out rates.png
      dfanp plot tuned --x hidden --hue method --facet opt --title "Width" --size 8x3 --out width.pdf

    Files: reads each DIR; writes the picture of --out.

    Output: one line about the file written.

    See also: dfanp results, dfanp tune.
    """
    from dfanp import DfanpError
    from dfanp.reports import charts, plots
    from dfanp.reports.run_report import labels
    from dfanp.sweeps import tuning

    with usage_errors():
        path = plots.checked_file(out)
    found = [(result, name) for folder, name in zip(folders, labels(folders), strict=True) for result in read(folder)]
    if not found:
        raise DfanpError(f"{', '.join(folders)}: there is no finished run to draw")
    results, names = map(list, zip(*found, strict=True))
    measure = measure or tuning.measure_of(results)
    split = lambda text: None if text is None else [name.strip() for name in text.split(",")]
    with usage_errors():
        chart = charts.planned(results, names if len(folders) > 1 else None, x, split(hue), split(facet) or (), last)
    with drawing(path):
        if chart.x == "lr" and hue is None and facet is None and len(folders) == 1:
            plots.draw_rates(tuning.candidates(results, last, measure), path, measure, last, title, size)
        else:
            charts.draw(chart, path, measure=measure, last=last, title=title, size=size)
    if chart.averaged:
        click.echo(f"averaged over {', '.join(chart.averaged)} (--hue and --facet keep settings apart)", err=True)
    click.echo(f"wrote {path}")


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
