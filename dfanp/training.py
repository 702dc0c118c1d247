"""The training loop: it yields one Record per epoch. It is the same for every rule, problem and device.

Exclusive or, by DFA:

    >>> import dfanp
    >>> problem = dfanp.Arrays([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0])
    >>> network = dfanp.MLP([2, 32, 1], bias=True, seed=0)
    >>> training = Training(network, problem, "dfa", dfanp.Adam(lr=0.05), batch_size=4)
    >>> records = list(training.epochs(100))
    >>> len(records), records[-1].test_accuracy
    (100, 1.0)
"""

from dataclasses import dataclass, field, fields, replace
from math import ceil
from numbers import Integral
from time import perf_counter
from types import SimpleNamespace

import numpy as np

from . import activations, alignment, losses, rules
from .errors import shown
from .feedback import Feedback
from .inputs import StackedDigits, rows
from .kernels.checked import comparable, defined, digits, form_of, on_host
from .kernels.mirror import number
from .kernels.tier import Learning
from .network import FORWARD, MLP, plain
from .optimizers import Optimizer
from .registry import overrides
from .streams import Draws, checked_seeds

TEST_BATCH = 1000  # examples a forward pass when only the outputs are wanted


@dataclass(frozen=True)
class Record:
    """The measures of one epoch. Each value is a float, or an array (R,) with replicas (NaN for one that has diverged).

    Attributes:
        epoch: 1, 2, …
        train_loss, train_accuracy: mean over the epoch's examples, each seen before the update that it leads to.
        test_loss, test_accuracy: mean over the test set of this epoch, after its last update. The accuracies are None for a loss
            of regression, which has none.
        alignment: None, or ``{"feedback": […], "gradient": […]}`` on the probe set after the epoch, lowest layer
            first: see ``dfanp.alignment``.
        seconds: wall-clock time of the epoch, training, testing and alignment together (for replicas: of all
            together).
    """

    epoch: int
    train_loss: float
    train_accuracy: float | None
    test_loss: float
    test_accuracy: float | None
    alignment: dict | None = None
    seconds: float = field(default=0.0, compare=False)

    def replica(self, r):
        """Return the record of replica r of a joint run, as its solo run has it (but for the time)."""
        values = {name: getattr(self, name) for name in MEASURES}
        picked = {name: None if value is None else float(value[r]) for name, value in values.items()}
        if self.alignment is not None:
            picked["alignment"] = {key: [float(c[r]) for c in cosines] for key, cosines in self.alignment.items()}
        return replace(self, **picked)


MEASURES = tuple(f.name for f in fields(Record) if f.name not in ("epoch", "alignment", "seconds"))


