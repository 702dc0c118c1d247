"""Valid inputs to start from, made when they are asked for."""

import contextlib
import gzip
import io
import json
import struct
import tempfile
import zipfile
from functools import cache
from pathlib import Path

import numpy as np

import dfanp
from dfanp import interchange
from dfanp.runs.folder import SCHEMA
from dfanp.runs.store import Result, Store, key_of

BREAK = b"\n==\n"  # between the parts of an input
EXPECTED = {
    "epoch": np.array(0),
    "parameters/W0": np.zeros((2, 3), np.float32),
    "optimizer/W0/v": np.zeros((2, 2, 3)),
    "alive": np.ones(2, bool),
}
RUN_FILES = ("config.json", "log.jsonl", "timings.jsonl", "checkpoint.npz")
CONFIG = {"problem": "parity", "lr": 0.1, "hidden": [3], "seed": 0, "repeats": 2}
PLUGIN = b'import dfanp\n\ndfanp.register(dfanp.Rule("signs", lambda at: at.delta @ at.xp.sign(at.W.mT)))\n'
COMMANDS = (
    "--version",
    "--help",
    "info --json",
    "data list --data-dir .",
    "parity --k 2 --method dfa --opt rmsprop:eps=1e-4 --hidden 3,2 --epochs 2 --repeats 3 --quiet",
    "parity --method bp --opt adam --lr 1e-3 --hidden 3 --align --out new --plot a.png --json",
    "parity --data digits --align=published --layers output --bias --redraw 1 --dtype float64 --kernels numpy",
    "parity --method fourier --opt adadelta --batch-size 3 --seed 2",
    "synthetic --n 3 --d 5 --c 2 --labels 0110 --method fa --opt momentum:momentum=0.9 --epochs 2",
    "synthetic --method ntk --lr 0.5 --labels random --out new",
    "tune parity --lr log:1e-3:1:2 --opt sgd,adam --method bp,dfa --epochs 1 --out new --plot a.svg",
    "tune parity --lr 1e-3,0.5 --halving 2 --epochs 2 --repeats 2 --out tuned --json --quiet",
    "tune synthetic --labels random,0110 --c 2 --method bp --lr 0.5 --hidden 2/3,2 --out new --keep",
    "results tuned --where method=dfa --group-by method,opt",
    "results tuned --where lr=0.5 --json",
    "results tuned --csv --last 2",
    "plot tuned --out a.png --x lr",
    "plot runs/one runs/two --out a.svg",
    "represent runs/one --layer 1 --json --samples 60",
    "represent runs/one --place 1 --seed 1 --plot a.pdf --map pca",
    "export runs/one --out a.npz",
    "export runs/two --out a.safetensors --seed 1",
    "parity --plugin plugin.py --method signs --hidden 3,2 --epochs 1 --out new",
    "represent runs/one --plugin plugin.py --samples 60",
)


