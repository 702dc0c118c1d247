"""`dfanp bench`: the speed of training, compared with JAX, PyTorch, dense products and the method of the thesis."""

import importlib.util
import json
from pathlib import Path

import click

from .derived import data_set
from .helping import Group
from .names import Names
from .options import Place, PositiveNumber, Whole, Widths, as_json, data_dir, option, quiet, threads

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
QUICK = {"train_size": 40 * 128, "test_size": 1000, "steps": 40, "epochs": 50, "networks": 2}


class Replicas(Widths):
    """Numbers of replicas, such as 1,64."""

    name = "numbers"


@click.group(cls=Group)
def bench():
    """Measure how fast this machine trains, against named peers in the same run."""


@bench.command(context_settings={"show_default": True})
@data_set
@data_dir
@option(
    "--opt", "--optimizer", "opts", type=Names(OPTS), default=",".join(OPTS), help="Optimizers, such as sgd,adam."
)
@option(
    "--method",
    "--rule",
    "rules",
    type=Names(table="rules.RULES"),
    default="dfa,bp",
    help="Learning rules, such as dfa,bp.",
)
@option("--tiers", type=Names(table="kernels.ON_CPU"), help="Kernels, such as native,numpy.  [default: all usable]")
@option("--rounds", type=Whole(1, 1000), default=5, help="Number of rounds; each candidate runs once per round.")
@threads("Number of threads of each candidate.  [default: every core]")
@option("--torch/--no-torch", default=True, help="Include PyTorch and the method of the thesis.")
@option("--jax/--no-jax", default=None, help="Include JAX.  [default: if it is installed]")
@option(
    "--growth", is_flag=True, help="Measure how the cost of a step grows with each size, instead of the comparison."
)
@option("--quick", is_flag=True, help="Take a few steps only, to check that everything works.")
@option("--out", type=Place("dir"), metavar="DIR", help="Write JSON and pictures to this folder.")
@as_json
@quiet
def cpu(data, data_dir, opts, rules, tiers, rounds, threads, torch, jax, growth, quick, out, as_json, quiet):
    """Time epochs, steps, replicas, start and memory on the CPU; prints Markdown tables.

    \b
    Examples:
      dfanp bench cpu --opt rmsprop --method dfa
      dfanp bench cpu --growth --no-torch --out bench/results
      dfanp bench cpu --quick --no-torch --no-jax

    Each candidate runs in its own process, and the candidates take turns. The tables show medians of the rounds.

    Files: in --out, cpu.json (or growth.json) and pictures.

    Output: tables in Markdown; with --json one object: the machine, versions, every measurement. Progress on stderr.

    See also: dfanp bench gpu, dfanp info.
    """
    from dfanp_bench import growth as curves
    from dfanp_bench import report, suite

    from dfanp import DfanpError
    from dfanp.backend import usable_cores
    from dfanp.kernels import ON_CPU, why_not
    from dfanp.problems import datasets

    def say(message):
        if not quiet:
            click.echo(message, err=True)

    if growth:
        torch = jax = False
    if jax is None:
        jax = importlib.util.find_spec("jax") is not None
    elif jax and importlib.util.find_spec("jax") is None:
        raise DfanpError("JAX is not installed: pip install 'dfanp[bench]' (or leave it out: --no-jax)")
    if torch and importlib.util.find_spec("torch") is None:
        raise DfanpError("PyTorch is not installed: pip install 'dfanp[bench]' (or leave it out: --no-torch)")
    for tier in tiers or ():
        if why_not(tier):
            raise DfanpError(f"the kernels {tier!r} cannot be used: {why_not(tier)}")
    name = datasets.resolve(data, data_dir)
    datasets.load(name, data_dir)  # a missing or damaged file is an error here, not in each candidate
    plan = suite.Plan(
        data=name,
        data_dir=None if data_dir is None else str(datasets.expanded(data_dir).absolute()),
        threads=threads or usable_cores(),
        tiers=tiers or tuple(tier for tier in ON_CPU if why_not(tier) is None),
        opts=opts,
        rules=rules,
        rounds=rounds,
        torch=torch,
        jax=jax,
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
@data_set
@data_dir
@option(
    "--opt",
    "--optimizer",
    "opts",
    type=Names(GPU_OPTS),
    default=",".join(GPU_OPTS),
    help="Optimizers, such as sgd,adam.",
)
@option(
    "--method", "--rule", "rules", type=Names(["bp", "dfa"]), default="dfa,bp", help="Learning rules, such as dfa,bp."
)
@option("--rounds", type=Whole(1, 1000), default=5, help="Number of rounds; each candidate runs once per round.")
@option("--torch/--no-torch", default=True, help="Include PyTorch.")
@option(
    "--only",
    type=Names(["ceilings", "training", "grid", "figures"]),
    default="ceilings,training,grid,figures",
    help="Measurements to take.",
)
@option(
    "--time", "whats", type=Names(["steps", "epoch"]), default="steps,epoch", help="What to time of the training."
)
@option("--replicas", type=Replicas(1, 4096), default="1,8,64", help="Numbers of replicas, such as 1,64.")
@option("--first", is_flag=True, help="The first minutes on a card: is it right, and how fast; all within --limit.")
@option("--limit", type=PositiveNumber(), default=10, metavar="MINUTES", help="Minutes that --first may take.")
@option("--quick", is_flag=True, help="Take a few steps only, to check that everything works.")
@option("--out", type=Place("dir"), metavar="DIR", help="Write the JSON to this folder.  [--first: gpu-first]")
@as_json
@quiet
def gpu(data, data_dir, opts, rules, rounds, torch, only, whats, replicas, first, limit, quick, out, as_json, quiet):
    """Time steps and epochs of 1, 8 and 64 replicas on the GPU, the card's ceilings, a sweep and the figures.

    --first is for a card that dfanp has not run on: what the kernels compute, compared with the CPU; times; compute-sanitizer, where
    it is installed; PyTorch with CUDA graphs; JAX; the tests. A part that fails or hangs costs no more than its share of the time.

    \b
    Examples:
      dfanp bench gpu --first --limit 10 --out first
      dfanp bench gpu --opt rmsprop --method dfa --only training --time steps --replicas 1,64
      dfanp bench gpu --out bench/results

    Files: in --out, gpu-CARD.json, written again after each measurement, and gpu.log with what the candidates print; of --first,
    first.jsonl, one line per result as soon as it exists, and first.log.

    Output: tables in Markdown; with --json one object (of --first a list). Progress on stderr.

    Exit status: 1 if no GPU can be used (stderr gives the reason), or if --first finds something wrong.

    See also: dfanp bench cpu, dfanp info.
    """
    from dfanp_bench import first as first_minutes
    from dfanp_bench import gpu as suite

    from dfanp import Backend, DfanpError
    from dfanp.problems import datasets

    say = lambda text: None if quiet else click.echo(text, err=True)
    Backend("gpu")  # raises if there is none
    if torch and not first and importlib.util.find_spec("torch") is None:
        raise DfanpError("PyTorch is not installed: pip install 'dfanp[bench]' (or leave it out: --no-torch)")
    name = datasets.resolve(data, data_dir)
    datasets.load(name, data_dir)
    folder = None if data_dir is None else str(datasets.expanded(data_dir).absolute())
    if first:
        settings = {"data": name, "data_dir": folder, "device": "gpu", "quick": quick, "width": 512}
        results = first_minutes.run(settings, limit, out or "gpu-first", say)
        click.echo(json.dumps(results) if as_json else first_minutes.markdown(results))
        if not first_minutes.right(results):
            raise DfanpError(f"something is wrong on this card: see {out or 'gpu-first'}/first.jsonl")
        return
    chosen = {"opts": opts, "rules": rules, "rounds": rounds, "torch": torch, "whats": whats, "replicas": replicas}
    if out is not None:
        Path(out).mkdir(parents=True, exist_ok=True)
        chosen["log"] = str(Path(out) / "gpu.log")
    plan = suite.Plan(name, folder, **(chosen | (QUICK_GPU if quick else {})))
    result = suite.begin(plan, quick)
    for measure in suite.MEASUREMENTS:
        for each in measure(plan, say) if measure.__name__ in only else ():
            result["measurements"].append(each)
            if out is not None:  # after each, so that an interrupt loses only the measurement that it cuts off
                path = suite.keep(result, out)
    if out is not None:
        say(f"wrote {path}")
    click.echo(json.dumps(result, allow_nan=False) if as_json else suite.markdown(result))


@bench.command(context_settings={"show_default": True})
@option(
    "--data", type=Names(table="problems.datasets.NAMES"), default="digits", help="Data sets, such as digits,mnist."
)
@data_dir
@option("--epochs", type=Whole(min=1), default=20, help="Number of epochs of each fit.")
@option(
    "--rounds",
    type=Whole(1, 1000),
    default=3,
    help="Number of rounds, each with another seed; each candidate runs once per round.",
)
@option("--out", type=Place("dir"), metavar="DIR", help="Write the JSON to this folder.")
@as_json
@quiet
def estimator(data, data_dir, epochs, rounds, out, as_json, quiet):
    """Compare DFAClassifier with scikit-learn's MLPClassifier: accuracy and times.

    \b
    Example: dfanp bench estimator --data digits,mnist --epochs 5

    Files: in --out, estimator.json.

    Output: a table in Markdown; with --json one object. Progress on stderr.

    See also: dfanp bench cpu.
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
@option("--kills", type=Whole(1, 100_000), default=500, help="Number of kills.")
@option("--seed", type=Whole(min=0), default=0, help="Seed of the random moments.")
@quiet
def kills(kills, seed, quiet):
    """Kill sweeps with SIGKILL at random moments, resume them, and compare the results with an undisturbed sweep.

    Half of the kills hit only the command; its workers must then end by themselves. Takes about one second per kill.

    \b
    Example: dfanp bench kills --kills 50 --seed 7

    Output: the numbers of sweeps and kills, and what the kills hit. Progress on stderr.

    Exit status: 1 if the results of a sweep differ from those of an undisturbed one, or if a worker did not end.

    See also: dfanp tune, dfanp bench sweeps.
    """
    from dfanp_bench.crash_test import Different, report, survive

    from dfanp import DfanpError

    say = lambda text: None if quiet else click.echo(text, err=True)
    try:
        click.echo(report(survive(kills, seed=seed, say=say)))
    except Different as error:
        raise DfanpError(str(error)) from None


@bench.command(context_settings={"show_default": True})
@data_set
@data_dir
@option("--runs", type=Whole(2, 10_000), default=16, help="Number of runs of the sweep that is timed.")
@option("--epochs", type=Whole(min=1), default=5, help="Number of epochs of each run.")
@option("--tiny", type=Whole(21, 100_000), default=1000, help="Number of tiny runs that measure the overhead.")
@option("--workers", type=Whole(1, 1024), default=2, help="Number of worker processes.")
@option("--rounds", type=Whole(1, 1000), default=3, help="Number of rounds; each side runs once per round.")
@option("--out", type=Place("dir"), metavar="DIR", help="Write the JSON to this folder.")
@as_json
@quiet
def sweeps(data, data_dir, out, as_json, quiet, **sizes):
    """Time the overhead of a sweep, and its speedup over running its runs one after another.

    \b
    Example: dfanp bench sweeps --data digits --tiny 100

    Files: in --out, sweeps.json.

    Output: tables in Markdown; with --json one object. Progress on stderr.

    See also: dfanp tune, dfanp bench kills.
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
