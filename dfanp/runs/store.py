"""The folder of a sweep: its results, which survive whatever happens to the processes that write them.

    store.jsonl       one line per finished run: its key, config, status and records; appended, never changed
    timings.jsonl     the seconds of each run; in a file of their own, so that equal sweeps have equal stores
    failures.jsonl    one line per failed run: shown in tables, and tried again at the next start
    plan.json         which runs the last start has, to list those without a result (see dfanp.sweeps.plan)
    progress/         checkpoints from which unfinished runs resume, one per job (see dfanp.sweeps.progress)
    checkpoints/      the final arrays of each run, KEY.npz, if requested
    .lock             while a process writes to the folder

A run's key is the SHA-256 of its canonical config and the schema: equal runs have equal keys on every machine. Only
the process that has the lock writes to a folder.
"""

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ..errors import RecordError
from ..files.lines import append_whole, cut_off, read_lines
from ..files.locks import LOCK, FolderLock, Locked
from ..files.whole import failures
from ..settings import present
from .folder import canonical
from .history import History

SCHEMA = 1  # of lines and of configs: a run with another schema is another run
STATUSES = ("done", "diverged")


class Result(NamedTuple):
    """A finished run.

    Attributes:
        key: see ``key_of``.
        config: a dict of JSON values.
        status: "done" or "diverged".
        rows: one dict per epoch, as in the log of a run, but without the seed (see ``History``).
    """

    key: str
    config: dict
    status: str
    rows: list

    @property
    def history(self) -> History:
        """The rows as a History."""
        return History(self.rows)


def key_of(config: dict) -> str:
    """Return the key of a run, 64 hexadecimal digits."""
    return hashlib.sha256(canonical({"schema": SCHEMA, "config": config}).encode()).hexdigest()


def failure(config: dict, why: str) -> str:
    """Return the line about a run of a sweep that failed."""
    return f"seed {config.get('seed')}, lr {config.get('lr'):g}: {why}"


class Store(Locked):
    """The results in a folder.

    Args:
        path: of the folder.
        write: whether to write to it; it is then created if it does not exist, and locked until ``close``.

    Attributes:
        results: key -> Result, oldest first.
        failures: key -> (config, message), the last failure of each run without a result.
        seconds: key -> seconds.
        former: key of a run in an earlier version, under which its line and its final arrays were written -> its key.

    Raises:
        RecordError: the folder is not a store, is damaged, is in use, or cannot be read or written.
    """

    def __init__(self, path: str | Path, write: bool = False) -> None:
        self.path = Path(path)
        with failures(self.path, "be opened"):
            if write:
                self.path.mkdir(parents=True, exist_ok=True)
                others = [each.name for each in self.path.iterdir() if each.name not in NAMES]
                if others and not (self.path / "store.jsonl").exists():
                    raise RecordError(f"{self.path}: holds other files ({others[0]}, …); name an empty or new folder")
                self._lock = FolderLock(self.path, "another process is writing to this sweep")
            try:
                self._read(write)
            except BaseException:
                self.close()
                raise

    def _read(self, write):
        path = self.path / "store.jsonl"
        if not path.exists():
            if not write:
                raise RecordError(f"{self.path}: holds no sweep (no store.jsonl)")
            path.touch()
        lines, keep = read_lines(path)
        self.results, self.former = {}, {}
        for number, line in enumerate(lines, 1):
            result = checked_result(line)
            if result is None:
                raise RecordError(f"{path}: line {number} is damaged; restore it, or delete the line to run it again")
            self.results.setdefault(result.key, result)
            if line["key"] != result.key:
                self.former[line["key"]] = result.key
        failed = read_lines(self.path / "failures.jsonl")[0]
        self.failures = {
            key_of(present(line["config"])): (present(line["config"]), str(line.get("error")))
            for line in failed
            if has_its_key(line) and key_of(present(line["config"])) not in self.results
        }
        timings = read_lines(self.path / "timings.jsonl")[0]
        timed = lambda line: isinstance(line.get("key"), str) and isinstance(line.get("seconds"), (int, float))
        self.seconds = {self.key(line["key"]): line["seconds"] for line in timings if timed(line)}
        if write:  # an incomplete line after a kill or on a full disk; its run is repeated
            cut_off(path, keep)
            for name in ("failures.jsonl", "timings.jsonl"):
                cut_off(self.path / name, read_lines(self.path / name)[1])

    def key(self, written):
        """Return the current key of a run whose key in the files of this folder is `written`."""
        return self.former.get(written, written)

    def checkpoint(self, key: str) -> Path:
        """Return the path of the final arrays of a run, whether they exist or not."""
        names = [key, *(written for written, run in self.former.items() if run == key)]
        paths = [self.path / "checkpoints" / f"{name}.npz" for name in names]
        return next((path for path in paths if path.exists()), paths[0])

    def add(self, results, seconds):
        """Add finished runs that took `seconds` each; they are on the disk when this returns."""
        new = [result for result in results if result.key not in self.results]
        with failures(self.path, "be written"):
            append_whole(self.path / "store.jsonl", [result._asdict() for result in new])
        with suppress(OSError):  # times are not essential
            append_whole(self.path / "timings.jsonl", [{"key": r.key, "seconds": round(seconds, 6)} for r in new])
        for result in new:
            self.results[result.key], self.seconds[result.key] = result, seconds
            self.failures.pop(result.key, None)

    def fail(self, config, message):
        """Record that a run failed, and why."""
        key = key_of(config)
        self.failures[key] = (config, message)
        with failures(self.path, "be written"):
            append_whole(self.path / "failures.jsonl", [{"key": key, "config": config, "error": message}])


NAMES = (
    "store.jsonl",
    "plan.json",
    "timings.jsonl",
    "failures.jsonl",
    "progress",
    "checkpoints",
    "stop",
    "records",
    "figures",
    LOCK,
)


def has_its_key(line):
    """Whether the object of a line has a config and its key."""
    try:
        return isinstance(line.get("config"), dict) and line.get("key") == key_of(line["config"])
    except RecursionError:  # nested too deeply to be written, though it could be read
        return False


def checked_result(line):
    """Return the Result in the object of a line, or None if it is invalid."""
    if (
        line.keys() != set(Result._fields)
        or not isinstance(line["config"], dict)
        or not isinstance(line["rows"], list)
    ):
        return None
    result = Result(**line)
    try:
        history = History.checked(result.rows)
    except RecordError:
        return None
    ends = len(history) and history.diverged == (result.status == "diverged")
    return current(result) if ends and result.status in STATUSES and has_its_key(line) else None


def current(result):
    """Return a Result of an earlier version in the current form: without obsolete settings, with another key."""
    config = present(result.config)
    return result if config == result.config else result._replace(key=key_of(config), config=config)
