"""The CUDA kernels under ThreadSanitizer, which must find bugs that were planted: races.py, in processes of their own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .emulated import need_emulator
from .races import CASES, PLANTED

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


def sanitized(*args, more=""):
    """Run races.py under ThreadSanitizer, with more options for it; return its exit code and all that it printed, in that order."""
    need_emulator()
    library = subprocess.run(["gcc", "-print-file-name=libtsan.so"], capture_output=True, text=True).stdout.strip()
    if not Path(library).is_file():
        pytest.skip("no libtsan to find races with")
    options = "ignore_noninstrumented_modules=1 exitcode=66 history_size=7 report_thread_leaks=0"
    environment = os.environ | {"TSAN_OPTIONS": f"{options} {more}", "LD_PRELOAD": library}
    command = [sys.executable, "-m", "tests.kernels.races", *args]
    both = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    done = subprocess.run(command, cwd=ROOT, env=environment, text=True, timeout=300 * len(args), **both)
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def all_cases():
    """The exit code of a process that trains all of them, and what it printed."""
    return sanitized(*CASES)


@pytest.mark.parametrize("case", CASES)
def test_no_race(all_cases, case):
    _, printed = all_cases
    parts = re.split(r"trained: (.*)\n", printed)  # what was printed before a case was trained, the case, and so on
    assert dict(zip(parts[1::2], parts[::2], strict=False)).get(case, printed) == ""


def test_no_race_in_any(all_cases):
    assert all_cases == (0, "".join(f"trained: {case}\n" for case in CASES))


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_found(bug):
    """By a report, or because the kernel then computes something else."""
    code, printed = sanitized("--planted", bug, more="halt_on_error=1")
    assert code == 66 and "WARNING: ThreadSanitizer: data race" in printed or "do not compute an epoch" in printed
