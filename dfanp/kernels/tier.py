"""What all tiers share: the operations as they are defined, unless a tier has a faster way."""

from contextlib import nullcontext

from ..inputs import WeightGradient


class Tier:
    """A tier of the kernel table. A subclass has ``name``, ``xp``, ``product``, ``descend`` and ``update``.

    Attributes:
        blas_threads: of BLAS beside the kernels; None leaves it as many as the backend has.
        pass_over: a whole pass in one call; None where ``Training.pass_by_steps`` is all there is.
    """

    blas_threads = None
    pass_over = None

    def set_threads(self, threads):
        """Use that many threads from now on, where the tier has threads of its own."""

    def precision(self):
        """Return the context in which this tier computes."""
        return nullcontext()

    def update_all(self, optimizer, parameters, step, epoch):
        """Do one step of `optimizer` on several parameters.

        Args:
            parameters: (gradient, theta, state, lr) of each, the gradient an array or a WeightGradient; theta and its state change
                in place.
        """
        for g, *one in parameters:
            (self.descend if isinstance(g, WeightGradient) else self.update)(optimizer, g, *one, step, epoch)

    def output(self, loss, z, y, learning=True):
        """Return the error e of the output, shape of z (None unless `learning`), and what the examples come to.

        Args:
            loss: a Loss. z: logits (n, d_L) or (R, n, d_L). y: targets of that shape, or without R.

        Returns:
            e, and the loss summed over the examples and the number that are right: float64 (2,) or (2, R).
        """
        xp = self.xp
        # Cast before the sum: one that casts in pieces would sum replicas and solo runs in different orders.
        each = loss.per_example(xp, z, y), loss.correct(xp, z, y)
        told = xp.stack([xp.sum(xp.astype(value, xp.float64), axis=-1) for value in each])
        return loss.error(xp, z, y) if learning else None, told
