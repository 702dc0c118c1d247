"""The tier that is the definition: plain array code, on any namespace."""

from types import SimpleNamespace

import numpy as np

from ..inputs import dense
from .tier import Tier

PIECE = 16384  # parameters; temporaries of this size stay in a cache, and larger ones cost a page fault every 4 kB


class Plain(Tier):
    """The operations of the kernel table by their definitions, on arrays of the namespace `xp`."""

    name = "numpy"

    def __init__(self, xp):
        self.xp = xp

    @staticmethod
    def why_not():
        """Return None: this tier is always there."""

    def product(self, X, W):
        """Return X @ W for StackedDigits or an array X, (n, H) or (R, n, H)."""
        return dense(X) @ W

    def descend(self, optimizer, gradient, theta, s, lr, step, epoch):
        """Do one step of `optimizer` on `theta` and its state `s`, in place, by a WeightGradient."""
        self.update(optimizer, gradient.dense(), theta, s, lr, step, epoch)

    def update(self, optimizer, g, theta, s, lr, step, epoch):
        """Do one step of `optimizer` on `theta` and its state `s`, in place, by the gradient `g` of their shape."""
        for g_part, theta_part, s_part in self.pieces(g, theta, s, lr):
            if optimizer.weight_decay:
                g_part = g_part + optimizer.weight_decay * theta_part
            optimizer.update(self.xp, theta_part, g_part, s_part, lr, step, epoch)

    def pieces(self, g, theta, s, lr):
        """Yield (g, theta, s) whole, or for large arrays of NumPy as views of PIECE parameters: the update is elementwise."""
        arrays = (g, theta, *vars(s).values())
        if self.xp is not np or not isinstance(lr, float) or not all(a.flags.c_contiguous for a in arrays):
            yield g, theta, s
            return
        flat = [a.reshape(-1) for a in arrays]
        for start in range(0, flat[0].size, PIECE):
            g_part, theta_part, *state = (a[start : start + PIECE] for a in flat)
            yield g_part, theta_part, SimpleNamespace(**dict(zip(vars(s), state, strict=True)))
