"""`dfanp tune`: a sweep over grids of settings, and the best of them."""

import inspect
import json
import math
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from textwrap import indent

import click

from dfanp.measures import LAST

from .configured import config, problem_in
from .derived import GENERAL, command_for, flags, lists_of, options_of, type_of
from .guide import SWEEP_FILE
from .helping import LazyGroup
from .live import header
from .names import Name
from .options import Whole, drawing, option, options, plugin, usage_errors
from .problem import PROBLEMS, examples, problems, settings_of
from .sweeping import OPTIONS, follow
from .terminal import echo, wrapped
from .tuned import evaluation, fresh_seeds, measured_on, summary_of, table

MOST = 100_000  # runs of a sweep
EVALUATED = "evaluated"  # the folder in --out with the runs of fresh seeds
AROUND = (0.25, 0.5, 1.0, 2.0, 4.0)  # multiples of the default rate: the grid without --lr
LISTS = """
A LIST is one value, several (--lr 0.001,0.01), or a range start:stop:count, both ends included (--epochs 1:5:5;
logarithmic: --lr log:1e-4:1e-1:8). The layers of a network are separated by hyphens: --hidden 256,512-512 has two
networks, of one and of two layers. Without hyphens --hidden 256,512 is one network of two layers, as in `dfanp
parity`, and 256/512 two of one layer; what was understood is printed first. For each combination of the other
settings the best learning rate is found, by the mean accuracy of the last epochs; with five seeds or more by the lower
end of the 95 % interval of that mean.
"""
REST = """
Files: in --out, store.jsonl (one line per finished run), timings.jsonl, failures.jsonl, progress/ (checkpoints of
unfinished runs), and with --keep checkpoints/; the same of the fresh seeds in evaluated/. The same command resumes
the sweep; a larger grid trains only its new runs.

Output: a table of all rates and one of the best, with remarks: the best lies at the edge of the grid, or its seeds do
not separate it from the rate beside it (paired differences). Then the command that trains the best with fresh seeds, on the
test images where rates were chosen on held-out ones, and what --evaluate found there. With --json one object: best, failed.
Progress on stderr.

Exit status: 1 if a run diverged or failed; the other runs are finished and saved. 130 after Ctrl-C or SIGTERM; the first
lets the running epochs end.
"""
repeats = option(
    *flags("repeats"),
    type=type_of(GENERAL["repeats"]),
    default=1,
    help="Number of seeds of each setting, counted from each --seed.",
)
score = option(
    "--score",
    type=Name(["held-out", "published"]),
    default="held-out",
    help="Test on held-out training images, or, as published, on the test images.",
)
evaluate = option(
    "--evaluate",
    type=Whole(0, 1000),
    help="Train the best of each combination with this many fresh seeds, not held out.  [default: --repeats, if above 1]",
)
last = option("--last", type=Whole(min=1), default=LAST, help="Number of last epochs whose mean is the score.")
halving = option(
    "--halving", type=Whole(min=2), help="Train in stages; in each, continue with one in this many rates."
)


def summary(kind):
    """Return the summary of the command of a problem."""
    return f"Find the best setting for {kind.about}."


def summaries(words, silent):
    """Return name -> summary, of the command of each problem."""
    return {name: summary(kind) for name, kind in problems(words[1:], silent).items()}


class FromFile(LazyGroup):
    """A group whose commands may be named by a file of settings that says which problem it has."""

    def resolve_command(self, ctx, args):
        if args[0].endswith((".toml", ".json")) and not ctx.resilient_parsing:
            args = [problem_in(args[0]), "--config", *args]
        return super().resolve_command(ctx, args)


@click.group(
    cls=FromFile,
    help=f"""Find the best setting on a grid; the sweep survives interrupts, crashes and a full disk.

A TOML file may hold the whole command, its options as keys: `dfanp tune FILE.toml`.

\b
Example of a file:
{indent(SWEEP_FILE, "  ")}""",
    load=lambda name: command(PROBLEMS[name]) if name in PROBLEMS else None,
    summaries=summaries,
)
def tune():
    """The group of the commands that run sweeps."""


def command(kind):
    """Return the command that runs sweeps of the problem of a class of settings."""
    return command_of(tuple(PROBLEMS.variants(kind)))


@cache
def command_of(variants):
    """Return the command for the classes of settings of a problem: see ``problem.command_of``."""
    kind, *_ = variants
    parts = (
        summary(kind),
        LISTS.strip(),
        *inspect.cleandoc(kind.__doc__).split("\n\n")[1:],
        examples(kind, f"dfanp tune {kind.name}"),
        REST.strip(),
        f"See also: dfanp results, dfanp plot, dfanp {kind.name}.",
    )
    lists = options_of(kind, grid=True, without=("repeats",), lr=f"five around the one of `dfanp {kind.name}`")
    given = options(
        *lists,
        config,
        plugin,
        repeats,
        *[score] * ("held_out" in settings_of(kind)),
        last,
        halving,
        evaluate,
        *OPTIONS,
    )
    made = click.command(kind.name, help="\n\n".join(parts), context_settings={"show_default": True})
    return made(given(lambda **given: sweep(kind, **given)))


