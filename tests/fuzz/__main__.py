"""The nightly command: ``python -m tests.fuzz [--inputs 100000] [--target NAME] [--keep DIR]``.

Each target is fuzzed in a process of its own by atheris, which mutates inputs towards code that none has reached yet. It ends with 1
where an input was found that the library does not survive as it promises; that input is kept.
"""

import argparse
import contextlib
import importlib.util
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from .targets import TARGETS

MEMORY = 2048  # MiB, of the whole process: what tracemalloc does not see


class Fuzzed(NamedTuple):
    """What became of a target: so many inputs, edges of the code, seconds; what was found and the file of its input, or None."""

    inputs: int
    edges: int
    seconds: float
    what: str | None
    file: str | None


def fuzz(names, inputs, keep, seed=1):
    """Fuzz targets with so many inputs each, one after another, each in a process of its own; yield (name, Fuzzed)."""
    keep = Path(keep).absolute()
    keep.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tests.fuzz.one"]
    with tempfile.TemporaryDirectory() as folder, open(Path(folder) / "errors", "w+", errors="replace") as errors:
        pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True)
        with subprocess.Popen(command, **pipes) as process:
            for name in names:
                began = time.monotonic()
                corpus, log = (Path(folder) / f"{name}-{what}" for what in ("corpus", "log"))
                corpus.mkdir()
                for number, content in enumerate(TARGETS[name].seeds()):
                    (corpus / f"seed-{number:02}").write_bytes(content)
                flags = [
                    f"-runs={inputs}",
                    f"-seed={seed}",
                    "-timeout=60",
                    f"-rss_limit_mb={MEMORY}",
                    f"-artifact_prefix={keep}/{name}-",
                    "-max_len=4096",
                    "-len_control=0",
                    str(corpus),
                ]
                job = {"target": name, "folder": f"{folder}/{name}-work", "flags": flags, "log": str(log)}
                with contextlib.suppress(BrokenPipeError):  # it could not start: see below
                    print(json.dumps(job), file=process.stdin, flush=True)
                code = process.stdout.readline().strip()
                output = log.read_text(errors="replace") if code else Path(errors.name).read_text(errors="replace")
                yield name, parsed(output, code, inputs, time.monotonic() - began)


def parsed(output, code, inputs, seconds):
    """Return the Fuzzed of a target, from the output of libFuzzer and its exit code."""
    done = [int(number) for number in re.findall(r"^(?:Done |#)(\d+)", output, re.M)]
    edges = [int(number) for number in re.findall(r"\bcov: (\d+)", output)]
    found = re.search(r"Finding: (.*)|ERROR: libFuzzer: (.*)", output)
    file = re.search(r"Test unit written to (.*)", output)
    what = None
    if code != "0" or found or max(done, default=0) < inputs:
        what = (found and (found[1] or found[2])) or (output.strip().splitlines() or [f"exit code {code}"])[-1]
    return Fuzzed(max(done, default=0), max(edges, default=0), seconds, what, file and file[1])


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
    for name, (inputs, edges, seconds, what, file) in fuzz(asked.target or TARGETS, asked.inputs, asked.keep):
        bad = bad or what is not None
        print(
            f"{name:12} {inputs:9} {edges:7} {seconds:9.1f}  {what or 'nothing'}{f' ({file})' if file else ''}",
            flush=True,
        )
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
