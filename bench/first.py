"""The first minutes on a card: ``dfanp bench gpu --first``. Is what it computes right, and how fast is it?

Each part is a process of its own (``python -m dfanp_bench.first PART JSON``) that prints one JSON object per result; the command
writes each to disk at once. A part that fails, hangs or takes longer than its share of the time costs no more than itself.
"""

import importlib.util
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from threading import Thread
from time import monotonic, perf_counter

from .worker import failure, replies

SANITIZERS = ("memcheck", "racecheck", "synccheck")
TESTS = Path(__file__).parents[1] / "tests" / "test_gpu.py"
NEAR = 1e-4  # of a loss, from the CPU's
GRACE = 1.0  # seconds that are left for what must be written at the end


def training(settings, reference=False, hidden=(512,), opt="rmsprop", rule="dfa", seed=0, train_size=1280, **more):
    """Return a Training on parity, on the card or, as the reference, by NumPy."""
    import dfanp
    from dfanp.optimizers import OPTIMIZERS

    kernels = more.get("kernels", "auto") if not reference else "numpy"
    backend = dfanp.Backend(settings["device"] if not reference else "cpu", kernels=kernels)
    dataset = dfanp.load(settings["data"], settings["data_dir"])
    dtype = more.get("dtype", "float32")
    problem = dfanp.Parity(dataset, 3, train_size, 500, dtype, backend)
    sizes = [problem.features, *(min(width, settings["width"]) for width in hidden), 1]
    network = dfanp.MLP(sizes, more.get("activation", "relu"), more.get("bias", False), dtype, seed, backend)
    return dfanp.Training(network, problem, rule, OPTIMIZERS[opt](1e-4))


def classes(settings, reference, rule, bias=True):
    """Return a Training of ten classes of images as arrays."""
    import numpy as np

    import dfanp

    backend = dfanp.Backend(
        settings["device"] if not reference else "cpu", kernels="auto" if not reference else "numpy"
    )
    dataset = dfanp.load(settings["data"], settings["data_dir"])
    X = ((dataset.train.pixels[:1280] - dataset.mean) / dataset.std).astype(np.float32)
    y = np.eye(10, dtype=np.float32)[dataset.train.labels[:1280]]
    problem = dfanp.Arrays(X, y, X[:300], y[:300], loss="cross-entropy", backend=backend)
    width = min(200, settings["width"])
    network = dfanp.MLP([X.shape[1], width, width, 10], "tanh", bias, backend=backend)
    return dfanp.Training(network, problem, rule, dfanp.Adam(1e-4))


CASES = {  # what is compared with the CPU, smallest first
    "SGD, DFA, 32 units": lambda s, d: training(s, d, (32,), "sgd", train_size=256),
    "RMSProp, BP, three replicas": lambda s, d: training(s, d, (32,), "rmsprop", "bp", (0, 1, 2), 256),
    "Adam, DFA": lambda s, d: training(s, d, opt="adam"),
    "RMSProp, DFA": lambda s, d: training(s, d),
    "two layers, biases, FA": lambda s, d: training(s, d, (512, 64), "adam", "fa", bias=True, activation="tanh"),
    "three layers, BP, replicas": lambda s, d: training(s, d, (128, 64, 32), "rmsprop", "bp", (0, 1)),
    "two layers, float64, DFA": lambda s, d: training(s, d, (100, 50), "momentum", dtype="float64"),
    "ten classes, BP": lambda s, d: classes(s, d, "bp"),
    "ten classes, DFA": lambda s, d: classes(s, d, "dfa"),
    "the definition on the card": lambda s, d: training(s, d, kernels="numpy"),
}


