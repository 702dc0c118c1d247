"""Command lines made of bytes, run in this process at sizes that cost little."""

import contextlib
import io
import os
import re
import sys
import traceback
import warnings
from functools import cache
from pathlib import Path
from unittest import mock

import click
import matplotlib.font_manager  # lists the fonts there are in a file of the user's
from dfanp_cli import main

import dfanp
from dfanp import plugins, registry
from dfanp.analysis import probes
from dfanp.experiments import published, reproduce  # noqa: F401  (they register what they have once)
from dfanp.problems import datasets
from dfanp.reports import charts, plots

from . import seeds

FORGED = ("runs/one/config.json", "runs/one/log.jsonl", "tuned/store.jsonl", "plugin.py")
# Bytes that are no words: a text of arbitrary bytes follows, its length first; the next word is a part of this one.
TEXT, JOIN = 255, 254
VALUES = (
    "", "-", "--", "0", "1", "2", "3", "-1", "0.5", "1e-3", "1e999", "nan", "inf", "true", "1,2", "1:2:2", "log:1e-3:1:2", "1:2:", "log:0:1:2",
    ",", "/", "2/3,2", "99999999999999999999", "1e-400", "é", "\n", "~", "~nobody", ".", "..", "../outside", "/", "\0", "auto", "all", "output",
    "random", "thesis", "balanced", "0110", "011110100", "bp", "fa", "dfa", "ntk", "fourier", "linear", "sgd", "adam", "adam:count=epochs",
    "rmsprop:eps=1e-4", "momentum:momentum=0.9", "adadelta", "uniform", "orthogonal", "relu", "tanh", "identity", "float32", "float64", "numpy",
    "native", "cpu", "gpu", "digits", "mnist", "probe", "published", "held-out", "tsne", "pca", "epoch", "lr", "method=dfa", "lr=0.5", "k=2", "x",
    "seed", "method,opt", "runs/one", "runs/two", "tuned", "runs/one/checkpoint.npz", "a.png", "a.svg", "a.pdf", "a.npz", "a.safetensors", "none/a.png",
    "=", ":", "new", "new/deeper", "plugin.py", "signs",
)  # fmt: skip
# Where a command may work, it works on no more than this; what is parsed before that may be as large as it likes.
MOST = {
    "k": 3, "train_size": 12, "test_size": 50, "epochs": 2, "hidden": 4, "repeats": 3, "n": 12, "d": 5, "c": 3, "test_points": 10,
    "samples": 60, "batch_size": 12, "threads": 2, "workers": 1, "updates": 3,
}  # fmt: skip
FIXED = {"cluster": None, "kind": "pca"}  # nothing is started elsewhere; t-SNE takes a second
IDLE = ("bench", "figure", "reproduce", "published", "fetch")  # parsed only: they take minutes, or the network


def leaves(command):
    """Yield each command that is no group."""
    if not isinstance(command, click.Group):
        yield command
        return
    with click.Context(command) as context:
        for name in command.list_commands(context):
            yield from leaves(command.get_command(context, name))


@cache
def words():
    """Return the dictionary, at most 254 words: commands, options, values."""
    with click.Context(main.cli) as context:
        groups = [command for command in main.cli.list_commands(context) if command != "bench"]
    options = {
        text for leaf in leaves(main.cli) for each in leaf.params for text in (*each.opts, *each.secondary_opts)
    }
    found = [
        *groups,
        "list",
        "fetch",
        *sorted(text for text in options if text.startswith("-")),
        "--help",
        "--version",
    ]
    found = list(dict.fromkeys([*found, *VALUES]))
    assert len(found) <= JOIN, f"{len(found)} words do not fit into a byte"
    return found


def words_of(data):
    """Return the command line that bytes stand for."""
    found, place, joined = [], 0, False
    while place < len(data):
        number, place = data[place], place + 1
        if number == JOIN and found:
            joined = True
            continue
        if number == TEXT and place < len(data):
            length = data[place]
            text = data[place + 1 : place + 1 + length].decode("utf-8", "surrogateescape")
            place += 1 + length
        else:
            text = words()[number % len(words())]
        text = text.replace("\0", "")  # no system passes one on
        found = [*found[:-1], found[-1] + text] if joined else [*found, text]
        joined = False
    return found


def bytes_of(line):
    """Return bytes that stand for a command line, a text of words parted by spaces."""
    coded = b""
    for word in line.split():
        for joined, part in enumerate(re.split("(?<==)", word, maxsplit=1)):
            place = words().index(part) if part in words() else None
            text = part.encode()
            coded += (bytes([JOIN]) if joined else b"") + (
                bytes([TEXT, len(text)]) + text if place is None else bytes([place])
            )
    return coded


