"""Targets under atheris: ``python -m tests.fuzz.one``, which ``tests.fuzz`` starts.

Each line of its standard input is a job in JSON, {"target", "folder", "flags" (libFuzzer's, and corpora), "log"}, and runs in a fork:
the code is instrumented once, which takes seconds. A line with its exit code answers. Only dfanp's own code is instrumented: coverage of
what it imports would lead away from it.
"""

import contextlib
import json
import os
import shutil
import sys
import tracemalloc
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["dfanp", "dfanp_cli"]):
    import dfanp_cli.main  # noqa: F401

    from .command_line import leaves, tame
    from .targets import TARGETS

    list(leaves(dfanp_cli.main.cli))  # loads each command

from .guard import guarded


def main():
    for line in sys.stdin:
        job = json.loads(line)
        child = os.fork()
        if not child:
            with open(job["log"], "w") as log:
                os.dup2(log.fileno(), 1)
                os.dup2(log.fileno(), 2)
            fuzz(job["target"], Path(job["folder"]), job["flags"])
            os._exit(0)  # where atheris returns
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def fuzz(name, folder, flags):
    target = TARGETS[name]
    home = folder.with_name("home")
    os.environ |= {
        "XDG_CACHE_HOME": str(home),
        "MPLCONFIGDIR": str(home),
    }  # the user's data sets and settings are not ours
    os.environ.pop("DFANP_DATA", None)

    def one(data):
        folder.mkdir()
        try:
            guarded(target, data, folder, alarm=False)  # libFuzzer has the alarm
        finally:
            shutil.rmtree(folder)

    with tame():
        for content in target.seeds():  # loads what is loaded late, which is not the input's to pay for
            folder.mkdir()
            with contextlib.suppress(Exception):  # reported below, where it is guarded
                target.run(content, folder)
            shutil.rmtree(folder)
        tracemalloc.start()
        atheris.Setup([sys.argv[0], *flags], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
