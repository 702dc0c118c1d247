"""The native tier: C with OpenMP (native.c), called through ctypes."""

import ctypes
import importlib.machinery
from pathlib import Path

import numpy as np

from ... import activations
from ...inputs import StackedDigits
from .. import compiled, mirror
from ..mirror import ACTIVATIONS, HYPERPARAMETERS, INT, POINTER, REALS

# Operations of a call, about a second: Python sees an interrupt when it returns.
LONGEST_CALL, OF_AN_UPDATE = 1e11, 8  # the second: operations that the update of a weight costs
# Working memory of a pass; what needs more goes step by step.
LARGEST_ROOM, ROOM_OVER_WEIGHTS = 1 << 28, 8  # bytes; or times the weights, if that is more


Bank = mirror.struct("Bank", (INT, "pixels blocks block widest"), (POINTER, "start entries"))
Batch = mirror.struct("Batch", (INT, "n k"), (POINTER, "by_block by_pixel in_block in_pixel"))
# The struct `pass` of native_pass.h, by dtype.
PASSES = {
    dtype: mirror.struct(
        "Pass",
        (POINTER, "bank picks table X y M W0 W0_s0 W0_s1 W1 W1_s0 W1_s1 lr corrections totals"),
        (INT, "replicas examples k features hidden batch own_X own_y activation learn learn_W0 threads"),
        (real, "shift leak"),
        (HYPERPARAMETERS[dtype], "o"),
    )
    for dtype, (_, real) in REALS.items()
}


def path():
    """Return the path of the C library; a FileNotFoundError if it was not built."""
    here = Path(__file__).parent
    # The name for all versions of Python (.abi3.so) before that for one: it is what is built now.
    for ending in reversed(importlib.machinery.EXTENSION_SUFFIXES):
        if (there := here / f"_native{ending}").exists():
            return there
    raise FileNotFoundError("it was not built, since no C compiler with OpenMP was found when dfanp was installed")


def library():
    """Return the loaded C library; an OSError if it was not built, does not load, or was built from another version of the code."""
    with compiled.awake_shortly():
        loaded = ctypes.CDLL(str(path()))
    structs = [Bank, Batch, *(each for dtype in REALS for each in (HYPERPARAMETERS[dtype], PASSES[dtype]))]
    sizes = (INT * len(structs))()
    if hasattr(loaded, "dfanp_sizes"):
        loaded.dfanp_sizes(sizes)
    if list(sizes) != [ctypes.sizeof(struct) for struct in structs]:
        raise OSError("it was built from another version of its code: install dfanp again")
    return loaded


def levels():
    """Return the levels of this processor for which there are kernels, the fastest first: how the names of their functions end."""
    level, found = library().dfanp_level, []
    level.argtypes, level.restype = [INT], ctypes.c_char_p
    while (ending := level(len(found))) is not None:
        found.append(ending.decode())
    return found


def address(array):
    """Return where the data of a C-contiguous array begin."""
    return array.__array_interface__["data"][0]


def addresses(state):
    """Return where the state arrays s0 and s1 begin; None for one that is not there."""
    return [*map(address, state), None, None][:2]


class Digits(compiled.Digits):
    """Digits, with the struct `bank` of native.c."""

    def __init__(self, bank):
        super().__init__(bank)
        *sizes, start, entries = self.nonzero
        widest = int(np.diff(start).max(initial=0))
        self.struct = Bank(*sizes, widest, address(start), address(entries))
        self.bank, self.table_at = ctypes.byref(self.struct), address(self.table)


class Lists(compiled.Lists):
    """Lists, with the struct `batch` of native.c."""

    def hold(self, nonzero, picks):
        """Make room for the lists of the examples `picks` (n, k)."""
        super().hold(nonzero, picks)
        self.struct = Batch(*picks.shape, *map(address, (self.by_block, self.by_pixel, self.in_block, self.in_pixel)))
        self.batch = ctypes.byref(self.struct)


