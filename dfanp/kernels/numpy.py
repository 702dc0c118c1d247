"""The tier that is the definition: plain array code, on any namespace."""

from ..inputs import dense


class Plain:
    """The operations of the kernel table by their definitions, on arrays of the namespace `xp`."""

    name = "numpy"

    def __init__(self, xp):
        self.xp = xp

    @staticmethod
    def why_not():
        """Return None: this tier is always there."""

    def set_threads(self, threads):
        """Do nothing: BLAS has its own setting."""

    def product(self, X, W):
        """Return X @ W for StackedDigits or an array X, (n, H) or (R, n, H)."""
        return dense(X) @ W

    head = None  # its definition is Training.learn

    def descend(self, optimizer, gradient, theta, s, lr, step, epoch):
        """Do one step of `optimizer` on `theta` and its state `s`, in place, by a WeightGradient."""
        self.update(optimizer, gradient.dense(), theta, s, lr, step, epoch)

    def update(self, optimizer, g, theta, s, lr, step, epoch):
        """Do one step of `optimizer` on `theta` and its state `s`, in place, by the gradient `g` of their shape."""
        if optimizer.weight_decay:
            g = g + optimizer.weight_decay * theta
        optimizer.update(self.xp, theta, g, s, lr, step, epoch)
