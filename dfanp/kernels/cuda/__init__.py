"""The cuda tier: the kernels of cuda.cu and cuda_pass.cu, on CuPy's arrays. Other products are left to cuBLAS.

A network with one hidden layer and one output is trained by the kernel of cuda_pass.cu, which keeps its weights on
the multiprocessors for all steps of a launch; any other one by steps that are recorded once (steps.py). Nothing here
waits for the device.
"""

import ctypes
import warnings
from functools import cache
from math import ceil
from types import SimpleNamespace
from weakref import finalize

import numpy as np

from ... import activations
from ...inputs import Bank, StackedDigits, WeightGradient, dtype_name
from .. import mirror
from ..checked import KernelWarning, difference
from ..cupy import products
from ..mirror import ACTIVATIONS, HYPERPARAMETERS, INT, LOSSES, POINTER, corrections, hyperparameters, slots
from ..tier import KernelFailure, Learning, Tier
from .card import Card
from .cublas import Stack
from .shapes import shape_of
from .steps import RULES, Steps
from .structs import DOUBLE, FLOAT, MOST, SHARED_OF_OUTPUT, STRUCTS, THREADS, sizes_of

TEST_BATCH = 128  # examples per step of a test in a pass
TENSOR_LIMIT = (
    2e-5  # permitted difference of tensor cores, relative to the largest number; half of the bits would be 5e-4
)
LONGEST_LAUNCH = 1e9  # estimated cycles, about half a second, so that Python can handle interrupts

Pass = mirror.struct(
    "Pass",
    (POINTER, "bank X picks y M W0 W0_s0 W0_s1 W1 W1_s0 W1_s1 lr corrections totals sums outputs barriers"),
    (INT, "replicas total first examples batch H own_X own_y"),
    (ctypes.c_float, "scale shift"),
    (HYPERPARAMETERS[FLOAT], "o"),
)


def pass_macros(shape, batch, K, pixels, dense, activation, kind, states, learn, learn_W0):
    """Return the macros with which cuda_pass.cu is compiled, name -> number.

    Args:
        shape: a Shape.
        batch: examples of a step.
        K, pixels: images of an example and their pixels; with `dense` inputs 1 and the features.
        activation, kind: numbers of the activation and of the optimizer (``mirror.number``).
        states: arrays of the optimizer's state.
        learn, learn_W0: whether the pass learns, and whether it trains the first layer.
    """
    of_shape = ("words", "columns", "ranks", "groups", "threads", "buffers", "gap", "tensor")
    found = {name.upper(): getattr(shape, name) for name in of_shape}
    found |= {"N": batch, "K": K, "IMAGE_WORDS": ceil(pixels / 4), "PIXELS": pixels, "DENSE": int(dense)}
    found |= {"ACTIVATION": activation, "LEAK": activations.LEAK, "KIND": kind, "STATES": states}
    found |= {"LEARN": int(learn), "LEARN_W0": int(learn_W0)}
    return found | sizes_of(**{"pass": Pass})


@cache
def card_of(cupy):
    """Return the Card of CuPy's device, with the kernels compiled so far."""
    return Card(cupy)


class PackedImages:
    """A Bank's images on the device, each as words of four pixels: ``array`` (images, words).

    The last word is padded with zeros.
    """

    def __init__(self, bank, card):
        pixels = np.asarray(bank.backend.to_host(bank.raw))
        padded = np.pad(pixels, ((0, 0), (0, -pixels.shape[1] % 4)))
        self.array = card.asarray(np.ascontiguousarray(padded).view(np.uint32))


