"""The loop: examples in, one record an epoch out. There is no other, whatever the rule, the problem or the device.

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
from typing import NamedTuple

import numpy as np

from . import alignment, losses, rules
from .errors import shown
from .feedback import Feedback
from .inputs import rows
from .optimizers import Optimizer, State
from .streams import checked_seeds

TEST_BATCH = 1000  # examples a forward pass when only the outputs are wanted


@dataclass(frozen=True)
class Record:
    """What one epoch came to. Each value is a float, or an array (R,) with replicas (NaN for one that has diverged).

    Attributes:
        epoch: 1, 2, …
        train_loss, train_accuracy: mean over the epoch's examples, each seen before the update that it leads to.
        test_loss, test_accuracy: mean over the test set of this epoch, after its last update.
        alignment: None, or ``{"feedback": […], "gradient": […]}`` on the probe set after the epoch, lowest layer
            first: see ``dfanp.alignment``.
        seconds: wall-clock time of the epoch, training, testing and alignment together (for replicas: of all
            together).
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float
    alignment: dict | None = None
    seconds: float = field(default=0.0, compare=False)

    def replica(self, r):
        """Return the record of replica r of a joint run, as its solo run has it (but for the time)."""
        picked = {name: float(getattr(self, name)[r]) for name in MEASURES}
        if self.alignment is not None:
            picked["alignment"] = {key: [float(c[r]) for c in cosines] for key, cosines in self.alignment.items()}
        return replace(self, **picked)


class Learning(NamedTuple):
    """What the kernels need to learn in a pass: ``M`` is what carries e back, (1, H) or (R, 1, H), None for W1.T."""

    optimizer: Optimizer
    state: State
    M: object
    epoch: int


MEASURES = tuple(f.name for f in fields(Record) if f.name not in ("epoch", "alignment", "seconds"))


