"""`dfanp tune`: a sweep over grids of settings, and which of them is best."""

import json
import math
import sys

import click

from .helping import Group, Option
from .names import Name
from .options import Grid, Whole, Widths, drawing, option, usage_errors
from .parity import parity as parity_command
from .sweeping import follow, sweep_options
from .synthetic import DEFAULT_LR
from .synthetic import synthetic as synthetic_command
from .terminal import bad, echo, good
from .terminal import table as table_of

# Options of `dfanp parity` that are one value for the whole sweep, and those that a sweep has no use for.
ONE_VALUE = ("bias", "align", "data", "data_dir", "device", "kernels", "tf32", "plugin")
LEFT_OUT = ("repeats", "out", "plot", "threads", "as_json", "quiet")
MOST = 100_000  # runs of a sweep
AROUND = (0.25, 0.5, 1.0, 2.0, 4.0)  # the grid of rates without --lr, times the default rate


def as_grid(single):
    """Return an option of `dfanp parity` that takes a grid of its values."""
    if single.name in ONE_VALUE:
        return single
    grid = Grid(single.type, "/" if isinstance(single.type, Widths) else ",")
    help_ = single.help.partition("  [default")[0]
    if single.name == "lr":
        help_ = "Learning rates.  [default: five around the one of `dfanp parity`]"
    shown = {"show_default": single.default is not None, "metavar": "LIST", "help": help_}
    return Option(single.opts, type=grid, default=single.default, **shown)


@click.group(cls=Group)
def tune():
    """Find the best setting on a grid, by runs that survive an interrupt, a crash or a full disk."""


last_option = option("--last", type=Whole(min=1), default=10, help="Score by the mean of so many last epochs.")
halving_option = option("--halving", type=Whole(min=2), help="Train in rungs, and keep one of so many rates at each.")
repeats_option = option(
    "--repeats", type=Whole(1, 10_000), default=1, help="Seeds of each setting, from each --seed on."
)


@click.command(context_settings={"show_default": True})
@repeats_option
@option(
    "--score",
    type=Name(["held-out", "published"]),
    default="held-out",
    help="Test on held-out training images, or on the test images as the thesis did.",
)
@last_option
@halving_option
@sweep_options
def parity(score, data, data_dir, device, **given):
    """Find the best setting for the parity of k digits.

    An option that is a LIST takes a value, several (--lr 0.001,0.01), or a range: start:stop:count, ends included (--k 1:5:5), or at equal
    quotients (--lr log:1e-4:1e-1:8). Widths of several layers are parted by commas, so grids of --hidden by slashes: --hidden 256/512,512.
    For each combination of the others the best rate is found, by the mean accuracy of the last epochs.

    \b
    Examples:
      dfanp tune parity --lr log:1e-4:1e-1:8 --opt sgd,rmsprop --method bp,dfa --out tuned
      dfanp tune parity --lr log:1e-5:1:16 --halving 3 --repeats 3 --out tuned --workers 2 --plot rates.png

    Files: in --out, store.jsonl (a line for each run that ended), timings.jsonl, failures.jsonl, progress/ (where unfinished runs go on),
    and with --keep checkpoints/. The same command does what is left; a larger grid runs what is new in it.

    Output: a table with the best rate of each combination; with --json one object: best, failed. On stderr how far it is.

    Exit status: 1 if a run diverged or failed; the others are done and kept. 130 after Ctrl-C: the first lets the running epochs end.

    See also: dfanp results, dfanp plot, dfanp represent.
    """
    from dfanp import Backend
    from dfanp.experiments.rates import default_rate
    from dfanp.problems import datasets
    from dfanp.experiments.published import settings_of
    from dfanp.settings import ParitySettings

    device, name = Backend(device).device, datasets.resolve(data, data_dir)
    held_out = score == "held-out"
    base = settings_of(ParitySettings, lr=1.0, data=name, device=device, held_out=held_out, **published(given))
    middle = lambda each: default_rate(each.data, each.method, each.opt, each.feedback).lr
    return run(base, middle, data_dir, **given)


