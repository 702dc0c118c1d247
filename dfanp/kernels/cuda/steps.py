"""The steps of any multilayer perceptron: products by cuBLAS, and between them one launch for each layer, recorded as a graph.

    gather      the examples of the batch
    activate    h = f(a + b) of a hidden layer, after a = h @ W
    output      the loss, the right answers and e, after z = h @ W
    slope       delta = signal * f' of a hidden layer, after its signal, a product with W or with B
    update      all parameters, after the products h.T @ delta; gradients of biases are summed in it

What differs from step to step is in memory of the card, the cell: so a graph of some steps is recorded once and replayed through all
epochs. A test has no replica axis: its replicas take turns, and so have the bytes of their solo runs.
"""

from operator import is_

import numpy as np

from ... import activations
from ...inputs import StackedDigits, dtype_name
from .. import mirror
from ..mirror import ACTIVATIONS, HYPERPARAMETERS, LOSSES, corrections, hyperparameters, slots
from .cublas import Stack
from .structs import MOST, SHARED_OF_OUTPUT, STRUCTS, THREADS

# rule -> what is multiplied by what, to make the signal of a hidden layer: the delta of the next layer, e, or what the
# output layer sends in its place (its number in cuda.cu); and W or B.
RULES = {
    "bp": ("delta", "W"),
    "fa": ("delta", "B"),
    "dfa": ("e", "B"),
    "kp": ("delta", "B"),
    "dkp": ("e", "B"),
    "sdfa": (1, "B"),
    "drtp": (2, "B"),
}
LEARN_B = ("kp", "dkp")
CELLS = ("next", "now", "inputs", "targets", "totals", "corrections")  # of cuda.cu
MOST_RECORDED = 16  # steps of a graph


