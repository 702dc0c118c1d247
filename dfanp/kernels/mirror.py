"""The names shared by Python and the compiled kernels, read from arithmetic.h, which defines their order.

A built-in thing is found by its name (``Registry.built_in``, ``Optimizer.kernel``); what is not in a list has no
kernel.
"""

import ctypes
import re
from functools import cache
from pathlib import Path

import numpy as np

POINTER, INT = ctypes.c_void_p, ctypes.c_int64
# dtype -> suffix of functions in C, and the type. (The name of a dtype takes NumPy longer than a small kernel runs.)
REALS = {np.dtype("float32"): ("f", ctypes.c_float), np.dtype("float64"): ("d", ctypes.c_double)}


@cache
def listed(file, macro):
    """Return the names in the list ``#define macro(X) X(…) X(…)`` of a file, named from this folder."""
    line = re.search(rf"#define {macro}\(X\) (.*)", (Path(__file__).parent / file).read_text(encoding="utf-8"))
    return tuple(re.findall(r"X\((\w+)\)", line[1]))


OPTIMIZERS = listed("arithmetic.h", "OPTIMIZERS")
ACTIVATIONS = listed("arithmetic.h", "ACTIVATIONS")
LOSSES = listed("arithmetic.h", "LOSSES")
FLAGS = listed("arithmetic.h", "FLAGS")
NUMBERS = listed("arithmetic.h", "NUMBERS")


def number(names, name):
    """Return the number in C of the built-in thing `name`; None for None, or if it is not in the list."""
    spelt = name and name.upper().replace("-", "_")
    return names.index(spelt) if spelt in names else None


def struct(name, *fields):
    """Return a ctypes.Structure with fields ``(type, "names separated by spaces")``, in order."""
    each = [(field, kind) for kind, names in fields for field in names.split()]
    return type(name, (ctypes.Structure,), {"_fields_": each})


# The struct `hyperparameters` of arithmetic.h.
HYPERPARAMETERS = {
    dtype: struct("Hyperparameters", (ctypes.c_int, " ".join(FLAGS)), (real, " ".join(NUMBERS)))
    for dtype, (_, real) in REALS.items()
}


def hyperparameters(optimizer, t):
    """Return the numbers of an optimizer at t (``Optimizer.clock``): name -> number, for FLAGS and NUMBERS in order."""
    get = lambda name, default=0.0: getattr(optimizer, name, default)
    found = {
        "kind": number(OPTIMIZERS, optimizer.kernel),
        "outside": get("eps_placement") == "outside",
        "unscaled": get("accumulate") == "unscaled",
        "weight_decay": get("weight_decay"),
        "rho": get("rho") or get("momentum"),
        "beta1": get("beta1"),
        "beta2": get("beta2"),
        "eps": get("eps"),
        # 1 - rho is computed in Python's precision and rounded once, as in the reference implementation.
        "one_rho": 1 - get("rho"),
        "one_beta1": 1 - get("beta1"),
        "one_beta2": 1 - get("beta2"),
        "correction1": 1 / (1 - get("beta1") ** t),
        "correction2": 1 / (1 - get("beta2") ** t),
    }
    return {name: found[name] for name in (*FLAGS, *NUMBERS)}


def corrections(learning, steps, dtype):
    """Return Adam's corrections 1 / (1 - beta^t) at some `steps`, (steps, 2); None for other optimizers."""
    optimizer = learning.optimizer
    if optimizer.kernel != "adam":
        return None
    times = (optimizer.clock(step, learning.epoch) for step in steps)
    return np.array([(1 / (1 - optimizer.beta1**t), 1 / (1 - optimizer.beta2**t)) for t in times], dtype)


def slots(s):
    """Return the state arrays of a parameter, in the order of the class's `slots`: s0, s1 of the kernels."""
    return vars(s).values()