def small(name, value):
    """Return the value of an option, no larger than MOST has it: a number, a list, or (for grids) a list of lists."""
    if isinstance(value, tuple):
        return tuple(dict.fromkeys(small(name, each) for each in value[:2]))
    most = MOST.get(name)
    return min(value, most) if most and isinstance(value, int) else FIXED.get(name, value)


def tamed(callback, idle):
    def call(**given):
        if not idle:
            # Those of numba would be compiled first.
            kernels = {"kernels": "native"} if given.get("kernels") == "numba" else {}
            return callback(**{name: small(name, value) for name, value in given.items()} | kernels)

    return call


def run_if_ours(code, scope):
    """Run the plugin of the seeds; of any other no more is asked than whether it is Python: it may do what it likes."""
    if Path(code.co_filename).read_bytes() == seeds.PLUGIN:
        exec(code, scope)


def compile_quietly(*source):
    """Compile a plugin; what Python warns of there is its author's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return compile(*source)


@contextlib.contextmanager
def forgetting_plugins():
    """After the block only those names are registered that were before."""
    before, loaded = registry.registered(), dict(plugins.LOADED)
    try:
        yield
    finally:
        registry.restore(before)
        plugins.LOADED.clear()
        plugins.LOADED.update(loaded)


@contextlib.contextmanager
def tame():
    """Within the block each command works on little, keeps the digits in memory, and waits for no disk."""
    matplotlib.get_configdir()  # made at the first picture, wherever the user has it: before anything is watched
    with contextlib.ExitStack() as stack:
        for leaf in leaves(main.cli):
            idle = leaf.name in IDLE or leaf.callback.__module__.rpartition(".")[2] in IDLE
            stack.enter_context(mock.patch.object(leaf, "callback", tamed(leaf.callback, idle)))
        stack.enter_context(mock.patch.object(datasets, "embedded_digits", cache(datasets.embedded_digits)))
        stack.enter_context(mock.patch.object(os, "fsync", lambda descriptor: None))
        stack.enter_context(mock.patch.multiple(plugins, create=True, exec=run_if_ours, compile=compile_quietly))
        yield


@contextlib.contextmanager
def drawn_by(data):
    """Within the block pictures are drawn for one input of eight: each takes as long as all the rest."""
    with contextlib.ExitStack() as stack:
        if sum(data) % 8:
            for name in ("draw_run", "draw_rates", "draw_maps"):
                stack.enter_context(mock.patch.object(plots, name, lambda *_, **__: None))
            stack.enter_context(mock.patch.object(charts, "draw", lambda *_, **__: None))
            stack.enter_context(mock.patch.object(probes, "plane", lambda *_, **__: None))
        yield


def refused(error):
    """Do what the command line does with a ValueError that dfanp raises; raise one that came about otherwise, a fault of dfanp."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    ours = any(Path(last.filename).is_relative_to(Path(each.__file__).parent) for each in (dfanp, main))
    if not ours or not last.line.startswith("raise "):
        raise error
    return REFUSED(error)


REFUSED = main.refused


def run_words(line, folder):
    """Run a command line in `folder`; an AssertionError unless it ends as commands do. Return its exit code."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
    with (
        contextlib.chdir(folder),
        mock.patch.multiple(sys, stdout=out, stderr=err),
        mock.patch.object(main, "refused", refused),
    ):
        code = main.run(line)
        for stream in (out, err):
            stream.flush()
    printed = [stream.buffer.getvalue().decode("utf-8") for stream in (out, err)]
    assert code in (0, 1, 2), f"exit code {code}"
    assert not any("Traceback" in text for text in printed), printed
    last = printed[1].splitlines()[-1:]
    assert code != 2 or (last and last[0].startswith("dfanp: ")), f"exit code 2, and no complaint: {printed}"
    return code


def run_command(data, folder):
    """A command line, in a folder that has two runs, a sweep and a plugin; after BREAK BREAK each follow files of them that are forged.

    Return the exit code.
    """
    coded, *forged = data.split(seeds.BREAK * 2)
    line = words_of(coded)
    if any(part in word for word in line for part in ("run", "tuned", "plugin")) or "." in line:
        files = seeds.kept() | dict(zip(FORGED, forged, strict=False))
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    with drawn_by(data), forgetting_plugins():
        return run_words(line, folder)
