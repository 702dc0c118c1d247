import numpy as np
import pytest

import dfanp
from dfanp import losses, rules

from .shared import batch, gradients


@pytest.mark.parametrize("loss", losses.LOSSES)
def test_the_signal_is_the_derivative_of_the_own_classifiers_loss(loss):
    """By finite differences: of that loss by h for the signal, and by B for `pred`."""
    network, loss, h, e, y = batch(loss=loss)
    B = dfanp.Feedback("gaussian").draw(rules.feedback_shapes(rules.get("pred"), network.sizes), 3)
    mean_loss = lambda h2, B2: loss.per_example(np, h2 @ B2.T, y).mean()
    at = rules.At(np, network.W[2], B[1], h[2], e, e, y, 2, None, loss)
    signal, learned = rules.get("local").signal(at), rules.get("pred").feedback_gradient(at)
    assert np.array_equal(signal, rules.get("pred").signal(at))
    for i, j in ((0, 0), (3, 2)):
        step = np.zeros_like(h[2])
        step[i, j] = 1e-6
        np.testing.assert_allclose(
            signal[i, j], (mean_loss(h[2] + step, B[1]) - mean_loss(h[2] - step, B[1])) / 2e-6, atol=1e-8
        )
    for i, j in ((0, 0), (1, 2)):
        step = np.zeros_like(B[1])
        step[i, j] = 1e-6
        np.testing.assert_allclose(
            learned[i, j], (mean_loss(h[2], B[1] + step) - mean_loss(h[2], B[1] - step)) / 2e-6, atol=1e-8
        )


def test_layers_above_do_not_matter():
    network, loss, h, e, y = batch()
    before = gradients("local", network, loss, h, e, y)
    network.W[1][...] += 1
    network.W[2][...] -= 1
    after = network.forward(h[0])
    changed = gradients("local", network, loss, after, loss.error(np, after[-1], y), y)
    assert np.array_equal(before["W0"], changed["W0"]) and not np.array_equal(before["W2"], changed["W2"])
