"""The dense pair of BLAS products alone: what a dense layer's step cannot go below."""

import numpy as np


def pair(settings):
    """Return the run of `steps` times X @ W and X.T @ delta, into memory that is there, the same batch again and again.

    Settings: n, D, H, steps, threads.
    """
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(0)
    n, D, H = settings["n"], settings["D"], settings["H"]
    X, W, delta = (rng.standard_normal(shape, dtype=np.float32) for shape in ((n, D), (D, H), (n, H)))
    a, g = np.empty((n, H), np.float32), np.empty((D, H), np.float32)

    def run():
        with threadpool_limits(limits=settings["threads"], user_api="blas"):
            for _ in range(settings["steps"]):
                np.matmul(X, W, out=a)
                np.matmul(X.T, delta, out=g)

    return {"run": run}


SIDE = 1024
OF_PEAK = SIDE**3  # multiply-adds of a run of ``peak``


def peak(settings):
    """Return the run of a product of two large square matrices, float32."""
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(0)
    X, W = (rng.standard_normal((SIDE, SIDE)).astype(np.float32) for _ in range(2))

    def run():
        with threadpool_limits(limits=settings["threads"], user_api="blas"):
            X @ W

    return {"run": run}
