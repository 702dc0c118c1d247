"""What a run leaves behind: a folder that says how it was made, what came of it, and how to go on.

    config.json       the settings (a run that is started again must have the same) and the environment they first
    ran in log.jsonl         a line an epoch and seed, as soon as the epoch is done
    timings.jsonl     the seconds of each epoch: apart, so that the log of a resumed run has the same bytes
    checkpoint.npz    parameters, B, optimizer state, epoch: what ``Training.arrays`` returns; no pickle

An epoch is logged first and its checkpoint renamed into place after that. Whatever moment a run is cut off at, the
folder is that of an earlier epoch plus at most some log lines beyond it, which are dropped on the way back in.
"""

import json
import os
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np

from .errors import RecordError

try:
    from fcntl import LOCK_EX, LOCK_NB, flock
except ImportError:  # not a POSIX system: two processes on one folder are then not told apart
    flock = None

SCHEMA = 1
LOGS = ("log.jsonl", "timings.jsonl")


def canonical(settings):
    """Return a dict as JSON with sorted keys and no spaces: equal settings, equal bytes."""
    return json.dumps(settings, sort_keys=True, separators=(",", ":"), allow_nan=False)


class RunFolder:
    """The folder of one run, locked for this process until ``close`` (or the end of a ``with`` block).

    Args:
        path: of the folder; made if it is not there.
        settings: a dict of JSON values that says what the run is.
        environment: a dict that says where it runs; kept from the first start.

    Attributes:
        environment: that of the first start.

    Raises:
        RecordError: the folder holds another run or other files, is in use, or cannot be written.
    """

    def __init__(self, path, settings, environment):
        self.path, self._lock = Path(path), None
        with failures(self.path, "be opened"):
            self.path.mkdir(parents=True, exist_ok=True)
            self._take_lock()
            try:
                self.environment = self._agree(json.loads(canonical(settings)), environment)
            except BaseException:
                self.close()
                raise

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        """Give the lock back."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _take_lock(self):
        if flock is None:
            return
        self._lock = os.open(self.path, os.O_RDONLY)
        try:
            flock(self._lock, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            self.close()
            busy = "another process is writing to this run; wait for it or name another folder"
            raise RecordError(f"{self.path}: {busy}") from None

    def _agree(self, settings, environment):
        """Write config.json, or check that the one there has the same settings; return the environment it tells."""
        path = self.path / "config.json"
        if not path.exists():
            others = [each.name for each in self.path.iterdir() if not each.name.endswith(".partial")]
            if others:
                raise RecordError(
                    f"{self.path}: holds no run but other files ({others[0]}, …); name an empty or new folder"
                )
            config = {"schema": SCHEMA, "settings": settings, "environment": environment}
            write_whole(
                path, lambda file: file.write((json.dumps(config, indent=1, allow_nan=False) + "\n").encode())
            )
            return environment
        config = read_config(self.path)
        there = config["settings"]
        for name in sorted(there.keys() | settings.keys()):
            if there.get(name) != settings.get(name):
                raise RecordError(
                    f"{self.path}: holds a run with {name} {there.get(name)!r}, not {settings.get(name)!r}; "
                    "give the same settings to go on with it, or name another folder"
                )
        return config["environment"]

    def load(self, expected):
        """Return the arrays of the checkpoint, or None where there is none yet; the logs are cut back to its epoch.

        Args:
            expected: name -> array with the shapes and dtypes that the checkpoint must have (``Training.arrays()``).
        """
        path = self.path / "checkpoint.npz"
        with failures(self.path, "be continued"):
            arrays = read_checkpoint(path, expected) if path.exists() else None
            epoch = 0 if arrays is None else int(arrays["epoch"])
            for name in LOGS:
                cut_back(self.path / name, epoch)
        return arrays

    def append(self, rows, seconds, epoch, arrays):
        """Add the lines of one epoch to the logs, then put its checkpoint in place; on the disk when this returns.

        Args:
            rows: dicts, a line each. seconds: of the epoch. arrays: ``Training.arrays()``.
        """
        with failures(self.path, "be written"):
            append_lines(self.path / "log.jsonl", rows)
            append_lines(self.path / "timings.jsonl", [{"epoch": epoch, "seconds": round(seconds, 6)}])
            write_whole(self.path / "checkpoint.npz", lambda file: np.savez(file, **arrays))


class failures:
    """Turns an OSError inside a ``with`` block into a RecordError of one line."""

    def __init__(self, path, what):
        self.path, self.what = path, what

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if isinstance(error, OSError):
            raise RecordError(f"{self.path}: the run cannot {self.what} ({error.strerror or error})") from None


def write_whole(path, write):
    """Call ``write(file)`` on a file of another name, sync it, rename it to `path`: never half a file."""
    partial = path.with_name(path.name + ".partial")
    try:
        with open(partial, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(path):
    """Make the renaming of files in a folder last, where the system lets a folder be synced."""
    if os.name == "posix":
        folder = os.open(path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def append_lines(path, rows):
    """Append each dict as a line of JSON, and sync."""
    with open(path, "ab") as file:
        file.write("".join(json.dumps(row, allow_nan=False) + "\n" for row in rows).encode())
        file.flush()
        os.fsync(file.fileno())


def cut_back(path, epoch):
    """Drop what a log tells beyond `epoch`, a torn last line included; a RecordError if it tells less."""
    content = path.read_bytes() if path.exists() else b""
    keep = last = 0
    for line in content.splitlines(keepends=True):
        try:
            told = json.loads(line)["epoch"] if line.endswith(b"\n") else None
        except (ValueError, TypeError, KeyError):
            told = None
        if not isinstance(told, int) or told > epoch:
            break
        keep, last = keep + len(line), told
    if last < epoch:
        raise RecordError(
            f"{path}: tells of {last} epochs but the checkpoint beside it of {epoch}; "
            "restore the log, or start anew in another folder"
        )
    if keep < len(content):
        with open(path, "r+b") as file:
            file.truncate(keep)
            os.fsync(file.fileno())


def read_config(folder):
    """Return the dict in config.json of a run folder; a RecordError says what is wrong with it."""
    path = Path(folder) / "config.json"
    with failures(path, "be read"):
        try:
            config = json.loads(path.read_bytes())
        except (ValueError, RecursionError):
            raise RecordError(f"{path}: is not JSON; restore it, or start anew in another folder") from None
    if not isinstance(config, dict) or not all(
        isinstance(config.get(key), dict) for key in ("settings", "environment")
    ):
        raise RecordError(f"{path}: is not the config of a run")
    if config.get("schema") != SCHEMA:
        raise RecordError(f"{path}: was written with schema {config.get('schema')}, this dfanp reads schema {SCHEMA}")
    return config


def read_log(folder):
    """Return the lines of log.jsonl as dicts, oldest first; a torn last line is left out."""
    path = Path(folder) / "log.jsonl"
    with failures(path, "be read"):
        content = path.read_bytes() if path.exists() else b""
    rows = []
    for number, line in enumerate(content.splitlines(keepends=True), 1):
        if not line.endswith(b"\n"):
            break
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise RecordError(
                f"{path}: line {number} is not a JSON object; restore it, or start anew in another folder"
            )
        rows.append(row)
    return rows


def read_checkpoint(path, expected):
    """Return name -> array of an npz file that must hold exactly the arrays `expected`, by name, dtype and shape.

    No more is read than those arrays take, whatever the file claims, and nothing is unpickled.
    """
    corrupt = f"{path}: the checkpoint is corrupt (%s); restore it, or start anew in another folder"
    arrays = {}
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            for name in sorted({f"{name}.npy" for name in expected} ^ set(names)):
                raise RecordError(corrupt % f"{name} is {'not part of this run' if name in names else 'missing'}")
            for name, like in expected.items():
                with archive.open(f"{name}.npy") as member:
                    arrays[name] = read_array(member, name, like, corrupt)
    except (zipfile.BadZipFile, zlib.error, struct.error, ValueError, EOFError, RuntimeError, OverflowError) as error:
        raise RecordError(corrupt % (str(error) or type(error).__name__)) from None
    return arrays


def read_array(member, name, like, corrupt):
    """Return the array of one member, after checking its header against the array `like`."""
    if np.lib.format.read_magic(member) != (1, 0):
        raise RecordError(corrupt % f"{name} has an unknown format")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(member)
    if (shape, dtype, fortran) != (like.shape, like.dtype, False):
        raise RecordError(corrupt % f"{name} is {dtype} of shape {shape}, not {like.dtype} of shape {like.shape}")
    content = member.read(like.nbytes + 1)  # one byte more makes zipfile reach the end and check the CRC
    if len(content) != like.nbytes:
        raise RecordError(corrupt % f"{name} holds {len(content)} bytes, not {like.nbytes}")
    return np.frombuffer(bytearray(content), dtype).reshape(shape)
