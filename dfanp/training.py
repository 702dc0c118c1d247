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
from time import perf_counter

import numpy as np

from . import alignment, losses, measures, rules, schedules
from .checks import choice, truth, whole
from .errors import shown
from .feedback import Feedback
from .inputs import StackedDigits
from .kernels.whole import WholeEpochs
from .network import FORWARD, MLP
from .optimizers import Optimizer
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
        own: the measures that you registered (``dfanp.measures``), by their names.
        seconds: wall-clock time of the epoch, training, testing and alignment together (for replicas: of all
            together).
    """

    epoch: int
    train_loss: float
    train_accuracy: float | None
    test_loss: float
    test_accuracy: float | None
    alignment: dict | None = None
    own: dict = field(default_factory=dict)
    seconds: float = field(default=0.0, compare=False)

    @property
    def measures(self):
        """The losses, the accuracies and your own measures, by their names."""
        return {name: getattr(self, name) for name in SUMMED} | self.own

    def scalars(self):
        """Return name -> float of all that was measured, to log it: alignment as "gradient_alignment_0", lowest layer first.

        With replicas names end in "/0", "/1", …
        """
        joint = np.ndim(self.train_loss) > 0
        parts = {f"/{r}": self.replica(r) for r in range(len(self.train_loss))} if joint else {"": self}
        return {
            f"{name}{end}": value
            for end, one in parts.items()
            for name, value in measures.flat(one.measures, one.alignment)
        }

    def replica(self, r):
        """Return the record of replica r of a joint run, as its solo run has it (but for the time)."""
        pick = lambda value: None if value is None else float(value[r])
        picked = {name: pick(getattr(self, name)) for name in SUMMED}
        picked["own"] = {name: pick(value) for name, value in self.own.items()}
        if self.alignment is not None:
            picked["alignment"] = {key: [float(c[r]) for c in cosines] for key, cosines in self.alignment.items()}
        return replace(self, **picked)


SUMMED = tuple(f.name for f in fields(Record) if f.name in measures.MEASURES)  # over the examples of an epoch


class Training:
    """A network being trained on a problem by a rule and an optimizer.

    Args:
        network: an ``MLP`` that fits the problem (``features`` wide below, ``outputs`` above); it is changed in
            place.
        problem: see ``dfanp.problems``.
        rule: a ``Rule`` or its name, such as "bp", "fa" or "dfa".
        optimizer: an ``Optimizer``.
        feedback: how B is drawn (not read under a rule without B).
        batch_size: the mini-batch size; the last mini-batch of an epoch may be smaller, its gradient is then the mean over its
            own size.
        seed: of the data, and of B where `feedback` has none; None takes the network's. With replicas, one for each.
        layers: ``"all"``, or ``"output"`` to train the last layer alone.
        align: whether records carry alignment.
        measures: a list of ``Measure`` that are taken after each epoch, beside those that are registered.
        schedule: of the learning rate, a ``Schedule`` or a text such as "cosine:epochs=20" (see ``dfanp.schedules``).

    An exception inside an epoch (an interrupt) leaves the network between two of its steps. It cannot be trained further until
    ``restore`` puts back what ``arrays`` returned before.

    Attributes:
        network, feedback: as given.
        rule, loss: the objects.
        B: the list of feedback matrices, on the device; where B learns, the
            optimizer changes them in place.
        epoch: epochs done so far.
        test_batch: examples in a forward pass of a test.
        status: ``"ok"`` or ``"diverged"`` (the loss was not finite); with replicas a list of them.

    Raises:
        ValueError: something does not fit.
    """

    test_batch = TEST_BATCH

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
        measures=(),
        schedule="constant",
    ):
        if (network.sizes[0], network.sizes[-1]) != (problem.features, problem.outputs):
            raise ValueError(
                f"the network must lead from {problem.features} features to {problem.outputs} outputs, "
                f"got {network.sizes}"
            )
        if network.dtype != problem.dtype or network.backend.xp is not problem.backend.xp:
            raise ValueError("network and problem must have the same dtype and backend")
        batch_size = whole("batch_size", batch_size)
        if batch_size > problem.train_size:
            raise ValueError(
                f"batch_size must be at most the {problem.train_size} examples of an epoch, got {batch_size}"
            )
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"optimizer must be one of dfanp's, such as dfanp.SGD(0.1), got {shown(optimizer)}")
        choice("layers", layers, ("all", "output"))
        self.network, self.problem, self.rule = network, problem, rules.get(rule)
        self.optimizer, self.feedback, self.batch_size = optimizer, feedback, batch_size
        if not isinstance(feedback, Feedback):
            raise TypeError(f"feedback must be a dfanp.Feedback, such as Feedback('uniform'), got {shown(feedback)}")
        self.seed = checked_seeds(network.seed if seed is None else seed, network.replicas or 0)
        if feedback.seed is not None:
            checked_seeds(feedback.seed, network.replicas or 0)
        self.align, self.measures = truth("align", align), tuple(measures)
        self.schedule, self._factor = schedule, schedules.of(schedule)
        trained = [l for l in range(len(network.sizes) - 1) if f"W{l}" not in network.fixed]
        self.first = trained[0] if layers == "all" and trained else len(network.sizes) - 2
        self.loss, self.backend = losses.get(problem.loss), network.backend
        shapes = rules.feedback_shapes(self.rule, network.sizes)
        drawn = feedback.draw(shapes, self.seed)
        if feedback.aligned and drawn:
            drawn = feedback.towards(drawn, self.replaced_weights())
        drawn = own_copies(drawn, self.rule, network.replicas)
        self.B = [self.backend.asarray(np.ascontiguousarray(b), network.dtype) for b in drawn]
        self.state = optimizer.init(self.backend, self.trained(), network.replicas)
        self._rates = dict(self.state.lr)  # at the factor 1 of the schedule
        self._whole = WholeEpochs(self, Training, MLP, FORWARD)
        self.epoch, self._alive = 0, np.ones(network.replicas or 1, dtype=bool)
        self._records = []
        self._torn = False  # between two steps of an epoch that was cut off
        self._weights = None  # of the examples of this epoch
        self._drawn = None  # examples of the next epoch, where they could be drawn while this one ran
        self._probe = problem.probe(self.seed) if align else None

    def replaced_weights(self):
        """Return the weights that each B replaces, host arrays; a ValueError if the rule has none for them."""
        net, layers = self.network, range(1, len(self.network.sizes) - 1)
        found = [] if self.rule.signal is None else [alignment.downstream(self.rule, net, l) for l in layers]
        if not found or any(W is None for W in found):
            raise ValueError(
                f"feedback cannot be aligned under the rule {self.rule.name!r}: its B replaces no weights"
            )
        return [self.backend.to_host(W) for W in found]

    def trained(self):
        """Return name -> array of the parameters that are trained: of the network, and where B learns, "B0" … of it."""
        own = lambda name: name not in self.network.fixed and int(name[1:]) >= self.first
        found = {name: theta for name, theta in self.network.parameters.items() if own(name)}
        if self.rule.feedback_gradient is not None:
            found |= {f"B{layer}": b for layer, b in enumerate(self.B) if layer >= self.first}
        return found

    def __repr__(self):
        schedule = "" if self.schedule == "constant" else f", {self.schedule}"
        ends = "" if self.status == "ok" else f", {self.status}"
        return (
            f"{type(self).__name__}({self.rule.name}, {type(self.optimizer).__name__} at lr {shown(self.optimizer.lr)}{schedule}, "
            f"batch {self.batch_size}, epoch {self.epoch}{ends}: {self.network!r} on {self.problem!r})"
        )

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

    def fit(self, epochs, callbacks=(), show=None):
        """Train until `epochs` epochs are done in all, and show how it goes; return ``history``.

        Called again with the same number, it does nothing; with a larger one, training continues.

        Args:
            callbacks: functions ``callback(training, record)``, called after each epoch (``Record.scalars`` has the
                numbers to log).
            show: whether to show the progress: a curve in a notebook, a bar on a terminal. None: where there is either.
        """
        from .notebook.live import progress

        epochs = whole("epochs", epochs, 0)
        with progress(self, epochs, show) as update:
            for record in self.epochs(epochs):
                for callback in callbacks:
                    callback(self, record)
                update()
        return self.history

    @property
    def history(self):
        """The ``History`` of the epochs done here (or since ``restore``); with replicas a ``Histories``, seed -> History."""
        from .runs.history import recorded

        return recorded(self, self._records)

    def prepare(self):
        """Draw the examples of the next epoch, and find out now which kernels may compute it: otherwise ``run_epoch`` does.

        Raises:
            BackendError: a tier that was asked for by its name does not compute what the code defines.
        """
        if self._drawn is None:
            self._drawn = self.drawn(self.epoch + 1)
        (_, (X, _), (X_test, _)), W = self._drawn, self.network.W[0]
        with self.backend.pinned():
            if self._whole.may(X, self.epoch + 1) and self._whole.may(X_test, None):
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
            if self.schedule != "constant":
                self.state.lr.update(self.rates(epoch))
            examples, tested = self.examples(epoch)
            self._weights = self.weights(epoch)
            train, angles = self.train_and_measure(*examples, self.data_of(epoch)[1])
            test = self.run_steps(*tested)
            if self.backend.device != "cpu":  # which is still at work: it is waited for below
                self._drawn = self.drawn(epoch + 1)
            train, test = self.means(train, examples[0]), self.means(test, tested[0])
            angles = angles and self.on_host(angles)
            more = {measure.name: measure.measured(self) for measure in (*measures.own(), *self.measures)}
        alive = self._alive & np.isfinite(train[0]) & np.isfinite(test[0])
        solo = self.network.replicas is None
        each = lambda measured: float(measured[0]) if solo else np.where(alive, measured, np.nan)
        values = [None if measured is None else each(measured) for measured in (*train, *test)]
        if angles and self.network.replicas:
            angles = {key: [np.where(alive, c, np.nan) for c in cosines] for key, cosines in angles.items()}
        more = {name: each(measured) for name, measured in more.items()}
        self.epoch, self._alive, self._torn = epoch, alive, False
        record = Record(epoch, *values, angles, more, perf_counter() - began)
        self._records.append(record)
        return record

    def rates(self, epoch):
        """Return name of a parameter -> its learning rate in an epoch: a number, or an array that broadcasts along the replicas."""
        factor = self._factor(epoch)
        return {name: rate if factor == 1 else factor * rate for name, rate in self._rates.items()}

    def data_of(self, epoch):
        """Return the seed and the epoch that `epoch` takes its data from: its own."""
        return self.seed, epoch

    def examples(self, epoch):
        """Return (X, y) to train on and (X, y) to test on, of an epoch."""
        drawn, self._drawn = self._drawn, None
        return (drawn if drawn and drawn[0] == self.data_of(epoch) else self.drawn(epoch))[1:]

    def weights(self, epoch):
        """Return the weights of the training examples of an epoch, (n,) or (R, n) of mean 1; None if all count alike."""
        of = getattr(self.problem, "weights", None)
        return None if of is None else of(*self.data_of(epoch))

    def drawn(self, epoch):
        """Return the seed and epoch of the data, and what ``examples`` returns."""
        data = self.data_of(epoch)
        return data, self.problem.train(*data), self.problem.test(*data)

    def means(self, totals, X):
        """Return mean loss and accuracy (None without one) of the examples X, float64 (R,) or (1,), on the host, from ``run_steps``."""
        loss, right = np.reshape(self.backend.to_host(totals) / X.shape[-2], (2, -1))
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
        if losses.LOSSES.built_in(self.loss) is not None:
            check_targets(X, y, self.network.sizes[-1], self.network.replicas)
        weighs = learning_in is not None and self._weights is not None  # which no kernel of a whole epoch knows
        totals = self._whole.run(X, y, learning_in) if not weighs and self._whole.may(X, learning_in) else None
        return self.epoch_by_steps(X, y, learning_in) if totals is None else totals

    def epoch_by_steps(self, X, y, learning_in):
        """Return what ``run_steps`` returns, batch by batch: the definition of an epoch."""
        n, totals = X.shape[-2], 0.0
        batch_size = self.test_batch if learning_in is None else self.batch_size
        for start in range(0, n, batch_size):
            stop = min(start + batch_size, n)
            batch = X[..., start:stop, :], y[..., start:stop, :]
            if learning_in is None:
                totals = totals + self.evaluate(*batch)
            elif self._weights is None:
                totals = totals + self.learn(*batch, learning_in)
            else:
                totals = totals + self.learn(*batch, learning_in, self._weights[..., start:stop])
        return totals

    def evaluate(self, X, y):
        """Return the loss summed over the examples of a batch and the number that are right, float64 (2,) or (2, R)."""
        z = self.network.forward(X)[-1]
        return self.backend.kernels.output(
            self.loss, z, y, learning=False, built_in=losses.LOSSES.built_in(self.loss)
        )[1]

    def learn(self, X, y, epoch, weights=None):
        """One step: the error, the gradients that the rule makes of it, the update of every trained parameter in place.

        Returns what ``evaluate`` returns, at the parameters before the update; with `weights` of the examples, (n,), the
        weighted loss (``losses.weighted``).
        """
        loss = self.loss if weights is None else losses.weighted(self.loss, weights)
        if self.state.step == 0 and self.rule.before_training is not None:
            self.rule.before_training(self.after_step(0))
        h = self.network.forward(X)
        e, totals = self.backend.kernels.output(loss, h[-1], y, built_in=losses.LOSSES.built_in(loss))
        gradients = rules.gradients(self.rule, self.network, self.B, h, e, y, self.first, self.draws, loss)
        trained = self.trained()
        gradients = {name: g for name, g in gradients.items() if name in trained}
        self.optimizer.step(self.backend, trained, gradients, self.state, epoch)
        if self.rule.after_step is not None:
            self.rule.after_step(self.after_step(self.state.step, h, e, y))
        return totals

    def after_step(self, step, h=None, e=None, y=None):
        """Return the ``AfterStep`` of a step, with what was computed before it."""
        net, xp = self.network, self.backend.xp
        lr = next(rate for name, rate in self.state.lr.items() if name.startswith("W"))
        b = [net.parameters[f"b{l}"] for l in range(len(net.W))] if net.bias else []

        def layer(l, x):
            return net.hidden(l, x) if l < len(net.W) - 1 else self.loss.predict(xp, net.preactivation(l, x))

        return rules.AfterStep(xp, net.W, self.B, h, e, y, lr, self.draws(0, step), b, layer, step)

    def draws(self, l, step=None):
        """Return the random arrays that a rule draws for layer l in a step (None: the next one)."""
        step = self.state.step + 1 if step is None else step
        return Draws(self.seed, step, l, self.backend, self.network.dtype)

    def measure_alignment(self):
        """Return ``{"feedback": […], "gradient": […]}`` at the present weights, on the device."""
        X, y = self._probe
        X = X[..., :, :]  # stacked digits anew, so that what they make dense is not kept
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
        """Return name -> host array of all that a run needs to be resumed: parameters, B, optimizer state, epoch.

        Generators are not among them: the data of an epoch depend on (seed, epoch) alone.

        Args:
            copy: whether they are copies; otherwise, on the CPU, they are the arrays that the training changes.
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
        self.continue_from(arrays)

    def continue_from(self, arrays):
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
        self._records = [record for record in self._records if record.epoch <= self.epoch]
        self._torn = False


def own_copies(B, rule, replicas):
    """Return the matrices B, each replica with its own where the rule changes them, even if they were drawn once for all."""
    changes = any(each is not None for each in (rule.feedback_gradient, rule.after_step, rule.before_training))
    return [np.tile(b, (replicas, 1, 1)) if changes and replicas and b.ndim == 2 else b for b in B]


def check_targets(X, y, outputs, replicas):
    """Raise a ValueError unless y has a row for each of X and a column for each output: any other might be broadcast."""
    shape, found = (X.shape[-2], outputs), getattr(y, "shape", ())
    if tuple(found) not in (shape, (replicas, *shape)):
        wanted = f"{shape}" + (f" or {(replicas, *shape)}" if replicas else "")
        raise ValueError(
            f"y of the problem must be an array of shape {wanted}, got {type(y).__name__} of shape {found}"
        )
