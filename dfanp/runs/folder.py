"""What a run leaves behind: a folder that says how it was made, what came of it, and how to go on.

    config.json       the config (a run that is started again must have the same, but for the epochs) and the environment it first
                      ran in
    log.jsonl         a line an epoch and seed, as soon as the epoch is done
    timings.jsonl     the seconds of each epoch: apart, so that the log of a resumed run has the same bytes
    checkpoint.npz    parameters, B, optimizer state, epoch: what Training.arrays returns; no pickle
    .lock             while a process writes to the folder

An epoch is logged first and its checkpoint renamed into place after that. Whatever moment a run is cut off at, the
folder is that of an earlier epoch plus at most some log lines beyond it, which are dropped on the way back in.

The number of epochs says when a run ends, and nothing about any of them: a run of 2 is one of 3 that has not come to its end.
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
        path: of the folder; made if it is not there.
        config: a dict of JSON values that says what the run is; its `epochs` may be others than before (see ``extend``).
        environment: a dict that says where it runs; kept from the first start.

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
        """Write config.json, or check that the one there has the same config; return the environment it tells."""
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
                    "give the same settings to go on with it, or name another folder"
                )
        return found["environment"]

    def load(self, expected, seeds):
        """Return the arrays of the checkpoint (None where there is none yet), the log's rows up to its epoch, and epoch -> seconds.

        What the log has beyond that epoch, a torn line included, is cut off.

        Args:
            expected: name -> array with the shapes and dtypes that the checkpoint must have (``Training.arrays()``).
            seeds: those that the run trains, in the order of its lines.

        Raises:
            RecordError: the checkpoint or the log is damaged, or has more epochs than `config`. Nothing is changed then.
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
        """Raise if this start wants fewer epochs than are `done`, or than a run had in which no seed is `alive`."""
        wanted = self._config.get("epochs", done)
        least = done if alive else read_config(self.path)["config"].get("epochs", done)
        if wanted < least:
            raise RecordError(
                f"{self.path}: holds a run of {least} epochs already, more than {wanted}; give at least as many to go on with "
                "it, or name another folder"
            )

    def extend(self):
        """Let config.json have the `epochs` of this start, once what is there has been loaded."""
        there, now = read_config(self.path)["config"], self._config.get("epochs")
        if there.get("epochs") != now:
            with failures(self.path, "be written"):
                write_config(self.path / "config.json", there | {"epochs": now}, self.environment)

    def append(self, rows, seconds, epoch, arrays):
        """Add the lines of one epoch to the logs, then put its checkpoint in place; on the disk when this returns.

        Args:
            rows: dicts, a line each.
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
    """Return the dict in config.json of a run folder; a RecordError says what is wrong with it."""
    path = Path(folder) / "config.json"
    with failures(path, "be read"):
        try:
            config = loads(path.read_bytes())
        except (ValueError, RecursionError):
            raise RecordError(f"{path}: is not JSON; restore it, or start anew in another folder") from None
    if not isinstance(config, dict) or not all(
        isinstance(config.get(key), dict) for key in ("config", "environment")
    ):
        raise RecordError(f"{path}: is not the config of a run")
    if config.get("schema") != SCHEMA:
        raise RecordError(f"{path}: was written with schema {config.get('schema')}, this dfanp reads schema {SCHEMA}")
    return config


def read_log(folder):
    """Return the lines of log.jsonl as dicts, oldest first, up to a line that was cut off."""
    with failures(folder, "be read"):
        return parse_lines(Path(folder) / "log.jsonl")[0]