def card(settings):
    """Yield what the machine and the card are."""
    from .report import machine

    if settings["device"] != "gpu":
        yield {"card": "no GPU", "machine": machine()}
        return
    import cupy

    from dfanp.backend import gpu_name

    runtime = cupy.cuda.runtime
    attributes = cupy.cuda.Device().attributes
    wanted = ("MultiProcessorCount", "MaxSharedMemoryPerBlockOptin", "ClockRate", "L2CacheSize", "CooperativeLaunch")
    yield {
        "card": gpu_name(cupy),
        "capability": cupy.cuda.Device().compute_capability,
        "driver": runtime.driverGetVersion(),
        "runtime": runtime.runtimeGetVersion(),
        "cupy": cupy.__version__,
        "memory": runtime.memGetInfo()[1],
        **{name: int(attributes[name]) for name in wanted if name in attributes},
        "machine": machine(),
    }


def correct(settings):
    """Yield for each case how far the losses are from the CPU's, and whether runs repeat; a WRONG one has ``right`` false."""
    import numpy as np

    for name, make in CASES.items():
        began = perf_counter()
        tried = make(settings, False)
        mine, theirs = tried.run_epoch(), make(settings, True).run_epoch()
        of = lambda record: np.array([np.mean(record.train_loss), np.mean(record.test_loss)])
        apart = float(np.abs(of(mine) - of(theirs)).max())
        kernels = tried.backend.kernels
        yield {
            "case": name,
            "apart": apart if np.isfinite(apart) else str(apart),
            "right": bool(apart < NEAR),
            "kernels": kernels.name,
            "notes": kernels.notes,
            "tensor_cores": getattr(kernels.tier, "tensor_cores", None),
            "compiled": registers(kernels.tier),
            "took": perf_counter() - began,
        }
    again = [training(settings, opt="adam") for _ in range(2)]
    records = [list(each.epochs(2)) for each in again]
    arrays = [each.arrays() for each in again]
    same = records[0] == records[1] and all(np.array_equal(arrays[0][name], arrays[1][name]) for name in arrays[0])
    yield {"case": "a run that is repeated has the same bytes", "right": same}
    joint = training(settings, seed=(0, 1, 2)).run_epoch()
    alone = training(settings, seed=1).run_epoch()
    right = settings["device"] != "gpu" or joint.replica(1) == alone
    yield {"case": "a replica has the bytes of its solo run", "right": right}


def registers(tier):
    """Return registers and bytes in slow memory of each kernel that a tier has compiled so far, by name and shape."""
    found = []
    for (_, name, defines), kernel in getattr(getattr(tier, "card", None), "kernels", {}).items():
        attributes = kernel.attributes
        found.append(
            {
                "kernel": name,
                "shape": dict(defines),
                "registers": attributes["num_regs"],
                "local": attributes["local_size_bytes"],
            }
        )
    return found


def one(settings):
    """Train a small network on the card, for a sanitizer to watch: a pass, and a deep network."""
    training(settings, (32,), "rmsprop", train_size=256).run_epoch()
    training(settings, (32, 16), "adam", train_size=256, bias=True).run_epoch()
    yield {"trained": True}


def sanitizer(settings):
    """Yield what each tool of compute-sanitizer finds in ``one``."""
    if shutil.which("compute-sanitizer") is None:
        yield {"skipped": "compute-sanitizer is not installed (it comes with the CUDA toolkit)"}
        return
    for tool in SANITIZERS:
        began = perf_counter()
        command = ["compute-sanitizer", "--tool", tool, "--error-exitcode", "9", sys.executable]
        command += ["-m", __spec__.name if __spec__ else "dfanp_bench.first", "one", json.dumps(settings)]
        done = subprocess.run(command, capture_output=True, text=True)
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("=========")]
        yield {
            "tool": tool,
            "right": done.returncode == 0,
            "exit": done.returncode,
            "said": said[-20:] or (done.stdout + done.stderr).splitlines()[-3:],
            "took": perf_counter() - began,
        }


