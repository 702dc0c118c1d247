import numpy as np
import pytest

import dfanp
from dfanp import rules

from ..definitions import Scaled
from .shared import assert_unbiased, batch, gradients, many


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_it_is_unbiased(activation):
    each, exact = many("node-perturbation", 3000, *batch(sizes=(3, 4, 2), activation=activation))
    assert_unbiased(each, exact)


def test_one_draw_is_the_change_of_the_loss_by_the_noise():
    """By hand, for one example and one hidden layer."""
    network, loss, h, e, y = batch(sizes=(3, 4, 2), n=1)
    seen = []

    class Known:
        def normal(self, size):
            seen.append(np.random.default_rng(len(seen)).normal(size=size))
            return seen[-1]

    found = rules.gradients(
        rules.get("node-perturbation"), network, None, h, e, y, draws=lambda l: Known(), loss=loss
    )
    sigma, (W0, W1) = 1e-3, network.W
    xi0, xi1 = (sigma * each for each in seen)
    h1 = np.tanh(h[0] @ W0 + network.parameters["b0"] + xi0)
    z = h1 @ W1 + network.parameters["b1"] + xi1
    change = (loss.per_example(np, z, y) - loss.per_example(np, h[-1], y))[:, None] / sigma**2
    np.testing.assert_allclose(found["W0"], h[0].T @ (change * xi0), rtol=1e-6)
    np.testing.assert_allclose(found["W1"], h[1].T @ (change * xi1), rtol=1e-6)
    np.testing.assert_allclose(found["b1"], (change * xi1)[0], rtol=1e-6)


def test_a_network_with_a_forward_pass_of_its_own_is_refused():
    network, loss, h, e, y = batch()
    own = Scaled(network.sizes, "tanh", True, "float64")
    with pytest.raises(ValueError, match=r"needs the forward pass of dfanp.MLP, got a network with its own hidden"):
        gradients("node-perturbation", own, loss, own.forward(h[0]), e, y)


def test_variance_grows_with_the_number_of_units_and_not_of_weights():
    """So that it beats weight perturbation: Werfel, Xie & Seung 2005."""
    of = batch(sizes=(8, 6, 2), n=1)
    noise = {rule: many(rule, 400, *of)[0].var(axis=0).sum() for rule in ("node-perturbation", "weight-perturbation")}
    assert noise["node-perturbation"] < 0.6 * noise["weight-perturbation"]
    assert dfanp.rules.get("node-perturbation").feedback_shape is None
