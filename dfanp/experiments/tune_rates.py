"""Find the default learning rates: ``python -m dfanp.experiments.tune_rates --data mnist --out rates``.

For BP and DFA by optimizer, distribution of B, depth, width, activation and way to adapt (``adaptive``), for each lazy method
(at k = 1: with more digits they stay at chance), and for every rule (on the task of ``compared_rules``), the rate climbs by
factors of 1.5 from the present one until the best lies between two that were tried. Each rate is trained with five seeds, on
training images, and scored on others (``sweeps.tuning``): the lower end of the interval of the mean accuracy of the second
half of the epochs, so that a rate at which some seeds fail does not win. On the disks (both layers, and the output layer alone)
each seed has points of its own, other than those of the figures, and balanced labels of its own
(``--groups disks,disks-output --seeds 20``).

The folder is a sweep: the same command resumes it, and ``dfanp results`` shows its runs. Each line that is printed says the
rates beside the best one from which its seeds do not separate it; rates.json in the folder has all of them (``markdown``
makes a table of it).
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ..baselines import BASELINES
from ..feedback import DISTRIBUTIONS
from ..files.whole import write_whole
from ..problems.settings import TrainingSettings
from ..settings import ParitySettings, SyntheticSettings, made
from ..sweeps import tuning
from ..sweeps.sweep import Sweep
from . import adaptive, architectures, compared_rules
from .rates import DISKS, RULES_ON_DIGITS, TUNED, default_rate

OPTIMIZERS = ("sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam")
METHODS = ("bp", "dfa")
SEEDS, FACTOR = 5, 1.5
GROUPS = ("optimizer", "feedback", *architectures.ALONG, "adaptive", "lazy", "rules", "disks", "disks-output")
POINTS = 100  # the seed of the first set of points on the disks
MOST = 12  # rates of a case: where accuracy still rises then, nothing is found


class Case(NamedTuple):
    """What gets a rate of its own.

    Attributes:
        group: one of GROUPS.
        value: of the group.
        settings: of its runs; the rate is where the climb starts.
        over: the settings that count up from run to run of a rate.
    """

    group: str
    value: object
    settings: TrainingSettings
    over: tuple[str, ...] = ("seed",)


class Found(NamedTuple):
    """The best rate of a case.

    Attributes:
        best: its ``tuning.Candidate``, None if every rate diverged or the best was still at the edge.
        close: rates beside it from which its seeds do not separate it.
        tried: the Candidates of all rates, from the lowest.
    """

    best: tuning.Candidate | None
    close: list[float]
    tried: list[tuning.Candidate]


def cases(data: str, **more) -> Iterator[Case]:
    """Yield every Case, those of parity for a data set; `more` are settings of all their runs."""
    start = lambda method, opt, feedback="uniform": default_rate(data, method, opt, feedback).lr
    make = lambda method, opt="rmsprop", **own: ParitySettings(
        lr=start(method, opt, own.get("feedback", "uniform")),
        method=method, opt=opt, data=data, held_out=True, **{**more, **own},
    )  # fmt: skip
    for method in METHODS:
        for opt in OPTIMIZERS:
            yield Case("optimizer", opt, make(method, opt))
        for group, (values, settings) in architectures.ALONG.items():
            for value in values:
                yield Case(group, value, make(method, epochs=architectures.EPOCHS, **settings(value)))
    for feedback in DISTRIBUTIONS:
        if feedback != "uniform":
            yield Case("feedback", feedback, make("dfa", "sgd", feedback=feedback))
    for method in METHODS:
        for way in TUNED["adaptive"][method]:
            own = {"epochs": adaptive.EPOCHS, "held_out": True, **more}
            yield Case("adaptive", way, adaptive.run(data, method, way, **own))
    for method in BASELINES:
        yield Case("lazy", "adadelta", make(method, "adadelta", k=1))
    for method, lr in RULES_ON_DIGITS.items():
        task = compared_rules.TASK | {"held_out": True, **more}
        yield Case("rules", task["opt"], made(ParitySettings, lr=lr, method=method, **task))
    for row, rates in DISKS.items():
        layers, method, group = ("output", "bp", "disks-output") if row == "output" else ("all", row, "disks")
        for opt, lr in rates.items():
            disks = made(
                SyntheticSettings,
                lr=lr,
                method=method,
                opt=opt,
                layers=layers,
                labels="random",
                points_seed=POINTS,
                test_points=1000,
            )
            yield Case(group, opt, disks, ("seed", "points_seed"))


def climb(case: Case, sweep, seeds: int = SEEDS, factor: float = FACTOR) -> Found:
    """Return what is Found for a case.

    Args:
        sweep: ``sweep(settings)`` trains a list of settings and returns their Results.
        seeds: of each rate.
        factor: between neighbouring rates.
    """
    last = max(1, case.settings.epochs // 2)
    rate = lambda step: float(f"{case.settings.lr * factor**step:.3g}")
    moved = lambda number: {name: getattr(case.settings, name) + number for name in case.over}
    lowest, highest = -1, 1
    while True:
        steps = range(lowest, highest + 1)
        runs = [replace(case.settings, lr=rate(step), **moved(number)) for step in steps for number in range(seeds)]
        tried = sorted(tuning.candidates(sweep(runs), last, over=case.over), key=lambda each: each.config["lr"])
        best = tuning.best(tried)
        if best is None:
            return Found(None, [], tried)
        if not tuning.at_edge(best, tried):
            return Found(best, tuning.not_separated(best, tried), tried)
        if len(steps) >= MOST:
            return Found(None, [], tried)
        lowest, highest = (lowest - 1, highest) if best is tried[0] else (lowest, highest + 1)


def line(case: Case, found: Found) -> str:
    """Return a line on what was Found."""
    head = f"{case.settings.method} {case.group} {case.value}: "
    curve = ", ".join(f"{each.config['lr']:g}: {digits(each)}" for each in found.tried)
    if found.best is None:
        return f"{head}no rate was found among {curve}"
    close = f"; not separated from {', '.join(f'{rate:g}' for rate in found.close)}" if found.close else ""
    return f"{head}{found.best.config['lr']:g}{close} ({curve})"


def row(case: Case, found: Found) -> dict:
    """Return what is Found for a Case as a dict of JSON values."""
    tried = [
        {
            "lr": each.config["lr"],
            "mean": each.mean,
            "half": each.half,
            "seeds": len(each.values),
            "diverged": each.diverged,
        }
        for each in found.tried
    ]
    best = found.best and found.best.config["lr"]
    head = {"group": case.group, "value": case.value, "method": case.settings.method}
    return head | {"best": best, "close": found.close, "tried": tried}


def markdown(rows: list[dict]) -> str:
    """Return the table of some rows of rates.json, the best rates in bold."""
    lines = [
        "| | rule | rate: accuracy, mean of the second half of the epochs, held-out examples | neighbours not separated from it |",
        "|---|---|---|---|",
    ]
    for each in rows:
        curve = []
        for one in each["tried"]:
            mean = "diverges" if one["mean"] is None else f"{one['mean']:.3f}"
            mean += "" if one["half"] is None else f" ± {one['half']:.3f}"
            mean += f" ({one['diverged']} diverge)" if one["diverged"] and one["seeds"] else ""
            text = f"{one['lr']:g}: {mean}"
            curve.append(f"**{text}**" if one["lr"] == each["best"] else text)
        close = ", ".join(f"{rate:g}" for rate in each["close"]) or "none"
        lines.append(f"| {each['value']} | {each['method']} | {'; '.join(curve)} | {close} |")
    return "\n".join(lines)


def digits(candidate):
    """Return the mean of a Candidate with its interval, and how many seeds diverged."""
    diverged = f" ({candidate.diverged} diverged)" if candidate.diverged else ""
    mean = "-" if candidate.mean is None else f"{candidate.mean:.4f}"
    return mean + (f" ± {candidate.half:.4f}" if candidate.half is not None else "") + diverged


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m dfanp.experiments.tune_rates", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--data", choices=("digits", "mnist"), default="mnist")
    parser.add_argument("--data-dir", help="the folder with MNIST")
    parser.add_argument("--out", required=True, help="the folder of the sweep")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--factor", type=float, default=FACTOR, help="between neighbouring rates")
    parser.add_argument("--groups", default=",".join(GROUPS), help="which cases, by group")
    parser.add_argument("--values", help="which values of these groups (default: all)")
    given = parser.parse_args(arguments)
    groups = given.groups.split(",")
    if unknown := set(groups) - set(GROUPS):
        parser.error(f"--groups has no {', '.join(sorted(unknown))}: known are {', '.join(GROUPS)}")

    def results(runs):
        with Sweep(runs, given.out, given.workers, data_dir=given.data_dir) as sweep:
            for outcome in sweep.outcomes():
                if outcome.state == "failed":
                    raise SystemExit(f"a run failed: {outcome.error}")
            return sweep.results()

    rows = []
    try:
        for case in cases(given.data):
            wanted = given.values is None or str(case.value) in given.values.split(",")
            if case.group in groups and wanted:
                found = climb(case, results, given.seeds, given.factor)
                print(line(case, found), flush=True)
                rows.append(row(case, found))
                content = json.dumps(rows, indent=1, allow_nan=False) + "\n"
                write_whole(
                    Path(given.out) / "rates.json", lambda file, content=content: file.write(content.encode())
                )
    except KeyboardInterrupt:
        print("interrupted: the same command resumes it", file=sys.stderr)
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
