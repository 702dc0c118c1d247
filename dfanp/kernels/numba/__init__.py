"""The numba tier: the loops of native.c in Python, compiled when they are first called (loops.py)."""

from contextlib import contextmanager
from pathlib import Path

import numpy as np

from .. import compiled
from ..mirror import FLAGS, NUMBERS


def compiled_loops():
    """Return the module of compiled loops; an ImportError if Numba is not there, or does not load."""
    with compiled.LOADING, own_cache():
        from . import loops

    return loops


@contextmanager
def own_cache():
    """Let Numba keep the functions that are declared meanwhile in the user's cache, unless NUMBA_CACHE_DIR names a place.

    Beside the code, as Numba would have it, they outlive an uninstall, and what is left of the folder hides an editable install.
    """
    import numba
    import pooch

    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = before or str(Path(pooch.os_cache("dfanp")) / "numba")
    try:
        yield
    finally:
        numba.config.CACHE_DIR = before


class Numba(compiled.Compiled):
    """The operations of the kernel table through Numba.

    The first call of each operation, for each of float32 and float64, compiles it, some seconds; later processes find it in
    Numba's cache. Numba's own number of threads is what it was after each call.
    """

    name = "numba"

    def __init__(self, xp=np):
        super().__init__()
        self.loops = compiled_loops()

    @staticmethod
    def why_not():
        """Return None if Numba imports, else why not."""
        try:
            compiled_loops()
        except ImportError as error:
            if getattr(error, "name", None) == "numba":
                return "Numba is not installed (pip install numba)"
            return f"Numba does not import ({(str(error).strip().splitlines() or ['ImportError'])[0]})"
        return None

    def most_threads(self):
        """Return how many threads Numba has (NUMBA_NUM_THREADS)."""
        return self.loops.numba.config.NUMBA_NUM_THREADS

    def run(self, loop, *arguments):
        """Call a loop of loops.py on the threads of this tier."""
        with self.loops.team(self.threads) as threads:
            loop(threads, *arguments)

    def gather(self, digits, picks, lists):
        bank = digits.nonzero
        self.run(self.loops.gather, bank.start, bank.entries, bank.blocks, picks, lists.by_block, lists.in_block)

    def transpose(self, digits, lists):
        bank = digits.nonzero
        in_, out = (lists.by_block, lists.in_block), (lists.by_pixel, lists.in_pixel)
        self.run(self.loops.transpose, bank.pixels, bank.blocks, bank.block, *in_, *out)

    def numbers(self, hyperparameters, dtype):
        flags, reals = ([hyperparameters[name] for name in names] for names in (FLAGS, NUMBERS))
        return *map(int, flags), np.array(reals, dtype)

    def multiply(self, digits, lists, W, a):
        bank, shift = digits.nonzero, a.dtype.type(digits.shift)
        sizes = bank.pixels, bank.blocks, bank.block
        self.run(self.loops.product, *sizes, lists.by_block, lists.in_block, digits.table, shift, W, a)

    def fuse(self, digits, lists, delta, numbers, lr, W, state):
        shift, lr = delta.dtype.type(digits.shift), delta.dtype.type(lr)
        pixels = lists.by_pixel, lists.in_pixel, digits.table, shift
        self.run(self.loops.fused_update, *pixels, delta, *numbers, lr, *flat(W, state))

    def apply(self, numbers, lr, g, theta, state):
        self.run(self.loops.update, *numbers, theta.dtype.type(lr), g.reshape(-1), *flat(theta, state))


def flat(theta, state):
    """Return theta and two state arrays as vectors; theta itself stands for one that is not there and not read."""
    theta = theta.reshape(-1)
    return theta, *[*(array.reshape(-1) for array in state), theta, theta][:2]
