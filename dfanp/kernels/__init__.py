"""The kernel table: operation × tier. A tier computes faster what the reference implementation defines.

    product(X, W)                 X @ W for StackedDigits X                         defined by StackedDigits.dense
    gradient(g)                   X.T @ delta for StackedDigits X                   defined by WeightGradient.dense
    fused_update(optimizer, g, …) one optimizer step of W by g = X.T @ delta        defined by WeightGradient.dense, update
    update(optimizer, g, …)       one optimizer step by a dense gradient            defined by Optimizer.update
    update_all(optimizer, …)      one optimizer step of several parameters          defined by Optimizer.update
    output(loss, z, y, …)         error, loss and right answers from the logits     defined by Loss
    fused_epoch(network, loss, …) all steps of an epoch, or its test                defined by Training.epoch_by_steps

A Backend uses them through ``Kernels`` (checked.py), which replaces the reference implementation by a kernel only
after both have computed the same on a small example.

Tiers: ``numpy`` (the reference implementation, on any array namespace); on the CPU ``numba`` and ``native`` (C with
OpenMP); on a GPU ``cuda`` and ``cuda-tf32`` (products of lower precision). A Backend chooses one by name. Requesting
a tier that is not available is an error; ``auto`` takes the fastest available one of full precision.
"""

import importlib

from ..errors import BackendError, by_name
from .checked import Kernels, KernelWarning

__all__ = ["Kernels", "KernelWarning", "resolve", "why_not"]

OPERATIONS = ("product", "gradient", "fused_update", "update", "update_all", "output", "fused_epoch")
TIERS = {  # tier -> its module here, and its class
    "native": ("native", "Native"),
    "numba": ("numba", "Numba"),
    "numpy": ("numpy", "Plain"),
    "cuda": ("cuda", "Cuda"),
    "cuda-tf32": ("cuda", "CudaTF32"),
}
# What "auto" chooses from, fastest first.
AUTO = {"cpu": ("native", "numba", "numpy"), "gpu": ("cuda", "numpy")}
ON_CPU = AUTO["cpu"]


def resolve(name, xp, device):
    """Return the ``Kernels`` of tier `name` ("auto": the fastest available) for arrays of `xp` on `device`.

    Raises:
        BackendError: the tier was requested by name and cannot be used here; the message says why.
    """
    by_name("kernels", name, dict.fromkeys(("auto", *TIERS)))
    if name != "auto" and name != "numpy" and (name in ON_CPU) != (device == "cpu"):
        where = "the CPU only" if name in ON_CPU else "a GPU only"
        raise BackendError(f"the kernels {name!r} run on {where}; use --kernels auto with --device {device}")
    for tier in AUTO[device] if name == "auto" else (name,):
        reason = why_not(tier)
        if reason is None:
            plain = _tier("numpy")(xp)
            return Kernels(plain if tier == "numpy" else _tier(tier)(xp), plain, by_name=name != "auto")
    raise BackendError(f"the kernels {name!r} cannot be used: {reason}; use --kernels auto (kernels='auto')")


def why_not(tier):
    """Return None if `tier` works here, else the reason in a few words."""
    return _tier(tier).why_not()


def _tier(name):
    module, kind = TIERS[name]
    return getattr(importlib.import_module(f"{__name__}.{module}"), kind)
