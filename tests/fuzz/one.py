"""One target under atheris: ``python -m tests.fuzz.one NAME FOLDER [libFuzzer's flags and corpora]``; ``tests.fuzz`` starts it.

Only dfanp's own code is instrumented: coverage of what it imports would lead away from it.
"""

import contextlib
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
    name, folder = sys.argv[1], Path(sys.argv[2])
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
        atheris.Setup([sys.argv[0], *sys.argv[3:]], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
