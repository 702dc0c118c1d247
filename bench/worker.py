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


def main():
    name, settings = sys.argv[1], json.loads(sys.argv[2])
    pipe = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints must not stand among the replies

    def reply(message):
        pipe.write(json.dumps(message) + "\n")
        pipe.flush()

    try:
        serve(name, settings, sys.stdin, reply)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        text = (str(error).strip().splitlines() or [""])[0]
        reply({"error": f"{type(error).__name__}: {text}"})
        sys.exit(1)


if __name__ == "__main__":
    main()
