"""PyTorch at its best: what somebody who knows it well would write for the same training.

The images stay uint8, and each batch is gathered and normalised as it is needed; the loss is taken from the logits; gradients are
set to None, not to zero; the optimizer is fused where PyTorch has that on the CPU, else foreach; tests run in large batches without
a graph. BP is autograd; DFA writes its gradients by hand, without a graph. Compiled, forward and
backward are one function and the optimizer's step another one (PyTorch's own advice), without dynamic shapes.
"""

import torch
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.nn.functional import cross_entropy, one_hot

from dfanp import MLP, Backend, Feedback, Parity, load

from .candidates import CHECKED_STEPS, CHECKED_TEST

TEST_BATCH = 1000
# name -> (f, its slope out of h = f(a))
ACTIVATIONS = {"relu": (torch.relu, lambda h: h > 0), "tanh": (torch.tanh, lambda h: 1 - h * h)}


def optimizer(name, parameters, lr, compiled):
    """Return torch.optim's optimizer with dfanp's hyperparameters; compiled ones leave the fusing to the compiler."""
    fast = {"foreach": True} if compiled else {"fused": True}
    foreach = {"foreach": True}
    make = {
        "sgd": lambda: torch.optim.SGD(parameters, lr, **fast),
        "adagrad": lambda: torch.optim.Adagrad(parameters, lr, eps=1e-8, **fast),
        "adadelta": lambda: torch.optim.Adadelta(parameters, lr, rho=0.9, eps=1e-8, **foreach),
        "rmsprop": lambda: torch.optim.RMSprop(parameters, lr, alpha=0.9, eps=1e-8, **foreach),
        "adam": lambda: torch.optim.Adam(parameters, lr, betas=(0.9, 0.999), eps=1e-8, **fast),
    }
    return make[name]()


