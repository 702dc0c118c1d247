"""The thesis' way: a dense float data set rebuilt every epoch, and from-scratch updates with a new array for each operation.

It is written here as its equations read (Demirbilek 2021, section 1.4), in PyTorch, as its experiments were. It is a peer to
compare with, not a copy of that code.
"""

import torch

from dfanp import MLP, Backend, Feedback, load

from .pytorch import Stacked, hits

EPS = 1e-8


def sgd(w, g, s, lr):
    w -= lr * g


def adagrad(w, g, s, lr):
    s["v"] = s["v"] + g**2
    w -= lr / torch.sqrt(s["v"] + EPS) * g


def adadelta(w, g, s, lr):
    s["v"] = 0.9 * s["v"] + 0.1 * g**2
    d = lr * torch.sqrt(s["u"] + EPS) / torch.sqrt(s["v"] + EPS) * g
    s["u"] = 0.9 * s["u"] + 0.1 * d**2
    w -= d


def rmsprop(w, g, s, lr):
    s["v"] = 0.9 * s["v"] + 0.1 * g**2
    w -= lr / torch.sqrt(s["v"] + EPS) * g


def adam(w, g, s, lr):
    s["t"] += 1
    s["u"] = 0.9 * s["u"] + 0.1 * g
    s["v"] = 0.999 * s["v"] + 0.001 * g**2
    u, v = s["u"] / (1 - 0.9 ** s["t"]), s["v"] / (1 - 0.999 ** s["t"])
    w -= lr * u / (torch.sqrt(v) + EPS)


UPDATES = {"sgd": sgd, "adagrad": adagrad, "adadelta": adadelta, "rmsprop": rmsprop, "adam": adam}


def epoch(settings):
    """Return the run of a whole epoch: build both data sets, train, test."""
    torch.set_num_threads(settings["threads"])
    dataset = load(settings["data"], settings["data_dir"])
    train, test = (Stacked(part, dataset.mean, dataset.std) for part in (dataset.train, dataset.test))
    k, n, seed = settings["k"], settings["batch"], settings.get("seed", 0)
    sizes = [k * dataset.train.pixels.shape[1], settings["hidden"], 1]
    host = MLP(sizes, seed=seed, backend=Backend("cpu", kernels="numpy"))
    w1, w2 = (torch.from_numpy(W.copy()) for W in host.W)
    B = torch.from_numpy(Feedback().draw([(1, settings["hidden"])], seed)[0]).to(torch.float32)
    states = [{"t": 0, "u": torch.zeros_like(w), "v": torch.zeros_like(w)} for w in (w1, w2)]
    update, lr = UPDATES[settings["opt"]], settings["lr"]

    def examples(part, size):
        picks, y = part.draw(size, k)
        return part.inputs(picks), y

    def measured(X, y):
        z = torch.relu(X @ w1) @ w2
        return float(torch.nn.functional.binary_cross_entropy(torch.sigmoid(z), y)), float(hits(z, y))

    def run():
        X, y = examples(train, settings["train_size"])
        for x, t in zip(X.split(n), y.split(n), strict=True):
            a = x @ w1
            h = torch.relu(a)
            e = (torch.sigmoid(h @ w2) - t) / len(t)
            signal = e @ w2.T if settings["rule"] == "bp" else e @ B
            g1, g2 = x.T @ (signal * (a > 0)), h.T @ e
            update(w1, g1, states[0], lr)
            update(w2, g2, states[1], lr)
        del X, y
        measured(*examples(test, settings["test_size"]))

    return {"run": run}
