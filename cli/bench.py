"""`dfanp bench`: how long training takes, against PyTorch, dense products and the thesis' way."""

import importlib.util
import json

import click

from dfanp.backend import MOST_THREADS
from dfanp.kernels import ON_CPU
from dfanp.problems.datasets import NAMES
from dfanp.rules import RULES

from .options import Name, Names, as_json, data_dir

OPTS = ("sgd", "adagrad", "adadelta", "rmsprop", "adam")
GPU_OPTS = ("rmsprop", "adam", "sgd")
QUICK_GPU = {
    "train_size": 5120,
    "test_size": 1000,
    "steps": 32,
    "replicas": (1, 4),
    "grid_epochs": 1,
    "figures": ("2.1",),
}
QUICK = {"train_size": 40 * 128, "test_size": 1000, "steps": 40, "epochs": 50}


@click.group()
def bench():
    """Measure how fast this machine trains, against named peers in the same run."""


@bench.command(context_settings={"show_default": True})
@click.option("--data", type=Name(["auto", *NAMES]), default="auto", help="auto: MNIST where it is, else the digits.")
@data_dir
@click.option("--opt", "opts", type=Names(OPTS), default=",".join(OPTS), help="Optimizers, such as sgd,adam.")
@click.option("--method", "rules", type=Names(list(RULES)), default="dfa,bp", help="Learning rules, such as dfa,bp.")
@click.option("--tiers", type=Names(list(ON_CPU)), help="Kernels, such as native,numpy.  [default: all usable]")
@click.option("--rounds", type=click.IntRange(1, 1000), default=5, help="Turns that each contestant takes.")
@click.option("--threads", type=click.IntRange(1, MOST_THREADS), help="Of everybody.  [default: every core]")
@click.option("--torch/--no-torch", default=True, help="Whether PyTorch and the thesis' way take part.")
@click.option("--growth", is_flag=True, help="How a step's cost grows with each size, instead of the comparison.")
@click.option("--quick", is_flag=True, help="A few steps: whether it works, not how fast it is.")
@click.option("--out", type=click.Path(file_okay=False), metavar="DIR", help="Write JSON and pictures here.")
@as_json
@click.option("--quiet", is_flag=True, help="Nothing on stderr but errors.")
def cpu(data, data_dir, opts, rules, tiers, rounds, threads, torch, growth, quick, out, as_json, quiet):
    """Time epochs, steps, replicas, start and memory on the CPU; prints Markdown tables.

    \b
    Examples:
      dfanp bench cpu --opt rmsprop --method dfa
      dfanp bench cpu --growth --no-torch --out bench/results
      dfanp bench cpu --quick --no-torch
    """
    from dfanp_bench import growth as curves
    from dfanp_bench import report, suite

    from dfanp import DfanpError
    from dfanp.backend import usable_cores
    from dfanp.kernels import why_not
    from dfanp.problems import datasets

    def say(message):
        if not quiet:
            click.echo(message, err=True)

    if growth:
        torch = False
    if torch and importlib.util.find_spec("torch") is None:
        raise DfanpError("PyTorch is not installed: pip install 'dfanp[bench]' (or leave it out: --no-torch)")
    for tier in tiers or ():
        if why_not(tier):
            raise DfanpError(f"the kernels {tier!r} cannot be used: {why_not(tier)}")
    name = datasets.resolve(data, data_dir)
    datasets.load(name, data_dir)  # a missing or damaged file is told here, not by each contestant
    plan = suite.Plan(
        data=name,
        data_dir=None if data_dir is None else str(datasets.expanded(data_dir).absolute()),
        threads=threads or usable_cores(),
        tiers=tiers or tuple(tier for tier in ON_CPU if why_not(tier) is None),
        opts=opts,
        rules=rules,
        rounds=rounds,
        torch=torch,
        **(QUICK if quick else {}),
    )
    result = report.begin(plan, quick)
    for measure in (curves.curves,) if growth else suite.MEASUREMENTS:
        result["measurements"].extend(measure(plan, say))
    if out is not None:
        for path in report.keep(result, out):
            say(f"wrote {path}")
    click.echo(json.dumps(result, allow_nan=False) if as_json else report.markdown(result))


