"""JAX at its best on a CPU: what somebody who knows it well would write for the same training.

All steps of an epoch are one jitted ``lax.scan`` whose parameters and states are donated, so that they are updated in place. Images
stay uint8, and each batch is gathered and normalised inside the scan. BP is ``jax.grad`` of the loss from the logits; DFA writes its
gradients by hand. Tests are one jitted function in large batches.
"""

import os
from functools import partial

import numpy as np

from dfanp import MLP, Backend, Feedback, Parity, load

from .candidates import CHECKED_STEPS, CHECKED_TEST

TEST_BATCH = 1000


def import_jax(threads, platform="cpu"):
    """Import JAX so that it computes on so many threads: it takes as many as the process has cores; or on a GPU, "cuda"."""
    if threads is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # on a GPU it would take the memory of the others
    import jax

    jax.config.update("jax_platforms", platform)
    return jax


def updates(settings, jax):
    """Return ``(slots, update)`` of an optimizer with dfanp's hyperparameters: how many states, and (theta, g, states, t) -> new ones."""
    jnp, lr = jax.numpy, settings["lr"]

    def sgd(theta, g, s, t):
        return theta - lr * g, s

    def adagrad(theta, g, s, t):
        v = s[0] + g * g
        return theta - lr * g / (jnp.sqrt(v) + 1e-8), (v,)

    def rmsprop(theta, g, s, t):
        v = 0.9 * s[0] + 0.1 * g * g
        return theta - lr * g / (jnp.sqrt(v) + 1e-8), (v,)

    def adadelta(theta, g, s, t):
        v = 0.9 * s[0] + 0.1 * g * g
        d = jnp.sqrt(s[1] + 1e-8) / jnp.sqrt(v + 1e-8) * g
        return theta - lr * d, (v, 0.9 * s[1] + 0.1 * d * d)

    def adam(theta, g, s, t):
        m, v = 0.9 * s[0] + 0.1 * g, 0.999 * s[1] + 0.001 * g * g
        return theta - lr * (m / (1 - 0.9**t)) / (jnp.sqrt(v / (1 - 0.999**t)) + 1e-8), (m, v)

    known = {
        "sgd": (0, sgd),
        "adagrad": (1, adagrad),
        "rmsprop": (1, rmsprop),
        "adadelta": (2, adadelta),
        "adam": (2, adam),
    }
    return known[settings["opt"]]


class Network:
    """The network, its rule and optimizer.

    Args:
        settings: see ``dfanp_bench.candidates``.
        features, outputs: of an example.
        inputs: ``inputs(data, indices)`` returns the inputs X (n, features) of a batch, inside the jitted functions.
    """

    def __init__(self, settings, features, outputs, inputs):
        self.jax = jax = import_jax(settings["threads"], settings.get("platform", "cpu"))
        self.settings, self.inputs, self.t = settings, inputs, 0
        hidden, seed = settings["hidden"], settings.get("seed", 0)
        sizes = [features, *(hidden if isinstance(hidden, list | tuple) else [hidden]), outputs]
        host = MLP(sizes, bias=settings.get("bias", False), seed=seed, backend=Backend("cpu", kernels="numpy"))
        self.parameters = {name: jax.numpy.array(theta) for name, theta in host.parameters.items()}
        drawn = Feedback().draw([(outputs, width) for width in sizes[1:-1]], seed)
        self.B, self.depth = [jax.numpy.asarray(b, "float32") for b in drawn], len(sizes) - 1
        slots, self.update = updates(settings, jax)
        zeros = lambda theta: tuple(jax.numpy.zeros_like(theta) for _ in range(slots))
        self.states = {name: zeros(theta) for name, theta in self.parameters.items()}
        self.train = jax.jit(self.scan, donate_argnums=(0, 1))
        self.measure = jax.jit(self.tested)

    def forward(self, parameters, X):
        f = {"relu": self.jax.nn.relu, "tanh": self.jax.numpy.tanh}[self.settings.get("activation", "relu")]
        h = [X]
        for layer in range(self.depth):
            a = h[-1] @ parameters[f"W{layer}"]
            a = a + parameters[f"b{layer}"] if f"b{layer}" in parameters else a
            h.append(f(a) if layer < self.depth - 1 else a)
        return h

    def loss(self, z, y):
        """Return the mean loss, and how many examples are right."""
        jax, jnp = self.jax, self.jax.numpy
        if z.shape[1] == 1:
            return jnp.mean(jnp.maximum(z, 0) - z * y + jnp.log1p(jnp.exp(-jnp.abs(z)))), ((z > 0) == (y > 0.5)).sum()
        return -jnp.mean((y * jax.nn.log_softmax(z)).sum(axis=1)), (z.argmax(axis=1) == y.argmax(axis=1)).sum()

    def gradients(self, parameters, X, y):
        """Return the mean loss, the hits and the gradients."""
        jax = self.jax
        if self.settings["rule"] == "bp":
            of = lambda parameters: self.loss(self.forward(parameters, X)[-1], y)
            (loss, right), found = jax.value_and_grad(of, has_aux=True)(parameters)
            return loss, right, found
        h = self.forward(parameters, X)
        y_hat = jax.nn.sigmoid(h[-1]) if h[-1].shape[1] == 1 else jax.nn.softmax(h[-1])
        e, found = (y_hat - y) / len(y), {}
        for layer in range(self.depth):
            delta = e
            if layer < self.depth - 1:
                slope = (
                    1 - h[layer + 1] ** 2 if self.settings.get("activation", "relu") == "tanh" else h[layer + 1] > 0
                )
                delta = (e @ self.B[layer]) * slope
            found[f"W{layer}"] = h[layer].T @ delta
            if f"b{layer}" in parameters:
                found[f"b{layer}"] = delta.sum(axis=0)
        return *self.loss(h[-1], y), found

    def scan(self, parameters, states, t, data, indices, y):
        """Do a step for each of the batches ``indices[s]``, ``y[s]``; return all that changed, and the sums of loss and hits."""

        def step(carried, batch):
            parameters, states, t = carried
            t = t + 1
            loss, right, g = self.gradients(parameters, self.inputs(data, batch[0]), batch[1])
            new = {name: self.update(theta, g[name], states[name], t) for name, theta in parameters.items()}
            parameters, states = ({name: each[place] for name, each in new.items()} for place in (0, 1))
            return (parameters, states, t), (loss * len(batch[1]), right)

        (parameters, states, t), (losses, hits) = self.jax.lax.scan(step, (parameters, states, t), (indices, y))
        return parameters, states, t, losses.sum(), hits.sum()

    def tested(self, parameters, data, indices, y):
        one = lambda _, batch: (_, self.loss(self.forward(parameters, self.inputs(data, batch[0]))[-1], batch[1]))
        losses, hits = self.jax.lax.scan(one, 0, (indices, y))[1]
        return losses.mean(), hits.sum()

    def epoch(self, data, indices, y, batch):
        """Train on all examples, the last batch smaller if it must be; return the mean loss."""
        whole, total = len(indices) // batch * batch, 0.0
        for start, stop, size in ((0, whole, batch), (whole, len(indices), len(indices) - whole)):
            if stop > start:
                some = [each[start:stop].reshape(-1, size, *each.shape[1:]) for each in (indices, y)]
                self.parameters, self.states, self.t, loss, _ = self.train(
                    self.parameters, self.states, float(self.t), data, *some
                )
                total = total + loss
        return float(total) / len(indices)

    def test(self, data, indices, y):
        """Return the mean loss on all examples."""
        batch = min(TEST_BATCH, len(indices))
        some = [each.reshape(-1, batch, *each.shape[1:]) for each in (indices, y)]
        loss, right = self.measure(self.parameters, data, *some)
        int(right)
        return float(loss)