def npz(arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def members(archive, mode=b"\1"):
    """Return the content of an .npz file as its members, as ``targets.wrapped`` takes them."""
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        return mode + BREAK.join(
            part for each in file.infolist() for part in (each.filename.encode(), file.read(each))
        )


def idx():
    found = []
    for code, dtype, shape in (
        (8, "u1", (2, 3, 4)),
        (8, "u1", (9,)),
        (0xD, ">f4", (2, 2)),
        (0xB, ">i2", (0, 3)),
        (8, "u1", (1,) * 66),
    ):
        content = (
            bytes([0, 0, code, len(shape)])
            + struct.pack(f">{len(shape)}I", *shape)
            + np.ones(shape[-60:], dtype).tobytes()
        )
        found += [b"\0" + content, b"\1" + content, b"\0" + gzip.compress(content)]
    return found


def checkpoint():
    whole = npz(EXPECTED)
    return [b"\0" + whole, members(whole), members(whole, b"\3")]


def progress():
    """Of a job with two replicas, one of which has diverged."""
    rows = [[row(1)], [{"epoch": 1, "status": "diverged"}]]
    message = np.frombuffer(json.dumps({"rows": rows, "seconds": 1.5}).encode(), np.uint8)
    whole = npz(EXPECTED | {"epoch": np.array(1), "alive": np.array([True, False]), "told": message})
    return [b"\0" + whole, members(whole), members(whole, b"\3")]


def weights():
    found = []
    for bias in (False, True):
        network = dfanp.MLP((2, 3, 1), "tanh", bias, backend=dfanp.Backend("cpu", kernels="numpy"))
        with tempfile.TemporaryDirectory() as folder:
            for suffix in interchange.SUFFIXES:
                interchange.save(network, Path(folder) / f"a{suffix}")
            whole, safe = (Path(folder) / f"a{suffix}" for suffix in interchange.SUFFIXES)
            whole, safe = whole.read_bytes(), safe.read_bytes()
        end = 8 + int.from_bytes(safe[:8], "little")
        found += [b"\0" + whole, members(whole), b"\x80" + safe, b"\x81" + safe[8:end] + BREAK + safe[end:]]
    return found


def others_weights():
    """Files without an activation, of half precision and with other names, and state dicts."""
    found, rng = [], np.random.default_rng(0)
    arrays = [rng.standard_normal(shape).astype(np.float32) for shape in ((3, 2), (3,), (3, 3), (3,), (1, 3), (1,))]
    for names in (("0", "2", "4"), ("encoder.0", "encoder.2", "head"), ("a", "b", "c"), ("fc1", "fc10", "fc2")):
        keys = [f"{name}.{kind}" for name in names for kind in ("weight", "bias")]
        upper_half = lambda array: (array.view(np.uint32) >> 16).astype(np.uint16)
        kinds = {"F32": lambda array: array, "F16": lambda array: array.astype(np.float16), "BF16": upper_half}
        for header_dtype, cast in kinds.items():
            state = dict(zip(keys, map(cast, arrays), strict=True))
            place, header = 0, {"__metadata__": {"format": "pt"}}
            for name, array in state.items():
                header[name] = {
                    "dtype": header_dtype,
                    "shape": array.shape,
                    "data_offsets": (place, place + array.nbytes),
                }
                place += array.nbytes
            values = b"".join(array.tobytes() for array in state.values())
            found += [b"\x81" + json.dumps(header).encode() + BREAK + values]
            if header_dtype != "BF16":  # which NumPy has not
                found += [members(npz(state)), members(npz(state), b"\3"), b"\2" + npz(state)]
        parts = [
            key.encode() + b"\0" + bytes([0, array.ndim, *(*array.shape, 0, 0)[:3], 1])
            for key, array in zip(keys, arrays, strict=True)
        ]
        found += [bytes([0, how]) + BREAK.join(parts) for how in (1, 3)]
        found += [bytes([0, 1]) + BREAK.join([*parts[4:], *parts[:4]])]
    return found


def row(epoch, **more):
    return {
        "epoch": epoch,
        "train_loss": 1.0,
        "train_accuracy": 0.5,
        "test_loss": 1.0,
        "test_accuracy": 0.25 * epoch,
    } | more


def lines(rows):
    return "".join(json.dumps(each) + "\n" for each in rows).encode()


def run_folder():
    config = json.dumps({"schema": SCHEMA, "config": CONFIG, "environment": {"threads": 1}}).encode()
    both = [row(epoch, seed=seed) for epoch in (1, 2) for seed in (0, 1)]
    ends = [row(1, seed=0), {"epoch": 1, "seed": 1, "status": "diverged"}, row(2, seed=0), row(3, seed=0)]
    timings, whole = (
        lines([{"epoch": epoch, "seconds": 0.1} for epoch in (1, 2)]),
        npz(EXPECTED | {"epoch": np.array(2)}),
    )
    return [BREAK.join([config, b"", b"", b""]), config] + [
        (BREAK * 2).join([config, lines(rows), timings, b"\0" + whole])
        for rows in (both, ends, [*both, row(3, seed=0)])
    ]


def results():
    """Return the Results of a small sweep."""
    configs = [
        {"problem": "parity", "method": m, "opt": "sgd", "lr": lr, "hidden": [3]}
        for m in ("bp", "dfa")
        for lr in (0.1, 0.5)
    ]
    done = [Result(key_of(config), config, "done", [row(1), row(2)]) for config in configs]
    config = {"problem": "parity", "lr": 9.0}
    return [*done, Result(key_of(config), config, "diverged", [row(1), {"epoch": 2, "status": "diverged"}])]


def store():
    all_lines = [lines([each._asdict()]) for each in results()]
    failed = lines([{"key": key_of({"lr": 3}), "config": {"lr": 3}, "error": "the disk is full"}])
    timings = lines([{"key": each.key, "seconds": 1.5} for each in results()])
    return [
        (BREAK * 2).join([b"".join(all_lines), failed, timings]),
        all_lines[0],
        b"",
        all_lines[0] + all_lines[-1][:-9],
    ]


def syntax():
    grids = ("1,2, 3", "1e-4:4e-4:6", "log:1e-4:1e-1:8", "1:2:3,5", "-1e308:1e308:3")
    optimizers = (
        "adam:count=epochs:eps_placement=outside",
        "momentum:momentum=0.95",
        "momentum:momentum=0.90",  # a default, in other words
        "sgd",
        "adadelta:rho=0.5:accumulate=unscaled",
    )
    found = [bytes([kind]) + text.encode() for kind in range(3) for text in grids]
    found += [b"\3" + text.encode() for text in optimizers]
    return found + [b"\4" + b"0110", b"\5" + b"011110100", b"\5thesis", b"\4random"]


def command():
    from .command_line import FORGED, bytes_of

    plain = [bytes_of(line) for line in COMMANDS]
    files = [kept()[name] for name in FORGED]
    whole = [
        (BREAK * 2).join([bytes_of(line), *files])
        for line in COMMANDS
        if "one" in line or "plugin" in line or line.startswith("plot")
    ]
    return plain + whole


@cache
def kept():
    """Return the files of two runs, a sweep and a plugin, path -> content: what commands find in their folder."""
    from dfanp_cli.main import run

    with tempfile.TemporaryDirectory() as folder:
        small = [
            "--quiet",
            "--kernels",
            "numpy",
            "--train-size",
            "8",
            "--test-size",
            "50",
            "--epochs",
            "2",
            "--hidden",
            "3",
        ]
        small += ["--batch-size", "4", "--repeats", "2", "--data", "digits", "--device", "cpu"]
        for name, k in (("one", "1"), ("two", "2")):
            with contextlib.redirect_stdout(io.StringIO()):
                assert run(["parity", "--k", k, *small, "--out", f"{folder}/runs/{name}"]) == 0
        with Store(f"{folder}/tuned", write=True) as sweep:
            sweep.add(results(), 0.5)
        (Path(folder) / "plugin.py").write_bytes(PLUGIN)
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in Path(folder).rglob("*")
            if path.is_file()
        }
