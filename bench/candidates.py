"""The candidates: name -> function of settings that returns name of a run -> function without arguments, to be timed.

The settings of those that train on parity (all but "blas"):
    tier and device (dfanp alone), threads, data, data_dir, k, hidden, batch, rule, opt, lr, train_size, test_size, seed.
"""

import importlib

# name -> (module, function); imported by the worker alone, so that one without PyTorch never asks for it
CONTESTANTS = {
    "dfanp epoch": ("dfanp_runs", "epoch"),
    "dfanp steps": ("dfanp_runs", "steps"),
    "dfanp classes": ("dfanp_runs", "classes"),
    "dfanp fit": ("estimator", "fit_ours"),
    "scikit-learn fit": ("estimator", "fit_theirs"),
    "dfanp full batch": ("dfanp_runs", "full_batch"),
    "dfanp joint": ("dfanp_runs", "joint"),
    "dfanp solo": ("dfanp_runs", "solo"),
    "dfanp growth": ("dfanp_runs", "points"),
    "torch epoch": ("pytorch", "epoch"),
    "torch classes": ("pytorch", "classes"),
    "torch full batch": ("pytorch", "full_batch"),
    "jax epoch": ("jax_scan", "epoch"),
    "jax classes": ("jax_scan", "classes"),
    "jax full batch": ("jax_scan", "full_batch"),
    "thesis epoch": ("thesis", "epoch"),
    "blas pair": ("blas", "pair"),
    "blas peak": ("blas", "peak"),
    "gpu torch steps": ("gpu_torch", "steps"),
    "gpu torch epoch": ("gpu_torch", "epoch"),
}
CHECKED_STEPS, CHECKED_TEST = 5, 100  # steps before the clock starts, and examples tested after them


def make(name, settings):
    """Return the runs of candidate `name`."""
    module, function = CONTESTANTS[name]
    return getattr(importlib.import_module(f"{__package__}.{module}"), function)(settings)


def same_losses(values, tolerance=2e-3):
    """Raise a CandidateError unless all candidates had the same losses in a few steps on the same examples.

    Args:
        values: title -> list of losses; the first title is the yardstick.
    """
    from .interleave import CandidateError

    if not values:
        return
    (first, wanted), *others = values.items()
    for title, losses in others:
        if any(
            abs(ours - theirs) > tolerance * max(1, abs(theirs)) for ours, theirs in zip(losses, wanted, strict=True)
        ):
            raise CandidateError(f"{title} computes something else than {first}: losses {losses}, not {wanted}")