def sweep(kind, repeats, data_dir=None, score=None, **given):
    """Run the sweep that the options describe; return the exit code."""
    from dfanp.settings import made

    lists = lists_of(kind, given, grid=True)
    others = {name: value for name, value in given.items() if name not in lists}
    with usage_errors():
        lists = kind.decided(lists | ({} if score is None else {"held_out": [score == "held-out"]}), data_dir)
        seeds, rates = (lists.pop(name, None) for name in ("seed", "lr"))
        base = made(kind, lr=1.0, **{name: values[0] for name, values in lists.items()})
    return run(base, lists, rates, seeds, repeats, data_dir, **others)


def run(
    base, lists, rates, seeds, repeats, data_dir, last, halving, evaluate, out, workers, threads, cluster, keep, plot,
    as_json, quiet,
):  # fmt: skip
    """Run the sweep of the settings `base` over `lists`, rates and seeds, print the best; return the exit code."""
    from dfanp.reports import plots
    from dfanp.sweeps import grids, tuning
    from dfanp.sweeps.sweep import Sweep

    if len(lists["epochs"]) > 1 and halving:
        raise click.UsageError("--halving takes a single --epochs")
    runs = math.prod([len(seeds) * repeats, len(rates or AROUND), *map(len, lists.values())])
    if runs > MOST:
        raise click.UsageError(f"that is a sweep of {runs} runs, more than {MOST}")
    seeds = sorted({one + i for one in seeds for i in range(repeats)})
    around = lambda shape: [rounded(shape.starting_rate().lr * times) for times in AROUND]
    make = lambda runs, folder=out: Sweep(runs, folder, workers, threads, data_dir, keep, cluster)
    failed = False
    with usage_errors():
        plot = plot and plots.checked_file(plot)
        settings = [
            each
            for shape in grids.product(base, **lists)
            for one in grids.product(shape, lr=list(rates or around(shape)))
            for each in grids.product(one, seed=seeds)
        ]
        rungs = tuning.halving(settings, halving, last, make) if halving else iter([make(settings)])
    for stage, sweep in enumerate(rungs):
        with sweep:
            head = head_of(sweep, base, lists, seeds, out, data_dir) if stage == 0 else []
            if halving:
                which = f"the best one in {halving} of each setting" if stage else "all rates"
                head += [f"stage {stage + 1}   {which}, {sweep.settings[0].epochs} epochs each"]
            failed = follow(sweep, out, quiet, head) or failed
            results, lost = sweep.results(), list(failures_of(sweep).values())
    best = summary_of(results, last)
    count = (repeats if repeats > 1 else 0) if evaluate is None else evaluate
    fresh = [fresh_seeds(each, seeds, count or repeats, out) for each in best]
    if count and any(fresh):
        with make([one for some in fresh for one in some], Path(out) / EVALUATED) as sweep:
            head = [f"the best with {count} fresh seed{'s' * (count > 1)} each"] if sweep.pending else ()
            failed = follow(sweep, out, quiet, head) or failed
            lost += failures_of(sweep).values()
            evaluated = {result.key: result for result in sweep.results()}
        for each, some in zip(best, fresh, strict=True):
            each["evaluated"] = evaluation(some, evaluated, last)
    for each, some in zip(best, fresh, strict=True):
        each["command"] = command_for(replace(some[0], repeats=len(some))) if some else None
    try:
        if as_json:
            plain = [{name: value for name, value in each.items() if name != "winner"} for each in best]
            click.echo(json.dumps({"best": plain, "failed": lost}, allow_nan=False))
        else:
            echo(table(best, lost))
            epochs = min(last, max(lists["epochs"]))
            echo(wrapped(f"\nscore: mean {measured_on(results)} of the last {epochs} epochs; worst: of a seed"))
        sys.stdout.flush()
    finally:  # also when the reader of stdout has closed it
        if plot and results:
            found = tuning.candidates(results, last)
            with drawing(plot):
                plots.draw_rates(found, plot, tuning.measure_of(results), last)
    return 1 if failed or any(each["diverged"] for each in best) or lost else 0


def head_of(sweep, base, lists, seeds, out, data_dir):
    """Return the lines that say what a sweep of the settings `base` over `lists` is, and which data it has."""
    from dfanp.settings import settings_of

    own = settings_of(type(base))
    rates = dict.fromkeys(each.lr for each in sweep.settings)
    asked = {name: v for name, v in lists.items() if own[name].help and own[name].swept}
    asked |= {"lr": list(rates), "seed": seeds}
    several = {name: values for name, values in asked.items() if len(values) > 1}
    fixed = {
        name: v[0] for name, v in asked.items() if name not in several and (name == "lr" or v[0] != own[name].default)
    }
    return [
        *header(sweep, out, base.about, several, fixed),
        *(f"{subject:10}{text}" for subject, text in base.about_data(data_dir)),
    ]


def rounded(rate):
    return float(f"{rate:.3g}")


def failures_of(sweep):
    """Return key -> a line, for each run of a sweep that failed."""
    from dfanp.runs.store import failure, key_of

    keys = {key_of(each.config()) for each in sweep.settings}
    return {key: failure(config, why) for key, (config, why) in sweep.store.failures.items() if key in keys}
