"""The nightly command: ``python -m tests.fuzz [--inputs 100000] [--target NAME] [--keep DIR]``.

Each target is fuzzed in a process of its own by atheris, which mutates inputs towards code that none has reached yet. It ends with 1
where an input was found that the library does not survive as it promises; that input is kept.
"""

import argparse
import importlib.util
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .targets import TARGETS

MEMORY = 2048  # MiB, of the whole process: what tracemalloc does not see


def fuzz(name, inputs, keep, seed=1):
    """Fuzz a target with so many inputs in a process of its own; return (inputs, edges, seconds, what was found or None, file or None)."""
    keep = Path(keep).absolute()
    keep.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        for number, content in enumerate(TARGETS[name].seeds()):
            (corpus / f"seed-{number:02}").write_bytes(content)
        flags = [
            f"-runs={inputs}",
            f"-seed={seed}",
            "-timeout=60",
            f"-rss_limit_mb={MEMORY}",
            f"-artifact_prefix={keep}/{name}-",
        ]
        command = [
            sys.executable,
            "-m",
            "tests.fuzz.one",
            name,
            f"{folder}/work",
            *flags,
            "-max_len=4096",
            "-len_control=0",
            str(corpus),
        ]
        ended = subprocess.run(command, capture_output=True, text=True, errors="replace")
    output = ended.stdout + ended.stderr
    done = [int(number) for number in re.findall(r"^(?:Done |#)(\d+)", output, re.M)]
    edges = [int(number) for number in re.findall(r"\bcov: (\d+)", output)]
    found = re.search(r"Finding: (.*)|ERROR: libFuzzer: (.*)", output)
    file = re.search(r"Test unit written to (.*)", output)
    what = None
    if ended.returncode or found or max(done, default=0) < inputs:
        what = (found and (found[1] or found[2])) or (
            output.strip().splitlines() or [f"exit code {ended.returncode}"]
        )[-1]
    return max(done, default=0), max(edges, default=0), time.monotonic() - began, what, file and file[1]


def main():
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description="Fuzz what reads files, texts and command lines."
    )
    parser.add_argument("--inputs", type=int, default=100_000, help="for each target (default: 100 000)")
    parser.add_argument("--target", action="append", choices=list(TARGETS), help="may be repeated; without it all")
    parser.add_argument(
        "--keep", default="fuzz-found", metavar="DIR", help="for inputs that were found (default: fuzz-found)"
    )
    asked = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed (pip install atheris)", file=sys.stderr)
        return 1
    bad = False
    print(f"{'target':12} {'inputs':>9} {'edges':>7} {'seconds':>9}  found", flush=True)
    for name in asked.target or TARGETS:
        inputs, edges, seconds, what, file = fuzz(name, asked.inputs, asked.keep)
        bad = bad or what is not None
        print(
            f"{name:12} {inputs:9} {edges:7} {seconds:9.1f}  {what or 'nothing'}{f' ({file})' if file else ''}",
            flush=True,
        )
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
