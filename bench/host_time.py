"""What the host does for a card: to draw an epoch, and to start its steps. Measured without a card.

    python -m dfanp_bench.host_time [--rounds N] [--out FILE.json]

The kernels are those of the CUDA tier, on a card whose launches do nothing: what is left is Python. A launch by CuPy itself takes some
microseconds more, which is counted, not measured. Images are drawn in the sizes of MNIST. The fastest round counts: what else
the machine does only adds to it; processor time, of all threads, stands beside it.
"""

import argparse
import json
import sys
from pathlib import Path
from time import perf_counter, process_time

import numpy as np

import dfanp
from dfanp.kernels.cuda import Cuda
from dfanp.kernels.whole import call
from dfanp.problems.images import Dataset, Images

from .report import machine, rows

R = (1, 8, 64)
NETWORKS = {  # hidden layers, biases, and what they stand for
    "512, one launch": ((512,), False),
    "512-512, recorded steps": ((512, 512), True),
    "512-512-512-512, recorded steps": ((512,) * 4, True),
}


class IdleCard:
    """A card on which every launch, product and graph does nothing, but is counted."""

    multiprocessors, shared, multiplies, tensor = 132, 227 << 10, True, False

    def __init__(self):
        self.count, self.recording = 0, False

    def address(self, array):
        return array.ctypes.data

    def strides(self, array):
        return [stride // array.itemsize for stride in array.strides]

    def asarray(self, host):
        return np.array(host)

    def empty(self, shape, dtype):
        return np.empty(shape, dtype)

    def zeros(self, shape, dtype):
        return np.zeros(shape, dtype)

    def blocks_at_once(self, *what):
        return self.multiprocessors

    def kernel(self, *what):
        pass

    def launch(self, file, name, defines, struct, *sizes):
        self.count += not self.recording
        bytes(struct)  # as CuPy takes it
        tuple(defines.items())

    def product(self, *what):
        self.count += not self.recording

    def recorded(self, run):
        self.recording = True
        run()
        self.recording = False
        return Graph(self)


class Graph:
    """A recorded graph of an IdleCard."""

    def __init__(self, card):
        self.card = card

    def launch(self):
        self.card.count += 1


def images(rng, n):
    """Return n blank images of MNIST's size; the labels count."""
    return Images(np.zeros((n, 784), np.uint8), rng.integers(0, 10, n).astype(np.uint8))


def problem(device="cpu"):
    """Return Parity on blank images, drawn as for a card if `device` is "gpu"."""
    rng = np.random.default_rng(0)
    backend = dfanp.Backend("cpu", kernels="numpy")
    backend.device = device
    dataset = Dataset("blank", images(rng, 60_000), images(rng, 10_000), 33.3, 78.5, 0)
    return dfanp.Parity(dataset, 3, backend=backend)


def fastest(run, rounds):
    """Return the least wall-clock and the least processor time of some rounds, in seconds."""
    found = []
    for _ in range(rounds):
        began, used = perf_counter(), process_time()
        run()
        found.append((perf_counter() - began, process_time() - used))
    return min(wall for wall, _ in found), min(used for _, used in found)


def drawing(rounds):
    """Yield the time to draw an epoch's picks (60 000 to train, 10 000 to test), for R replicas: what the card waits for."""
    from dfanp.backend import usable_cores
    from dfanp.problems.parity import drawn
    from dfanp.streams import streams

    for replicas in R:
        seeds = tuple(range(replicas)) if replicas > 1 else 0

        def both(threads, seeds=seeds):
            for part, images in (("train", 60_000), ("test", 10_000)):
                stream = lambda one, part=part: getattr(streams(one), part)(1)
                drawn(seeds, stream, images, images, 3, "int32", threads)

        for threads in dict.fromkeys((1, usable_cores())):
            wall, used = fastest(lambda: both(threads), rounds)  # noqa: B023
            yield {"what": "draw", "R": replicas, "threads": threads, "seconds": wall, "processor": used}


def launching(rounds):
    """Yield the time that Python takes to start an epoch and its test, and how many launches these are."""
    of_card = problem()
    for replicas in R:
        seeds = tuple(range(replicas)) if replicas > 1 else 0
        train, test = of_card.train(seeds, 1), of_card.test(seeds, 1)
        for name, (hidden, bias) in NETWORKS.items():
            width = [max(1, each // replicas) for each in hidden]  # memory alone would differ
            tier = Cuda(np, IdleCard())
            network = dfanp.MLP((of_card.features, *width, 1), bias=bias, seed=seeds, backend=of_card.backend)
            training = dfanp.Training(network, of_card, "dfa", dfanp.RMSProp(0.001))

            def run(training=training, tier=tier, train=train, test=test):
                call(training, tier, *train, 1)
                call(training, tier, *test, None)

            first = fastest(run, 1)[0]
            tier.card.count = 0
            run()
            count = tier.card.count
            wall, used = fastest(run, rounds)
            yield {
                "what": "launch",
                "network": name,
                "R": replicas,
                "seconds": wall,
                "processor": used,
                "first": first,
                "launches": count,
            }


def table(found):
    """Return the Markdown tables of the results."""
    ms = lambda seconds: f"{seconds * 1e3:.3g} ms"
    body = [
        (f"R = {each['R']}", each["threads"], ms(each["seconds"]), ms(each["processor"]))
        for each in found
        if each["what"] == "draw"
    ]
    parts = [rows(["draw an epoch", "threads", "time", "processor time"], body)]
    body = [
        (
            each["network"],
            each["R"],
            ms(each["seconds"]),
            f"{each['seconds'] / 469 * 1e6:.2g} µs",
            each["launches"],
            ms(each["first"]),
        )
        for each in found
        if each["what"] == "launch"
    ]
    head = ["start an epoch and its test", "R", "Python", "a step", "launches", "the first time"]
    return "\n\n".join([*parts, rows(head, body)])


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=10, help="How often each is measured.")
    parser.add_argument("--out", type=Path, help="Write the results to this JSON file.")
    given = parser.parse_args()
    found = []
    for measure in (drawing, launching):
        for each in measure(given.rounds):
            print(json.dumps(each), file=sys.stderr)
            found.append(each)
    if given.out:
        given.out.write_text(json.dumps({"machine": machine(), "found": found}, indent=1) + "\n")
    print(table(found))


if __name__ == "__main__":
    main()
