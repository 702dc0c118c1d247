"""PyTorch at its best: what somebody who knows it well would write for the same training.

The images stay uint8, and each batch is gathered and normalised as it is needed; the loss is taken from the logits; gradients are
set to None, not to zero; the optimizer is fused where PyTorch has that on the CPU, else foreach; tests run in large batches without
a graph. BP is autograd; DFA writes its gradients by hand, without a graph. Compiled, forward and
backward are one function and the optimizer's step another one (PyTorch's own advice), without dynamic shapes.
"""

import torch
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from dfanp import MLP, Backend, Feedback, Parity, load

from .candidates import CHECKED_STEPS, CHECKED_TEST

TEST_BATCH = 1000


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
        features: of an input.
        train, test: functions of a batch's source that return the input X (n, D).
    """

    def __init__(self, settings, features, train, test):
        torch.set_num_threads(settings["threads"])
        host = MLP(
            [features, settings["hidden"], 1], seed=settings.get("seed", 0), backend=Backend("cpu", kernels="numpy")
        )
        self.W = [torch.nn.Parameter(torch.from_numpy(W.copy())) for W in host.W]
        (B,) = Feedback().draw([(1, settings["hidden"])], settings.get("seed", 0))
        self.B = torch.from_numpy(B).to(torch.float32)
        self.train, self.test_inputs = train, test
        self.optimizer = optimizer(settings["opt"], self.W, settings["lr"], settings["compiled"])
        self.forward, self.by_hand, self.measure, self.update = self.bp, self.dfa, self.tested, self.optimizer.step
        if settings["compiled"]:
            compiled = lambda function: torch.compile(function, dynamic=False)
            self.forward, self.by_hand, self.measure = map(compiled, (self.bp, self.dfa, self.tested))
            self.update = torch.compile(self.optimizer.step)
        self.step = self.bp_step if settings["rule"] == "bp" else self.dfa_step

    def bp(self, source, y):
        z = torch.relu(self.train(source) @ self.W[0]) @ self.W[1]
        return bce(z, y), hits(z.detach(), y)

    def bp_step(self, source, y):
        self.optimizer.zero_grad(set_to_none=True)
        loss, right = self.forward(source, y)
        loss.backward()
        self.update()
        return loss.detach(), right

    def dfa(self, source, y):
        X = self.train(source)
        h = torch.relu(X @ self.W[0])
        z = h @ self.W[1]
        e = (torch.sigmoid(z) - y) / len(y)
        delta = (e @ self.B) * (h > 0)
        return bce(z, y), hits(z, y), X.T @ delta, h.T @ e

    def dfa_step(self, source, y):
        with torch.no_grad():
            loss, right, self.W[0].grad, self.W[1].grad = self.by_hand(source, y)
        self.update()
        return loss, right

    def tested(self, source, y):
        z = torch.relu(self.test_inputs(source) @ self.W[0]) @ self.W[1]
        return bce(z, y), hits(z, y)

    def test(self, source, y):
        with torch.no_grad():
            return self.measure(source, y)


def hits(z, y):
    """Return how many examples are classified right."""
    return ((z > 0) == (y > 0.5)).sum()


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
    make = lambda: Network(settings, k * dataset.train.pixels.shape[1], train.inputs, test.inputs)
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


def full_batch(settings):
    """Return the run of ``settings["epochs"]`` steps on all of X and y, tested on them after each."""
    from .dfanp_runs import full_batch_data

    X, y = map(torch.from_numpy, full_batch_data(settings))
    same = lambda X: X
    network = Network(settings, settings["D"], same, same)

    def run():
        for _ in range(settings["epochs"]):
            for each in (network.step, network.test):
                loss, right = each(X, y)
                float(loss), float(right)

    return {"run": run}
