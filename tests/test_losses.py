import numpy as np
import pytest

from dfanp import losses


def targets(rng, name, shape):
    if name == "bce":
        return rng.integers(0, 2, shape).astype(float)
    if name == "cross-entropy":
        return np.eye(shape[-1])[rng.integers(0, shape[-1], shape[:-1])]
    return rng.standard_normal(shape)


@pytest.mark.parametrize("name", losses.LOSSES)
@pytest.mark.parametrize("shape", [(5, 1), (4, 3), (2, 4, 3)])
def test_error_is_the_derivative_of_the_mean_loss(rng, name, shape):
    loss, z, y, step = losses.get(name), rng.standard_normal(shape), targets(rng, name, shape), 1e-6
    e = loss.error(np, z, y)
    for place in np.ndindex(shape):
        up, down = z.copy(), z.copy()
        up[place] += step
        down[place] -= step
        # One replica's mean does not hang on the others: the sum over replicas has the same derivative.
        mean = [loss.per_example(np, moved, y).mean(axis=-1).sum() for moved in (up, down)]
        np.testing.assert_allclose(e[place], (mean[0] - mean[1]) / (2 * step), atol=1e-8)


@pytest.mark.parametrize("name", ["bce", "cross-entropy"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_stable_at_logits_of_a_thousand(name, dtype):
    loss = losses.get(name)
    z = np.array([[1000, -1000], [-1000, 1000], [0, 1000]], dtype)
    y = np.array([[1, 0], [1, 0], [0, 1]], dtype)
    values, e = loss.per_example(np, z, y), loss.error(np, z, y)
    assert np.isfinite(values).all() and np.isfinite(e).all() and e.dtype == dtype
    assert values[0] == 0 and values[1] >= 2000


def test_bce_by_hand():
    loss, z, y = losses.get("bce"), np.array([[0.3], [-1.2]]), np.array([[1.0], [0.0]])
    s = 1 / (1 + np.exp(-z))
    np.testing.assert_allclose(loss.per_example(np, z, y), -np.log([s[0, 0], 1 - s[1, 0]]))


@pytest.mark.parametrize("name", losses.LOSSES)
def test_against_torch(rng, name):
    torch = pytest.importorskip("torch")
    z, y = rng.standard_normal((6, 3)), targets(rng, name, (6, 3))
    tz = torch.tensor(z, requires_grad=True)
    oracle = {
        "bce": lambda: torch.nn.functional.binary_cross_entropy_with_logits(tz, torch.tensor(y), reduction="sum") / 6,
        "cross-entropy": lambda: torch.nn.functional.cross_entropy(tz, torch.tensor(y)),
        "mse": lambda: torch.nn.functional.mse_loss(tz, torch.tensor(y), reduction="sum") / 12,
    }[name]()
    oracle.backward()
    loss = losses.get(name)
    np.testing.assert_allclose(loss.per_example(np, z, y).mean(), oracle.item(), rtol=1e-12)
    np.testing.assert_allclose(loss.error(np, z, y), tz.grad.numpy(), atol=1e-14)


def test_correct_counts_as_a_person_would():
    bce, softmax = losses.get("bce"), losses.get("cross-entropy")
    y = np.array([[1.0], [0.0], [1.0], [0.0]])
    assert bce.correct(np, np.array([[0.1], [-0.1], [-2.0], [0.0]]), y).tolist() == [True, True, False, True]
    z, one_hot = np.array([[1.0, 3.0, 2.0], [5.0, 1.0, 1.0]]), np.eye(3)[[1, 2]]
    assert softmax.correct(np, z, one_hot).tolist() == [True, False]
    assert losses.get("mse").correct is None  # regression has no right and wrong


@pytest.mark.parametrize("name", losses.LOSSES)
def test_the_weighted_error_is_the_derivative_of_the_weighted_mean(rng, name):
    z, y, w = rng.standard_normal((6, 3)), targets(rng, name, (6, 3)), rng.random(6) + 0.5
    loss = losses.weighted(losses.get(name), w)
    np.testing.assert_allclose(loss.per_example(np, z, y), w * losses.get(name).per_example(np, z, y))
    for v in rng.standard_normal((3, 6, 3)):
        up, down = (loss.per_example(np, z + sign * 1e-6 * v, y).mean() for sign in (1, -1))
        assert (up - down) / 2e-6 == pytest.approx((loss.error(np, z, y) * v).sum(), rel=1e-6, abs=1e-9)
    assert losses.LOSSES.built_in(loss) is None  # so that no kernel replaces it
