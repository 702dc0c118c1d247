"""What a sweep costs beyond its training, and what it gains: results in ``sweeps.json``."""

import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from time import perf_counter

from dfanp.experiments.rates import default_rate
from dfanp.runs.store import Result, Store, key_of
from dfanp.settings import ParitySettings
from dfanp.sweeps import grids
from dfanp.sweeps.sweep import Sweep

from .interleave import speedup, summary
from .report import machine, rows, seconds

try:
    import resource
except ImportError:  # Windows
    resource = None

FLAT = 20  # runs after which memory should grow no more


def overhead(runs):
    """Return the measurement of tiny runs, not joined: time beyond their training, memory, and reading them back."""
    settings = grids.product(
        ParitySettings(lr=0.01, k=1, hidden=(2,), epochs=1, data="digits", opt="sgd"),
        weight_decay=[i * 1e-9 for i in range(runs)],
    )
    with tempfile.TemporaryDirectory() as folder:
        trained, began, early = 0.0, perf_counter(), None
        with Sweep(settings, folder) as sweep:
            for number, outcome in enumerate(sweep.outcomes()):
                trained += outcome.seconds
                if number == FLAT:
                    early = peak_megabytes()
        total = perf_counter() - began
        return {
            "name": "overhead",
            "runs": runs,
            "seconds_beyond_training_a_run": (total - trained) / runs,
            "peak_megabytes": {"early": early, "end": peak_megabytes()},
        }


def peak_megabytes():
    """Return the most memory that this process had so far; None where the system does not tell."""
    if resource is None:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def reading(runs, epochs=20):
    """Return the measurement of reading a store back."""
    row = {"train_loss": 0.69123456, "train_accuracy": 0.51234, "test_loss": 0.691234567, "test_accuracy": 0.5123}
    with tempfile.TemporaryDirectory() as folder:
        with Store(folder, write=True) as store:
            results = []
            for seed in range(runs):
                config = ParitySettings(lr=0.01, seed=seed).config()
                rows = [{"epoch": epoch, **row} for epoch in range(1, epochs + 1)]
                results.append(Result(key_of(config), config, "done", rows))
            store.add(results, 1.0)
        times = []
        for _ in range(5):
            began = perf_counter()
            Store(folder)
            times.append(perf_counter() - began)
    return {"name": "reading", "runs": runs, "epochs": epochs, "times": summary(times)}


def throughput(data, data_dir, runs, epochs, rounds, workers, say):
    """Return the measurement of a sweep in workers against ``dfanp parity`` for each run, one after another, turn by turn."""
    lr = default_rate(data, "dfa", "rmsprop").lr
    settings = [ParitySettings(lr=lr, seed=seed, data=data, epochs=epochs) for seed in range(runs)]
    ours, theirs = [], []
    for turn in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            began = perf_counter()
            command(["tune", "parity", "--score", "published", "--workers", str(workers), "--out", f"{folder}/sweep"]
                    + options(settings[0], data_dir) + ["--repeats", str(runs)])  # fmt: skip
            ours.append(perf_counter() - began)
            began = perf_counter()
            for each in settings:
                seed = ["--seed", str(each.seed), "--out", f"{folder}/{each.seed}"]
                command(["parity", *options(each, data_dir), *seed])
            theirs.append(perf_counter() - began)
        say(f"round {turn + 1} of {rounds}")
    return {
        "name": "throughput",
        "settings": {"data": data, "runs": runs, "epochs": epochs, "workers": workers, **vars(replace(settings[0]))},
        "times": {"sweep": summary(ours), "one after another": summary(theirs)},
        "faster": speedup(ours, theirs),
    }


def options(settings, data_dir):
    """Return the options of a command for `settings`."""
    found = ["--data", settings.data, "--lr", str(settings.lr), "--epochs", str(settings.epochs), "--quiet"]
    return found + (["--data-dir", str(data_dir)] if data_dir else [])


def command(arguments):
    """Run a dfanp command."""
    subprocess.run([sys.executable, "-m", "dfanp_cli", *arguments], check=True, stdout=subprocess.DEVNULL)


def measure(data, data_dir, runs, epochs, rounds, workers, tiny, say):
    """Return the result of all measurements, a dict."""
    say("overhead")
    found = [overhead(tiny), reading(tiny)]
    found.append(throughput(data, data_dir, runs, epochs, rounds, workers, say))
    return {"machine": machine(), "measurements": found}


def markdown(result):
    """Return a result as Markdown."""
    tiny, read, sweep = result["measurements"]
    memory, times = tiny["peak_megabytes"], sweep["times"]
    of = sweep["settings"]
    body = [
        (f"{tiny['runs']} tiny runs: time beyond training, a run", seconds(tiny["seconds_beyond_training_a_run"])),
        (
            f"peak memory after {FLAT} of them, and after all",
            ", ".join("-" if one is None else f"{one:.0f} MB" for one in (memory["early"], memory["end"])),
        ),
        (f"reading {read['runs']} runs of {read['epochs']} epochs back", seconds(read["times"]["median"])),
        (
            f"{of['runs']} runs of {of['epochs']} epochs ({of['data']}), {of['workers']} workers",
            seconds(times["sweep"]["median"]),
        ),
        ("the same, one command after another", seconds(times["one after another"]["median"])),
        ("times as fast (median of the rounds)", f"{sweep['faster']:.2f}"),
    ]
    return f"{result['machine']['cpu']}\n\n" + rows(["sweeps", ""], body)


def keep(result, folder):
    """Write ``sweeps.json`` into `folder`; return its path."""
    path = Path(folder) / "sweeps.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return path
