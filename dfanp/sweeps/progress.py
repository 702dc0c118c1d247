"""The progress of a job of a sweep: a file with its arrays and records so far, written atomically."""

import json
import os
import zipfile

import numpy as np

from ..errors import RecordError
from ..files.lines import loads
from ..files.npz import read_checkpoint
from ..files.whole import failures, write_whole
from ..runs.history import History

LARGEST = 1 << 26  # bytes of the records in a progress file


def write_progress(path, arrays, rows, seconds):
    """Write ``Training.arrays()``, the rows of each replica and the seconds so far to `path`."""
    message = np.frombuffer(json.dumps({"rows": rows, "seconds": seconds}, allow_nan=False).encode(), np.uint8)
    # A worker that outlived its sweep may write the same file, so temporary names contain the process id.
    write_whole(path, lambda file: np.savez(file, **arrays, told=message), f".{os.getpid()}")


def read_progress(path, expected, replicas):
    """Return the arrays (None without a file), the rows of each of `replicas`, and the seconds.

    Args:
        expected: ``Training.arrays()``.

    Raises:
        RecordError: the file is damaged.
    """
    if not path.exists():
        return None, [[] for _ in range(replicas)], 0.0
    damaged = RecordError(f"{path}: the progress is damaged; delete the file to start its runs again")
    with failures(path, "be continued"):
        try:
            with zipfile.ZipFile(path) as archive:
                size = archive.getinfo("told.npy").file_size
            if size > min(LARGEST, path.stat().st_size):
                raise damaged
            header = 128  # size of NumPy's header of such an array
            arrays = read_checkpoint(path, expected | {"told": np.zeros(size - header, np.uint8)})
            message = loads(arrays.pop("told").tobytes())
            rows, seconds = message["rows"], float(message["seconds"])
        except (OSError, MemoryError):
            raise
        except Exception:  # zipfile raises many kinds, and the rows may be anything
            raise damaged from None
    epoch, alive = int(arrays["epoch"]), arrays["alive"]
    if not isinstance(rows, list) or len(rows) != replicas:
        raise damaged
    for own, still in zip(rows, alive, strict=True):
        try:
            history = History.checked(own if isinstance(own, list) else [None])
        except RecordError:
            raise damaged from None
        if history.diverged is bool(still) or (still and len(history) != epoch):
            raise damaged
    return arrays, rows, seconds


def write_final(path, arrays, r):
    """Write the arrays of replica r (None: of a single run) as those of a solo run."""
    counts = ("epoch", "optimizer/step")
    if r is not None:
        alone = lambda name, array: array[r : r + 1] if name == "alive" else array[r]
        arrays = {name: array if name in counts else alone(name, array) for name, array in arrays.items()}
    write_whole(path, lambda file: np.savez(file, **arrays), f".{os.getpid()}")