class Steps:
    """The steps of one network on examples of one shape, or its test.

    Args:
        tier: the Cuda.
        network, loss, X, y, batch_size, learning: as ``Tier.fused_epoch`` takes them.
        parts: what ``parts`` returns.

    Attributes:
        fits: whether all arrays lie as the kernels read them, and each B has the shape that the rule needs.
    """

    def __init__(self, tier, network, loss, X, y, batch_size, learning, parts):
        self.tier, self.card, self.of, self.learns = tier, tier.card, parts, learning is not None
        self.dtype, self.loss = np.dtype(network.dtype), mirror.number(LOSSES, loss)
        self.activation = mirror.number(ACTIVATIONS, network.activation.name)
        self.sizes, self.replicas, self.total = network.sizes, network.replicas or 1, y.shape[-2]
        self.joint = network.replicas is not None
        self.batch = min(batch_size, self.total)
        self.own_X, self.own_y, self.bank = len(X.shape) > 2, y.ndim > 2, getattr(X, "bank", None)
        self.rule = learning.rule if self.learns else None
        self.first = learning.first if self.learns else len(self.sizes) - 1
        self.fits = self.lie_well(network, learning)
        if self.fits:
            self.W, self.b = self.parameters(network, "W"), self.parameters(network, "b")
            self.B = [self.stack(b) for b in learning.B] if self.learns else []
            self.allocate(learning)
            self.graph = None

    @staticmethod
    def parts(network, loss, X, y, batch_size, learning):
        """Return all that the steps depend on, in two lists: objects, and what is equal where it is the same."""
        objects = [network.activation, *network.parameters.values()]
        bank = getattr(X, "bank", None)
        values = [loss, tuple(X.shape), tuple(y.shape), batch_size, getattr(getattr(X, "picks", None), "shape", None)]
        objects.append(bank)
        if learning is not None:
            objects += [learning.optimizer, *learning.B]
            for state in learning.state.slots.values():
                objects += slots(state)
            values += [learning.rule, learning.first]
        return objects, values

    def same(self, parts):
        """Whether ``parts`` are those of these steps."""
        (objects, values), (mine, numbers) = parts, self.of
        return len(objects) == len(mine) and all(map(is_, objects, mine)) and values == numbers

    def lie_well(self, network, learning):
        """See ``fits``."""
        arrays = list(network.parameters.values())
        if learning is not None:
            arrays += [array for state in learning.state.slots.values() for array in slots(state)] + list(learning.B)
            direct = RULES[learning.rule][0] != "delta"
            for l, b in enumerate(learning.B, 1):
                if tuple(b.shape[-2:]) != (self.sizes[-1] if direct else self.sizes[l + 1], self.sizes[l]):
                    return False
        return all(dtype_name(array.dtype) == self.dtype.name and self.has_no_gaps(array) for array in arrays)

    def has_no_gaps(self, array):
        """Whether an array lies in memory as C writes it."""
        wanted, size = [], 1
        for length in reversed(array.shape):
            wanted.append(size)
            size *= length
        strides = self.card.strides(array)
        return all(s == w for s, w, length in zip(strides, reversed(wanted), array.shape, strict=True) if length > 1)

    def stack(self, array):
        """Return the Stack of an array (rows, columns), or (R, rows, columns)."""
        *leading, rows, columns = array.shape
        return Stack(self.card.address(array), rows, columns, rows * columns if leading else 0)

    def parameters(self, network, letter):
        """Return Stacks of the weights or (as rows) of the biases, lowest layer first; None for a network without biases."""
        if letter == "b" and not network.bias:
            return [None] * (len(self.sizes) - 1)
        found = []
        for l, (fan_in, width) in enumerate(zip(self.sizes, self.sizes[1:], strict=False)):
            rows = fan_in if letter == "W" else 1
            found.append(Stack(self.card.address(network.parameters[f"{letter}{l}"]), rows, width, rows * width))
        return found

    def allocate(self, learning):
        """Allocate all that the steps write besides parameters, and describe what is updated."""
        R, n, last = self.replicas if self.learns else 1, self.batch, len(self.sizes) - 1
        self.arrays = []

        def room(replicas, rows, columns):
            self.arrays.append(self.card.zeros((replicas, rows, columns), self.dtype.name))
            return Stack(self.card.address(self.arrays[-1]), rows, columns, rows * columns)

        of_inputs = R if self.own_X else 1
        self.h = [room(of_inputs, n, self.sizes[0])]
        if of_inputs < R:
            self.h[0] = self.h[0]._replace(stride=0)
        self.h += [room(R, n, width) for width in self.sizes[1:]]
        self.cell = self.card.zeros((len(CELLS),), "int64")
        if not self.learns:
            return
        self.e = room(R, n, self.sizes[-1])
        self.carried = room(R, n, self.sizes[-1]) if isinstance(RULES[self.rule][0], int) else None
        self.delta = {last: self.e} | {l: room(R, n, self.sizes[l]) for l in range(self.first + 1, last)}
        trained, of_slots = [], learning.state.slots
        for name in of_slots:
            l, of = int(name[1:]), {"W": self.W, "b": self.b, "B": self.B}[name[0]]
            theta = of[l]
            if name[0] == "b":  # its gradient is the delta of its layer, summed where it is used
                trained.append((name, theta, self.delta[l + 1], True))
            else:
                trained.append((name, theta, room(R, theta.rows, theta.columns), False))
        self.trained = trained
        self.gradients = {name: g for name, _, g, _ in trained}
        self.lrs = self.card.zeros((len(trained), R), self.dtype.name)
        self.states = {name: [self.card.address(each) for each in slots(of_slots[name])] for name in of_slots}
        self.o = HYPERPARAMETERS[self.dtype](**hyperparameters(learning.optimizer, 1))

    def launch(self, kernel, numbers, blocks=None, shared=0, **fields):
        """Launch a kernel of cuda.cu."""
        struct = STRUCTS[self.dtype][kernel]
        self.tier.run(kernel, struct(**fields), numbers, self.dtype, shared, blocks)

    def multiply(self, A, B, C, replicas):
        """Compute C = A @ B."""
        self.card.product(A, B, C, replicas, self.dtype, self.tier.tf32)

    def rows(self, stack, n):
        """Return the first n rows of each matrix of a buffer; those of the replicas stand n rows apart."""
        return stack._replace(rows=n, stride=n * stack.columns if stack.stride else 0)

    def step(self, n, launches=True):
        """Do a step on a batch of n examples, or test it; without `launches` the products alone, on what the memory holds."""
        for first in range(1 if self.learns else self.replicas):
            self.forward(n, first, launches)
        if self.learns:
            self.backward(n, launches)

    def forward(self, n, first, launches):
        """Compute h, the totals and e; of a test for the replica `first` alone."""
        R, last, cell = self.replicas if self.learns else 1, len(self.sizes) - 1, self.card.address(self.cell)
        alone = lambda stack: stack if stack is None or self.learns else stack.of_replica(first, self.dtype.itemsize)
        h = [self.rows(each, n) for each in self.h]
        of_kind = {"activation": self.activation, "leak": activations.LEAK}
        if launches:
            self.gather(n, first, R if self.own_X else 1)
        for l in range(1, last + 1):
            W, b = alone(self.W[l - 1]), alone(self.b[l - 1])
            self.multiply(h[l - 1], W, h[l], R)
            b = None if b is None else b.address
            if launches and l < last:
                sizes = {"replicas": R, "rows": n, "width": self.sizes[l]}
                self.launch("activate", R * n * THREADS, a=h[l].address, b=b, **sizes, **of_kind)
        if not launches:
            return
        learns = {"e": self.e.address} if self.learns else {}
        if self.learns and self.carried is not None:
            learns |= {"carried": self.carried.address, "carry": RULES[self.rule][0]}
        self.launch(
            "output",
            n,
            blocks=R,
            shared=SHARED_OF_OUTPUT,
            z=h[last].address,
            b=b,
            cell=cell,
            replicas=R,
            n=n,
            outputs=self.sizes[-1],
            y_stride=self.total * self.sizes[-1] if self.own_y else 0,
            first=first,
            all=self.replicas,
            batch=self.batch,
            loss=self.loss,
            last=self.learns or first == self.replicas - 1,
            **learns,
        )

    def gather(self, n, first, replicas):
        """Copy the inputs of a batch to where the products read them."""
        k, pixels, of_bank = 1, self.sizes[0], {}
        if self.bank is not None:
            pixels = self.bank.raw.shape[1]
            k, bank = self.sizes[0] // pixels, self.bank
            of_bank = {"raw": self.card.address(self.tier.raw(bank)), "mean": bank.mean, "std": bank.std}
        self.launch(
            "gather",
            replicas * n * THREADS,
            out=self.h[0].address,
            cell=self.card.address(self.cell),
            replicas=replicas,
            rows=n,
            stride=self.total * (k if of_bank else pixels) if self.own_X else 0,
            k=k,
            pixels=pixels,
            first=first,
            batch=self.batch,
            **of_bank,
        )

    def backward(self, n, launches):
        """Compute the deltas and gradients, and update the parameters."""
        R, last, (sent, by) = self.replicas, len(self.sizes) - 1, RULES[self.rule]
        h = [self.rows(each, n) for each in self.h]
        delta = {l: self.rows(each, n) for l, each in self.delta.items()}
        e = delta[last]
        for l in reversed(range(self.first + 1, last)):
            sender = {"delta": delta[l + 1], "e": e}.get(sent) or self.rows(self.carried, n)
            self.multiply(sender, self.W[l].mT if by == "W" else self.B[l - 1], delta[l], R)
            if launches:
                numbers = R * n * self.sizes[l]
                of = {"signal": delta[l].address, "h": h[l].address, "size": numbers}
                self.launch("slope", numbers, **of, activation=self.activation, leak=activations.LEAK)
        for name, g in self.gradients.items():
            l = int(name[1:])
            if name[0] == "W":
                self.multiply(h[l].mT, delta[l + 1], g, R)
            elif name[0] == "B":  # of hidden layer l + 1: the gradient of the weights in whose place it is
                self.multiply((delta[l + 2] if sent == "delta" else e).mT, h[l + 1], g, R)
        for start in range(0, len(self.trained) if launches else 0, MOST):
            self.update(n, start)

    def update(self, n, start):
        """Do the optimizer's step of up to MOST parameters, from number `start` on."""
        R, item = self.replicas, self.dtype.itemsize
        some, struct = self.trained[start : start + MOST], STRUCTS[self.dtype]["update"]
        p = struct(cell=self.card.address(self.cell), parameters=len(some), replicas=R, apart=R, o=self.o)
        p.lrs = self.card.address(self.lrs) + start * R * item
        for place, (name, theta, g, of_bias) in enumerate(some):
            p.w[place], p.g[place], p.size[place] = theta.address, g.address, R * theta.rows * theta.columns
            p.rows[place] = n if of_bias else 0
            for pointers, address in zip((p.s0, p.s1), self.states[name], strict=False):
                pointers[place] = address
        largest = max(R * theta.rows * theta.columns for _, theta, *_ in some)
        self.tier.run("update", p, largest, self.dtype)

    def run(self, X, y, learning):
        """Do all steps on the examples (X, y), or test them; return the totals of ``Tier.fused_epoch``."""
        full, rest = divmod(self.total, self.batch)
        steps = full + (rest > 0)
        if self.graph is None:
            self.record(full)
        kept = self.begin(X, y, learning, steps)
        each, graph = self.graph
        for _ in range(full // each):
            graph.launch()
        for _ in range(full % each):
            self.step(self.batch)
        if rest:
            self.step(rest)
        totals = kept[0]
        if learning is not None:
            learning.state.step += steps
        return totals if self.joint else totals[:, 0]

    def record(self, full):
        """Record a graph of some steps on full batches."""
        each = recorded_steps(full)
        for name in ("gather", "activate", "output", *(("slope", "update") if self.learns else ())):
            self.tier.compile(name, self.dtype)
        self.step(self.batch, launches=False)  # loads what cuBLAS needs, which a capture might forbid
        self.graph = each, self.card.recorded(lambda: [self.step(self.batch) for _ in range(each)])

    def begin(self, X, y, learning, steps):
        """Fill the cell for a pass over (X, y); return the totals and all other arrays that it refers to."""
        totals, of_steps = self.card.zeros((2, self.replicas), "float64"), None
        inputs = self.tier.contiguous(X.picks if isinstance(X, StackedDigits) else X)
        y = self.tier.contiguous(y)
        if learning is not None:
            step = learning.state.step + 1
            of_steps = corrections(learning, range(step, step + steps), self.dtype)
            of_steps = None if of_steps is None else self.card.asarray(of_steps)
            rates = [learning.state.lr[name] for name, *_ in self.trained]
            host = [[rate if isinstance(rate, float) else 0.0] * self.replicas for rate in rates]
            self.lrs[...] = self.card.asarray(np.array(host, self.dtype))
            for row, rate in enumerate(rates):
                if not isinstance(rate, float):
                    self.lrs[row, ...] = self.tier.xp.reshape(rate, (-1,))
        pointers = [0 if each is None else self.card.address(each) for each in (inputs, y, totals, of_steps)]
        self.cell[...] = self.card.asarray(np.array([0, 0, *pointers], np.int64))
        return totals, inputs, y, of_steps


def recorded_steps(full):
    """Return how many steps a graph has: the largest number up to MOST_RECORDED that divides `full`, or nearly so."""
    most = min(MOST_RECORDED, full)
    return max(range(1, most + 1), key=lambda each: (each - (full % each) * 2, each)) if most > 1 else 1
