"""`dfanp tune`: a sweep over grids of settings, and which of them is best."""

import json
import sys

import click

from .options import Grid, Widths, usage_errors
from .parity import parity as single
from .sweeping import follow, sweep_options

# Options of `dfanp parity` that are one value for the whole sweep, and those that a sweep has no use for.
ONE_VALUE = ("bias", "align", "data", "data_dir", "device", "kernels")
LEFT_OUT = ("repeats", "out", "plot", "threads", "as_json", "quiet")
AROUND = (0.25, 0.5, 1.0, 2.0, 4.0)  # the grid of rates without --lr, times the default rate


def as_grid(option):
    """Return an option of `dfanp parity` that takes a grid of its values."""
    if option.name in ONE_VALUE:
        return option
    grid = Grid(option.type, "/" if isinstance(option.type, Widths) else ",")
    help_ = option.help.partition("  [default")[0]
    if option.name == "lr":
        help_ = "Learning rates.  [default: five around the one of `dfanp parity`]"
    if isinstance(option.type, click.Choice):
        help_ += f" Some of {', '.join(option.type.choices)}."
    shown = {"show_default": option.default is not None, "metavar": "LIST", "help": help_}
    return click.Option(option.opts, type=grid, default=option.default, **shown)


@click.group()
def tune():
    """Find the best setting on a grid, by runs that survive an interrupt, a crash or a full disk."""


@click.command(context_settings={"show_default": True})
@click.option(
    "--repeats", type=click.IntRange(1, 10_000), default=1, help="Seeds of each setting, from each --seed on."
)
@click.option(
    "--score",
    type=click.Choice(["held-out", "published"]),
    default="held-out",
    help="Test on held-out training images, or on the test images as the thesis did.",
)
@click.option("--last", type=click.IntRange(min=1), default=10, help="Score by the mean of so many last epochs.")
@click.option("--halving", type=click.IntRange(min=2), help="Train in rungs, and keep one of so many rates at each.")
@sweep_options
def parity(repeats, score, last, halving, out, workers, threads, cluster, keep, plot, as_json, quiet, **given):
    """Find the best setting for the parity of k digits.

    \b
    An option takes a value, a list, or a range: --lr 0.001,0.01   --k 1:5:5   --lr log:1e-4:1e-1:8
    (start:stop:count, ends included). Widths of several layers are parted by commas, so grids of --hidden by
    slashes: --hidden 256/512,512.

    \b
    Examples:
      dfanp tune parity --lr log:1e-4:1e-1:8 --opt sgd,rmsprop --method bp,dfa --out tuned
      dfanp tune parity --lr log:1e-5:1:16 --halving 3 --repeats 3 --out tuned --workers 2 --plot rates.png
    """
    from dfanp import grids, plots, tuning
    from dfanp.problems import datasets
    from dfanp.runs import Settings
    from dfanp.sweeps import Sweep

    if len(given["epochs"]) > 1 and halving:
        raise click.UsageError("--halving takes a single --epochs")
    with usage_errors():
        plot = plot and plots.checked_file(plot)
        name, data_dir = datasets.resolve(given.pop("data"), given["data_dir"]), given.pop("data_dir")
        from dfanp import Backend

        device = Backend(given.pop("device")).device
        seeds = sorted({seed + i for seed in given.pop("seed") for i in range(repeats)})
        rates = given.pop("lr")
        base = Settings(lr=1.0, data=name, device=device, held_out=score == "held-out")
        lists = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}
        settings = with_rates(grids.product(base, **lists), rates)
        settings = [each for one in settings for each in grids.product(one, seed=seeds)]
    make = lambda runs: Sweep(runs, out, workers, threads, data_dir, keep, cluster)
    failed = False
    for sweep in tuning.halving(settings, halving, last, make) if halving else [make(settings)]:
        with sweep:
            failed = follow(sweep, out, quiet) or failed
            results = sweep.results()
            lost = [text for key, text in failures_of(sweep).items()]
    told = summary(results, last)
    if plot and results:
        plots.draw_rates(tuning.candidates(results, last), plot, f"mean accuracy of the last {last} epochs")
    click.echo(json.dumps({"best": told, "failed": lost}, allow_nan=False) if as_json else table(told, lost, last))
    sys.stdout.flush()
    return 1 if failed or any(each["diverged"] for each in told) or lost else 0


def with_rates(settings, rates):
    """Return `settings` with each of `rates`, or (None) with rates around the default one for each."""
    from dfanp import grids
    from dfanp.experiments.rates import default_rate

    found = []
    for each in settings:
        middle = default_rate(each.data, each.method, each.opt, each.feedback).lr
        found += grids.product(each, lr=list(rates or ()) or [float(f"{middle * times:.3g}") for times in AROUND])
    return found


def failures_of(sweep):
    """Return key -> a line, for each run of a sweep that failed."""
    from dfanp.store import key_of
    from dfanp.sweeps import config_of

    keys = {key_of(config_of(each)) for each in sweep.settings}
    return {
        key: f"seed {c['seed']}, lr {c['lr']:g}: {why}"
        for key, (c, why) in sweep.store.failures.items()
        if key in keys
    }


def summary(results, last):
    """Return a dict for each group of settings: its names, the best rate, score, interval, and what to know about it."""
    from dfanp import tuning

    found = tuning.candidates(results, last)
    names = tuning.axes(found)
    rows = []
    for values, group in tuning.grouped(found, names).items():
        top = tuning.best(group)
        row = {"setting": dict(zip(names, values, strict=True)), "rates": len(group)}
        row |= {"lr": top and top.config["lr"], "score": top and top.mean, "ci95": top and top.half}
        row |= {"seeds": len(top.values) if top else 0, "diverged": sum(each.diverged for each in group)}
        rows.append(row | {"at_edge": bool(top) and tuning.at_edge(top, group)})
    return rows


def table(told, lost, last):
    """Return what the command ends with."""
    names = list(told[0]["setting"]) if told else []
    head = [*names, "best lr", f"mean of last {last}", "95 %", "seeds", ""]
    body = []
    for each in told:
        remarks = ["at the edge of the grid: try beyond"] if each["at_edge"] else []
        remarks += [f"{each['diverged']} runs diverged"] if each["diverged"] else []
        score = "-" if each["score"] is None else f"{each['score']:.4f}"
        half = "-" if each["ci95"] is None else f"±{each['ci95']:.4f}"
        lr = "-" if each["lr"] is None else f"{each['lr']:.4g}"
        body.append([*each["setting"].values(), lr, score, half, str(each["seeds"]), "; ".join(remarks)])
    from .sweeping import columns

    return "\n".join([*columns(head, body), *(f"failed: {line}" for line in lost)])


parity.params = [as_grid(option) for option in single.params if option.name not in LEFT_OUT] + parity.params
tune.add_command(parity)
