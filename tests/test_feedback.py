import numpy as np
import pytest

from dfanp import Feedback
from dfanp.feedback import DISTRIBUTIONS

# mean and variance of the entries in units of a = 1/sqrt(width) and a², as the thesis defines the first four
MOMENTS = {
    "uniform": (0, 1 / 3),
    "standard-uniform": (0.5 / 0.05, 1 / 12 / 0.05**2),
    "gaussian": (1, 1),
    "standard-gaussian": (0, 1 / 0.05**2),
    "zero-mean-gaussian": (0, 1),
    "orthogonal": (0, 1),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_moments(name):
    (B,) = Feedback(name).draw([(200, 400)], seed=0)
    a = 400**-0.5
    mean, variance = MOMENTS[name]
    assert B.shape == (200, 400)
    np.testing.assert_allclose(B.mean() / a, mean, atol=0.02 * (1 + variance**0.5))
    np.testing.assert_allclose(B.var() / a**2, variance, rtol=0.03)


def test_uniform_stays_in_its_bounds():
    (B,) = Feedback("uniform").draw([(50, 100)], seed=0)
    assert np.abs(B).max() <= 0.1
    (B,) = Feedback("standard-uniform").draw([(50, 100)], seed=0)
    assert B.min() >= 0 and B.max() < 1


@pytest.mark.parametrize("shape", [(3, 8), (8, 3), (1, 5)])
def test_orthogonal(shape):
    (B,) = Feedback("orthogonal").draw([shape], seed=0)
    gram = B @ B.T if shape[0] <= shape[1] else B.T @ B
    np.testing.assert_allclose(gram, np.eye(min(shape)) * max(1, shape[0] / shape[1]), atol=1e-12)


def test_layers_of_one_width_get_different_matrices():
    first, second = Feedback().draw([(1, 6), (1, 6)], seed=0)
    assert not np.array_equal(first, second)


def test_own_seed_wins_and_replicas_are_stacked_solo_draws():
    shapes = [(2, 3), (1, 4)]
    assert np.array_equal(Feedback(seed=5).draw(shapes, seed=0)[0], Feedback().draw(shapes, seed=5)[0])
    joint = Feedback().draw(shapes, seed=(0, 5))
    assert [b.shape for b in joint] == [(2, 2, 3), (2, 1, 4)]
    for layer in range(2):
        assert np.array_equal(joint[layer][1], Feedback().draw(shapes, seed=5)[layer])


def test_bad_arguments():
    with pytest.raises(ValueError, match="unknown feedback distribution 'unifrom'.*did you mean 'uniform'"):
        Feedback("unifrom")
    with pytest.raises(ValueError, match="seed must be"):
        Feedback(seed=-1)
