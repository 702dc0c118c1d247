"""Weight mirror (WM): feedback alignment whose B learns W from noise that each layer sends to the next.

Akrout et al. 2019, equation 7. A layer puts out noise x of mean 0, the next one answers with y = f(x W + b), and
``B += eta · y.T @ x``: on average W.T, times the slope of f. One batch of noise follows each step, and 468 of them, an
epoch's worth, come before the first.
"""

from ..gradients import Rule, next_layer

ETA, AMPLITUDE, EXAMPLES, BEFORE = 0.01, 0.05, 128, 468  # as in the authors' experiments on MNIST


def mirror(after, batches=1):
    """Turn each B towards the weights above its layer, in place, by some batches of noise."""
    for _ in range(batches):
        for l, B in enumerate(after.B, 1):
            x = after.rng.uniform(-AMPLITUDE, AMPLITUDE, (EXAMPLES, B.shape[-1]))
            B += ETA * (after.layer(l, x).mT @ x)


wm = Rule(
    "wm",
    lambda at: at.delta @ at.B,
    next_layer,
    after_step=mirror,
    before_training=lambda after: mirror(after, BEFORE),
)