class Training:
    """A network being trained on a problem by a rule and an optimizer.

    Args:
        network: an ``MLP`` that fits the problem (``features`` wide below, ``outputs`` above); it is changed in
            place.
        problem: see ``dfanp.problems``.
        rule: a ``Rule`` or its name: "bp", "fa", "dfa".
        optimizer: an ``Optimizer``.
        feedback: how B is drawn (not read under a rule without B).
        batch_size: examples a step; the last batch of an epoch is smaller if it must be, its gradient the mean over
            its own size.
        seed: of the data, and of B where `feedback` has none; None takes the network's. With replicas, one for each.
        layers: ``"all"``, or ``"output"`` to train the last layer alone.
        align: whether records carry alignment.

    An exception inside an epoch (an interrupt) leaves the network between two steps of it. It can then not go on, until
    ``restore`` puts back what ``arrays`` returned before.

    Attributes:
        network, feedback: as given. rule, loss: the objects. B: the list of feedback matrices, on the device; where B learns, the
            optimizer changes them in place.
        epoch: epochs done so far.
        status: ``"ok"`` or ``"diverged"`` (the loss was not finite); with replicas a list of them.

    Raises:
        ValueError: something does not fit.
    """

    def __init__(
        self,
        network,
        problem,
        rule,
        optimizer,
        feedback=Feedback(),
        batch_size=128,
        seed=None,
        layers="all",
        align=False,
    ):
        if (network.sizes[0], network.sizes[-1]) != (problem.features, problem.outputs):
            raise ValueError(
                f"the network must lead from {problem.features} features to {problem.outputs} outputs, "
                f"got {network.sizes}"
            )
        if network.dtype != problem.dtype or network.backend.xp is not problem.backend.xp:
            raise ValueError("network and problem must have the same dtype and backend")
        if isinstance(batch_size, bool) or not isinstance(batch_size, Integral) or batch_size < 1:
            raise ValueError(f"batch_size must be a whole number of at least 1, got {shown(batch_size)}")
        if batch_size > problem.train_size:
            raise ValueError(
                f"batch_size must be at most the {problem.train_size} examples of an epoch, got {batch_size}"
            )
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"optimizer must be one of dfanp's, such as dfanp.SGD(0.1), got {shown(optimizer)}")
        if not isinstance(layers, str) or layers not in ("all", "output"):
            raise ValueError(f"layers must be 'all' or 'output', got {shown(layers)}")
        self.network, self.problem, self.rule = network, problem, rules.get(rule)
        self.optimizer, self.feedback, self.batch_size, self.align = optimizer, feedback, int(batch_size), align
        if not isinstance(feedback, Feedback):
            raise TypeError(f"feedback must be a dfanp.Feedback, such as Feedback('uniform'), got {shown(feedback)}")
        self.seed = checked_seeds(network.seed if seed is None else seed, network.replicas or 0)
        if feedback.seed is not None:
            checked_seeds(feedback.seed, network.replicas or 0)
        if not isinstance(align, (bool, np.bool_)):
            raise ValueError(f"align must be True or False, got {shown(align)}")
        self.first = 0 if layers == "all" and "W0" not in network.fixed else len(network.sizes) - 2
        self.loss, self.backend = losses.get(problem.loss), network.backend
        shapes = rules.feedback_shapes(self.rule, network.sizes)
        self.B = [self.backend.asarray(b, network.dtype) for b in feedback.draw(shapes, self.seed)]
        self.state = optimizer.init(self.backend, self.trained(), network.replicas)
        self._fuses = {}  # what a kernel may take at once: see may_fuse
        self._built_in_loss = losses.LOSSES.built_in(self.loss)
        self.epoch, self._alive = 0, np.ones(network.replicas or 1, dtype=bool)
        self._torn = False  # between two steps of an epoch that was cut off
        self._drawn = None  # examples of the next epoch, where they could be drawn while this one ran
        self._probe = problem.probe(self.seed) if align else None

    def trained(self):
        """Return name -> array of the parameters that are trained: of the network, and where B learns, "B0" … of it."""
        own = lambda name: name not in self.network.fixed and int(name[1:]) >= self.first
        found = {name: theta for name, theta in self.network.parameters.items() if own(name)}
        if self.rule.feedback_gradient is not None:
            found |= {f"B{layer}": b for layer, b in enumerate(self.B) if layer >= self.first}
        return found

    @property
    def status(self):
        each = ["ok" if alive else "diverged" for alive in self._alive]
        return each if self.network.replicas else each[0]

    @property
    def diverged(self):
        """Whether nothing is left to train."""
        return not self._alive.any()

    def epochs(self, until):
        """Train on until `until` epochs are done in all, yielding the Record of each.

        A run whose loss is not finite ends there, without a record of that epoch, with the status ``"diverged"``; of
        a joint run, that replica alone.
        """
        while self.epoch < until and not self.diverged:
            record = self.run_epoch()
            if not self.diverged:
                yield record

    def prepare(self):
        """Draw the examples of the next epoch, and find out now which kernels may compute it: otherwise ``run_epoch`` does.

        Raises:
            BackendError: a tier that was asked for by its name does not compute what the code defines.
        """
        if self._drawn is None:
            self._drawn = self.drawn(self.epoch + 1)
        (_, (X, _), (X_test, _)), W = self._drawn, self.network.W[0]
        with self.backend.pinned():
            if self.may_fuse(X, self.epoch + 1) and self.may_fuse(X_test, None):
                return
            if isinstance(X, StackedDigits):
                self.backend.kernels.multiplies(X.dtype, W.ndim, len(X.shape))
            self.backend.kernels.updates(self.optimizer, W, self.network.replicas)

    def run_epoch(self):
        """Train one epoch, test, and return the Record; ``epoch`` and ``status`` are updated last, together."""
        if self._torn:
            raise RuntimeError("an epoch was cut off: restore() the arrays() of an earlier epoch before going on")
        began, epoch, self._torn = perf_counter(), self.epoch + 1, True
        # A run that diverges is a result, which its status says; NumPy need not warn on the way there.
        with self.backend.pinned(), np.errstate(all="ignore"):
            examples, tested = self.examples(epoch)
            train, angles = self.train_and_measure(*examples, self.data_of(epoch)[1])
            test = self.run_steps(*tested)
            if self.backend.device != "cpu":  # which is still at work: it is waited for below
                self._drawn = self.drawn(epoch + 1)
            train, test = self.means(train, examples[0]), self.means(test, tested[0])
            angles = angles and self.on_host(angles)
        alive = self._alive & np.isfinite(train[0]) & np.isfinite(test[0])
        values = [None if measured is None else np.where(alive, measured, np.nan) for measured in (*train, *test)]
        if not self.network.replicas:
            values = [None if measured is None else float(measured[0]) for measured in (*train, *test)]
        if angles and self.network.replicas:
            angles = {key: [np.where(alive, c, np.nan) for c in cosines] for key, cosines in angles.items()}
        self.epoch, self._alive, self._torn = epoch, alive, False
        return Record(epoch, *values, alignment=angles, seconds=perf_counter() - began)

    def data_of(self, epoch):
        """Return the seed and the epoch that `epoch` takes its data from: its own."""
        return self.seed, epoch

    def examples(self, epoch):
        """Return (X, y) to train on and (X, y) to test on, of an epoch."""
        drawn, self._drawn = self._drawn, None
        return (drawn if drawn and drawn[0] == self.data_of(epoch) else self.drawn(epoch))[1:]

    def drawn(self, epoch):
        """Return the seed and epoch of the data, and what ``examples`` returns."""
        data = self.data_of(epoch)
        return data, self.problem.train(*data), self.problem.test(*data)

    def means(self, totals, X):
        """Return mean loss and accuracy (None without one) of the examples X, float64 (R,) or (1,), on the host, from ``run_steps``."""
        loss, right = (np.reshape(total, (-1,)) for total in self.backend.to_host(totals) / X.shape[-2])
        return loss, None if self.loss.correct is None else right

    def train_and_measure(self, X, y, epoch):
        """Train on the examples (X, y) of `epoch`; return the totals of ``run_steps``, and the alignment or None."""
        return self.run_steps(X, y, epoch), self.measure_alignment() if self.align else None

    def run_steps(self, X, y, learning_in=None):
        """Return the loss and the number of right answers, summed over the examples (X, y): float64 (2,) or (2, R), on the device.

        Nothing in between waits for a transfer.

        Args:
            learning_in: None to test; or the epoch, to do a step after each batch (``learn``).
        """
        totals = None
        if self.may_fuse(X, learning_in):
            totals = self.fused_epoch(self.backend.kernels.tier, X, y, learning_in)
        return self.epoch_by_steps(X, y, learning_in) if totals is None else totals

    def epoch_by_steps(self, X, y, learning_in):
        """Return what ``run_steps`` returns, batch by batch: the definition of an epoch."""
        n, totals = X.shape[-2], 0.0
        batch_size = TEST_BATCH if learning_in is None else self.batch_size
        for start in range(0, n, batch_size):
            stop = min(start + batch_size, n)
            batch = rows(X, start, stop), y[..., start:stop, :]
            totals = totals + (self.evaluate(*batch) if learning_in is None else self.learn(*batch, learning_in))
        return totals

    def evaluate(self, X, y):
        """Return the loss summed over the examples of a batch and the number that are right, float64 (2,) or (2, R)."""
        z = self.network.forward(X)[-1]
        return self.backend.kernels.output(self.loss, z, y, learning=False, built_in=self._built_in_loss)[1]

    def learn(self, X, y, epoch):
        """One step: the error, the gradients that the rule makes of it, the update of every trained parameter in place.

        Returns what ``evaluate`` returns, at the parameters before the update.
        """
        h = self.network.forward(X)
        e, totals = self.backend.kernels.output(self.loss, h[-1], y, built_in=self._built_in_loss)
        gradients = rules.gradients(self.rule, self.network, self.B, h, e, y, self.first, self.draws)
        self.optimizer.step(self.backend, self.trained(), gradients, self.state, epoch)
        if self.rule.after_step is not None:
            lr, draws = self.state.lr[f"W{len(self.network.W) - 1}"], self.draws(0, self.state.step)
            self.rule.after_step(
                rules.AfterStep(self.backend.xp, self.network.W, self.B, h, e, y, lr, draws)
            )
        return totals

    def draws(self, l, step=None):
        """Return the random arrays that a rule draws for layer l in a step (None: the next one)."""
        step = self.state.step + 1 if step is None else step
        return Draws(self.seed, step, l, self.backend, self.network.dtype)

    def may_fuse(self, X, learning_in):
        """Whether a kernel may take all steps of an epoch at once, to learn or (None) to test.

        It may for a network with one hidden layer, one output and no biases, where all that defines a step is dfanp's own (the
        very objects and methods) and the kernel agrees with it on a tiny network.
        """
        net, stacked, learns = self.network, isinstance(X, StackedDigits), learning_in is not None
        # All that the answer depends on; it is looked at in every epoch, and some last a tenth of a millisecond.
        kinds = (type(self), STEPS), (type(net), FORWARD), (type(self.optimizer), ("update", "step", "init", "clock"))
        methods = [getattr(kind, name) for kind, names in kinds for name in names]
        own = [name for each in (self, net) for name in (*STEPS, *FORWARD) if name in vars(each)]
        now = [self.rule, self.optimizer, self.loss, net.activation, methods, own]
        before, answer = self._fuses.get((stacked, learns), (None, False))
        if before != now:
            answer = self.fits_kernel(X, learns) and self.agrees_on_tiny(stacked, learns, methods)
            self._fuses[stacked, learns] = now, answer
        return answer

    def fits_kernel(self, X, learns):
        """Whether the tier has a kernel for such an epoch, by what dfanp itself calls its parts."""
        net, tier = self.network, self.backend.kernels.tier
        if tier.fused_epoch is None or overrides(self, Training, STEPS) or not plain(net, X):
            return False
        if len(net.sizes) != 3 or net.sizes[-1] != 1 or net.bias or self._built_in_loss not in tier.losses:
            return False
        parts = [(activations.ACTIVATIONS.built_in(net.activation), tier.activations)]
        if learns:
            parts.append((self.optimizer.kernel, tier.optimizers))
        known = all(number(names, name) is not None for name, names in parts)
        return known and (not learns or rules.RULES.built_in(self.rule) in tier.rules)

    def agrees_on_tiny(self, stacked, learns, methods):
        """Whether the tier's kernel and the definition make the same of a tiny network."""
        net, kernels = self.network, self.backend.kernels
        learning = (self.rule, form_of(self.optimizer)) if learns else ()
        key = "epoch", net.activation, self.loss, net.dtype, stacked, bool(net.replicas), self.first, *learning, *methods
        what = f"an epoch of {self.rule.name} with {net.activation.name} and {type(self.optimizer).__name__}"
        if not learns:
            what = f"a test with {net.activation.name}"
        return kernels.agrees(key, what, net.dtype, lambda tier: self.tiny_epoch(tier, stacked, learns))

    def tiny_epoch(self, tier, stacked, learns):
        """Return what three steps and a test make of a tiny network by these rules, name -> array: in one call of a tier, or by steps.

        None where the tier has no kernel for such a network, whatever its size.
        """
        backend, R = defined(self.backend), 2 if self.network.replicas else None
        rng, dtype = np.random.default_rng(9), self.network.dtype
        X = digits(backend, dtype, 3 if R else 2)
        if not stacked:
            X = backend.asarray(rng.normal(size=X.shape), dtype)
        y = backend.asarray(rng.integers(0, 2, (*X.shape[:-1], 1)), dtype)
        examples = lambda seed, epoch=1: (X, y)
        sizes = (X.shape[-1], 5, 1)
        problem = SimpleNamespace(
            features=sizes[0], outputs=1, loss=self.loss, dtype=dtype, backend=backend, train_size=X.shape[-2],
            train=examples, test=examples, probe=examples,
        )  # fmt: skip
        net = MLP(sizes, self.network.activation, dtype=dtype, seed=(1, 2) if R else 1, backend=backend)
        layers = "output" if self.first else "all"
        tiny = Training(net, problem, self.rule, comparable(self.optimizer, 2), batch_size=4, layers=layers)
        run = tiny.epoch_by_steps if tier is backend.kernels.plain else lambda *what: tiny.fused_epoch(tier, *what)
        before, found = tiny.arrays(), {}
        if learns:
            found["totals"] = run(X, y, 1)
            changed = tiny.arrays()
            found |= {name: changed[name] - before[name] for name in changed if changed[name].dtype.kind == "f"}
        found["test totals"] = run(X, y, None)
        return None if any(array is None for array in found.values()) else on_host(backend, found)

    def fused_epoch(self, tier, X, y, learning_in):
        """Return what ``epoch_by_steps`` returns, from one call of a tier; None if these examples are too many for one."""
        learning = None
        if learning_in is not None:
            # With one hidden layer e @ B is its signal under FA and DFA alike; under BP, B is W1.T.
            learning = Learning(self.optimizer, self.state, self.B[0] if self.B else None, learning_in)
        batch_size = TEST_BATCH if learning is None else self.batch_size
        return tier.fused_epoch(self.network.activation.name, *self.network.W, X, y, batch_size, learning)

    def measure_alignment(self):
        """Return ``{"feedback": […], "gradient": […]}`` at the present weights, on the device."""
        X, y = self._probe
        X = rows(X, 0, X.shape[-2])
        gradient = alignment.gradient_alignment(self.rule, self.network, self.B, self.loss, X, y, self.draws)
        return {"feedback": alignment.feedback_alignment(self.rule, self.network, self.B), "gradient": gradient}

    def on_host(self, found):
        """Return lists of cosines under names as floats, or as arrays (R,) with replicas."""
        host = self.backend.to_host
        if self.network.replicas:
            return {
                key: [np.broadcast_to(host(c), (self.network.replicas,)) for c in cosines]
                for key, cosines in found.items()
            }
        return {key: [float(host(c)) for c in cosines] for key, cosines in found.items()}

    def arrays(self, copy=True):
        """Return name -> host array of all that the run needs to go on: parameters, B, optimizer state, epoch.

        Generators are not among them: the data of an epoch depend on (seed, epoch) alone.

        Args:
            copy: whether they are copies; else on the CPU the training goes on in the very arrays.
        """
        host = lambda array: np.array(self.backend.to_host(array), copy=copy or None)
        found = {f"parameters/{name}": host(theta) for name, theta in self.network.parameters.items()}
        found |= {f"feedback/B{layer}": host(b) for layer, b in enumerate(self.B)}
        for name, slots in self.state.slots.items():
            found |= {f"optimizer/{name}/{slot}": host(array) for slot, array in vars(slots).items()}
        found["optimizer/step"] = np.array(self.state.step)
        found["epoch"], found["alive"] = np.array(self.epoch), self._alive.copy()
        return found

    def restore(self, arrays):
        """Go on from what ``arrays`` returned: every parameter, B and state array is overwritten in place.

        Raises:
            ValueError: a name is missing or too many, or a shape or dtype differs. Nothing is changed then.
        """
        here = self.arrays()
        for name in here.keys() ^ arrays.keys():
            raise ValueError(f"{name} is {'missing' if name in here else 'not part of this run'}")
        for name, array in here.items():
            if (arrays[name].shape, arrays[name].dtype) != (array.shape, array.dtype):
                raise ValueError(
                    f"{name} must be {array.dtype} of shape {array.shape}, "
                    f"got {arrays[name].dtype} of shape {arrays[name].shape}"
                )
        step, epoch = int(arrays["optimizer/step"]), int(arrays["epoch"])
        if epoch < 0 or step != epoch * ceil(self.problem.train_size / self.batch_size):
            raise ValueError(f"{step} steps do not belong to {epoch} epochs")
        self.go_on_from(arrays)

    def go_on_from(self, arrays):
        """Do what ``restore`` does, with arrays that are known to fit; their epochs may have had other numbers of examples."""
        asarray = self.backend.asarray
        self.network.load({name: arrays[f"parameters/{name}"] for name in self.network.parameters})
        for layer, b in enumerate(self.B):
            b[...] = asarray(arrays[f"feedback/B{layer}"])
        for name, slots in self.state.slots.items():
            for slot, array in vars(slots).items():
                array[...] = asarray(arrays[f"optimizer/{name}/{slot}"])
        self.state.step, self.epoch = int(arrays["optimizer/step"]), int(arrays["epoch"])
        self._alive = arrays["alive"].copy()
        self._torn = False


STEPS = ("run_steps", "epoch_by_steps", "evaluate", "learn")  # what defines an epoch

