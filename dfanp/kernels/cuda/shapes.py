"""How cuda_pass.cu divides a network over the multiprocessors of a card."""

from functools import cache
from math import ceil
from typing import NamedTuple

# Of a block; each has a tile of W and of its state in registers, and with tensor cores more beside it.
MOST_THREADS, MOST_WITH_TENSOR_CORES = 512, 384
# Floats behind the pre-activations of an example, where there is room. Eight threads write four floats of eight examples
# at once, and with a gap meet eight different quarters of the 32 banks of shared memory.
GAP = 4
# Instructions of a warp, as ``python -m dfanp_bench.instructions`` counts them in the machine code for four cards:
FORWARD, LOADED = 41, 8  # in X @ W for a word: for each 32 examples of 8 columns, and to load the weights
BACKWARD = 45  # in X.T @ delta for an example: 32 of them multiply and add
TENSOR_FORWARD = 133  # by tensor cores for 8 words, 16 examples and 16 columns: 16 products (16, 8) @ (8, 8)
TENSOR_BACKWARD = 105  # by tensor cores for 8 examples, 16 words and 16 columns: as many
TENSOR_RATE = 512  # multiply-adds of a multiprocessor in a cycle, of dense TF32: an A100 has as many, an H100 twice
COPIED = 16  # for 32 words of a batch
UPDATED = 800  # for the step of a tile, 32 weights a thread (by RMSProp)
ELEMENTWISE = 120  # for four numbers of h a thread: stored, added up, f, delta, sums


class Shape(NamedTuple):
    """The macros of cuda_pass.cu of these names, and what follows from them.

    Attributes:
        rows: examples of a batch, filled up.
        bytes: of shared memory that a block takes.
        cycles: of a step, by an estimate that is good enough to compare shapes.
    """

    words: int
    columns: int
    ranks: int
    groups: int
    threads: int
    buffers: int
    gap: int
    tensor: int
    rows: int
    bytes: int
    cycles: float

    @property
    def blocks(self):
        """Blocks of a team."""
        return self.ranks * self.groups


@cache
def shape_of(multiprocessors, shared, words, H, n, dense, states, learn_W0, tensor=False):
    """Return the Shape with the fewest estimated cycles per step; None if none fits.

    It is the same for one replica and for many: so a replica has the bytes of its run alone.

    Args:
        multiprocessors: of the card.
        shared: bytes of shared memory that a block can have.
        words: of four inputs, of an example.
        H: hidden units.
        n: examples of a batch.
        dense: whether inputs are floats, not bytes.
        states: arrays of the optimizer's state.
        learn_W0: whether the first layer is trained.
        tensor: whether tensor cores compute the products; not for dense inputs.
    """
    found = shapes(multiprocessors, shared, words, H, n, dense, states, learn_W0, tensor)
    return min(found, key=lambda shape: shape.cycles, default=None)


def shapes(multiprocessors, shared, words, H, n, dense, states, learn_W0, tensor=False):
    """Yield the Shapes that fit."""
    fold = min(4, ceil(n / 32))
    sets = ceil(n / (32 * fold))
    rows = sets * 32 * fold
    for columns in (8, 16, 32, 64):
        groups = ceil(H / columns)
        for ranks in range(1, multiprocessors // groups + 1):
            part = ceil(words / ranks)
            if ceil(words / part) < ranks:  # the last rank would have no words
                continue
            # A thread has a tile of W, 4 x 8; by tensor cores a warp has one of 16 words and up to 16 columns.
            tiles = 32 * ceil(part / 16) * (columns // min(16, columns)) if tensor else part * columns // 8
            most = MOST_WITH_TENSOR_CORES if tensor else MOST_THREADS
            each = ceil(tiles / most)  # tiles of a thread
            if learn_W0 and each > (1 if states == 2 else 2):
                continue
            threads = min(most, max(64, columns, 32 * ceil(tiles / each / 32)))
            stride = (part + 3) // 8 * 8 + 4 if tensor else part | 1
            batch, wide = rows * stride * (16 if dense else 4), 2 * GAP if tensor else GAP
            for buffers, gap in ((2, wide), (2, 0), (1, wide), (1, 0)):
                size = bytes_of(part, columns, rows, threads, gap, tensor) + buffers * batch
                if size <= shared:
                    cycles = cycles_of(
                        part, columns, rows, threads, ranks, sets, fold, dense, each * learn_W0, tensor
                    )
                    # The time of a copy that is not hidden, and of threads that wait for each other's banks.
                    cycles += (0 if buffers == 2 else 1500) + (0 if gap else rows * columns)
                    yield Shape(part, columns, ranks, groups, threads, buffers, gap, int(tensor), rows, size, cycles)
                    break


def bytes_of(words, columns, rows, threads, gap, tensor=False):
    """Return the bytes of shared memory in addition to the batch: W, a, scratch, and data per column or row."""
    quads = columns // 4
    scratch = max(rows * quads, words * columns, max(1, threads // rows) * rows, 2 * threads)
    return 4 * (words * (4 * columns + (8 if tensor else 4)) + rows * (columns + gap) + scratch + 4 * columns + rows)


def cycles_of(words, columns, rows, threads, ranks, sets, fold, dense, tiles, tensor=False):
    """Return the estimated cycles of a step (instructions, bytes, barriers), good enough for comparisons."""
    warps, units = threads / 32, sets * columns // 8
    # Instructions issued per cycle by a multiprocessor: it has four schedulers, and one may have a warp more than
    # another.
    at_once = warps / ceil(warps / 4)
    forward = words * units * (fold * FORWARD + LOADED)
    backward = rows * tiles * warps * BACKWARD
    if tensor:
        eights = min(2, columns // 8)
        forward = rows / 16 * columns / 8 / eights * ceil(words / 8) * TENSOR_FORWARD * eights / 2
        backward = ceil(rows / 8) * tiles * warps * TENSOR_BACKWARD * eights / 2
        at_work = 2 * rows * columns * (ceil(words / 8) * 32 + ceil(words / 16) * 64) / TENSOR_RATE
        forward = max(forward, at_work * at_once - backward)
    copied = rows * words / 32 * (4 if dense else 1) * COPIED
    updated = tiles * warps * UPDATED
    elementwise = rows * columns / 4 / 32 * ELEMENTWISE
    # Bytes from the second-level cache (about 24 per cycle and multiprocessor): the batch, and the exchange of the
    # ranks.
    moved = rows * words * (16 if dense else 4) + (4 * rows * columns * (ranks + 1) if ranks > 1 else 0)
    issued = forward + backward + copied + updated + elementwise
    return issued / at_once + moved / 24 + 2500 * (2 if ranks > 1 else 1) + 1500