def plan_of(settings, **more):
    """Return the Plan of ``gpu.training`` for the first times."""
    from . import gpu

    sizes = {"train_size": 5120, "test_size": 1000, "steps": 64} if settings["quick"] else {}
    chosen = {"opts": ("rmsprop",), "rules": ("dfa",), "rounds": 3, "replicas": (1, 8, 64), "torch": False}
    where = {"device": "cuda" if settings["device"] == "gpu" else "cpu", "ours": settings["device"]}
    on_host = {"tiers": ("numpy",), "replicas": (1,), "hidden": settings["width"], "threads": 1}  # in tests
    on_host |= {"steps": 4, "train_size": 640, "rounds": 1, "whats": ("steps",)}
    return gpu.Plan(
        settings["data"],
        settings["data_dir"],
        **(chosen | sizes | where | more | (on_host if settings["device"] != "gpu" else {})),
    )


def alone(settings):
    """Yield the times of dfanp alone: they are there first."""
    from . import gpu

    yield from gpu.training(plan_of(settings), lambda text: None)


def pytorch(settings):
    """Yield the times beside PyTorch, a step captured into CUDA graphs; one number of replicas after the other."""
    from . import gpu

    if importlib.util.find_spec("torch") is None:
        yield {"skipped": "PyTorch is not installed (pip install 'dfanp[bench]')"}
        return
    graphs = "PyTorch max-autotune, captured"
    gpu.TORCH = {graphs: gpu.TORCH[graphs] if settings["device"] == "gpu" else "eager"}
    tiers = {} if settings["device"] != "gpu" else {"tiers": ("cuda", "cuda-tf32")}
    for R in plan_of(settings).replicas:
        yield from gpu.training(plan_of(settings, torch=True, replicas=(R,), **tiers), lambda text: None)


def jax(settings):
    """Yield the time of an epoch beside JAX, one jitted scan of all steps."""
    from . import gpu

    if importlib.util.find_spec("jax") is None:
        yield {"skipped": "JAX is not installed (pip install 'jax[cuda12]')"}
        return
    yield gpu.beside_jax(plan_of(settings))


def tests(settings):
    """Yield what tests/test_gpu.py says."""
    if not TESTS.is_file():
        yield {"skipped": "no tests beside the benchmark: it is not run from a checkout"}
        return
    command = [sys.executable, "-m", "pytest", TESTS, "-q", "-x", "-W", "default", "-p", "no:cacheprovider"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=TESTS.parents[1])
    # 5: no test was selected.
    yield {
        "right": done.returncode in (0, 5),
        "exit": done.returncode,
        "said": (done.stdout + done.stderr).splitlines()[-15:],
    }


# What is run, in this order, and the share of the time that is left which a part may take.
PARTS = {card: 0.5, correct: 0.5, alone: 0.5, sanitizer: 0.4, pytorch: 0.6, jax: 0.5, tests: 1.0}
NAMED = {part.__name__: part for part in (*PARTS, one)}


def lines_of(command, log, deadline):
    """Yield the lines that a process prints, until it ends or `deadline` (monotonic); then how it ended.

    It and all that it started are killed at the deadline.
    """
    options = {} if os.name == "nt" else {"start_new_session": True}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, **options)
    lines: queue.Queue = queue.Queue()

    def read():
        with process.stdout:
            for line in process.stdout:
                lines.put(line)
        lines.put(None)

    reader = Thread(target=read, daemon=True)
    reader.start()
    try:
        while True:
            line = lines.get(timeout=max(0.0, deadline - monotonic()))
            if line is None:
                break
            yield line
        process.wait(timeout=max(0.1, deadline - monotonic()))
        yield {"ended": "done" if process.returncode == 0 else "failed", "exit": process.returncode}
    except (queue.Empty, subprocess.TimeoutExpired):
        yield {"ended": "cut off"}
    finally:
        kill(process)
        reader.join(1)