@bench.command(context_settings={"show_default": True})
@click.option("--data", type=Name(["auto", *NAMES]), default="auto", help="auto: MNIST where it is, else the digits.")
@data_dir
@click.option("--opt", "opts", type=Names(GPU_OPTS), default=",".join(GPU_OPTS), help="Optimizers, such as sgd,adam.")
@click.option(
    "--method", "rules", type=Names(["bp", "dfa"]), default="dfa,bp", help="Learning rules, such as dfa,bp."
)
@click.option("--rounds", type=click.IntRange(1, 1000), default=5, help="Turns that each contestant takes.")
@click.option("--torch/--no-torch", default=True, help="Whether PyTorch takes part.")
@click.option(
    "--only",
    type=Names(["ceilings", "training", "grid", "figures"]),
    default="ceilings,training,grid,figures",
    help="What to measure.",
)
@click.option("--quick", is_flag=True, help="A few steps: whether it works, not how fast it is.")
@click.option("--out", type=click.Path(file_okay=False), metavar="DIR", help="Write the JSON here.")
@as_json
@click.option("--quiet", is_flag=True, help="Nothing on stderr but errors.")
def gpu(data, data_dir, opts, rules, rounds, torch, only, quick, out, as_json, quiet):
    """Time steps and epochs of 1, 8 and 64 replicas on the GPU, the card's ceilings, a sweep and the figures.

    \b
    Examples:
      dfanp bench gpu --opt rmsprop --method dfa --only ceilings,training
      dfanp bench gpu --out bench/results
    """
    from dfanp_bench import gpu as suite

    from dfanp import Backend, DfanpError
    from dfanp.problems import datasets

    say = lambda text: None if quiet else click.echo(text, err=True)
    Backend("gpu")  # says why there is none
    if torch and importlib.util.find_spec("torch") is None:
        raise DfanpError("PyTorch is not installed: pip install 'dfanp[bench]' (or leave it out: --no-torch)")
    name = datasets.resolve(data, data_dir)
    datasets.load(name, data_dir)
    folder = None if data_dir is None else str(datasets.expanded(data_dir).absolute())
    chosen = {"opts": opts, "rules": rules, "rounds": rounds, "torch": torch}
    plan = suite.Plan(name, folder, **chosen, **(QUICK_GPU if quick else {}))
    result = suite.begin(plan, quick)
    for measure in suite.MEASUREMENTS:
        if measure.__name__ in only:
            result["measurements"].extend(measure(plan, say))
            if out is not None:  # each time: a long measurement that is cut off keeps what it has
                path = suite.keep(result, out)
    if out is not None:
        say(f"wrote {path}")
    click.echo(json.dumps(result, allow_nan=False) if as_json else suite.markdown(result))


@bench.command(context_settings={"show_default": True})
@click.option("--data", type=Names(list(NAMES)), default="digits", help="Data sets, such as digits,mnist.")
@data_dir
@click.option("--epochs", type=click.IntRange(min=1), default=20, help="Of each.")
@click.option("--rounds", type=click.IntRange(1, 1000), default=3, help="Turns that each contestant takes.")
@click.option("--out", type=click.Path(file_okay=False), metavar="DIR", help="Write the JSON here.")
@as_json
@click.option("--quiet", is_flag=True, help="Nothing on stderr but errors.")
def estimator(data, data_dir, epochs, rounds, out, as_json, quiet):
    """Fit DFAClassifier beside scikit-learn's MLPClassifier: accuracy and times.

    \b
    Example: dfanp bench estimator --data digits,mnist --epochs 5
    """
    from dfanp_bench import estimator as suite

    say = lambda text: None if quiet else click.echo(text, err=True)
    result = suite.begin()
    for name in data:
        result["measurements"].append(suite.measure(name, data_dir, epochs, rounds, say))
    if out is not None:
        say(f"wrote {suite.keep(result, out)}")
    click.echo(json.dumps(result, allow_nan=False) if as_json else suite.markdown(result))


@bench.command(context_settings={"show_default": True})
@click.option("--kills", type=click.IntRange(1, 100_000), default=500, help="How many.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of the moments.")
@click.option("--quiet", is_flag=True, help="Nothing on stderr but errors.")
def kills(kills, seed, quiet):
    """Kill sweeps with SIGKILL at random moments, go on with them, and compare what they leave behind.

    Takes about two seconds a kill. The exit code is 1 if a sweep came out otherwise than an undisturbed one.

    \b
    Example: dfanp bench kills --kills 50 --seed 7
    """
    from dfanp_bench.kills import Different, report, survive

    from dfanp import DfanpError

    say = lambda text: None if quiet else click.echo(text, err=True)
    try:
        click.echo(report(survive(kills, seed=seed, say=say)))
    except Different as error:
        raise DfanpError(str(error)) from None


@bench.command(context_settings={"show_default": True})
@click.option("--data", type=Name(["auto", *NAMES]), default="auto", help="auto: MNIST where it is, else the digits.")
@data_dir
@click.option("--runs", type=click.IntRange(2, 10_000), default=16, help="Of the sweep that is timed.")
@click.option("--epochs", type=click.IntRange(min=1), default=5, help="Of each.")
@click.option("--tiny", type=click.IntRange(21, 100_000), default=1000, help="Runs that measure the overhead.")
@click.option("--workers", type=click.IntRange(1, 1024), default=2, help="Processes that train.")
@click.option("--rounds", type=click.IntRange(1, 1000), default=3, help="Turns that each side takes.")
@click.option("--out", type=click.Path(file_okay=False), metavar="DIR", help="Write the JSON here.")
@as_json
@click.option("--quiet", is_flag=True, help="Nothing on stderr but errors.")
def sweeps(data, data_dir, out, as_json, quiet, **sizes):
    """Time what a sweep costs beyond its training, and how much faster it is than its runs one after another.

    \b
    Example: dfanp bench sweeps --data digits --tiny 100
    """
    from dfanp_bench import sweeps as suite

    from dfanp.problems import datasets

    say = lambda text: None if quiet else click.echo(text, err=True)
    name = datasets.resolve(data, data_dir)
    datasets.load(name, data_dir)
    result = suite.measure(name, data_dir, say=say, **sizes)
    if out is not None:
        say(f"wrote {suite.keep(result, out)}")
    click.echo(json.dumps(result, allow_nan=False) if as_json else suite.markdown(result))
