"""What is fuzzed: name -> Target. To add one, write a function of ``(data, folder)`` and an entry of the table at the end.

The first byte of an input often says how the others are wrapped: a file of arbitrary bytes is mostly refused by its checksum, so the
harness also puts arbitrary bytes into a good wrapper.
"""

import contextlib
import gzip
import io
import zipfile
import zlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.stats  # noqa: F401  (which an interval loads late: not the input's to pay for)

from dfanp import DataError, RecordError, interchange, optimizers
from dfanp.files.npz import read_checkpoint
from dfanp.problems.idx import DEFLATE_LIMIT, read_idx
from dfanp.problems.synthetic import checked_labels
from dfanp.runs.folder import RunFolder, read_log
from dfanp.runs.store import Store
from dfanp.sweeps import grids, progress

from . import seeds
from .command_line import run_command, run_words
from .seeds import BREAK, EXPECTED

STATE_DTYPES = ("f4", "f8", "f2", "i8", "?", "O", "U3", "c8")


class Target(NamedTuple):
    """Something that reads what others wrote.

    Attributes:
        run: ``run(data, folder)`` reads `data` (bytes), in an empty folder that is all it may write to.
        allowed: the exceptions that it may raise.
        seeds: ``seeds()`` returns valid inputs, a list of bytes, to start from.
        multiple, constant: it may take ``multiple * size + constant`` bytes of memory.
        size: ``size(data)`` returns how large the input is when it is unpacked, where that is more than its own length.
    """

    run: Callable
    allowed: tuple
    seeds: Callable
    multiple: int = 16
    constant: int = 1 << 20
    size: Callable = len


def idx(data, folder):
    """A file of the IDX format; after an odd first byte within gzip."""
    path = folder / "images"
    path.write_bytes(gzip.compress(data[1:], 1) if data[:1] and data[0] % 2 else data[1:])
    found = read_idx(path)
    assert found.nbytes <= unpacked(data), "more values than the file holds"


def unpacked(data):
    """Return the bytes of an input for ``idx`` once they are out of their gzip wrapper, as far as that is whole."""
    unzip, size, left = zlib.decompressobj(31), len(data), data[1:]
    while left:
        try:
            size += len(unzip.decompress(left))
        except zlib.error:
            break
        unzip, left = zlib.decompressobj(31), unzip.unused_data
    return size


def wrapped(data):
    """Return the content of an .npz file: after an odd first byte one whose members (name BREAK content BREAK …) are `data`."""
    if not data[:1] or data[0] % 2 == 0:
        return data[1:]
    parts, file = data[1:].split(BREAK), io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED if data[0] % 4 == 3 else zipfile.ZIP_STORED) as archive:
        names = [name.decode("latin-1").split("\0")[0] or "empty" for name in parts[::2]]
        for name, content in dict(zip(names, parts[1::2], strict=False)).items():
            archive.writestr(name, content)
    return file.getvalue()


def checkpoint(data, folder):
    """A checkpoint of a run that has the arrays EXPECTED."""
    path = folder / "checkpoint.npz"
    path.write_bytes(wrapped(data))
    read_checkpoint(path, EXPECTED)


def job(data, folder):
    """Where a job of a sweep stands, with two replicas."""
    path = folder / "job.npz"
    path.write_bytes(wrapped(data))
    arrays, rows, _ = progress.read_progress(path, EXPECTED, 2)
    assert len(rows) == 2 and int(arrays["epoch"]) >= 0


def run_folder(data, folder):
    """The folder of a run, which is opened to go on: config.json, log.jsonl, timings.jsonl and the checkpoint, parted by BREAK BREAK."""
    folder = folder / "run"
    folder.mkdir()
    for name, content in zip(seeds.RUN_FILES, data.split(BREAK * 2), strict=False):
        (folder / name).write_bytes(wrapped(content) if name.endswith(".npz") else content)
    read_log(folder)
    with RunFolder(folder, seeds.CONFIG, {"threads": 1}) as run:
        arrays, rows, _ = run.load(EXPECTED, (0, 1))
        assert len(rows) <= 2 * (0 if arrays is None else int(arrays["epoch"]))


def weight_file(data, folder):
    """Write a file of weights, and return its path.

    It is a .npz; after a first byte of 128 or more a .safetensors, whose header has the right length if the byte is
    odd.
    """
    path, content = folder / "weights.npz", wrapped(data)
    if data[:1] >= b"\x80":
        header, _, values = data[1:].partition(BREAK)
        path = folder / "weights.safetensors"
        content = len(header).to_bytes(8, "little") + header + values if data[0] % 2 else data[1:]
    path.write_bytes(content)
    return path


def inflated(data):
    """Return the bytes of an input for ``weight_file``, with the members of a .npz as large as they are unpacked."""
    size = len(data)
    if data[:1] < b"\x80":
        with contextlib.suppress(Exception), zipfile.ZipFile(io.BytesIO(wrapped(data))) as archive:
            for each in archive.infolist():
                with contextlib.suppress(Exception), archive.open(each) as member:
                    size += len(member.read(DEFLATE_LIMIT * len(data)))
    return size


