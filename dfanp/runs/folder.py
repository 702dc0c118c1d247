"""The folder of a run: its settings, its records, and the checkpoint from which it resumes.

    config.json       the config (to resume, all settings but the epochs must be the same) and the environment of the first start
    log.jsonl         one line per epoch and seed, written as soon as the epoch is done
    timings.jsonl     the seconds of each epoch; in a file of their own, so that the log of a resumed run has the same bytes
    checkpoint.npz    parameters, B, optimizer state, epoch (see Training.arrays); no pickle
    .lock             while a process writes to the folder

An epoch is logged first, and then its checkpoint is renamed into place. Whenever a run is interrupted, the folder
contains the checkpoint of an earlier epoch and at most some log lines beyond it, which are removed when the run
resumes.

The number of epochs affects only when a run ends: a run of 2 epochs is the beginning of a run of 3.
"""

import json
from pathlib import Path

import numpy as np

from ..errors import RecordError
from ..files.lines import append_lines, cut_off, loads, parse_lines
from ..files.locks import LOCK, FolderLock, Locked
from ..files.npz import read_checkpoint
from ..files.whole import failures, write_whole
from .history import parse_log

SCHEMA = 1


def canonical(config):
    """Return a dict as JSON with sorted keys and no spaces: equal configs, equal bytes."""
    return json.dumps(config, sort_keys=True, separators=(",", ":"), allow_nan=False)


class RunFolder(Locked):
    """The folder of one run, locked for this process until ``close`` (or the end of a ``with`` block).

    Args:
        path: of the folder, created if it does not exist.
        config: a dict of JSON values that describes the run; its `epochs` may change (see ``extend``).
        environment: a dict that describes machine and versions; written at the first start.

    Attributes:
        environment: that of the first start.

    Raises:
        RecordError: the folder holds another run or other files, is in use, or cannot be written.
    """

    def __init__(self, path, config, environment):
        self.path = Path(path)
        with failures(self.path, "be opened"):
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = FolderLock(self.path, "another process is writing to this run")
            try:
                self._config = json.loads(canonical(config))
                self.environment = self._agree(self._config, environment)
            except BaseException:
                self.close()
                raise

    def _agree(self, config, environment):
        """Write config.json, or check that the existing one has the same config; return its environment."""
        path = self.path / "config.json"
        if not path.exists():
            own = lambda name: name == LOCK or name.endswith(".partial")
            others = [each.name for each in self.path.iterdir() if not own(each.name)]
            if others:
                raise RecordError(
                    f"{self.path}: holds no run but other files ({others[0]}, …); name an empty or new folder"
                )
            write_config(path, config, environment)
            return environment
        found = read_config(self.path)
        there = found["config"]
        for name in sorted(there.keys() | config.keys()):
            if there.get(name) != config.get(name) and (name != "epochs" or type(there.get(name)) is not int):
                raise RecordError(
                    f"{self.path}: holds a run with {name} {there.get(name)!r}, not {config.get(name)!r}; "
                    "give the same settings to resume it, or name another folder"
                )
        return found["environment"]

    def load(self, expected, seeds):
        """Return the arrays of the checkpoint or None, the rows of the log up to its epoch, and epoch -> seconds.

        Log lines beyond that epoch, and an incomplete last line, are removed.

        Args:
            expected: name -> array with the shapes and dtypes that the checkpoint must have (``Training.arrays()``).
            seeds: of the run, in the order of the lines.

        Raises:
            RecordError: the checkpoint or the log is damaged, or has more epochs than `config`; the files are then
                unchanged.
        """
        path = self.path / "checkpoint.npz"
        with failures(self.path, "be continued"):
            arrays = read_checkpoint(path, expected) if path.exists() else None
            epoch = 0 if arrays is None else int(arrays["epoch"])
            self._check_epochs(epoch, arrays is None or arrays["alive"].any())
            rows, keep = parse_log(self.path / "log.jsonl", seeds, epoch)
            cut_off(self.path / "log.jsonl", keep)
            timings, keep = parse_lines(self.path / "timings.jsonl", lambda row: row.get("epoch", epoch + 1) <= epoch)
            cut_off(self.path / "timings.jsonl", keep)
        return arrays, rows, {row["epoch"]: row.get("seconds") for row in timings}

    def _check_epochs(self, done, alive):
        """Raise if fewer epochs are requested than are `done`, or, if no seed is `alive`, than the run had."""
        wanted = self._config.get("epochs", done)
        least = done if alive else read_config(self.path)["config"].get("epochs", done)
        if wanted < least:
            raise RecordError(
                f"{self.path}: holds a run of {least} epochs already, more than {wanted}; give at least as many to resume "
                "it, or name another folder"
            )

    def extend(self):
        """Write the `epochs` of this start to config.json, after ``load``."""
        there, now = read_config(self.path)["config"], self._config.get("epochs")
        if there.get("epochs") != now:
            with failures(self.path, "be written"):
                write_config(self.path / "config.json", there | {"epochs": now}, self.environment)

    def append(self, rows, seconds, epoch, arrays):
        """Append the lines of one epoch to the logs, then write its checkpoint; on the disk when this returns.

        Args:
            rows: dicts, one per line.
            seconds: of the epoch.
            arrays: ``Training.arrays()``.
        """
        with failures(self.path, "be written"):
            append_lines(self.path / "log.jsonl", rows)
            append_lines(self.path / "timings.jsonl", [{"epoch": epoch, "seconds": round(seconds, 6)}])
            write_whole(self.path / "checkpoint.npz", lambda file: np.savez(file, **arrays))


def write_config(path, config, environment):
    """Write the config and the environment of a run to `path`."""
    content = {"schema": SCHEMA, "config": config, "environment": environment}
    write_whole(path, lambda file: file.write((json.dumps(content, indent=1, allow_nan=False) + "\n").encode()))


def read_config(folder):
    """Return the dict in config.json of a run folder; a RecordError if it is invalid."""
    path = Path(folder) / "config.json"
    with failures(path, "be read"):
        try:
            config = loads(path.read_bytes())
        except (ValueError, RecursionError):
            raise RecordError(f"{path}: is not JSON; restore it, or start again in another folder") from None
    if not isinstance(config, dict) or not all(
        isinstance(config.get(key), dict) for key in ("config", "environment")
    ):
        raise RecordError(f"{path}: is not the config of a run")
    if config.get("schema") != SCHEMA:
        raise RecordError(f"{path}: was written with schema {config.get('schema')}, this dfanp reads schema {SCHEMA}")
    return config


def read_log(folder):
    """Return the lines of log.jsonl as dicts, oldest first, up to the first incomplete line."""
    with failures(folder, "be read"):
        return parse_lines(Path(folder) / "log.jsonl")[0]