class Workspace(compiled.Workspace):
    """Workspace, with the working memory of a pass."""

    def __init__(self):
        super().__init__()
        self.room = np.empty(0, np.uint8)


class Native(compiled.Compiled):
    """The operations of the kernel table in C.

    Args:
        level: of the processor, one of ``levels()``; None takes the first.
    """

    name = "native"
    Digits, Lists, Workspace = Digits, Lists, Workspace
    rules, losses = ("bp", "fa", "dfa"), ("bce",)
    activations = ACTIVATIONS

    def __init__(self, xp=np, level=None):
        super().__init__()
        lib = library()
        self.c_gather, self.c_transpose, self.c_most_threads = (
            lib.dfanp_gather,
            lib.dfanp_transpose,
            lib.dfanp_most_threads,
        )
        self.c_gather.argtypes, self.c_transpose.argtypes = [INT] + [POINTER] * 3, [INT] + [POINTER] * 2
        self.c_most_threads.restype = INT
        self.real, level = {}, levels()[0] if level is None else level
        for dtype, (suffix, real) in REALS.items():
            arguments = {
                "product": [INT] + [POINTER] * 3 + [real, INT] + [POINTER] * 2,
                "fused_update": [INT] + [POINTER] * 3 + [real, INT] + [POINTER] * 2 + [real] + [POINTER] * 3,
                "update": [INT, POINTER, real, INT] + [POINTER] * 4,
                "room": [POINTER],
                "pass": [POINTER] * 2,
            }
            self.real[dtype] = {name: getattr(lib, f"dfanp_{name}_{suffix}{level}") for name in arguments}
            for name, function in self.real[dtype].items():
                function.argtypes, function.restype = arguments[name], INT if name == "room" else None

    @staticmethod
    def why_not():
        """Return None if the C library is there and loads, else why not."""
        try:
            library()
        except OSError as error:
            return str(error)
        return None

    def most_threads(self):
        """Return how many threads OpenMP would take by itself: OMP_NUM_THREADS, or the present limit of threadpoolctl."""
        return self.c_most_threads()

    def gather(self, digits, picks, lists):
        self.c_gather(self.threads, digits.bank, address(picks), lists.batch)

    def transpose(self, digits, lists):
        self.c_transpose(self.threads, digits.bank, lists.batch)

    def numbers(self, hyperparameters, dtype):
        return HYPERPARAMETERS[dtype](**hyperparameters)

    def multiply(self, digits, lists, W, a):
        product = self.real[W.dtype]["product"]
        scale = digits.table_at, digits.shift, W.shape[-1]
        product(self.threads, digits.bank, lists.batch, *scale, address(W), address(a))

    def fuse(self, digits, lists, delta, numbers, lr, W, state):
        update, H = self.real[W.dtype]["fused_update"], W.shape[-1]
        scale, by = (digits.table_at, digits.shift, H, address(delta)), (ctypes.byref(numbers), lr)
        update(self.threads, digits.bank, lists.batch, *scale, *by, address(W), *addresses(state))

    def apply(self, numbers, lr, g, theta, state):
        update = self.real[theta.dtype]["update"]
        update(self.threads, ctypes.byref(numbers), lr, theta.size, address(g), address(theta), *addresses(state))

    def fused_epoch(self, activation, W0, W1, X, y, batch_size, learning=None):
        """Do all steps of an epoch of a network with one hidden layer, one output, no biases and the loss "bce"; or test it.

        Args:
            activation: of the hidden layer, by its name.
            W0, W1: the weights, (D, H) and (H, 1), or (R, D, H) and (R, H, 1).
            X: StackedDigits or an array, (N, D) or (R, N, D).
            y: targets (N, 1) or (R, N, 1).
            batch_size: examples a step.
            learning: None to test; or a ``Learning``, to do a step of its optimizer after each batch: W1, W0 where it is
                trained, their states and its count of steps change in place.

        Returns:
            the loss summed over the examples, each before its update, and the number that are right, float64 (2,) or (2, R);
            None for a batch that is too large for this.
        """
        batch_size = min(batch_size, y.shape[-2])
        steps = max(1, int(LONGEST_CALL / (W0.shape[-2] * W0.shape[-1] * (batch_size + OF_AN_UPDATE))))
        if steps * batch_size < y.shape[-2]:
            return self.in_slices(steps * batch_size, activation, W0, W1, X, y, batch_size, learning)
        p, real, totals = PASSES[W0.dtype](), self.real[W0.dtype], np.empty((*W0.shape[:-2], 2))
        p.totals, p.batch, p.leak, p.threads = address(totals), batch_size, activations.LEAK, self.threads
        p.activation = mirror.number(ACTIVATIONS, activation)
        # What only its address is known of must outlive the call.
        kept = self.describe(p, W0, W1, X, np.ascontiguousarray(y))
        if learning is not None:
            kept += self.describe_learning(p, W0.dtype, learning)
        size = real["room"](ctypes.byref(p))
        if size > max(LARGEST_ROOM, ROOM_OVER_WEIGHTS * W0.nbytes):
            return None
        if size > self.workspace.room.size:
            self.workspace.room = np.empty(size, np.uint8)
        real["pass"](ctypes.byref(p), address(self.workspace.room))
        if learning is not None:
            learning.state.step += -(-p.examples // batch_size)
        return np.moveaxis(totals, -1, 0)

    def describe(self, p, W0, W1, X, y):
        """Write into the struct `p` where the weights and examples are; return what must be kept alive."""
        p.replicas, p.examples = W0.shape[0] if W0.ndim > 2 else 1, y.shape[-2]
        p.features, p.hidden = W0.shape[-2:]
        p.W0, p.W1, p.y, p.own_y = address(W0), address(W1), address(y), y.ndim > 2
        if not isinstance(X, StackedDigits):
            X = np.ascontiguousarray(X)
            p.X, p.own_X = address(X), X.ndim > 2
            return [X, y]
        digits, picks = X.bank.prepared(self.name, self.Digits), np.ascontiguousarray(X.picks, np.int64)
        p.bank, p.table, p.shift = ctypes.addressof(digits.struct), digits.table_at, digits.shift
        p.picks, p.k, p.own_X = address(picks), picks.shape[-1], picks.ndim > 2
        return [digits, picks, y]

    def describe_learning(self, p, dtype, learning):
        """Write into the struct `p` what a ``Learning`` says; return what must be kept alive."""
        optimizer, state, M, epoch = learning
        step = state.step + 1
        p.learn, p.learn_W0 = True, "W0" in state.slots
        p.o = self.numbers(mirror.hyperparameters(optimizer, optimizer.clock(step, epoch)), dtype)
        p.W1_s0, p.W1_s1 = addresses(mirror.slots(state.slots["W1"]))
        if p.learn_W0:
            p.W0_s0, p.W0_s1 = addresses(mirror.slots(state.slots["W0"]))
        lr = np.full(p.replicas, optimizer.lr, dtype)
        corrections = mirror.corrections(learning, range(step, step - (-p.examples // p.batch)), dtype)
        if M is not None:
            M = np.ascontiguousarray(np.broadcast_to(M[..., 0, :], (p.replicas, p.hidden)))
        p.lr, p.M, p.corrections = (None if each is None else address(each) for each in (lr, M, corrections))
        return [lr, M, corrections]

    def in_slices(self, examples, activation, W0, W1, X, y, batch_size, learning):
        """Do what ``fused_epoch`` does, on so many `examples` a call."""
        sums = 0.0
        for start in range(0, y.shape[-2], examples):
            part = X[..., start : start + examples, :], y[..., start : start + examples, :]
            totals = self.fused_epoch(activation, W0, W1, *part, batch_size, learning)
            if totals is None:  # the first one says so for all
                return None
            sums = sums + totals
        return sums