@click.command(context_settings={"show_default": True})
@repeats_option
@last_option
@halving_option
@sweep_options
def synthetic(device, labels, **given):
    """Find the best setting for the synthetic problem, by its test points.

    Options take lists and ranges as in `dfanp tune parity`; --labels takes several, parted by commas, or balanced: every assignment
    with as many 0s as 1s (one more or less, where the disks are odd). `dfanp results DIR --group-by method,opt,lr` averages over them.

    \b
    Examples:
      dfanp tune synthetic --method bp,dfa --opt sgd,rmsprop --lr log:0.01:1:5 --d 5:25:5 --repeats 3 --out disks
      dfanp tune synthetic --method bp --labels balanced --lr 0.5 --epochs 50 --out labels

    Files: in --out, as `dfanp tune parity` writes them.

    Output: a table with the best rate of each combination; with --json one object: best, failed. On stderr how far it is.

    Exit status: 1 if a run diverged or failed; the others are done and kept. 130 after Ctrl-C: the first lets the running epochs end.

    See also: dfanp results, dfanp plot, dfanp synthetic.
    """
    from dfanp import Backend
    from dfanp.experiments.published import settings_of
    from dfanp.settings import SyntheticSettings

    base = settings_of(SyntheticSettings, lr=1.0, device=Backend(device).device, **published(given))
    if not labels and set(given["c"]) != {3}:  # the thesis labels nine disks
        labels = ("random",)
    if labels:
        given["labels"] = tuple(one for each in labels for one in assignments(each, given["c"]))
    return run(base, lambda each: DEFAULT_LR, None, **given)


def published(given):
    """Take out of the options `given` those that only the published runs have; return them as values of one setting."""
    redraw, align = given.pop("redraw"), given["align"]
    if redraw is None:
        return {"align": align}
    given["redraw"] = redraw
    return {"align": align, "redraw": redraw[0]}


def run(
    base, middle, data_dir, lr, seed, repeats, last, halving, out, workers, threads, cluster, keep, plot, as_json, quiet,
    **axes,
):  # fmt: skip
    """Run the sweep of the settings `base` over `axes`, and say which are best; return the exit code."""
    from dfanp import grids, plots, tuning
    from dfanp.sweeps import Sweep

    if len(axes["epochs"]) > 1 and halving:
        raise click.UsageError("--halving takes a single --epochs")
    lists = {name: list(value) if isinstance(value, tuple) else value for name, value in axes.items()}
    lists = {name: value for name, value in lists.items() if value is not None}
    runs = math.prod([len(seed) * repeats, len(lr or AROUND), *map(len, filter(is_list, lists.values()))])
    if runs > MOST:
        raise click.UsageError(f"that is a sweep of {runs} runs, more than {MOST}")
    seeds = sorted({one + i for one in seed for i in range(repeats)})
    make = lambda runs: Sweep(runs, out, workers, threads, data_dir, keep, cluster)
    failed = False
    with usage_errors():
        plot = plot and plots.checked_file(plot)
        settings = [
            each
            for shape in grids.product(base, **lists)
            for one in grids.product(shape, lr=list(lr or [rounded(middle(shape) * times) for times in AROUND]))
            for each in grids.product(one, seed=seeds)
        ]
        rungs = tuning.halving(settings, halving, last, make) if halving else iter([make(settings)])
    for sweep in rungs:
        with sweep:
            failed = follow(sweep, out, quiet) or failed
            results, lost = sweep.results(), list(failures_of(sweep).values())
    told = summary(results, last)
    try:
        if as_json:
            click.echo(json.dumps({"best": told, "failed": lost}, allow_nan=False))
        else:
            echo(table(told, lost, last))
        sys.stdout.flush()
    finally:  # whoever has stopped reading still gets the picture
        if plot and results:
            found = tuning.candidates(results, last)
            with drawing(plot):
                plots.draw_rates(found, plot, f"mean accuracy of the last {last} epochs")
    return 1 if failed or any(each["diverged"] for each in told) or lost else 0


def is_list(value):
    return isinstance(value, list)


def assignments(labels, c):
    """Return the texts of labels that one stands for: itself, or all that are balanced."""
    from dfanp.problems.synthetic import balanced

    if labels != "balanced":
        return [labels]
    if len(c) > 1 or c[0] > 4:
        raise click.UsageError("--labels balanced takes a single --c of at most 4: there are too many")
    return ["".join(map(str, one)) for one in balanced(c[0])]


def rounded(rate):
    return float(f"{rate:.3g}")


def failures_of(sweep):
    """Return key -> a line, for each run of a sweep that failed."""
    from dfanp.store import key_of

    keys = {key_of(each.config()) for each in sweep.settings}
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
        remarks += [bad(f"{each['diverged']} runs diverged")] if each["diverged"] else []
        score = "-" if each["score"] is None else f"{each['score']:.4f}"
        half = "-" if each["ci95"] is None else f"±{each['ci95']:.4f}"
        lr = "-" if each["lr"] is None else good(f"{each['lr']:.4g}")
        body.append([*each["setting"].values(), lr, score, half, str(each["seeds"]), "; ".join(remarks)])
    return "\n".join([*table_of(head, body), *(f"{bad('failed:')} {line}" for line in lost)])


for command, single in ((parity, parity_command), (synthetic, synthetic_command)):
    command.params = [as_grid(option) for option in single.params if option.name not in LEFT_OUT] + command.params
    tune.add_command(command)
