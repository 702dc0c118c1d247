"""Saved runs under attack, and the record of it in the folder of each: attack.json."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..analysis import attacks
from ..analysis.intervals import mean_interval, paired_differences
from ..checks import is_number, is_whole, whole
from ..errors import RecordError
from ..files.whole import failures, write_whole
from .saved import SavedRun

NAME, SCHEMA = "attack.json", 1
LARGEST = 10**7  # bytes of a record


def attacked(
    folders: Mapping[str, str | Path],
    epsilons: Any = attacks.EPSILONS,
    steps: int = attacks.STEPS,
    samples: int = attacks.SAMPLES,
    data_dir: str | Path | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> dict[str, dict]:
    """Return the name of each run -> its record, a dict of JSON values.

    ``seeds`` of a record is a list with, for each seed that has not diverged, the fields of ``attacks.Attacked``. Examples
    made for a seed are passed on to the networks of the other runs with the same seed and problem, and to the next seed
    of the same run.

    Args:
        folders: name -> folder of a run.
        epsilons, steps, samples: see ``attacks.measured``.
        data_dir: see ``problems.load``.
        progress: called with a line before each network is attacked.

    Raises:
        RecordError: a folder holds no run, or none of its seeds is left.
        DataError: its data are missing.
        ValueError: an argument is out of range, or a problem has no inputs that can be attacked.
    """
    epsilons, runs, found = attacks.checked_epsilons(epsilons), {}, {}
    whole("steps", steps, most=attacks.MOST_STEPS)
    for name, folder in folders.items():
        if (Path(folder) / "store.jsonl").exists():
            raise RecordError(f"{folder}: is a sweep; an attack is on single runs")
        saved = SavedRun(folder, data_dir, on_host=True)
        try:
            targets = {each.seed: each for each in attacks.targets(saved.trained(), samples)}
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        if not targets:
            raise RecordError(f"{folder}: every seed has diverged")
        runs[name] = saved, targets
    for name, (saved, targets) in runs.items():
        rows = []
        for seed, target in targets.items():
            progress(f"{name}, seed {seed}")
            others = {
                other: there[seed]
                for other, (theirs, there) in runs.items()
                if other != name and theirs.settings.title == saved.settings.title and seed in there
            }
            after = [each for each in targets if each > seed] or [each for each in targets if each < seed]
            if after:
                others[name] = targets[after[0]]
            rows.append(attacks.attacked(target, epsilons, steps, others)._asdict())
        y = next(iter(targets.values())).y
        found[name] = {
            "schema": SCHEMA,
            "epoch": saved.epoch,
            "samples": len(y),
            "steps": steps,
            "epsilons": list(epsilons),
            "chance": round(attacks.chance(y), 6),
            "seeds": rows,
        }
    return found


def write(folder: str | Path, record: dict) -> Path:
    """Write the record of a run into its folder, completely or not at all; return the path.

    Raises:
        RecordError: it cannot be written.
    """
    path = Path(folder) / NAME
    content = json.dumps(record, allow_nan=False).replace('{"seed"', '\n{"seed"')
    with failures(path, "be written", "the record"):
        write_whole(path, lambda file: file.write(f"{content}\n".encode()))
    return path


def read(folder: str | Path) -> dict | None:
    """Return the record in the folder of a run, or None without one.

    Raises:
        RecordError: it cannot be read, or is damaged.
    """
    path = Path(folder) / NAME
    if not path.exists():
        return None
    damaged = RecordError(f"{path}: is not the record of an attack; delete it, or attack the run again")
    with failures(path, "be read", "the record"):
        if path.stat().st_size > LARGEST:
            raise damaged
        try:
            record = json.loads(path.read_bytes())
        except (ValueError, RecursionError):
            raise damaged from None
    if not is_record(record):
        raise damaged
    return record


def is_record(record):
    """Whether a JSON value is the record of an attack."""
    if not isinstance(record, dict) or record.get("schema") != SCHEMA or not isinstance(record.get("seeds"), list):
        return False
    epsilons, seeds = record.get("epsilons"), record["seeds"]
    share = lambda value: is_number(value) and 0 <= value <= 1
    good = isinstance(epsilons, list) and 0 < len(epsilons) <= 100 and all(share(e) and e > 0 for e in epsilons)
    if not good or not all(
        is_whole(record.get(name)) and record[name] >= 0 for name in ("epoch", "samples", "steps")
    ):
        return False
    shares = lambda row: isinstance(row, list) and len(row) == len(epsilons) and all(map(share, row))
    table = lambda of: isinstance(of, dict) and all(map(shares, of.values()))
    row = lambda one: (
        isinstance(one, dict)
        and is_whole(one.get("seed"))
        and share(one.get("clean"))
        and share(one.get("vanished"))
        and table(one.get("accuracy"))
        and set(one["accuracy"]) <= set(attacks.ATTACKS)
        and set(one["accuracy"]) == set(seeds[0]["accuracy"])
        and table(one.get("transfer"))
    )
    return (
        0 < len(seeds) <= 10_000 and share(record.get("chance")) and is_attacked_first(seeds) and all(map(row, seeds))
    )


def is_attacked_first(seeds):
    """Whether the first of the seeds has accuracies, with which those of the others are compared."""
    return isinstance(seeds[0], dict) and isinstance(seeds[0].get("accuracy"), dict) and bool(seeds[0]["accuracy"])


def rows(record: dict) -> dict[str, list[list[float]]]:
    """Return the title of each attack of a record -> for each ε, 0 first, the accuracies of the seeds.

    The transfer to another network is among them, for the seeds that have it.
    """
    seeds, found = record["seeds"], {}
    for name in seeds[0]["accuracy"]:
        found[attacks.ATTACKS[name]] = [[one["clean"], *one["accuracy"][name]] for one in seeds]
    for other in dict.fromkeys(name for one in seeds for name in one["transfer"]):
        title = f"FGSM, seen by {other}"
        found[title] = [[None, *one["transfer"][other]] for one in seeds if other in one["transfer"]]
    return {title: [list(column) for column in zip(*values, strict=True)] for title, values in found.items()}


def differences(first: dict, second: dict, attack: str) -> list[tuple[float, float | None, int]]:
    """Return mean, half-width of the 95 % interval, and number of pairs of first - second, for each ε, 0 first.

    The seeds are paired; the list is empty if two records have no seed, no ε or not this attack in common.
    """
    if first["epsilons"] != second["epsilons"]:
        return []
    values = lambda record: {
        one["seed"]: [one["clean"], *one["accuracy"][attack]] for one in record["seeds"] if attack in one["accuracy"]
    }
    mine, theirs, found = values(first), values(second), []
    for place in range(len(first["epsilons"]) + 1):
        at = [{seed: row[place] for seed, row in each.items()} for each in (mine, theirs)]
        pairs = paired_differences(*at)
        if pairs:
            found.append((*mean_interval(np.array(pairs)), len(pairs)))
    return found
