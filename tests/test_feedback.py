import numpy as np
import pytest

import dfanp
from dfanp import Feedback, alignment
from dfanp.feedback import DISTRIBUTIONS, canonical

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


def test_density_keeps_that_share_of_the_same_entries():
    sparse, full = (Feedback("gaussian", density=share).draw([(100, 200)], seed=0)[0] for share in (0.2, 1.0))
    assert (sparse != 0).mean() == pytest.approx(0.2, abs=0.02) and np.array_equal(
        sparse[sparse != 0], full[sparse != 0]
    )


@pytest.mark.parametrize("name", ["uniform", "zero-mean-gaussian", "standard-gaussian"])
def test_a_lower_rank_has_the_same_variance(name):
    (B,) = Feedback(name, rank=5).draw([(200, 400)], seed=0)
    assert np.linalg.matrix_rank(B) == 5
    np.testing.assert_allclose(B.var() * 400, MOMENTS[name][1], rtol=0.5)
    (B,) = Feedback(name, rank=5).draw([(3, 400)], seed=0)  # which has no more than 3
    assert np.array_equal(B, Feedback(name).draw([(3, 400)], seed=0)[0])


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_layers_share_one_matrix(name):
    low, high = Feedback(name, shared=True).draw([(3, 100), (3, 25)], seed=0)
    times = 2 if name in ("uniform", "gaussian", "zero-mean-gaussian") else 1
    np.testing.assert_allclose(high, times * low[:, :25], rtol=1e-12)
    if times == 2:
        np.testing.assert_allclose(low.std() * 10, MOMENTS[name][1] ** 0.5, rtol=0.2)


def test_scale_is_a_factor():
    assert np.array_equal(Feedback(scale=3.0).draw([(2, 5)], seed=0)[0], 3 * Feedback().draw([(2, 5)], seed=0)[0])


@pytest.mark.parametrize("rule, hidden", [("fa", (7, 5)), ("dfa", (5,)), ("dfa", (7, 5)), ("kp", (7, 5))])
def test_aligned_feedback_begins_as_the_weights_that_it_replaces(rule, hidden):
    problem = dfanp.Arrays(np.ones((4, 3)), np.ones((4, 2)), dtype="float64")
    network = dfanp.MLP((3, *hidden, 2), dtype="float64", seed=(0, 1))
    begin = lambda **given: dfanp.Training(network, problem, rule, dfanp.SGD(0.1), Feedback(**given), batch_size=4)
    full = begin(aligned=1.0)
    for cosine in alignment.feedback_alignment(full.rule, network, full.B):
        np.testing.assert_allclose(cosine, 1)
    if rule == "fa":
        assert all(np.array_equal(B, W.mT) for B, W in zip(full.B, network.W[1:], strict=True))
    for half, random, W in zip(begin(aligned=0.6).B, begin().B, full.B, strict=True):
        np.testing.assert_allclose(half, 0.6 * W + 0.8 * random, rtol=1e-12)
    for twice, W in zip(begin(aligned=1.0, scale=2.0).B, full.B, strict=True):
        np.testing.assert_allclose(twice, 2 * W)
    with pytest.raises(ValueError, match="feedback cannot be aligned under the rule 'pepita'"):
        dfanp.Training(network, problem, "pepita", dfanp.SGD(0.1), Feedback(aligned=0.5), batch_size=4)


@pytest.mark.parametrize(
    "text, shortest",
    [
        ("uniform", "uniform"),
        ("gaussian:scale=1:density=1.0", "gaussian"),
        ("uniform:scale=2:density=.1", "uniform:density=0.1:scale=2.0"),
        ("orthogonal:rank=3:shared=false", "orthogonal:rank=3"),
        ("uniform:shared=true", "uniform:shared=true"),
        ("uniform:aligned=0.5", "uniform:aligned=0.5"),
    ],
)
def test_a_text_has_the_structure(text, shortest):
    assert canonical(text) == shortest and Feedback(text) == Feedback(shortest) == Feedback(canonical(shortest))


@pytest.mark.parametrize(
    "text, message",
    [
        ("uniform:denisty=0.1", "unknown structure of feedback uniform 'denisty'.*did you mean 'density'"),
        ("uniform:density", "'density': write NAME=VALUE"),
        ("uniform:density=0", "density must be a finite number above 0 and at most 1"),
        ("uniform:density=nan", "density must be"),
        ("uniform:rank=0", "rank must be a whole number of at least 1"),
        ("uniform:rank=1.5", "rank must be a whole number, got '1.5'"),
        ("uniform:shared=1", "shared must be true or false"),
        ("uniform:scale=-1", "scale must be"),
        ("uniform:aligned=2", "aligned must be at least 0 and at most 1"),
        ("uniform:rank=2:shared=true", "do not go together"),
        ("uniform:rank=2:aligned=0.5", "aligned does not go together with density, rank or shared"),
        ("uniform:density=0.5:aligned=0.5", "aligned does not go together with density, rank or shared"),
    ],
)
def test_bad_structure(text, message):
    with pytest.raises(ValueError, match=message) as error:
        Feedback(text)
    assert len(str(error.value).splitlines()) == 1


def test_bad_arguments():
    with pytest.raises(ValueError, match="unknown feedback distribution 'unifrom'.*did you mean 'uniform'"):
        Feedback("unifrom")
    with pytest.raises(ValueError, match="seed must be"):
        Feedback(seed=-1)