def kill(process):
    """End a process and all that it has started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL) if hasattr(os, "killpg") else process.kill()
    process.wait()


def run(settings, minutes, folder, say, parts=None):
    """Run all parts within so many `minutes`; return the results, which are in ``folder/first.jsonl`` already, one a line.

    Args:
        settings: ``data``, ``data_dir``, ``device`` ("gpu"), ``quick``, and ``width``, the most units of a layer.
        parts: name -> share of the time that is left; None takes all of PARTS.
    """
    began = monotonic()
    end = began + 60 * minutes - min(GRACE, 6 * minutes)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    results, parts = [], parts or {part.__name__: share for part, share in PARTS.items()}
    with open(folder / "first.jsonl", "a", encoding="utf-8") as file, open(folder / "first.log", "a") as log:

        def keep(part, result):
            result = {"part": part, "at": round(monotonic() - began, 2)} | result
            results.append(result)
            file.write(json.dumps(result) + "\n")
            file.flush()
            os.fsync(file.fileno())
            say(line_of(result))

        keep("start", {"limit": 60 * minutes, "settings": settings | {"data_dir": None}})
        for part, share in parts.items():
            left = end - monotonic()
            if left <= 0:
                keep(part, {"ended": "not begun: the time is over"})
                continue
            command = [sys.executable, "-m", "dfanp_bench.first", part, json.dumps(settings)]
            print(f"-- {part}", file=log, flush=True)
            for line in lines_of(command, log, monotonic() + share * left):
                keep(part, json.loads(line) if isinstance(line, str) else line)
    return results


def line_of(result):
    """Return a result in one line."""
    part, more = result["part"], {key: value for key, value in result.items() if key not in ("part", "at")}
    said = f"[{result['at']:6.1f} s] {part}: "
    if "case" in result or "tool" in result:
        name = result.get("case", result.get("tool"))
        apart = f", {result['apart']:.1e} apart" if isinstance(result.get("apart"), float) else ""
        return f"{said}{name}{apart}: {'right' if result['right'] else 'WRONG'}"
    if "times" in result:
        times = ", ".join(f"{title} {each['median'] * 1e3:.4g} ms" for title, each in result["times"].items())
        return f"{said}{result['name']}, R = {result['settings'].get('replicas', 1)}: {times}"
    for key in ("skipped", "error", "ended", "card"):
        if key in result:
            return f"{said}{result[key]}" + (f" (exit {result['exit']})" if result.get("exit") else "")
    return said + json.dumps(more)[:200]


def right(results):
    """Whether nothing was found to be wrong, and the comparison with the CPU came to its end."""
    wrong = any(result.get("right") is False for result in results)
    return not wrong and any(each["part"] == "correct" and each.get("ended") == "done" for each in results)


def markdown(results):
    """Return a summary of the results, as Markdown."""
    from .report import rows

    of = lambda part: [each for each in results if each["part"] == part]
    found = [f"# First minutes on {next((each['card'] for each in of('card') if 'card' in each), 'no card')}"]
    checks = [each for each in results if "right" in each]
    body = [
        (
            each["part"],
            each.get("case", each.get("tool", "")),
            f"{each['apart']:.1e}" if isinstance(each.get("apart"), float) else "",
            "right" if each["right"] else "**WRONG**",
        )
        for each in checks
    ]
    found.append(rows(["part", "what", "apart", ""], body))
    body = [
        (
            each["name"],
            each["settings"].get("replicas", 1),
            title,
            f"{time['median'] / (each['settings']['steps'] if each['name'] == 'steps' else 1) * 1e6:.1f} µs",
        )
        for each in results
        if "times" in each
        for title, time in each["times"].items()
    ]
    found.append(rows(["a step, or an epoch", "R", "by", "median"], body))
    ends = [
        f"{each['part']}: {each.get('ended') or each.get('skipped') or each['error']}"
        for each in results
        if {"ended", "skipped", "error"} & each.keys()
    ]
    return "\n\n".join([*found, "; ".join(ends) + "."])


def main():
    part, settings, reply = sys.argv[1], json.loads(sys.argv[2]), replies()
    try:
        for result in NAMED[part](settings):
            reply(result)
    except Exception as error:
        reply(failure(error))
        raise


if __name__ == "__main__":
    main()