class Cuda(Tier):
    """The operations of the kernel table on a GPU.

    Args:
        xp: CuPy.
        card: a ``Card``; None takes CuPy's device.
    """

    name = "cuda"
    rules, losses = tuple(RULES), ("bce", "cross-entropy", "mse")
    activations, optimizers = ACTIVATIONS, mirror.OPTIMIZERS
    one_launch, tf32 = True, False  # whether a pass may take an epoch; whether products round their factors

    def __init__(self, xp, card=None):
        self.xp, self.card = xp, card or card_of(xp)
        self.tensor_cores = None  # whether they multiply: None until that is known
        self.known = {}  # id of a network -> whether it learns -> its Steps

    @staticmethod
    def why_not():
        """Return None if CuPy and its compiler load, else the reason."""
        try:
            from cupy.cuda import nvrtc

            nvrtc.getVersion()
        except ImportError:
            return "CuPy is not installed (pip install 'dfanp[gpu]')"
        except Exception as error:  # ctypes' and CuPy's own
            return f"CuPy's compiler does not load ({(str(error).splitlines() or [type(error).__name__])[0]})"
        return None

    def address(self, array):
        """Return where a contiguous array begins on the device; None for None."""
        return None if array is None else self.card.address(array)

    def contiguous(self, array):
        """Return a view of `array`, or a copy without gaps."""
        flat = self.xp.reshape(array, (-1,))
        if self.card.strides(flat) != [1]:  # every other number, or one that is broadcast: reshape makes a view of it
            flat = self.xp.astype(flat, flat.dtype)
        return self.xp.reshape(flat, array.shape)

    def run(self, name, argument, numbers, dtype, shared=0, blocks=None):
        """Launch a kernel of cuda.cu on as many blocks as `numbers` keep busy (or `blocks`), for the dtype."""
        blocks = blocks or max(1, min(ceil(numbers / THREADS), 16 * self.card.multiprocessors))
        self.card.launch("cuda.cu", name, macros_of(dtype), argument, blocks, THREADS, shared)

    def compile(self, name, dtype):
        """Compile a kernel of cuda.cu, if it is not compiled already."""
        self.card.kernel("cuda.cu", name, macros_of(dtype))

    def raw(self, bank):
        """Return the images of a Bank on the device, one after another: arrays of a user may be ordered by columns."""
        return bank.prepared((self.name, "raw"), lambda bank: self.contiguous(bank.raw))

    def dense(self, X):
        """Return StackedDigits as an array, gathered and normalised in one launch, and cached.

        An array is returned unchanged.
        """
        if not isinstance(X, StackedDigits):
            return X
        if X._dense is None:
            bank, dtype, (*replicas, n, k) = X.bank, np.dtype(X.dtype), X.picks.shape
            picks = X.picks if self.card.strides(X.picks)[-2:] == [k, 1] else self.contiguous(X.picks)
            out = self.card.empty(X.shape, X.dtype)
            stride = self.card.strides(picks)[0] if replicas else n * k
            raw, picks_at, out_at = map(self.address, (self.raw(bank), picks, out))
            p = STRUCTS[dtype]["gather"](raw=raw, picks=picks_at, out=out_at, rows=n, stride=stride, k=k)
            p.replicas, p.pixels = replicas[0] if replicas else 1, bank.raw.shape[1]
            p.mean, p.std = bank.mean, bank.std
            self.run("gather", p, p.replicas * n * THREADS, dtype)
            X._dense = out  # once it is filled: other threads may wait for it
        return X._dense

    def product(self, X, W):
        """Return X @ W for StackedDigits or an array X, (n, H) or (R, n, H); W is not changed."""
        return self.dense(X) @ W

    def gradient(self, g):
        """Return a WeightGradient as an array, (D, H) or (R, D, H); an array as it is."""
        if not isinstance(g, WeightGradient):
            return g
        X, delta = self.dense(g.X), g.delta
        if not self.card.multiplies:
            return self.xp.matrix_transpose(X) @ delta
        # CuPy would copy the transposes of a stack of matrices.
        X, delta, (*leading, n, H), D = self.contiguous(X), self.contiguous(delta), delta.shape, X.shape[-1]
        found = self.card.empty((*leading, D, H), dtype_of(delta).name)
        of = Stack(self.address(X), n, D, n * D if X.ndim > 2 else 0)
        factors = of.mT, Stack(self.address(delta), n, H, n * H), Stack(self.address(found), D, H, D * H)
        self.card.product(*factors, leading[0] if leading else 1, dtype_of(delta), self.tf32)
        return found

    def fused_update(self, optimizer, gradient, theta, s, lr, t):
        """Do one step of `optimizer` on `theta` and its state `s`, in place, by a WeightGradient."""
        self.update_all(optimizer, [(gradient, theta, s, lr)], t)

    def update(self, optimizer, g, theta, s, lr, t):
        """Do one step of `optimizer` on `theta` and its state `s`, in place, by the gradient `g` of their shape."""
        self.update_all(optimizer, [(g, theta, s, lr)], t)

    def update_all(self, optimizer, parameters, t, replicas=None):
        """Do one step of `optimizer` on several parameters in one launch.

        Args:
            parameters: (gradient, theta, state, lr) of each; theta and its state change in place.
        """
        for start in range(0, len(parameters), MOST):
            some = [(self.contiguous(self.gradient(g)), *more) for g, *more in parameters[start : start + MOST]]
            dtype, lr = dtype_of(some[0][1]), some[0][3]
            p = STRUCTS[dtype]["update"](parameters=len(some), replicas=1)
            if isinstance(lr, float):
                p.lr = lr
            else:
                p.lrs, p.replicas = self.address(lr), lr.shape[0]
            p.o = HYPERPARAMETERS[dtype](**hyperparameters(optimizer, t))
            for place, (g, theta, s, _) in enumerate(some):
                p.g[place], p.w[place], p.size[place] = self.address(g), self.address(theta), theta.size
                for pointers, array in zip((p.s0, p.s1), slots(s), strict=False):
                    pointers[place] = self.address(array)
            self.run("update", p, max(theta.size for _, theta, *_ in some), dtype)

    def output(self, loss, z, y, learning=True):
        """Return e, shape of z (None unless `learning`), and the totals of ``Tier.output``, in one launch.

        Args:
            loss: a Loss.
            z: logits (n, d_L) or (R, n, d_L).
            y: targets of that shape, or without R.
        """
        *replicas, n, outputs = z.shape
        z, y = self.contiguous(z), y if self.card.strides(y)[-2:] == [outputs, 1] else self.contiguous(y)
        e = self.card.empty(z.shape, dtype_of(z).name) if learning else None
        totals = self.card.empty((2, *replicas), "float64")
        stride = self.card.strides(y)[0] if y.ndim > 2 else 0
        p = STRUCTS[dtype_of(z)]["output"](
            n=n, outputs=outputs, y_stride=stride, loss=mirror.number(LOSSES, loss.name)
        )
        p.z, p.y, p.e, p.totals = map(self.address, (z, y, e, totals))
        p.replicas = replicas[0] if replicas else 1
        self.run("output", p, n, dtype_of(z), SHARED_OF_OUTPUT, p.replicas)
        return e, totals

    def takes(self, network, loss, trained):
        """See ``Tier.takes``: a network with at least one hidden layer; what is trained may be feedback matrices."""
        weights = None if trained is None else [name for name in trained if name[0] != "B"]
        return super().takes(network, loss, weights)

    def fused_epoch(self, network, loss, X, y, batch_size, learning=None):
        """See ``Tier.fused_epoch``: in one launch where a pass takes it, else as recorded steps.

        Returns:
            loss and right answers, summed over the examples, float64 (2,) or (2, R) on the device. None if arrays do not
            lie as the kernels read them.
        """
        # A test has no update that its batches wait for: large products are faster than a pass.
        if self.passes(network, loss, learning) and (learning is not None or not self.card.multiplies):
            totals = self.whole_pass(network, X, y, batch_size, learning, self.uses_tensor_cores(X))
            if totals is not None:
                return totals
        return self.recorded_steps(network, loss, X, y, batch_size, learning)

    def passes(self, network, loss, learning):
        """Whether a pass is for such a network: one hidden layer, one output, no biases, bce; float32; its own rules."""
        one = len(network.sizes) == 3 and network.sizes[-1] == 1 and not network.bias and loss == "bce"
        known = learning is None or (learning.rule in ("bp", "fa", "dfa") and "W1" in learning.state.slots)
        return self.one_launch and one and known and dtype_of(network.W[0]) == FLOAT

    def recorded_steps(self, network, loss, X, y, batch_size, learning):
        """Do what ``fused_epoch`` does by ``Steps``, those of the last such call if nothing of them has changed."""
        both = self.known.get(id(network))
        if both is None:
            both = self.known[id(network)] = {}
            finalize(network, self.known.pop, id(network), None).atexit = False
        found, parts = both.get(learning is not None), Steps.parts(network, loss, X, y, batch_size, learning)
        if found is None or not found.same(parts):
            both.pop(learning is not None, None)
            found = Steps(self, network, loss, X, y, batch_size, learning, parts)
            if not found.fits:
                return None
            both[learning is not None] = found
        return found.run(X, y, learning)

    def uses_tensor_cores(self, X):
        """Whether the products of a pass over X are of tensor cores: if the card has them, and they agree with the others."""
        if not isinstance(X, StackedDigits):  # floats have more bits than their factors
            return False
        if self.tensor_cores is None:
            self.tensor_cores = False  # for what is computed meanwhile
            self.tensor_cores = self.card.tensor and self.tensor_cores_agree()
        return self.tensor_cores

    def tensor_cores_agree(self):
        """Whether a few steps by tensor cores are those without, on weights of many sizes; otherwise a warning says so."""
        try:
            with np.errstate(all="ignore"):
                plain, mine = (tensor_sample(self, tensor) for tensor in (False, True))
            why = "it is not known" if plain is None or mine is None else difference(mine, plain, TENSOR_LIMIT)
        except KernelFailure as failure:
            why = str(failure)
        if why is not None:
            line = f"the {self.name} kernels do without tensor cores, which do not compute the same ({why})"
            warnings.warn(line, KernelWarning, stacklevel=2)
        return why is None

    def whole_pass(self, network, X, y, batch_size, learning, tensor=False):
        """Do what ``fused_epoch`` does in one launch; None if the network or a batch is too large for the multiprocessors."""
        W0, W1 = network.W
        (*replicas, D, H), total = W0.shape, y.shape[-2]
        R = replicas[0] if replicas else 1
        digits = isinstance(X, StackedDigits)
        K, pixels = (X.picks.shape[-1], X.bank.raw.shape[1]) if digits else (1, D)
        batch = min(TEST_BATCH if learning is None else batch_size, total)
        learn_W0 = learning is not None and "W0" in learning.state.slots
        states = 0 if learning is None else len(learning.optimizer.slots)
        of_card = self.card.multiprocessors, self.card.shared
        sizes = *of_card, K * ceil(pixels / 4), H, batch, not digits, states, learn_W0
        shape = (shape_of(*sizes, True) if tensor else None) or shape_of(*sizes)
        if shape is None or (digits and X.bank.raw.size >= 1 << 32):  # addresses in a bank have 32 bits
            return None
        p = Pass(replicas=R, total=total, batch=batch, H=H, scale=1.0, own_X=len(X.shape) > 2, own_y=y.ndim > 2)
        totals, y = self.card.zeros((2, R), "float64"), self.contiguous(y)
        p.W0, p.W1, p.y, p.totals = map(self.address, (W0, W1, y, totals))
        if digits:
            bank, X = X.bank, self.contiguous(X.picks)
            images = bank.prepared(self.name, lambda bank: PackedImages(bank, self.card)).array
            p.bank, p.picks = self.address(images), self.address(X)
            p.scale, p.shift = 1 / bank.std, -bank.mean / bank.std
        else:
            X = self.contiguous(X)
            p.X = self.address(X)
        if learning is not None:
            steps = ceil(total / batch)
            read = self.describe(p, learning, R, H, steps)  # must outlive the launches
        activation = mirror.number(ACTIVATIONS, network.activation.name)
        learns = learning is not None, learn_W0
        macros = pass_macros(shape, batch, K, pixels, not digits, activation, p.o.kind, states, *learns)
        done = self.launch_pass(p, macros, shape)
        if not done:
            return None
        if learning is not None:
            learning.state.step += steps
            del read
        return totals if replicas else totals[:, 0]

    def launch_pass(self, p, macros, shape):
        """Launch the pass `p` as often as its length requires; return whether it was possible."""
        kernel = "cuda_pass.cu", "pass", macros
        teams = self.card.blocks_at_once(*kernel, shape.threads, shape.bytes) // shape.blocks
        if teams == 0:
            return False
        teams = min(teams, p.replicas)
        sums = self.card.empty((teams, shape.blocks, shape.rows, shape.columns), "float32")
        outputs = self.card.empty((teams, 2, shape.groups, shape.rows), "float32")
        p.sums, p.outputs = self.address(sums), self.address(outputs)
        examples = max(1, int(LONGEST_LAUNCH / shape.cycles / ceil(p.replicas / teams))) * p.batch
        for first in range(0, p.total, examples):
            p.first, p.examples = first, min(examples, p.total - first)
            barriers = self.card.zeros((teams, shape.groups + 1), "uint32")
            p.barriers = self.address(barriers)
            self.card.launch(*kernel, p, teams * shape.blocks, shape.threads, shape.bytes)
            if p.corrections:
                p.corrections += ceil(p.examples / p.batch) * 2 * FLOAT.itemsize
        return True

    def describe(self, p, learning, R, H, steps):
        """Write into the struct `p` what a ``Learning`` says; return the arrays that only p refers to."""
        optimizer, state, epoch = learning.optimizer, learning.state, learning.epoch
        # With one hidden layer e @ M is its signal under every rule; under BP, M is W1.T.
        M = learning.B[0] if learning.B else None
        step = state.step + 1
        p.o = HYPERPARAMETERS[FLOAT](**hyperparameters(optimizer, optimizer.clock(step, epoch)))
        for name in ("W1", "W0"):
            arrays = slots(state.slots[name]) if name in state.slots else ()
            for place, array in enumerate(arrays):
                setattr(p, f"{name}_s{place}", self.address(array))
        rate = next(rate for name, rate in state.lr.items() if name in ("W0", "W1"))  # all have the same
        lr = np.full(R, rate, FLOAT) if isinstance(rate, float) else self.card.to_host(rate).reshape(-1).astype(FLOAT)
        of_steps = corrections(learning, range(step, step + steps), FLOAT)
        lr, of_steps = (None if each is None else self.card.asarray(each) for each in (lr, of_steps))
        if M is not None:
            M = self.contiguous(self.xp.broadcast_to(M[..., 0, :], (R, H)))
        p.lr, p.M, p.corrections = map(self.address, (lr, M, of_steps))
        return [lr, M, of_steps]


