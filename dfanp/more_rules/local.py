"""Local errors: each hidden layer has a linear classifier of its own, B.T, and receives the error of that.

    local   B is fixed and random: Mostafa, Ramesh & Cauwenberghs 2018
    pred    B learns to classify:  Nøkland & Eidnes 2019, the loss "pred"

No layer waits for those above it. The classifier of hidden layer l has the outputs ``h @ B.T``, and the loss of the
network.
"""

from ..gradients import Rule, output


def local_error(at):
    """Return the error of the layer's own classifier, (n, d_L)."""
    return at.loss.error(at.xp, at.h @ at.B.mT, at.y)


local = Rule("local", lambda at: local_error(at) @ at.B, output)
pred = Rule("pred", lambda at: local_error(at) @ at.B, output, lambda at: local_error(at).mT @ at.h)
