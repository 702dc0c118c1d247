"""The tier of the reference implementation: plain array code, on any namespace."""

from types import SimpleNamespace

import numpy as np

from ..inputs import dense
from .tier import Tier

PIECE = 16384  # parameters; temporaries of this size stay in the cache, larger ones cost a page fault every 4 kB


class Plain(Tier):
    """The operations of the kernel table by the reference implementation, on arrays of the namespace `xp`."""

    name = "numpy"

    def __init__(self, xp):
        self.xp = xp

    @staticmethod
    def why_not():
        """Return None: this tier is always available."""

    def product(self, X, W):
        """Return X @ W for StackedDigits or an array X, (n, H) or (R, n, H)."""
        return dense(X) @ W

    def update_all(self, optimizer, parameters, t, replicas=None):
        for g, *one in parameters:
            self.update(optimizer, dense(g), *one, t, replicas)

    def fused_update(self, optimizer, gradient, theta, s, lr, t):
        """Do one step of `optimizer` on `theta` and its state `s`, in place, by a WeightGradient."""
        self.update(optimizer, gradient.dense(), theta, s, lr, t)

    def update(self, optimizer, g, theta, s, lr, t, replicas=None):
        """Do one step of `optimizer` on `theta` and its state `s`, in place, by the gradient `g` of their shape."""
        for g_part, theta_part, state, rate in self.parts(optimizer, g, theta, vars(s), lr, replicas):
            if optimizer.weight_decay:
                g_part = g_part + optimizer.weight_decay * theta_part
            part = SimpleNamespace(**state)
            optimizer.update(self.xp, theta_part, g_part, part, rate, t)
            for slot, array in state.items():  # an array that was rebound instead of changed in place
                if getattr(part, slot) is not array:
                    array[...] = getattr(part, slot)

    def parts(self, optimizer, g, theta, state, lr, replicas):
        """Yield (g, theta, state, lr) for ``update`` of an optimizer: views of the arrays, which it changes in place.

        For an elementwise optimizer large NumPy arrays are cut into pieces of PIECE parameters. Any other gets one
        replica at a time, because it may compute a norm or read the shape.
        """
        arrays = (g, theta, *state.values())
        named = lambda views: dict(zip(state, views, strict=True))
        if not optimizer.cut and replicas:
            for r in range(replicas):
                g_part, theta_part, *views = (a[r, ...] for a in arrays)
                yield g_part, theta_part, named(views), lr if isinstance(lr, float) else lr[r, ...]
        elif optimizer.cut and self.xp is np and isinstance(lr, float) and all(a.flags.c_contiguous for a in arrays):
            flat = [a.reshape(-1) for a in arrays]
            for start in range(0, flat[0].size, PIECE):
                g_part, theta_part, *views = (a[start : start + PIECE] for a in flat)
                yield g_part, theta_part, named(views), lr
        else:
            yield g, theta, state, lr