def weights(data, folder):
    """A network's weights in a file of ours."""
    network = interchange.load(weight_file(data, folder))
    held = sum(theta.nbytes for theta in network.parameters.values())
    assert held <= inflated(data), "more weights than the file holds"


def others_weights(data, folder):
    """Weights of another program: in a file, or after 0 and an odd byte as a state dict (see ``state_of``)."""
    if data[:1] == b"\0" and data[1:2] and data[1] % 2:
        state, layers = state_of(data)
        network = interchange.from_state_dict(state, "tanh", layers=layers)
        taken = [state[f"{name}.weight"] for name in layers] if layers else state.values()
        assert all(any(same_values(W.T, array) for array in taken) for W in network.W), "weights that nobody gave"
    else:
        path = weight_file(data, folder)
        try:
            network = interchange.load(path, activation="tanh")
        except ValueError as error:
            raise AssertionError(f"of the file, not of an argument: {error}") from None
    for suffix in interchange.SUFFIXES:
        interchange.save(network, folder / f"again{suffix}")
        again = interchange.load(folder / f"again{suffix}")
        assert (again.sizes, again.dtype, again.activation) == (network.sizes, network.dtype, network.activation)
        assert all(same_values(again.parameters[name], theta) for name, theta in network.parameters.items())


def same_values(one, other):
    return one.shape == other.shape and np.array_equal(
        one, np.asarray(other, one.dtype) if other.dtype.kind in "fiub" else None
    )


def state_of(data):
    """Return the state dict that an input stands for, and the layers that are named, or None.

    After two bytes come arrays, separated by BREAK: a name, a 0, and bytes for dtype, number of dimensions, three
    dimensions and value.
    """
    state = {}
    for part in data[2:].split(BREAK)[:64]:
        name, _, how = part.partition(b"\0")
        dtype, ndim, *sizes, value = (*how[:6], *bytes(6 - len(how[:6])))
        shape = tuple(size % 7 for size in sizes[: ndim % 4])
        array = np.arange(np.prod(shape, dtype=int), dtype=float).reshape(shape) + value
        array = np.array(array, STATE_DTYPES[dtype % len(STATE_DTYPES)])
        if array.dtype.kind == "f":
            array[array == 255] = np.nan
        state[name.decode("latin-1")] = array
    owners = [name.removesuffix(".weight") for name in state if name.endswith(".weight")]
    return state, owners[::-1] if data[1] % 4 == 3 else None


def store(data, folder):
    """The folder of a sweep: its three files, parted by BREAK BREAK; shown in one of four ways, and opened to be written to."""
    folder = folder / "sweep"
    folder.mkdir()
    for name, content in zip(("store.jsonl", "failures.jsonl", "timings.jsonl"), data.split(BREAK * 2), strict=False):
        (folder / name).write_bytes(content)
    how = ((), ("--json",), ("--csv",), ("--group-by", "method"))[sum(data) % 4]  # each takes as long as all the rest
    run_words(["results", "sweep", *how], folder.parent)
    with Store(folder, write=True) as opened:
        opened.fail({"lr": 0.1}, "why")
    with Store(folder) as opened:
        assert all(result.rows for result in opened.results.values())


def syntax(data, folder):
    """The texts of options: grids, optimizers, labels. The first byte says which."""
    kind, text = (data[:1] or b"\0")[0] % 6, data[1:].decode("utf-8", "surrogateescape")
    if kind < 3:
        found = grids.values(text, (float, int, str)[kind])
        assert 0 < len(found) <= max(grids.MOST, text.count(",") + 1)
    elif kind == 3:
        short = optimizers.canonical(text)
        one, same = (kind(1.0, **given) for kind, given in map(optimizers.parse, (text, short)))
        assert one == same and optimizers.canonical(short) == short
    else:
        assert len(checked_labels(text, kind - 2)) == (kind - 2) ** 2


TARGETS = {
    # Twice the values, while a bytearray grows; a piece of 1 MiB is read at once, whatever the file is.
    "idx": Target(idx, (DataError,), seeds.idx, multiple=4, constant=4 << 20, size=unpacked),
    "checkpoint": Target(checkpoint, (RecordError, OSError), seeds.checkpoint),
    "progress": Target(job, (RecordError,), seeds.progress, multiple=64),
    "run": Target(run_folder, (RecordError,), seeds.run_folder, multiple=64),
    # Initial weights are drawn, in float64, before those of the file replace them.
    "weights": Target(weights, (RecordError,), seeds.weights, multiple=64, size=inflated),
    "others": Target(
        others_weights, (RecordError, ValueError), seeds.others_weights, multiple=64, constant=4 << 20, size=inflated
    ),
    "store": Target(store, (RecordError,), seeds.store, multiple=64, constant=4 << 20),
    # A range may be 10 000 numbers long, as texts and as values.
    "syntax": Target(syntax, (ValueError,), seeds.syntax, multiple=64, constant=8 << 20),
    # Commands that train have the digits in memory, and their banks.
    "command": Target(run_command, (), seeds.command, multiple=64, constant=64 << 20),
}