class Training:
    """A network being trained on a problem by a rule and an optimizer.

    Args:
        network: an ``MLP`` that fits the problem (``features`` wide below, ``outputs`` above); it is changed in
            place.
        problem: see ``dfanp.problems``.
        rule: a name in ``dfanp.rules.RULES``: "bp", "fa", "dfa".
        optimizer: an ``Optimizer``.
        feedback: how B is drawn (not read under BP).
        batch_size: examples a step; the last batch of an epoch is smaller if it must be, its gradient the mean over
            its own size.
        seed: of the data, and of B where `feedback` has none; None takes the network's. With replicas, one for each.
        layers: ``"all"``, or ``"output"`` to train the last layer alone.
        align: whether records carry alignment; ``"published"`` measures it as Demirbilek 2021 did (``alignment.published``).
        redraw: None; or a number of epochs, after each of which weights are drawn anew, from the next seed, and data too,
            while B and the optimizer's state stay: how Demirbilek 2021 repeated the runs of figures 3.3 and 3.4.

    An exception inside an epoch (an interrupt) leaves the network between two steps of it. It can then not go on, until
    ``restore`` puts back what ``arrays`` returned before.

    Attributes:
        network, feedback: as given. B: the list of feedback matrices, on the device.
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
        redraw=None,
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
        if (
            not isinstance(align, (bool, str))
            or align not in (False, True, "published")
            or (align == "published" and len(network.sizes) != 3)
        ):
            raise ValueError(f"align must be a bool, or 'published' with one hidden layer, got {shown(align)}")
        if redraw is not None and (isinstance(redraw, bool) or not isinstance(redraw, Integral) or redraw < 1):
            raise ValueError(f"redraw must be a whole number of at least 1 or None, got {shown(redraw)}")
        self.redraw = redraw
        self.first = 0 if layers == "all" and "W0" not in network.fixed else len(network.sizes) - 2
        self.loss, self.backend = losses.get(problem.loss), network.backend
        shapes = rules.feedback_shapes(self.rule, network.sizes)
        self.B = [self.backend.asarray(b, network.dtype) for b in feedback.draw(shapes, self.seed)]
        self.state = optimizer.init(self.backend, self.trained(), network.replicas)
        self.epoch, self._alive = 0, np.ones(network.replicas or 1, dtype=bool)
        self._torn = False  # between two steps of an epoch that was cut off
        self._drawn = None  # examples of the next epoch, where they could be drawn while this one ran
        self._probe = problem.probe(self.seed) if align is True else None

    def trained(self):
        """Return name -> array of the parameters that are trained."""
        layer = lambda name: int(name[1:])
        own = lambda name: name not in self.network.fixed and layer(name) >= self.first
        return {name: theta for name, theta in self.network.parameters.items() if own(name)}

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

    def run_epoch(self):
        """Train one epoch, test, and return the Record; ``epoch`` and ``status`` are updated last, together."""
        if self._torn:
            raise RuntimeError("an epoch was cut off: restore() the arrays() of an earlier epoch before going on")
        began, epoch, self._torn = perf_counter(), self.epoch + 1, True
        seed, own_epoch = self.repeat_of(epoch)
        if own_epoch == 1 and epoch > 1:
            self.network.redraw(seed)
        # A run that diverges is a result, told by its status; NumPy need not warn on the way there.
        with self.backend.pinned(), np.errstate(all="ignore"):
            examples, tested = self.examples(seed, own_epoch)
            if self.align == "published":
                train, angles = self.pass_and_align(*examples, own_epoch)
            else:
                train = self.pass_over(*examples, learning_in=own_epoch)
                angles = self.measure_alignment() if self.align else None
            test = self.pass_over(*tested)
            if self.backend.device != "cpu":  # which is still at work: it is waited for below
                self._drawn = self.drawn(*self.repeat_of(epoch + 1))
            train, test = self.means(train, examples[0]), self.means(test, tested[0])
            angles = angles and self.on_host(angles)
        alive = self._alive & np.isfinite(train[0]) & np.isfinite(test[0])
        if self.network.replicas:
            values = [np.where(alive, measured, np.nan) for measured in (*train, *test)]
        else:
            values = [float(measured[0]) for measured in (*train, *test)]
        if angles and self.network.replicas:
            angles = {key: [np.where(alive, c, np.nan) for c in cosines] for key, cosines in angles.items()}
        self.epoch, self._alive, self._torn = epoch, alive, False
        return Record(epoch, *values, alignment=angles, seconds=perf_counter() - began)

    def repeat_of(self, epoch):
        """Return the seed and the epoch that `epoch` takes its data from: its own, unless weights are drawn anew on the way."""
        if self.redraw is None:
            return self.seed, epoch
        repeat, before = divmod(epoch - 1, self.redraw)
        seed = self.seed + repeat if isinstance(self.seed, int) else tuple(one + repeat for one in self.seed)
        return seed, before + 1

    def examples(self, seed, epoch):
        """Return (X, y) to train on and (X, y) to test on, of an epoch of a seed."""
        drawn, self._drawn = self._drawn, None
        return (drawn if drawn and drawn[0] == (seed, epoch) else self.drawn(seed, epoch))[1:]

    def drawn(self, seed, epoch):
        """Return (seed, epoch), and what ``examples`` returns."""
        return (seed, epoch), self.problem.train(seed, epoch), self.problem.test(seed, epoch)

    def means(self, told, X):
        """Return mean loss and accuracy of the examples X, float64 (R,) or (1,), on the host, from what ``pass_over`` returned."""
        return [np.reshape(total, (-1,)) for total in self.backend.to_host(told) / X.shape[-2]]

    def pass_and_align(self, X, y, epoch):
        """Do what ``pass_over`` does to learn in `epoch`; return what it returns, and the alignment as it was published."""
        n, told = X.shape[-2], 0.0
        last = (ceil(n / self.batch_size) - 1) * self.batch_size
        if last:
            told = self.pass_over(rows(X, 0, last), y[..., :last, :], epoch)
        X, y = rows(X, last, n), y[..., last:, :]
        h = self.network.forward(X)
        e = self.loss.error(self.backend.xp, h[-1], y)
        told = told + self.learn(X, y, epoch)
        return told, alignment.published(self.rule, self.network, self.B, h, e)

    def pass_over(self, X, y, learning_in=None):
        """Return loss and right answers, summed over the examples (X, y): float64 (2,) or (2, R), on the device.

        Nothing in a pass waits for a transfer.

        Args:
            learning_in: None to test; or the epoch, to do a step after each batch (``learn``).
        """
        told = self.pass_in_one_call(X, y, learning_in) if self.fits_one_call(X) else None
        return self.pass_by_steps(X, y, learning_in) if told is None else told

    def pass_by_steps(self, X, y, learning_in):
        """Return what ``pass_over`` returns, batch by batch: the definition of a pass."""
        n, told = X.shape[-2], 0.0
        batch_size = TEST_BATCH if learning_in is None else self.batch_size
        for start in range(0, n, batch_size):
            stop = min(start + batch_size, n)
            batch = rows(X, start, stop), y[..., start:stop, :]
            told = told + (self.evaluate(*batch) if learning_in is None else self.learn(*batch, learning_in))
        return told

    def fits_one_call(self, X):
        """Whether the kernels have a whole pass of such a network: one hidden layer, one output, no biases, "bce"."""
        network, kernels = self.network, self.backend.kernels
        fits = len(network.sizes) == 3 and network.sizes[-1] == 1 and not network.bias and self.loss.name == "bce"
        return fits and kernels.pass_over is not None and network.is_plain(X)

    def pass_in_one_call(self, X, y, learning_in):
        """Return what ``pass_by_steps`` returns; None if the kernels cannot take these examples at once."""
        learning, kernels = None, self.backend.kernels
        if learning_in is not None:
            # With one hidden layer e @ B is its signal under FA and DFA alike; under BP, B is W1.T.
            learning = Learning(self.optimizer, self.state, self.B[0] if self.B else None, learning_in)
        batch_size = TEST_BATCH if learning is None else self.batch_size
        return kernels.pass_over(self.network.activation.name, *self.network.W, X, y, batch_size, learning)

    def evaluate(self, X, y):
        """Return the loss summed over the examples of a batch and the number that are right, float64 (2,) or (2, R)."""
        return self.backend.kernels.output(self.loss, self.network.forward(X)[-1], y, learning=False)[1]

    def learn(self, X, y, epoch):
        """One step: the error, what the rule makes of it, the update of every trained parameter in place.

        Returns what ``evaluate`` returns, at the parameters before the update.
        """
        h = self.network.forward(X)
        e, told = self.backend.kernels.output(self.loss, h[-1], y)
        found = rules.gradients(self.rule, self.network, self.B, h, e, self.first)
        self.optimizer.step(self.backend, self.network.parameters, found, self.state, epoch)
        return told

    def measure_alignment(self):
        """Return ``{"feedback": […], "gradient": […]}`` at the present weights, on the device."""
        X, y = self._probe
        X = rows(X, 0, X.shape[-2])
        return {
            "feedback": alignment.feedback_alignment(self.rule, self.network, self.B),
            "gradient": alignment.gradient_alignment(self.rule, self.network, self.B, self.loss, X, y),
        }

    def on_host(self, found):
        """Return lists of cosines under names as floats, or as arrays (R,) with replicas."""
        host = self.backend.to_host
        if self.network.replicas:
            return {
                key: [np.broadcast_to(host(c), (self.network.replicas,)) for c in cosines]
                for key, cosines in found.items()
            }
        return {key: [float(host(c)) for c in cosines] for key, cosines in found.items()}

    def arrays(self):
        """Return name -> host array, a copy, of all that the run needs to go on: parameters, B, optimizer state, epoch.

        Generators are not among them: the data of an epoch depend on (seed, epoch) alone.
        """
        host = lambda array: np.array(self.backend.to_host(array))
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
