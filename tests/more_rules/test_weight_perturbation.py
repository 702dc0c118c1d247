import numpy as np
import pytest

from .shared import assert_unbiased, batch, flat, gradients, many


@pytest.mark.parametrize("loss", ["bce", "cross-entropy", "mse"])
def test_it_is_unbiased_with_the_variance_of_a_random_direction(loss):
    each, exact = many("weight-perturbation", 3000, *batch(sizes=(3, 4, 2), loss=loss))
    assert_unbiased(each, exact)
    np.testing.assert_allclose(each.var(axis=0).sum(), (len(exact) + 1) * exact @ exact, rtol=0.15)


def test_one_number_for_all_parameters():
    """The forward gradient of the same draws is the same, up to the curvature of the loss."""
    of = batch()
    found, derivative = (flat(gradients(rule, *of)) for rule in ("weight-perturbation", "forward-gradient"))
    np.testing.assert_allclose(found / derivative, (found / derivative)[0], rtol=1e-9)
    assert abs(found[0] / derivative[0] - 1) < 0.05


def test_parameters_are_not_changed():
    network, *more = batch()
    before = {name: theta.copy() for name, theta in network.parameters.items()}
    gradients("weight-perturbation", network, *more)
    assert all(np.array_equal(before[name], theta) for name, theta in network.parameters.items())
