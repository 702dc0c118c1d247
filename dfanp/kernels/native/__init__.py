"""The native tier: C with OpenMP (native.c), called through ctypes."""

import ctypes
import importlib.machinery
from pathlib import Path

import numpy as np

from ... import activations
from ...inputs import StackedDigits
from .. import compiled, mirror
from ..mirror import ACTIVATIONS, HYPERPARAMETERS, INT, LOSSES, POINTER, REALS

# Operations of a call, about a second: Python sees an interrupt when it returns.
LONGEST_CALL, OF_AN_UPDATE = 1e11, 8  # the second: operations that the update of a weight costs
DENSE = 6  # times the operations of the products of stacked digits
TEST_BATCH = 256  # most examples of a step that only tests: what it keeps of them stays in a cache
# Working memory of a pass; what needs more goes step by step.
LARGEST_ROOM, ROOM_OVER_WEIGHTS = 1 << 28, 8  # bytes; or times the weights, if that is more


Bank = mirror.struct("Bank", (INT, "pixels blocks block widest"), (POINTER, "start entries"))
Batch = mirror.struct("Batch", (INT, "n k"), (POINTER, "by_block by_pixel in_block in_pixel"))
# The structs `layer` and `pass` of native_pass.h, by dtype.
LAYERS = {
    dtype: mirror.struct(
        "Layer", (POINTER, "W W_s0 W_s1 b b_s0 b_s1 B"), (INT, "inputs outputs own_B learn_W learn_b")
    )
    for dtype in REALS
}
PASSES = {
    dtype: mirror.struct(
        "Pass",
        (POINTER, "bank picks table X y layers lr corrections totals"),
        (INT, "replicas examples k depth batch own_X own_y activation loss learn first direct threads"),
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
    structs = [
        Bank,
        Batch,
        *(each for dtype in REALS for each in (HYPERPARAMETERS[dtype], LAYERS[dtype], PASSES[dtype])),
    ]
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
    rules, losses = ("bp", "fa", "dfa"), ("bce", "cross-entropy", "mse")
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

    def fused_epoch(self, network, loss, X, y, batch_size, learning=None):
        """See ``Tier``: for a multilayer perceptron with at least one hidden layer."""
        W, N = network.W, y.shape[-2]
        batch = min(batch_size if learning else TEST_BATCH, N)
        dense = [DENSE] * len(W) if not isinstance(X, StackedDigits) else [1] + [DENSE] * (len(W) - 1)
        work = sum(
            w.shape[-2] * w.shape[-1] * (batch * each + OF_AN_UPDATE) for w, each in zip(W, dense, strict=True)
        )
        most = max(1, int(LONGEST_CALL / work)) * batch
        if most < N:
            return self.in_slices(most, network, loss, X, y, batch_size, learning)
        dtype, totals = W[0].dtype, np.empty((*W[0].shape[:-2], 2))
        p, real = PASSES[dtype](), self.real[dtype]
        p.totals, p.batch, p.leak, p.threads = address(totals), batch, activations.LEAK, self.threads
        p.activation, p.loss = mirror.number(ACTIVATIONS, network.activation.name), mirror.number(LOSSES, loss)
        # What only its address is known of must outlive the call.
        kept = self.describe(p, network, X, np.ascontiguousarray(y))
        if learning is not None:
            kept += self.describe_learning(p, kept[0], dtype, learning)
        size = real["room"](ctypes.byref(p))
        if size > max(LARGEST_ROOM, ROOM_OVER_WEIGHTS * sum(w.nbytes for w in W)):
            return None
        if size > self.workspace.room.size:
            self.workspace.room = np.empty(size, np.uint8)
        real["pass"](ctypes.byref(p), address(self.workspace.room))
        if learning is not None:
            learning.state.step += -(-N // batch)
        return np.moveaxis(totals, -1, 0)

    def describe(self, p, network, X, y):
        """Write into the struct `p` where weights and examples are; return the array of its layers, and what must be kept alive."""
        W, parameters = network.W, network.parameters
        layers = (LAYERS[W[0].dtype] * len(W))()
        for l, (of, w) in enumerate(zip(layers, W, strict=True)):
            of.W, (of.inputs, of.outputs) = address(w), w.shape[-2:]
            of.b = address(parameters[f"b{l}"]) if network.bias else None
        p.layers, p.depth = ctypes.addressof(layers), len(W)
        p.replicas, p.examples = W[0].shape[0] if W[0].ndim > 2 else 1, y.shape[-2]
        p.y, p.own_y = address(y), y.ndim > 2
        if not isinstance(X, StackedDigits):
            X = np.ascontiguousarray(X)
            p.X, p.own_X = address(X), X.ndim > 2
            return [layers, X, y]
        digits, picks = X.bank.prepared(self.name, self.Digits), np.ascontiguousarray(X.picks, np.int64)
        p.bank, p.table, p.shift = ctypes.addressof(digits.struct), digits.table_at, digits.shift
        p.picks, p.k, p.own_X = address(picks), picks.shape[-1], picks.ndim > 2
        return [layers, digits, picks, y]

    def describe_learning(self, p, layers, dtype, learning):
        """Write into the struct `p` and its `layers` what a ``Learning`` says; return what must be kept alive."""
        optimizer, state = learning.optimizer, learning.state
        step = state.step + 1
        p.learn, p.first, p.direct = True, learning.first, learning.rule == "dfa"
        p.o = self.numbers(mirror.hyperparameters(optimizer, optimizer.clock(step, learning.epoch)), dtype)
        for l, of in enumerate(layers):
            if f"W{l}" in state.slots:
                of.learn_W = True
                of.W_s0, of.W_s1 = addresses(mirror.slots(state.slots[f"W{l}"]))
            if f"b{l}" in state.slots:
                of.learn_b = True
                of.b_s0, of.b_s1 = addresses(mirror.slots(state.slots[f"b{l}"]))
        B = [np.ascontiguousarray(b) for b in learning.B]
        for of, b in zip(layers, B, strict=False):
            of.B, of.own_B = address(b), b.ndim > 2
        lr = np.full(p.replicas, optimizer.lr, dtype)
        corrections = mirror.corrections(learning, range(step, step - (-p.examples // p.batch)), dtype)
        p.lr, p.corrections = (None if each is None else address(each) for each in (lr, corrections))
        return [B, lr, corrections]

    def in_slices(self, examples, network, loss, X, y, batch_size, learning):
        """Do what ``fused_epoch`` does, on so many `examples` a call."""
        sums = 0.0
        for start in range(0, y.shape[-2], examples):
            part = X[..., start : start + examples, :], y[..., start : start + examples, :]
            totals = self.fused_epoch(network, loss, *part, batch_size, learning)
            if totals is None:  # the first one says so for all
                return None
            sums = sums + totals
        return sums