def drawn(labels, n, k, rng):
    """Return picks (n, k) from new permutations, and the targets (n, 1)."""
    images = len(labels)
    rounds = -(-n // images)
    columns = [np.concatenate([rng.permutation(images) for _ in range(rounds)])[:n] for _ in range(k)]
    picks = np.stack(columns, axis=1).astype(np.int32)
    return picks, (labels[picks].sum(axis=1, keepdims=True) % 2).astype(np.float32)


def epoch(settings):
    """Return the runs of a whole epoch: draw, train, test."""
    dataset, k = load(settings["data"], settings["data_dir"]), settings["k"]
    mean, std, pixels = dataset.mean, dataset.std, dataset.train.pixels.shape[1]

    def inputs(bank, picks):
        return (bank[picks].reshape(len(picks), k * pixels).astype("float32") - mean) * (1 / std)

    make = lambda: Network(settings, k * pixels, 1, inputs)
    network, rng = make(), np.random.default_rng(0)
    banks = [network.jax.numpy.array(part.pixels) for part in (dataset.train, dataset.test)]

    def run():
        network.epoch(banks[0], *drawn(dataset.train.labels, settings["train_size"], k, rng), settings["batch"])
        network.test(banks[1], *drawn(dataset.test.labels, settings["test_size"], k, rng))

    def check():
        problem = Parity(
            dataset, k, CHECKED_STEPS * settings["batch"], CHECKED_TEST, backend=Backend("cpu", kernels="numpy")
        )
        checked, seed = make(), settings.get("seed", 0)
        sets = [(X.picks.astype(np.int32), y) for X, y in (problem.train(seed, 1), problem.test(seed, 1))]
        return [checked.epoch(banks[0], *sets[0], settings["batch"]), checked.test(banks[1], *sets[1])]

    return {"run": run, "check": check}


def on_arrays(settings, X, y):
    """Return a Network on arrays, its data, and the targets."""
    network = Network(settings, X.shape[1], y.shape[1], lambda data, indices: data[indices])
    return network, network.jax.numpy.array(X), y


def classes(settings):
    """Return the run of an epoch on the images of a data set as arrays, one output for each class; shuffled, not tested."""
    from .dfanp_runs import class_data

    network, data, y = on_arrays(settings, *class_data(settings))
    rng = np.random.default_rng(0)

    def run():
        order = rng.permutation(len(y)).astype(np.int32)
        network.epoch(data, order, y[order], settings["batch"])

    def check():
        from .dfanp_runs import first_classes

        order = first_classes(settings)
        checked = on_arrays(settings, *class_data(settings))[0]
        return [checked.epoch(data, order, y[order], settings["batch"])]

    return {"run": run, "check": check}


def full_batch(settings):
    """Return the run of ``settings["epochs"]`` steps on all of X and y, tested on them after each."""
    from .dfanp_runs import full_batch_data

    X, y = full_batch_data(settings)
    network = Network(settings, X.shape[1], 1, lambda data, indices: data)
    jax, X, y = network.jax, network.jax.numpy.array(X), network.jax.numpy.array(y)

    @partial(jax.jit, donate_argnums=(0, 1))
    def step(parameters, states, t):
        loss, right, g = network.gradients(parameters, X, y)
        new = {name: network.update(theta, g[name], states[name], t) for name, theta in parameters.items()}
        parameters, states = ({name: each[place] for name, each in new.items()} for place in (0, 1))
        return parameters, states, loss, right, *network.loss(network.forward(parameters, X)[-1], y)

    def run():
        for _ in range(settings["epochs"]):
            network.t += 1
            network.parameters, network.states, *measures = step(network.parameters, network.states, float(network.t))
            [float(each) for each in measures]

    return {"run": run}
