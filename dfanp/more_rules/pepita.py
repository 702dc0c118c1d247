"""PEPITA: a second pass forwards, on inputs that the output error has changed (Dellaferrera & Kreiman 2022).

``x' = x + (y_hat - y) F`` with a fixed F, (d_L, D), uniform in ±0.05 sqrt(6/D). With h' for what the layers put out for
x', the gradient of a hidden layer's weights is ``h'[l-1].T @ (h[l] - h'[l]) / n``, and that of the output's
``h'[L-1].T @ e``. Nothing goes backwards. To first order the hidden layer gets the signal of DFA with B = -F W0: the
output weights turn towards that B, and this sign is the one whose steps lower the loss.
"""

from ..gradients import Rule
from ..inputs import dense

SCALE = 0.05 * 6**0.5  # of F where the entries of B are uniform in ±1/sqrt(D), as by default


def to_input(sizes, l):
    """Return the shape of F, (d_L, D), as that of the lowest hidden layer; the others have none."""
    return (sizes[-1], sizes[0]) if l == 1 else None


def by_second_pass(at):
    """Return the gradients by the second pass; without a hidden layer they are exact."""
    if not at.B:
        return at.of_deltas([at.e])
    again = at.forward(dense(at.h[0]) + SCALE * at.n * at.e @ at.B[0])
    hidden = [(at.h[l] - again[l]) / at.n for l in range(at.first + 1, len(at.W))]
    return at.of_deltas([*hidden, at.e], again)


pepita = Rule("pepita", feedback_shape=to_input, gradients=by_second_pass)
