"""The plan of a sweep, plan.json in its folder: which runs it has, so that another process can list those without a result.

It is only shown: a sweep is determined by its settings, and a missing or damaged plan lists nothing. While a job runs,
its file progress/NAME.running has the number of epochs that it has finished.
"""

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import RecordError
from ..files.lines import loads
from ..files.locks import is_locked
from ..files.whole import write_whole
from ..runs.store import key_of

PLAN, RUNNING = "plan.json", ".running"
BEAT = 0.2  # minimum of seconds between two writes of a number of epochs


class Planned(NamedTuple):
    """A run of a plan.

    Attributes:
        config: a dict of JSON values.
        key: see ``runs.store.key_of``.
        epochs: that it has finished, if it is running; else None.
    """

    config: dict
    key: str
    epochs: int | None


def write_plan(folder, jobs):
    """Write the plan of a list of Jobs; on a full disk there is none."""
    configs = [job.settings[0].config() for job in jobs]
    common = {k: v for k, v in (configs[0] if configs else {}).items() if all(k in c and c[k] == v for c in configs)}
    parts = []
    for job, config in zip(jobs, configs, strict=True):
        own = {name: value for name, value in config.items() if name not in common}
        parts.append({"config": own, "runs": [[each.lr, each.seed] for each in job.settings]})
    text = json.dumps({"schema": 1, "common": common, "jobs": parts}, allow_nan=False)
    with suppress(OSError):
        write_whole(folder / PLAN, lambda file: file.write(text.encode()))


def read_plan(folder: str | Path) -> list[Planned]:
    """Return the runs of the plan in a folder, in their order; none without a valid plan."""
    folder = Path(folder)
    try:
        plan: Any = loads((folder / PLAN).read_bytes())
        groups = [
            [plan["common"] | job["config"] | {"lr": float(lr), "seed": int(seed)} for lr, seed in job["runs"]]
            for job in plan["jobs"]
        ]
        keys = [[key_of(config) for config in group] for group in groups]
    except (OSError, ValueError, TypeError, KeyError, RecursionError, OverflowError, RecordError):
        return []
    now = running(folder) if is_locked(folder) else {}
    found = []
    for group, own in zip(groups, keys, strict=True):
        epochs = now.get(name_of(own))
        found += [Planned(config, key, epochs) for config, key in zip(group, own, strict=True)]
    return found


def name_of(keys):
    """Return the name of the files of a job with these keys."""
    return key_of({"job": list(keys)})


def running(folder):
    """Return the name of each running job -> the number of epochs that it has finished."""
    found = {}
    with suppress(OSError):
        for path in (Path(folder) / "progress").glob(f"*{RUNNING}"):
            with suppress(OSError, ValueError):
                found[path.stem] = int(path.read_text("ascii") or 0)
    return found


class Beat:
    """Writes the number of finished epochs of a job to its file, at most a few times a second."""

    def __init__(self, path):
        self.path, self.last = path, -BEAT

    def __call__(self, epochs):
        if time.monotonic() - self.last >= BEAT:
            with suppress(OSError):  # on a full disk
                self.path.write_text(str(epochs), "ascii")
            self.last = time.monotonic()
