"""A whole epoch in one call of a tier, where it has a kernel that has been shown to compute what the code defines."""

from types import SimpleNamespace

import numpy as np

from ..inputs import StackedDigits, dtype_name
from ..registry import built_in, overrides, provider
from .checked import as_dtype, comparable, defined, digits, form_of, on_host
from .mirror import number
from .tier import KernelFailure, Learning

STEPS = ("run_steps", "epoch_by_steps", "evaluate", "learn")  # methods of a Training that define an epoch
UPDATES = ("update", "step", "init", "clock")  # of an Optimizer
LARGEST = 1e6  # change of a number of a tiny network: further out rounding counts for more than what is compared


class WholeEpochs:
    """The epochs of one Training that its tier takes in one call.

    It may where the tier takes networks of that shape (``Tier.takes``), all that defines a step is dfanp's own (the very objects and
    methods) and the kernel agrees with it on a tiny network of that kind.

    Args:
        training: the Training.
        base: its class, without what a subclass overrides.
        network: the same of its network, MLP.
        forward: the names of the methods of `network` that define the forward pass.
    """

    def __init__(self, training, base, network, forward):
        self.training, self.base, self.network, self.forward = training, base, network, forward
        self._answers = {}

    def may(self, X, learning_in):
        """Whether the tier may take an epoch on examples like X, to learn or (learning_in None) to test.

        Raises:
            BackendError: its kernel does not compute what the code defines, and the tier was asked for by name.
        """
        training, stacked, learns = self.training, isinstance(X, StackedDigits), learning_in is not None
        if getattr(X, "by_steps", False):  # sparse rows
            return False
        net, optimizer = training.network, training.optimizer
        # All that the answer depends on; it is looked at in every epoch, and some last a tenth of a millisecond.
        kinds = (type(training), STEPS), (type(net), self.forward)
        methods = [getattr(kind, name) for kind, names in kinds for name in names]
        updates = [getattr(type(optimizer), name) for name in UPDATES]
        own = [name for each in (training, net) for name in (*STEPS, *self.forward) if name in vars(each)]
        now = [training.rule, optimizer, training.loss, net.activation, methods, updates, own]
        before, answer = self._answers.get((stacked, learns), (None, False))
        if before != now:
            answer = self._fits(X, learns) and self._agrees(stacked, learns, methods, updates)
            self._answers[stacked, learns] = now, answer
        return answer

    def run(self, X, y, learning_in):
        """Return what ``Training.epoch_by_steps`` returns, from one call; None if these examples are too many for one.

        Raises:
            BackendError: a kernel of this shape cannot be compiled or launched, and the tier was asked for by name.
        """
        kernels, kinds = self.training.backend.kernels, (isinstance(X, StackedDigits), learning_in is not None)
        try:
            return call(self.training, kernels.tier, X, y, learning_in)
        except KernelFailure as failure:
            kernels.turn_down("an epoch in one launch", failure)
            self._answers[kinds] = self._answers[kinds][0], False
            return None

    def _fits(self, X, learns):
        """Whether the tier has a kernel for such an epoch, by what dfanp itself calls its parts."""
        training, net, tier = self.training, self.training.network, self.training.backend.kernels.tier
        if not tier.takes(net, built_in(training.loss), training.state.slots.keys() if learns else None):
            return False
        if overrides(training, self.base, STEPS) or not net.computed_by_kernels(X):
            return False
        parts = [(built_in(net.activation), tier.activations)]
        if learns:
            parts.append((training.optimizer.kernel, tier.optimizers))
        known = all(number(names, name) is not None for name, names in parts)
        return known and (not learns or built_in(training.rule) in tier.rules)

    def _agrees(self, stacked, learns, methods, updates):
        """Whether the tier's kernel and the definition make the same of a tiny network."""
        training, net, kernels = self.training, self.training.network, self.training.backend.kernels
        shape = net.dtype, stacked, bool(net.replicas), training.first, net.bias, self._sizes(1)
        test = "epoch", net.activation, training.loss, *shape, *methods
        whole = *test, training.rule, form_of(training.optimizer), *updates
        if any(provider(type(net), name) is not self.network for name in self.forward) and not kernels.agrees(
            ("forward", type(net), net.activation, net.dtype, *methods),
            f"the forward pass of {type(net).__name__}",
            net.dtype,
            self._forward,
        ):
            return False
        what = f"an epoch of {training.rule.name} with {net.activation.name} and {type(training.optimizer).__name__}"
        return kernels.agrees(
            whole if learns else test,
            what if learns else f"a test with {net.activation.name}",
            net.dtype,
            lambda tier: self._tiny(tier, stacked, learns),
            part=test if learns else None,  # which ends with a test
        )

    def _forward(self, tier):
        """Return what the network, whose class has a forward pass of its own, makes of some inputs, or what a kernel would."""
        net, kernels = self.training.network, self.training.backend.kernels
        sizes = 10.0 ** np.linspace(-1, 2, 8)[:, None]
        X = net.backend.asarray(sizes * np.random.default_rng(4).normal(size=(8, net.sizes[0])), net.dtype)
        if tier is kernels.plain:
            h = net.forward(X)
            slopes = [net.slope(h, l) for l in range(1, len(net.sizes) - 1)]
        else:
            xp, h, slopes = net.backend.xp, [X], []
            for layer, W in enumerate(net.W):
                a = h[-1] @ W
                a = a + net.parameters[f"b{layer}"][..., None, :] if net.bias else a
                h.append(net.activation.f(xp, a) if layer < len(net.W) - 1 else a)
            slopes = [net.activation.df(xp, each) for each in h[1:-1]]
        found = {f"h[{l}]": each for l, each in enumerate(h)} | {
            f"f' of h[{l}]": each for l, each in enumerate(slopes, 1)
        }
        return on_host(net.backend, found)

    def _sizes(self, features):
        """Return the sizes of a tiny network like this one: of its depth, up to four layers, with one output or three."""
        sizes = self.training.network.sizes
        return features, *(5, 4, 3)[: len(sizes) - 2], 1 if sizes[-1] == 1 else 3

    def _tiny(self, tier, stacked, learns):
        """Return what three steps and a test make of tiny networks, name -> array: in one call of a tier, or by steps.

        None where the tier has no kernel for such a network, whatever its size.
        """
        first = self._tame_epoch(tier, stacked, learns, scale=1.0, rate=0.1)
        later = self._tame_epoch(tier, stacked, learns, scale=100.0, rate=0.01, steps=1000, epochs=8)
        if first is None or later is None:
            return None
        return first | {f"{name}, large numbers": array for name, array in later.items()}

    def _tame_epoch(self, tier, stacked, learns, scale, rate, **more):
        """Return what ``_tiny_epoch`` does, at a lower rate where by the definition a deep network would grow out of all bounds."""
        plain = self.training.backend.kernels.plain
        while learns and rate > 1e-12:
            found = self._tiny_epoch(plain, stacked, learns, scale, rate, **more)
            if all((np.abs(array) < LARGEST).all() for name, array in found.items() if "totals" not in name):
                break
            rate /= 10
        return self._tiny_epoch(tier, stacked, learns, scale, rate, **more)

    def _tiny_epoch(self, tier, stacked, learns, scale, rate, steps=0, epochs=0):
        """Return what ``_tiny`` does, after some steps and epochs, of inputs as large as `scale`.

        From 100 on pre-activations, logits and gradients reach far, so that it is seen where a definition cuts them off.
        """
        training, dtype, R = self.training, self.training.network.dtype, 2 if self.training.network.replicas else None
        backend, rng, learned, tested = defined(training.backend), np.random.default_rng(9), 9, 150
        X = digits(backend, dtype, 3 if R else 2, tested, 90.0 / scale)
        if not stacked:
            X = backend.asarray(scale * rng.normal(size=X.shape), dtype)
        # Not only 0 and 1: a loss also decides from where on an output is right.
        sizes = self._sizes(X.shape[-1])
        y = backend.asarray(rng.integers(0, 11, (*X.shape[:-1], sizes[-1])) / 10, dtype)
        few = X[..., :learned, :], y[..., :learned, :]
        activation, seeds = training.network.activation, (1, 2) if R else 1
        net = self.network(sizes, activation, training.network.bias, dtype, seeds, backend)
        # With large inputs some units are as they were, and some far out: a network of these alone would hardly learn.
        net.load({"W0": backend.to_host(net.W[0]) * scale ** np.linspace(-1, 0, 5)})
        if len(sizes) > 3:  # what a lower layer puts out should count in the logits
            net.load({f"W{l}": 3 * backend.to_host(W) for l, W in enumerate(net.W) if l})
        layers, optimizer = "output" if training.first else "all", comparable(training.optimizer, 2, rate)
        problem = TinyProblem(*few, training.loss, backend)
        tiny = self.base(net, problem, training.rule, optimizer, batch_size=4, layers=layers)
        run = tiny.epoch_by_steps if tier is backend.kernels.plain else lambda *what: call(tiny, tier, *what)
        before, totals, tiny.state.step = tiny.arrays(), {}, steps
        if learns:
            totals["totals"] = run(*few, epochs + 1)
        after = tiny.arrays()
        totals["test totals"] = run(X, y, None)
        if any(each is None for each in totals.values()):
            return None
        changes = {name: after[name] - before[name] for name in after if after[name].dtype.kind == "f"}
        return on_host(backend, totals) | changes


class TinyProblem(SimpleNamespace):
    """A problem of the examples (X, y) alone."""

    def __init__(self, X, y, loss, backend):
        examples = lambda seed, epoch=1: (X, y)
        sizes = dict(features=X.shape[-1], outputs=y.shape[-1], train_size=X.shape[-2])
        of_arrays = dict(dtype=dtype_name(X.dtype), backend=backend)
        super().__init__(loss=loss, train=examples, test=examples, probe=examples, **sizes, **of_arrays)


def call(training, tier, X, y, learning_in):
    """Do an epoch of a Training in one call of a tier, or (learning_in None) test; None if it cannot take so many examples."""
    net, learning = training.network, None
    if learning_in is not None:
        rule, B = built_in(training.rule), [] if training.rule.feedback_shape is None else training.B
        learning = Learning(training.optimizer, training.state, rule, B, training.first, learning_in)
    net._check(X)
    y = as_dtype(training.backend.xp, y, net.W[0].dtype)
    return tier.fused_epoch(
        net, built_in(training.loss), X, y, training.batch_size if learning else training.test_batch, learning
    )
