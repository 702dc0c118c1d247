import numpy as np
import pytest

from dfanp import rules
from dfanp.more_rules.forward_gradient import along

from .shared import SIZES, assert_unbiased, batch, flat, gradients, many


@pytest.mark.parametrize("bias", [False, True])
def test_it_is_unbiased_and_its_variance_is_that_of_one_direction(bias):
    of = batch(sizes=(3, 4, 2), bias=bias)
    each, exact = many("forward-gradient", 3000, *of)
    assert_unbiased(each, exact)
    P = len(exact)
    np.testing.assert_allclose(each.var(axis=0).sum(), (P + 1) * exact @ exact, rtol=0.15)


@pytest.mark.parametrize("first", [0, 1, 2])
@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_the_number_is_the_product_of_gradient_and_direction(activation, first):
    network, loss, h, e, y = batch(activation=activation)
    exact = rules.gradients(rules.bp, network, None, h, e, first=first)
    found = gradients("forward-gradient", network, loss, h, e, y, first=first)
    assert found.keys() == exact.keys() and len(exact) == 2 * (len(SIZES) - 1 - first)
    at = rules.Batch(network, None, h, e, y, first, None, loss)
    rng = np.random.default_rng(0)
    v = {name: rng.normal(size=g.shape) for name, g in exact.items()}
    np.testing.assert_allclose((e * along(at, v)).sum(), flat(exact) @ flat(v), rtol=1e-10)
