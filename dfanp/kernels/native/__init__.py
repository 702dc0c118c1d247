"""The native tier: C with OpenMP (native.c), called through ctypes."""

import ctypes
import importlib.machinery
from operator import is_
from pathlib import Path
from weakref import finalize

import numpy as np

from ... import activations
from ...inputs import StackedDigits
from .. import compiled, mirror
from ..mirror import ACTIVATIONS, HYPERPARAMETERS, INT, LOSSES, POINTER, REALS

# Operations of a call, about a second: Python sees an interrupt when it returns.
LONGEST_CALL, OF_AN_UPDATE = 1e11, 8  # the second: operations that the update of a weight costs
DENSE = 6  # times the operations of the products of stacked digits
# Weights of the first layer from which on it is checked whether the columns of an array are mostly one value.
MAY_BE_SPARSE = 1 << 16
TEST_BATCH = 256  # most examples of a step that only tests: what it keeps of them stays in a cache
# Working memory of a pass; what needs more goes step by step.
LARGEST_ROOM, ROOM_OVER_WEIGHTS = 1 << 28, 8  # bytes; or times the weights, if that is more


Bank = mirror.struct("Bank", (INT, "pixels blocks block widest"), (POINTER, "start entries"))
Batch = mirror.struct("Batch", (INT, "n k"), (POINTER, "by_block by_pixel in_block in_pixel"))
# The structs `layer` and `pass` of native_pass.h, by dtype.
LAYERS = {
    dtype: mirror.struct(
        "Layer",
        (POINTER, "W W_s0 W_s1 b b_s0 b_s1 B lr_W lr_b"),
        (INT, "inputs outputs own_B learn_W learn_b"),
    )
    for dtype in REALS
}
PASSES = {
    dtype: mirror.struct(
        "Pass",
        (POINTER, "bank picks table X y constants sparse layers corrections totals"),
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


class SparseBatch(compiled.SparseBatch):
    """SparseBatch, with the struct `batch` of native.c."""

    def hold(self, nonzero, picks):
        """Make room for the lists of the examples `picks` (n, k)."""
        super().hold(nonzero, picks)
        self.struct = Batch(*picks.shape, *map(address, (self.by_block, self.by_pixel, self.in_block, self.in_pixel)))
        self.batch = ctypes.byref(self.struct)


class Workspace(compiled.Workspace):
    """Workspace, with the working memory of a pass, and the ``Known`` of each network that is still there, by its id."""

    def __init__(self):
        super().__init__()
        self.room, self.known = np.empty(0, np.uint8), {}


class Known:
    """What a pass needs to know of a network, and of how it learns: the same from call to call, so that it is described once.

    Args:
        tier: the Native.
        network, loss, learning: as ``fused_epoch`` takes them.
        parts: what ``parts`` returns; it is kept, and so outlives the pass.

    Attributes:
        p, at: the struct `pass`, and its address; what belongs to the examples is not in it yet.
        of: the parts.
        weights, bytes: numbers in the weights of the first layer; bytes of all weights.
        shape: of the totals.
        fits: whether all arrays lie as a pass reads them, and each B has the shape that the rule needs.
    """

    def __init__(self, tier, network, loss, learning, parts):
        W, self.of = parts[2 : 1 + len(network.sizes)], parts
        self.dtype, self.shape = W[0].dtype, (*W[0].shape[:-2], 2)
        self.sizes = [w.shape[-2] * w.shape[-1] for w in W]
        self.weights, self.bytes = self.sizes[0], sum(w.nbytes for w in W)
        self.room, self.run = tier.real[self.dtype]["room"], tier.real[self.dtype]["pass"]
        self.p, self.layers = PASSES[self.dtype](), (LAYERS[self.dtype] * len(W))()
        self.at, p = ctypes.byref(self.p), self.p
        p.layers, p.depth, p.replicas = ctypes.addressof(self.layers), len(W), W[0].shape[0] if W[0].ndim > 2 else 1
        p.activation, p.leak = mirror.number(ACTIVATIONS, network.activation.name), activations.LEAK
        p.loss = mirror.number(LOSSES, loss)
        for l, (of, w) in enumerate(zip(self.layers, W, strict=True)):
            of.W, (of.inputs, of.outputs) = address(w), w.shape[-2:]
            of.b = address(network.parameters[f"b{l}"]) if network.bias else None
        arrays = [*W, *network.parameters.values()]
        if learning is not None:
            arrays += [array for slots in learning.state.slots.values() for array in vars(slots).values()]
        self.fits = all(array.dtype == self.dtype and array.flags.c_contiguous for array in arrays)
        if learning is not None:
            self.learn(tier, learning)

    @staticmethod
    def parts(network, loss, learning):
        """Return all objects that the description depends on, in a list."""
        found = [network.activation, loss, *network.W, *network.parameters.values()]
        if learning is not None:
            found += [learning.optimizer, learning.rule, learning.first, *learning.B]
            for slots in learning.state.slots.values():
                found += vars(slots).values()
        return found

    def learn(self, tier, learning):
        """Describe how the network learns."""
        p, optimizer, slots = self.p, learning.optimizer, learning.state.slots
        p.learn, p.first, p.direct = True, learning.first, learning.rule == "dfa"
        # What depends on the step is in the corrections of a call.
        p.o = tier.numbers(mirror.hyperparameters(optimizer, 1), self.dtype)
        self.lr = {name: np.empty(p.replicas, self.dtype) for name in slots}
        for l, of in enumerate(self.layers):
            if f"W{l}" in slots:
                of.learn_W, of.lr_W = True, address(self.lr[f"W{l}"])
                of.W_s0, of.W_s1 = addresses(mirror.slots(slots[f"W{l}"]))
            if f"b{l}" in slots:
                of.learn_b, of.lr_b = True, address(self.lr[f"b{l}"])
                of.b_s0, of.b_s1 = addresses(mirror.slots(slots[f"b{l}"]))
        self.B = [np.ascontiguousarray(b, self.dtype) for b in learning.B]
        for l, (of, b) in enumerate(zip(self.layers, self.B, strict=False)):
            of.B, of.own_B = address(b), b.ndim > 2
            rows = self.layers[-1 if p.direct else l + 1].outputs
            self.fits &= b.shape[-2:] == (rows, of.outputs)

    def refresh(self, learning):
        """Take the learning rates as they are now, and each B of which a copy is read, since it has gaps in memory."""
        for name, rate in learning.state.lr.items():
            self.lr[name][:] = rate if isinstance(rate, float) else rate.reshape(-1)
        for mine, b in zip(self.B, learning.B, strict=True):
            if mine is not b:
                mine[...] = b

    def longest(self, stacked, batch):
        """Return how many examples, in batches, a call may take."""
        first = batch * (1 if stacked else DENSE) + OF_AN_UPDATE
        work = self.sizes[0] * first + sum(self.sizes[1:]) * (batch * DENSE + OF_AN_UPDATE)
        return max(1, int(LONGEST_CALL / work)) * batch


class Native(compiled.Compiled):
    """The operations of the kernel table in C.

    Args:
        level: of the processor, one of ``levels()``; None takes the first.
    """

    name = "native"
    Digits, SparseBatch, Workspace = Digits, SparseBatch, Workspace
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
                "constants": [POINTER],
                "room": [POINTER],
                "pass": [POINTER] * 2,
            }
            self.real[dtype] = {name: getattr(lib, f"dfanp_{name}_{suffix}{level}") for name in arguments}
            for name, function in self.real[dtype].items():
                function.argtypes, function.restype = arguments[name], INT if name in ("constants", "room") else None

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
        known, N = self.known(network, loss, learning), y.shape[-2]
        batch = min(batch_size if learning else TEST_BATCH, N)
        if not known.fits:
            return None
        most = known.longest(isinstance(X, StackedDigits), batch)
        if most < N:
            return self.in_slices(most, network, loss, X, y, batch_size, learning)
        p, totals, y = known.p, np.empty(known.shape), np.ascontiguousarray(y)
        p.examples, p.batch, p.threads, p.totals = N, batch, self.threads, address(totals)
        p.y, p.own_y = address(y), y.ndim > 2
        kept = self.describe(p, X, known.weights)  # what only its address is known of must outlive the call
        if learning is not None:
            known.refresh(learning)
            step, p.corrections = learning.state.step + 1, None
            corrections = mirror.corrections(learning, range(step, step - (-N // batch)), known.dtype)
            if corrections is not None:
                p.corrections = address(corrections)
        size, room = known.room(known.at), self.workspace.room
        if size > max(LARGEST_ROOM, ROOM_OVER_WEIGHTS * known.bytes):
            return None
        if size > room.size:
            self.workspace.room = room = np.empty(size, np.uint8)
        known.run(known.at, address(room))
        del kept
        if learning is not None:
            learning.state.step += -(-N // batch)
        return totals.T

    def known(self, network, loss, learning):
        """Return the Known of a network that learns or is tested: the one of the last such call, if nothing of it is another now."""
        both = self.workspace.known.get(id(network))
        if both is None:
            both = self.workspace.known[id(network)] = {}
            finalize(network, self.workspace.known.pop, id(network), None).atexit = False
        found, mine = both.get(learning is not None), Known.parts(network, loss, learning)
        if found is None or len(found.of) != len(mine) or not all(map(is_, found.of, mine)):
            found = both[learning is not None] = Known(self, network, loss, learning, mine)
        return found

    def describe(self, p, X, weights):
        """Write into the struct `p` where the inputs X are; return what must be kept alive."""
        if not isinstance(X, StackedDigits):
            X = np.ascontiguousarray(X)
            p.bank, p.X, p.own_X, p.sparse = None, address(X), X.ndim > 2, None
            if weights < MAY_BE_SPARSE:
                return X
            constants, sparse = np.empty((*X.shape[:-2], X.shape[-1]), X.dtype), np.empty(X.shape[:-2], np.int64)
            p.constants, p.sparse = address(constants), address(sparse)
            if not self.real[X.dtype]["constants"](ctypes.byref(p)):
                p.sparse = None
            return X, constants, sparse
        digits, picks = X.bank.prepared(self.name, self.Digits), np.ascontiguousarray(X.picks, np.int64)
        p.bank, p.table, p.shift, p.X, p.sparse = (
            ctypes.addressof(digits.struct),
            digits.table_at,
            digits.shift,
            None,
            None,
        )
        p.picks, p.k, p.own_X = address(picks), picks.shape[-1], picks.ndim > 2
        return digits, picks

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
