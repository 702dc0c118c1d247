"""What a step must cost, written down before anything is timed.

The step: n = 128 examples of k = 3 MNIST digits (D = 2352 pixels, 19 % of them not zero), H = 512 hidden units, float32.

Dense, as everybody else does it: two products, X @ W and X.T @ delta, of n · D · H multiply-adds each:
    2 · 128 · 2352 · 512 = 308 M multiply-adds = 617 Mflop.

From the non-zero pixels alone (150 of a digit's 784 on average): 128 · 3 · 150 = 57 600 of them, each H multiply-adds, twice:
    2 · 57 600 · 512 = 59 M multiply-adds = 118 Mflop, 5.2 times fewer.
    One core with two AVX2 FMA units does 16 multiply-adds a cycle, 48 G a second at 3 GHz: 1.2 ms on one core, 0.6 ms on two.

Bytes. W is D · H · 4 = 4.8 MB, more than a second-level cache and less than a third-level one. The update reads and writes W and
each array of optimizer state: 9.6 MB a step for SGD, 19 MB for RMSProp, Adagrad and Adam's first, 29 MB for Adadelta and Adam. At
20 GB/s that is 0.5, 1.0 and 1.4 ms where it comes from memory, less where it comes from a shared cache. A framework that does not
fuse writes the gradient too (4.8 MB) and reads it back, and makes the dense batch (1.2 MB) from the bank (0.3 MB).

The update of a step and the product of the next can share one sweep over W: then these bytes are all that a step moves.

The output layer (n · H multiply-adds, twice) and the signal are less than 1 % of the operations: there only overhead costs.

An epoch has 469 such steps and tests 10 000 examples (half a step's operations for each 128): 469 + 39 = 508 steps. On two cores
that is 0.3 s of multiply-adds; for SGD, 0.25 s of bytes more where they come from memory.

The small full batch (n = 256, D = 25, H = 512): an epoch with its test is three products of 256 · 25 · 512 = 3.3 M multiply-adds,
0.2 ms on one core, 0.1 ms on two. There Python's share counts.
"""

from itertools import pairwise


def floor(n=128, k=3, pixels=784, nonzero=150, hidden=512, state=1):
    """Return the floor of a training step as a dict: multiply-adds dense and sparse, and bytes of the update.

    Args:
        n: examples. k: digits of one. pixels, nonzero: of a digit. hidden: width.
        state: arrays of optimizer state of W's shape: 0 for SGD, 1 for Adagrad and RMSProp, 2 for Adadelta and Adam.
    """
    weights = k * pixels * hidden
    return {
        "dense_multiply_adds": 2 * n * weights,
        "sparse_multiply_adds": 2 * n * k * nonzero * hidden,
        "update_bytes": 2 * 4 * weights * (1 + state),
    }


def epoch(settings, what):
    """Return the multiply-adds of an epoch of a network: to train on its examples, and for parity to test.

    Of the first layer those of the non-zero pixels alone. The products of a layer: forward, the gradient, and under BP above the first
    layer the signal.

    Args:
        settings: see ``dfanp_bench.candidates``. what: "epoch" of parity, or "classes" of the images themselves.
    """
    from .dfanp_runs import load

    images = load(settings["data"], settings["data_dir"]).train
    nonzero, k = float((images.pixels != 0).mean()), settings["k"] if what == "epoch" else 1
    hidden = settings["hidden"] if isinstance(settings["hidden"], list) else [settings["hidden"]]
    sizes = [k * images.pixels.shape[1], *hidden, 1 if what == "epoch" else int(images.labels.max()) + 1]
    weights = [below * above for below, above in pairwise(sizes)]
    weights[0] *= nonzero
    trained = 2 * sum(weights) + (sum(weights[1:]) if settings["rule"] == "bp" else 0)
    return settings["train_size"] * trained + (settings["test_size"] * sum(weights) if what == "epoch" else 0)