class CudaTF32(Cuda):
    """The same with every product by cuBLAS, its float32 factors rounded to TF32 (10 bits of mantissa)."""

    name = "cuda-tf32"
    one_launch, tf32 = False, True
    tolerance = {"float32": 3e-2, "float64": 1e-9}

    def precision(self):
        return products(self.xp, tf32=True)


def tensor_sample(tier, tensor):
    """Return the changes of a few steps of a pass with or without tensor cores, name -> host array; None if it cannot be."""
    rng, card = np.random.default_rng(10), tier.card
    n, k, pixels, H = 40, 2, 30, 24
    on_host = SimpleNamespace(asarray=lambda array, dtype=None: np.asarray(array), to_host=lambda array: array)
    X = StackedDigits(
        Bank(rng.integers(0, 256, (12, pixels), np.uint8), 80.0, 90.0, "float32", on_host),
        card.asarray(rng.integers(0, 12, (n, k))),
    )
    sizes = 10.0 ** rng.uniform(-3, 0, (k * pixels, H))
    host = {"W0": rng.normal(size=(k * pixels, H)) * sizes / 30, "W1": rng.normal(size=(H, 1))}
    host = {name: W.astype(np.float32) for name, W in host.items()}
    W = {name: card.asarray(each.copy()) for name, each in host.items()}
    network = SimpleNamespace(W=list(W.values()), activation=SimpleNamespace(name="tanh"))
    optimizer = SimpleNamespace(kernel="sgd", slots=(), clock=lambda step, epoch: step)
    state = SimpleNamespace(step=0, lr={name: 0.1 for name in W}, slots={name: SimpleNamespace() for name in W})
    y = card.asarray(rng.integers(0, 2, (n, 1)).astype(np.float32))
    totals = tier.whole_pass(network, X, y, 16, Learning(optimizer, state, "bp", [], 0, 1), tensor)
    if totals is None:
        return None
    return {name: card.to_host(W[name]) - each for name, each in host.items()} | {"totals": card.to_host(totals)}


def macros_of(dtype):
    """Return the macros with which cuda.cu is compiled for a dtype."""
    return ({"DOUBLE": 1} if dtype == DOUBLE else {}) | sizes_of(**STRUCTS[dtype])


def dtype_of(array):
    """Return the NumPy dtype of an array."""
    return np.dtype(dtype_name(array.dtype))
