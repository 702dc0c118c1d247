"""A candidate in a process of its own: ``python -m dfanp_bench.worker NAME JSON``.

Between its turns it waits on a pipe, so that no thread pool of one candidate spins while another one runs, and each has its own
OpenMP, BLAS and memory. A line in is the name of a run; a line out is ``{"seconds": …, "value": …}`` or ``{"error": …}``.
"""

import gc
import json
import os
import sys
from time import perf_counter


def serve(name, settings, lines, reply):
    """Make candidate `name` with `settings` (a dict), say that it is ready, and run what each line asks for."""
    from . import candidates

    runs = candidates.make(name, settings)
    reply({"ready": sorted(runs)})
    for line in lines:
        run = runs[line.strip()]
        gc.collect()
        began = perf_counter()
        value = run()
        reply({"seconds": perf_counter() - began, "value": value})


def replies():
    """Return ``reply(message)``, which writes a line of JSON to stdout. What a library prints there goes to stderr from now on."""
    pipe = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def reply(message):
        pipe.write(json.dumps(message) + "\n")
        pipe.flush()

    return reply


def failure(error):
    """Return the reply to an exception: its type and the first line of its text."""
    text = (str(error).strip().splitlines() or [""])[0]
    return {"error": f"{type(error).__name__}: {text}"}


def main():
    name, settings, reply = sys.argv[1], json.loads(sys.argv[2]), replies()
    try:
        serve(name, settings, sys.stdin, reply)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        reply(failure(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