class Stacked:
    """Batches of stacked images out of a uint8 bank: ``inputs(picks)`` gathers and normalises them."""

    def __init__(self, images, mean, std):
        self.bank, self.labels = torch.tensor(images.pixels), torch.tensor(images.labels)
        self.mean, self.std = mean, std

    def inputs(self, picks):
        raw = self.bank.index_select(0, picks.reshape(-1)).reshape(picks.shape[0], -1)
        return raw.to(torch.float32).sub_(self.mean).mul_(1 / self.std)

    def draw(self, n, k):
        """Return picks (n, k) from new permutations, and the targets (n, 1)."""
        images = len(self.labels)
        if k == 1:
            return self.target(torch.arange(n) % images)
        rounds = -(-n // images)
        columns = [torch.cat([torch.randperm(images) for _ in range(rounds)])[:n] for _ in range(k)]
        return self.target(torch.stack(columns, dim=1))

    def target(self, picks):
        picks = picks.reshape(len(picks), -1)
        return picks, (self.labels[picks].sum(dim=1, keepdim=True) % 2).to(torch.float32)


class Network:
    """The network, its rule and optimizer: ``step(source, y)`` trains, ``test(source, y)`` does not; each returns loss and hits.

    Args:
        settings: see ``dfanp_bench.candidates``; ``compiled`` says whether torch.compile is used.
        features, outputs: of an example; with several outputs, y are the numbers of the classes.
        train, test: functions of a batch's source that return the input X (n, D).
    """

    def __init__(self, settings, features, outputs, train, test):
        torch.set_num_threads(settings["threads"])
        hidden, seed = settings["hidden"], settings.get("seed", 0)
        sizes = [features, *(hidden if isinstance(hidden, list | tuple) else [hidden]), outputs]
        host = MLP(sizes, bias=settings.get("bias", False), seed=seed, backend=Backend("cpu", kernels="numpy"))
        theta = {name: torch.nn.Parameter(torch.from_numpy(each.copy())) for name, each in host.parameters.items()}
        self.W, self.b = ([theta[name] for name in sorted(theta) if name.startswith(kind)] for kind in "Wb")
        drawn = Feedback().draw([(outputs, width) for width in sizes[1:-1]], seed)
        self.B = [torch.from_numpy(B).to(torch.float32) for B in drawn]
        self.f, self.slope = ACTIVATIONS[settings.get("activation", "relu")]
        self.loss, self.hits = (bce, hits) if outputs == 1 else (cross_entropy, class_hits)
        self.train, self.test_inputs = train, test
        self.optimizer = optimizer(settings["opt"], [*self.W, *self.b], settings["lr"], settings["compiled"])
        self.forward, self.by_hand, self.measure, self.update = self.bp, self.dfa, self.tested, self.optimizer.step
        if settings["compiled"]:
            compiled = lambda function: torch.compile(function, dynamic=False)
            self.forward, self.by_hand, self.measure = map(compiled, (self.bp, self.dfa, self.tested))
            self.update = torch.compile(self.optimizer.step)
        self.step = self.bp_step if settings["rule"] == "bp" else self.dfa_step

    def layers(self, X):
        """Return [X, the activations of each hidden layer, the logits]."""
        h = [X]
        for layer, W in enumerate(self.W):
            a = torch.addmm(self.b[layer], h[-1], W) if self.b else h[-1] @ W
            h.append(self.f(a) if layer < len(self.W) - 1 else a)
        return h

    def bp(self, source, y):
        z = self.layers(self.train(source))[-1]
        return self.loss(z, y), self.hits(z.detach(), y)

    def bp_step(self, source, y):
        self.optimizer.zero_grad(set_to_none=True)
        loss, right = self.forward(source, y)
        loss.backward()
        self.update()
        return loss.detach(), right

    def dfa(self, source, y):
        """Return loss, hits, and the gradients of W and b."""
        *h, z = self.layers(self.train(source))
        e = (torch.sigmoid(z) - y if z.shape[1] == 1 else torch.softmax(z, 1) - one_hot(y, z.shape[1])) / len(y)
        deltas = [(e @ B) * self.slope(below) for B, below in zip(self.B, h[1:], strict=True)] + [e]
        of_W = [below.T @ delta for below, delta in zip(h, deltas, strict=True)]
        return self.loss(z, y), self.hits(z, y), of_W, [delta.sum(0) for delta in deltas] if self.b else []

    def dfa_step(self, source, y):
        with torch.no_grad():
            loss, right, of_W, of_b = self.by_hand(source, y)
        for theta, g in zip([*self.W, *self.b], [*of_W, *of_b], strict=True):
            theta.grad = g
        self.update()
        return loss, right

    def tested(self, source, y):
        z = self.layers(self.test_inputs(source))[-1]
        return self.loss(z, y), self.hits(z, y)

    def test(self, source, y):
        with torch.no_grad():
            return self.measure(source, y)


def hits(z, y):
    """Return how many examples are classified right."""
    return ((z > 0) == (y > 0.5)).sum()


def class_hits(z, y):
    """The same for several outputs, y the numbers of the classes (n,)."""
    return (z.argmax(dim=1) == y).sum()


def over(step, picks, y, batch):
    """Return mean loss and accuracy of `step` over all batches, read from the tensors once at the end."""
    loss, right = 0.0, 0
    for some, targets in zip(picks.split(batch), y.split(batch), strict=True):
        mean, correct = step(some, targets)
        loss, right = loss + mean * len(targets), right + correct
    return float(loss) / len(y), float(right) / len(y)


def epoch(settings):
    """Return the runs of a whole epoch: draw, train, test."""
    dataset = load(settings["data"], settings["data_dir"])
    train, test = (Stacked(part, dataset.mean, dataset.std) for part in (dataset.train, dataset.test))
    k, batch = settings["k"], settings["batch"]
    make = lambda: Network(settings, k * dataset.train.pixels.shape[1], 1, train.inputs, test.inputs)
    network = make()

    def run():
        over(network.step, *train.draw(settings["train_size"], k), batch)
        over(network.test, *test.draw(settings["test_size"], k), TEST_BATCH)

    def check():
        host = Backend("cpu", kernels="numpy")
        problem = Parity(dataset, k, CHECKED_STEPS * batch, CHECKED_TEST, backend=host)
        checked, seed = make(), settings.get("seed", 0)
        sets = [
            (torch.from_numpy(X.picks.copy()), torch.from_numpy(y))
            for X, y in (problem.train(seed, 1), problem.test(seed, 1))
        ]
        return [over(checked.step, *sets[0], batch)[0], over(checked.test, *sets[1], TEST_BATCH)[0]]

    return {"run": run, "check": check}


def classes(settings):
    """Return the run of an epoch on the images of a data set as arrays, one output for each class; shuffled, not tested."""
    from .dfanp_runs import class_data, first_classes

    X, y = map(torch.from_numpy, class_data(settings))
    labels = y.argmax(dim=1)
    rows = lambda picks: X.index_select(0, picks)
    make = lambda: Network(settings, X.shape[1], y.shape[1], rows, rows)
    network, batch = make(), settings["batch"]

    def run():
        order = torch.randperm(len(labels))
        over(network.step, order, labels[order], batch)

    def check():
        order = torch.from_numpy(first_classes(settings))
        return [over(make().step, order, labels[order], batch)[0]]

    return {"run": run, "check": check}


def full_batch(settings):
    """Return the run of ``settings["epochs"]`` steps on all of X and y, tested on them after each."""
    from .dfanp_runs import full_batch_data

    X, y = map(torch.from_numpy, full_batch_data(settings))
    same = lambda X: X
    network = Network(settings, settings["D"], 1, same, same)

    def run():
        for _ in range(settings["epochs"]):
            for each in (network.step, network.test):
                loss, right = each(X, y)
                float(loss), float(right)

    return {"run": run}
