"""What a user waits for and gives memory to before anything is learned: start, import, peak memory."""

import os
import subprocess
import sys
from statistics import median
from time import perf_counter

from dfanp.errors import DfanpError

COMMAND = [sys.executable, "-m", "dfanp_cli"]
WATCH = """
import os, subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
_, status, usage = os.wait4(child.pid, 0)
child.returncode = os.waitstatus_to_exitcode(status)
print(child.returncode, usage.ru_maxrss)
"""
WATCHES = hasattr(os, "wait4")  # whether the system reports the memory of a child
IMPORT = "from time import perf_counter as now; began = now(); import {}; print(now() - began)"


def started(arguments):
    """Return the wall-clock seconds of ``dfanp`` with `arguments`."""
    began = perf_counter()
    subprocess.run([*COMMAND, *arguments], check=True, capture_output=True)
    return perf_counter() - began


def imported(module):
    """Return the seconds that a fresh interpreter needs to import `module`."""
    output = subprocess.run(
        [sys.executable, "-c", IMPORT.format(module)], check=True, capture_output=True, encoding="utf-8"
    )
    return float(output.stdout)


def start_times(rounds):
    """Return the times of ``dfanp --version``, ``import dfanp`` and ``import numpy``, in turns, and the second less the third."""
    started(["--version"]), imported("dfanp"), imported("numpy")
    found = {"version": [], "import dfanp": [], "import numpy": []}
    for _ in range(rounds):
        found["version"].append(started(["--version"]))
        found["import dfanp"].append(imported("dfanp"))
        found["import numpy"].append(imported("numpy"))
    ours, numpy = found["import dfanp"], found["import numpy"]
    return found, median(a - b for a, b in zip(ours, numpy, strict=True))


def peak_megabytes(settings, tier):
    """Return the largest resident memory, in MB of 10^6 bytes, of ``dfanp parity --epochs 1`` in a process of its own."""
    command = [*COMMAND, "parity", "--epochs", "1", "--quiet", "--data", settings["data"], "--kernels", tier]
    command += ["--threads", str(settings["threads"]), "--k", str(settings["k"])]
    if settings["data_dir"]:
        command += ["--data-dir", settings["data_dir"]]
    # A child's peak counts its fork, which is as large as what it was forked from: a small process stands between.
    output = subprocess.run(
        [sys.executable, "-c", WATCH, *command], check=True, capture_output=True, encoding="utf-8"
    ).stdout
    code, peak = map(int, output.split())
    if code:
        raise DfanpError(f"dfanp {' '.join(command[3:])} failed with exit code {code}")
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e6
