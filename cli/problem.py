"""`dfanp NAME`: a command for each problem, derived from the class of its settings."""

import contextlib
import inspect
import os
from dataclasses import MISSING, replace
from functools import cache

import click

from dfanp.problems import PROBLEMS
from dfanp.problems.fields import settings_of

from .configured import config, hidden_settings
from .derived import lists_of, options_of
from .options import options, plugin, usage_errors
from .running import checked_files, run_options, train

FILES = """
Files: --out saves a run in DIR: config.json (its settings, the SHA-256 of its data, versions), log.jsonl (one line
per epoch and seed), timings.jsonl and checkpoint.npz. The same command resumes it, and ends with the same bytes as if
it had never stopped; a larger --epochs continues it. Fewer epochs than it has, or other settings, are refused."""
DATA = " MNIST is read from --data-dir or from the cache (see `dfanp data`)."
NO_MNIST = "          (no MNIST found: `dfanp data fetch mnist` downloads it, --data-dir names a folder that has it)"
REST = """
Output: a table with one row per seed, and with --repeats the mean and its 95 % interval; with --json one object:
config, environment, runs, summary. On stderr the data, the learning rate, the device and the progress.

Exit status: 1 if the run diverged (its loss is not finite).
"""


def problems(words=(), silent=False):
    """Return name -> class of settings of each problem, those of plugins included.

    Args:
        words: of a command line, which may name plugins; DFANP_PLUGINS names others.
        silent: whether to skip plugins that fail.
    """
    if os.environ.get("DFANP_PLUGINS") or any(word.startswith("--plugin") for word in words):
        reads = {"ignore_unknown_options": True, "allow_extra_args": True}
        loads = click.command(add_help_option=False, context_settings=reads)(plugin(lambda: None))
        with contextlib.suppress(Exception) if silent else contextlib.nullcontext():
            loads.make_context("dfanp", list(words))
    return dict(PROBLEMS)


def summary(kind):
    """Return the summary of its command."""
    return f"Train on {kind.about}."


def examples(kind, command):
    """Return a paragraph of examples: those of the problem that begin with `command`, or else `command` itself."""
    lines = [line for line in kind.examples if line.startswith(f"{command} ")] or [command]
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def command(kind):
    """Return the command that trains one run of the problem of a class of settings."""
    return command_of(tuple(PROBLEMS.variants(kind)))


@cache
def command_of(variants):
    """Return the command for the classes of settings of a problem; plugins may add classes."""
    kind, *_ = variants
    parts = (
        inspect.cleandoc(kind.__doc__),
        examples(kind, f"dfanp {kind.name}"),
        FILES.strip() + DATA * ("data" in settings_of(kind) and not settings_of(kind)["data"].positional),
        REST.strip(),
        f"See also: dfanp tune {kind.name}, dfanp report, dfanp represent, dfanp export, dfanp plot.",
    )
    rate = settings_of(kind)["lr"].default
    rates = {} if rate is MISSING else {"lr": f"{rate:g}"}
    given = options(*options_of(kind, **rates), config, plugin, *run_options)
    made = click.command(kind.name, help="\n\n".join(parts), context_settings={"show_default": True})
    return made(given(lambda **given: run(kind, **given)))


def run(kind, out, threads, plot, as_json, quiet, data_dir=None, **given):
    """Train the run that the options describe; return the exit code."""
    from dfanp.settings import made

    def say(message):
        if not quiet:
            click.echo(message, err=True)

    plot = checked_files(out, plot)
    with usage_errors():
        lists = kind.decided(lists_of(kind, given), data_dir)
        for name, values in lists.items():
            if len(values) > 1:
                raise ValueError(f"{given[name]!r} is {len(values)} values of {name}; use `dfanp tune {kind.name}`")
        settings = made(
            kind, **{"lr": 1.0} | {name: values[0] for name, values in (lists | hidden_settings()).items()}
        )
    dataset = settings.dataset(data_dir)
    for subject, text in settings.about_data(data_dir):
        say(f"{subject:10}{text}")
    if given.get("data") == "auto" and settings.data == "digits":
        say(NO_MNIST)
    source = "given"
    if not lists.get("lr"):
        with usage_errors():
            lr, source = settings.starting_rate()
            settings = replace(settings, lr=lr)
    say(f"lr        {settings.lr:g} ({source})")
    return train(settings, out, threads, dataset, plot, as_json, quiet)
