"""dfanp's own candidates: each through the library as a user calls it."""

from functools import cache

import numpy as np

import dfanp
from dfanp.optimizers import OPTIMIZERS

from .candidates import CHECKED_STEPS, CHECKED_TEST

load = cache(dfanp.load)  # the points of a growth curve share it

# What PyTorch computes where the definition has variants: the check compares with these, the clock takes the defaults.
TORCH_VARIANT = {"eps_placement": "outside", "accumulate": "unscaled"}


def training(settings, seed=None, **variant):
    """Return a Training on parity by `settings`."""
    return on(parity(settings), settings, seed, **variant)


def parity(settings):
    """Return the Parity problem of `settings`."""
    backend = dfanp.Backend(settings.get("device", "cpu"), settings["threads"], settings["tier"])
    dataset = load(settings["data"], settings["data_dir"])
    return dfanp.Parity(dataset, settings["k"], settings["train_size"], settings["test_size"], backend=backend)


def on(problem, settings, seed=None, **variant):
    """Return a Training on `problem`, with the network, rule and optimizer of `settings`."""
    seed = settings.get("seed", 0) if seed is None else seed
    hidden = settings["hidden"]
    network = dfanp.MLP(
        [problem.features, *(hidden if isinstance(hidden, list | tuple) else [hidden]), problem.outputs],
        settings.get("activation", "relu"),
        settings.get("bias", False),
        seed=tuple(seed) if isinstance(seed, list) else seed,
        backend=problem.backend,
    )
    kind = OPTIMIZERS[settings["opt"]]
    known = {name: value for name, value in variant.items() if name in kind.__dataclass_fields__}
    optimizer = kind(settings["lr"], **known)
    return dfanp.Training(network, problem, settings["rule"], optimizer, batch_size=settings["batch"])


def first_losses(settings):
    """Return mean training loss, before each update, and test loss of a few steps on the examples that all candidates see, over all replicas."""
    settings = settings | {"train_size": CHECKED_STEPS * settings["batch"], "test_size": CHECKED_TEST}
    record = training(settings, **TORCH_VARIANT).run_epoch()
    return [float(np.mean(record.train_loss)), float(np.mean(record.test_loss))]


def epoch(settings):
    """Return the runs of a whole epoch: draw, train, test."""
    timed = training(settings)

    def run():
        timed.run_epoch()

    return {"run": run, "check": lambda: first_losses(settings)}


class Drawn:
    """A problem whose examples are drawn already, and that is tested on a single one: what is left of an epoch is its steps."""

    def __init__(self, problem, seed):
        self.features, self.outputs, self.loss = problem.features, problem.outputs, problem.loss
        self.dtype, self.backend, self.train_size = problem.dtype, problem.backend, problem.train_size
        self.examples, self.one = problem.train(seed, 1), [each[..., :1, :] for each in problem.test(seed, 1)]

    def train(self, seed, epoch):
        return self.examples

    def test(self, seed, epoch):
        return self.one


def steps(settings):
    """Return the run of ``settings["steps"]`` training steps on examples drawn beforehand."""
    settings = settings | {"train_size": settings["steps"] * settings["batch"], "test_size": 1}
    seed = settings.get("seed", 0)
    timed = on(Drawn(parity(settings), tuple(seed) if isinstance(seed, list) else seed), settings)

    def run():
        timed.run_epoch()

    return {"run": run}


def joint(settings):
    """Return the run of one epoch of all ``settings["seeds"]`` in one loop."""
    timed = training(settings, tuple(settings["seeds"]))

    def run():
        timed.run_epoch()

    return {"run": run}


def solo(settings):
    """Return the run of one epoch of each of ``settings["seeds"]``, one after another."""
    timed = [training(settings, seed) for seed in settings["seeds"]]

    def run():
        for each in timed:
            each.run_epoch()

    return {"run": run}


def class_data(settings):
    """Return X (n, D), normalised images of a data set, and y (n, classes), one-hot, float32."""
    dataset = load(settings["data"], settings["data_dir"])
    images = dataset.train
    X = ((images.pixels - dataset.mean) / dataset.std).astype(np.float32)
    n = settings["train_size"]
    return X[:n], np.eye(images.labels.max() + 1, dtype=np.float32)[images.labels][:n]


def of_classes(settings):
    """Return the problem of ``class_data``, tested on a single example."""
    X, y = class_data(settings)
    backend = dfanp.Backend("cpu", settings["threads"], settings["tier"])
    return dfanp.Arrays(X, y, X[:1], y[:1], loss="cross-entropy", backend=backend)


def first_classes(settings):
    """Return the numbers of the examples that all candidates see in a few steps before the clock starts."""
    n = len(class_data(settings)[0])
    return dfanp.streams.streams(settings.get("seed", 0)).train(1).permutation(n)[: CHECKED_STEPS * settings["batch"]]


def classes(settings):
    """Return the runs of an epoch on the images of a data set as arrays, one output for each class: shuffle and train."""
    problem = of_classes(settings)
    timed = on(problem, settings)

    def run():
        timed.run_epoch()

    def check():
        checked, (X, y) = on(problem, settings, **TORCH_VARIANT), problem.train(settings.get("seed", 0), 1)
        n = CHECKED_STEPS * settings["batch"]
        with problem.backend.pinned():
            return [float(checked.run_steps(X[:n], y[:n], 1)[0] / n)]

    return {"run": run, "check": check}


def full_batch_data(settings):
    """Return X (n, D) and y (n, 1), float32: inputs with a leading 1, labels by a quadratic of them."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((settings["n"], settings["D"])).astype(np.float32)
    X[:, 0] = 1
    return X, (X[:, 1] * X[:, 2] > 0).astype(np.float32)[:, None]


def full_batch(settings):
    """Return the run of ``settings["epochs"]`` epochs on arrays, one batch each, tested on them after each."""
    backend = dfanp.Backend("cpu", settings["threads"], settings["tier"])
    problem = dfanp.Arrays(*full_batch_data(settings), backend=backend)
    timed = on(problem, settings | {"batch": settings["n"]})

    def run():
        for _ in range(settings["epochs"]):
            timed.run_epoch()

    return {"run": run}


def points(settings):
    """Return a run of ``steps`` training steps for each point of ``settings["points"]``: name -> what differs there."""
    return {name: steps(settings | changes)["run"] for name, changes in settings["points"].items()}
