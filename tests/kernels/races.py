"""The CUDA kernels, emulated, under ThreadSanitizer, each case a small network that is trained.

``python -m tests.kernels.races CASE...`` trains one after another and prints ``trained: CASE`` after each; ``--planted BUG`` plants a
bug and trains its case. ThreadSanitizer's library must be preloaded; it reports each race and makes the exit code 66.
"""

import sys

import numpy as np

import dfanp
from dfanp.kernels.whole import call

from . import emulated
from .test_table import OneEpoch, digits, trained

CASES = {  # images of an example, pixels, examples, hidden units, batch, optimizer, rule, seed, layers, card
    "rows and columns divided": (3, 200, 40, 24, 16, "rmsprop", "dfa", 0, "all", {}),
    "more replicas than teams": (2, 60, 33, 19, 20, "adam", "bp", (0, 1, 2), "all", {"multiprocessors": 3}),
    "one buffer": (2, 60, 48, 24, 40, "sgd", "dfa", 0, "all", {"shared": 36_000}),
    "the output layer alone": (2, 60, 40, 30, 16, "adagrad", "fa", 0, "output", {}),
    "floats": (2, 60, 33, 19, 16, "momentum", "dfa", 0, "all", {}),
    "tensor cores": (3, 200, 40, 16, 16, "rmsprop", "dfa", 0, "all", {"tensor": True}),
    "recorded steps": (2, 60, 16, (9,), 16, "adam", "drtp", (0, 1), "all", {}),
}
PASS, STEPS = "rows and columns divided", "recorded steps"
PLANTED = {  # a case, a line of its kernels, and what is there in the place of that line
    "no barrier before of_delta is read": (PASS, "if (tile == 0) __syncthreads(); /* of_delta is there */", ""),
    "ranks do not wait": (PASS, "wait_for(of_group, RANKS * ++met_group);", "{ ++met_group; __syncthreads(); }"),
    "one buffer for z": (PASS, "met_team % 2", "0"),
    "a batch is read while it is copied": (PASS, "(s + 1) % 2 * ROWS * STRIDE", "s % 2 * ROWS * STRIDE"),
    "every block goes to the next batch": (STEPS, "p.last && r == 0 &&", "p.last &&"),
    "no barrier before the totals are read": (
        STEPS,
        "    __syncthreads();\n    if (threadIdx.x < 2)",
        "    if (threadIdx.x < 2)",
    ),
}


def steps(backend, dtype, X, y, hidden, optimizer, activation, rule, seed, batch, layers):
    """Train an epoch and test, without a comparison before, in few blocks: ThreadSanitizer knows 8128 threads at once."""
    card = backend.kernels.tier.card
    launch = card.launch
    most = {"gather": 2, "output": 2}
    card.launch = lambda *what: launch(*what[:4], min(what[4], most.get(what[1], 1)), *what[5:])
    problem = OneEpoch(X, y, dtype, backend)
    network = dfanp.MLP((problem.features, *hidden, 1), activation, True, dtype, seed, backend)
    training = dfanp.Training(network, problem, rule, optimizer, batch_size=batch, layers=layers)
    for learning_in in (1, None):
        assert call(training, backend.kernels.tier, problem.X, problem.y, learning_in) is not None
    card.launch = launch


def plant(bug):
    """Change a line of the kernels, so that there is a race; return the case where it shows."""
    original, (case, line, other) = emulated.source, PLANTED[bug]
    assert line in original("cuda.cu" if case == STEPS else "cuda_pass.cu")
    emulated.source = lambda file: original(file).replace(line, other)
    return case


def train(case):
    k, pixels, n, hidden, batch, opt, rule, seed, layers, card = CASES[case]
    backend, rng = emulated.emulated_backend(**card), np.random.default_rng(0)
    backend.kernels.tier.card.multiplies = case == STEPS
    at_once, compiled = backend.kernels.tier.card.blocks_at_once, []
    backend.kernels.tier.card.blocks_at_once = lambda *what: [compiled.append(what[2]), at_once(*what)][1]
    replicas = () if seed == 0 else (len(seed),)
    X = digits(rng, k, pixels, n, "float32", backend, replicas)
    if case == "floats":
        X = backend.asarray(np.asarray(X.dense()), "float32")
    y = rng.integers(0, 2, (*replicas, n, 1))
    backend.kernels.tier.card.descending = True  # all other tests have them in ascending order
    each = X, y, hidden, dfanp.optimizers.OPTIMIZERS[opt](0.01), "tanh", rule, seed, batch, layers
    (steps if case == STEPS else trained)(backend, "float32", *each)
    assert ("graph" if case == STEPS else "pass") in backend.kernels.tier.card.launched
    # The case is named after it.
    assert case != PASS or any(each["RANKS"] > 1 and each["GROUPS"] > 1 for each in compiled)
    print("trained:", case, flush=True)


if __name__ == "__main__":
    # Blocks may wait a minute for each other: where cores are busy with other work, they do.
    emulated.GCC += ["-g", "-fsanitize=thread", f"-DPATIENCE={60 * 10**9}LL"]
    for each in [plant(sys.argv[2])] if sys.argv[1] == "--planted" else sys.argv[1:]:
        train(each)
