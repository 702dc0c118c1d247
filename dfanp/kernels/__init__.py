"""The kernel table: operation × tier. A tier is a faster way to compute what is defined elsewhere, never a definition.

    product(X, W)               X @ W for StackedDigits X                         defined by StackedDigits.dense
    descend(optimizer, g, …)    one optimizer step of W by g = X.T @ delta        defined by WeightGradient.dense, update
    update(optimizer, g, …)     one optimizer step by a dense gradient            defined by Optimizer.update
    pass_over(activation, …)    all steps of an epoch, or its test, of a network  defined by Training.pass_over
                                with one hidden layer and one output

Tiers: ``numpy`` (the definition itself, on any array namespace), ``numba``, ``native`` (C with OpenMP). One is chosen by
name when a Backend is made. A tier that was asked for and is absent is an error; ``auto`` takes the fastest that is there.
"""

import importlib

from ..errors import BackendError, by_name

OPERATIONS = ("product", "descend", "update", "pass_over")
# Fastest first: the name of a tier's module here, and of its class.
TIERS = {"native": "Native", "numba": "Numba", "numpy": "Plain"}


def resolve(name, xp, device):
    """Return the kernels of tier `name` ("auto" takes the fastest there is) for arrays of `xp` on `device`.

    Raises:
        BackendError: the tier was asked for by name and cannot be used here; the message says why.
    """
    by_name("kernels", name, dict.fromkeys(("auto", *TIERS)))
    if name == "numpy" or device != "cpu":
        if name not in ("auto", "numpy"):
            raise BackendError(
                f"the kernels {name!r} run on the CPU alone; use --kernels auto with --device {device}"
            )
        return _tier("numpy")(xp)
    for tier in TIERS if name == "auto" else (name,):
        reason = why_not(tier)
        if reason is None:
            return _tier(tier)(xp)
    raise BackendError(f"the kernels {name!r} cannot be used: {reason}; use --kernels auto (kernels='auto')")


def why_not(tier):
    """Return None if `tier` works here, else the reason in a few words."""
    return _tier(tier).why_not()


def _tier(name):
    return getattr(importlib.import_module(f"{__name__}.{name}"), TIERS[name])
