"""PyTorch at its best on a GPU: R networks as batched products, without autograd, and nothing copied or launched that need not be.

The images stay uint8 on the card, and so do the epoch's picks: a counter on the card says which batch is next, so that a whole step,
update included, is one function without arguments. It runs eager; compiled (max-autotune, which captures CUDA graphs itself, if all
that a step changes is marked as standing at one address); or compiled without that, and captured by hand into graphs of many steps, and
of a whole test: whichever is fastest is the peer. With ``tf32`` products round their factors to 10 bits.
"""

import torch
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from dfanp import MLP, Backend, Feedback, Parity, load

from .candidates import CHECKED_STEPS, CHECKED_TEST

TEST_BATCH = 1000
MOST_CAPTURED = 64  # steps of a captured graph
EPS, RHO, BETA1, BETA2 = 1e-8, 0.9, 0.9, 0.999


class Replicas:
    """R networks, their rule and optimizer.

    Args:
        settings: see ``dfanp_bench.candidates``, and: ``replicas`` R, ``device`` of PyTorch, ``mode`` "eager", "compiled" or
            "captured", ``tf32``.
    """

    def __init__(self, settings):
        torch.backends.cuda.matmul.allow_tf32 = bool(settings.get("tf32"))
        self.settings, self.device, self.n = settings, torch.device(settings["device"]), settings["batch"]
        dataset = load(settings["data"], settings["data_dir"])
        self.mean, self.std, self.k = dataset.mean, dataset.std, settings["k"]
        move = lambda array: torch.tensor(array, device=self.device)
        parts = {"train": dataset.train, "test": dataset.test}
        self.images = {name: (move(part.pixels), move(part.labels)) for name, part in parts.items()}
        seeds, H = tuple(range(settings["replicas"])), settings["hidden"]
        sizes = [self.k * dataset.train.pixels.shape[1], H, 1]
        host = MLP(sizes, seed=seeds, backend=Backend("cpu", kernels="numpy"))
        self.W = [move(W) for W in host.W]
        self.B = move(Feedback().draw([(1, H)], seeds)[0]).to(torch.float32)
        slots = {"sgd": 0, "rmsprop": 1, "adam": 2}[settings["opt"]]
        self.state = [[torch.zeros_like(W) for _ in range(slots)] for W in self.W]
        self.counter = torch.zeros((), dtype=torch.int64, device=self.device)
        self.steps_done = torch.zeros((), device=self.device)
        self.totals = torch.zeros((2, len(seeds)), dtype=torch.float64, device=self.device)
        self.row = torch.arange(self.n, device=self.device)
        self.graphs, mode = {}, settings["mode"]
        compiled = {"compiled": "max-autotune", "captured": "max-autotune-no-cudagraphs"}.get(mode)
        wrap = (lambda f: torch.compile(f, mode=compiled, dynamic=False)) if compiled else (lambda f: f)
        self.step, self.tested = wrap(self.one_step), wrap(self.one_test)

    def hold(self, picks, y):
        """Copy the picks (R, N, k) and targets (R, N, 1) of an epoch to where the steps read them."""
        if getattr(self, "picks", None) is None:
            self.picks, self.y = picks.clone(), y.clone()
            self.mark()
        self.picks.copy_(picks)
        self.y.copy_(y)

    def held(self):
        """Return all tensors that steps read or change and that stay where they are."""
        images = [tensor for pair in self.images.values() for tensor in pair]
        counters = [self.counter, self.steps_done, self.totals, self.row]
        return [*self.W, self.B, *sum(self.state, []), *counters, *images, self.picks, self.y]

    def mark(self):
        """Tell the compiler that these tensors stay where they are: it captures no function that changes others."""
        if self.settings["mode"] == "compiled":
            for tensor in self.held():
                torch._dynamo.mark_static_address(tensor)

    def inputs(self, part, picks):
        """Return X (R, n, D): the images gathered, stacked and normalised."""
        raw = self.images[part][0][picks]
        return (raw.reshape(*picks.shape[:2], -1).to(torch.float32) - self.mean) * (1 / self.std)

    def one_step(self):
        rows = self.counter * self.n + self.row
        X, y = self.inputs("train", self.picks.index_select(1, rows)), self.y.index_select(1, rows)
        h = torch.relu(X @ self.W[0])
        z = h @ self.W[1]
        e = (torch.sigmoid(z) - y) / self.n
        back = self.W[1].mT if self.settings["rule"] == "bp" else self.B
        delta = (e @ back) * (h > 0)
        self.totals[0] += bce(z, y, reduction="none").sum(dim=(1, 2))
        self.totals[1] += ((z > 0) == (y > 0.5)).sum(dim=(1, 2))
        self.counter += 1
        self.steps_done += 1
        for W, g, state in zip(self.W, (X.mT @ delta, h.mT @ e), self.state, strict=True):
            self.update(W, g, state)

    def update(self, W, g, state):
        lr = self.settings["lr"]
        if self.settings["opt"] == "sgd":
            W.sub_(lr * g)
        elif self.settings["opt"] == "rmsprop":
            state[0].mul_(RHO).addcmul_(g, g, value=1 - RHO)
            W.sub_(lr * g / (state[0].sqrt() + EPS))
        else:
            state[0].mul_(BETA1).add_(g, alpha=1 - BETA1)
            state[1].mul_(BETA2).addcmul_(g, g, value=1 - BETA2)
            m, v = state[0] / (1 - BETA1**self.steps_done), state[1] / (1 - BETA2**self.steps_done)
            W.sub_(lr * m / (v.sqrt() + EPS))

    def one_test(self, picks, y):
        z = torch.relu(self.inputs("test", picks) @ self.W[0]) @ self.W[1]
        self.totals[0] += bce(z, y, reduction="none").sum(dim=(1, 2))
        self.totals[1] += ((z > 0) == (y > 0.5)).sum(dim=(1, 2))

    @property
    def captures(self):
        """Whether steps and tests are captured by hand."""
        return self.settings["mode"] == "captured" and self.device.type == "cuda"

    def steps(self, count):
        """Do that many steps on what is held, from its first batch on."""
        self.counter.zero_()
        each = captured_steps(count) if self.captures else 0
        if each:
            if ("steps", each) not in self.graphs:
                self.graphs["steps", each] = self.capture(lambda: [self.step() for _ in range(each)])
            for _ in range(count // each):
                self.graphs["steps", each].replay()
            count %= each
        for _ in range(count):
            self.step()

    def capture(self, run):
        """Return a graph of what `run` does; what running it changes is put back."""
        changed = [*self.W, *sum(self.state, []), self.totals, self.steps_done, self.counter]
        before = [tensor.clone() for tensor in changed]
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            run()
        torch.cuda.current_stream().wait_stream(aside)
        self.counter.zero_()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            run()
        for tensor, old in zip(changed, before, strict=True):
            tensor.copy_(old)
        return graph

    def result(self, n):
        """Return mean loss and accuracy over n examples a replica and over the replicas, and forget them; waits for the device."""
        means = (self.totals / n).mean(dim=1).tolist()
        self.totals.zero_()
        return means

    def draw(self, part, N):
        """Return picks (R, N, k) from new permutations, and the targets (R, N, 1), drawn on the device."""
        images, labels = self.images[part]
        one = lambda: torch.cat(
            [torch.randperm(len(images), device=self.device) for _ in range(-(-N // len(images)))]
        )[:N]
        R = self.settings["replicas"]
        picks = torch.stack([torch.stack([one() for _ in range(self.k)], dim=1) for _ in range(R)])
        return picks, (labels[picks].sum(dim=2, keepdim=True) % 2).to(torch.float32)

    def test(self, picks, y):
        """Test on all examples; return what ``result`` does."""
        N = picks.shape[1]
        if not self.captures:
            self.test_on(picks, y)
            return self.result(N)
        if ("test", N) not in self.graphs:
            of_test = picks.clone(), y.clone()
            self.graphs["test", N] = *of_test, self.capture(lambda: self.test_on(*of_test))
        *of_test, graph = self.graphs["test", N]
        for tensor, new in zip(of_test, (picks, y), strict=True):
            tensor.copy_(new)
        graph.replay()
        return self.result(N)

    def test_on(self, picks, y):
        """Add the totals of all examples, batch by batch."""
        for start in range(0, picks.shape[1], TEST_BATCH):
            self.tested(picks[:, start : start + TEST_BATCH], y[:, start : start + TEST_BATCH])


def captured_steps(count):
    """Return how many steps a graph has, so that `count` steps are whole graphs: the largest divisor up to MOST_CAPTURED."""
    return max(each for each in range(1, MOST_CAPTURED + 1) if count % each == 0)


def check(settings):
    """Return mean training and test loss of a few steps on the examples that all candidates see."""
    seeds, host = tuple(range(settings["replicas"])), Backend("cpu", kernels="numpy")
    dataset = load(settings["data"], settings["data_dir"])
    problem = Parity(dataset, settings["k"], CHECKED_STEPS * settings["batch"], CHECKED_TEST, backend=host)
    checked = Replicas(settings | {"mode": "eager"})
    move = lambda X, y: [torch.tensor(array, device=checked.device) for array in (X.picks, y)]
    checked.hold(*move(*problem.train(seeds, 1)))
    checked.steps(CHECKED_STEPS)
    trained = checked.result(CHECKED_STEPS * settings["batch"])[0]
    return [trained, checked.test(*move(*problem.test(seeds, 1)))[0]]


def steps(settings):
    """Return the run of ``settings["steps"]`` training steps of all replicas, on examples drawn beforehand."""
    timed = Replicas(settings)
    timed.hold(*timed.draw("train", settings["steps"] * settings["batch"]))

    def run():
        timed.steps(settings["steps"])
        timed.result(1)

    return {"run": run, "check": lambda: check(settings)}


def epoch(settings):
    """Return the run of a whole epoch of all replicas: draw, train, test."""
    timed = Replicas(settings)

    def run():
        timed.hold(*timed.draw("train", settings["train_size"]))
        timed.steps(settings["train_size"] // settings["batch"])
        timed.result(1)
        timed.test(*timed.draw("test", settings["test_size"]))

    return {"run": run, "check": lambda: check(settings)}
