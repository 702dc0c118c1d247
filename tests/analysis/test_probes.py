import numpy as np
import pytest

import dfanp
from dfanp.analysis import probes
from dfanp.analysis.probes import Represented


def test_a_place_sees_its_rows_of_the_first_layer(tiny):
    network = dfanp.MLP((24, 5, 1), dtype="float64")
    X = (tiny.test.pixels.astype(float) - tiny.mean) / tiny.std
    for place in range(2):
        seen = probes.of_place(network, tiny, place)
        np.testing.assert_allclose(seen.h, X @ network.W[0][12 * place : 12 * (place + 1)])
        assert seen.labels["digit"].tolist() == tiny.test.labels.tolist()
        assert seen.labels["parity"].tolist() == (tiny.test.labels % 2).tolist()
        activated = probes.of_place(network, tiny, place, activated=True)
        np.testing.assert_allclose(activated.h, np.maximum(seen.h, 0))
    with pytest.raises(ValueError, match="place must be from 0 to 1"):
        probes.of_place(network, tiny, 2)


def test_a_layer_is_the_activation(tiny):
    problem = dfanp.Parity(tiny, 2, test_size=50, dtype="float64")
    network = dfanp.MLP((24, 5, 4, 1), dtype="float64")
    X, y = problem.test(0, 1)
    for layer in (1, 2):
        seen = probes.of_layer(network, problem, layer, samples=30)
        np.testing.assert_allclose(seen.h, network.forward(X)[layer][:30])
        assert seen.labels["target"].tolist() == y[:30, 0].tolist()
        assert seen.labels["digit"].tolist() == tiny.test.labels[X.picks[:30, 0]].tolist()
    for layer in (0, 3):
        with pytest.raises(ValueError, match="from 1 to 2"):
            probes.of_layer(network, problem, layer)


def test_any_problem(rng):
    problem = dfanp.Synthetic(20, 4, test_points=60)
    seen = probes.of_layer(dfanp.MLP((4, 6, 1)), problem, 1)
    assert seen.h.shape == (60, 6) and list(seen.labels) == ["target"]
    classes = np.eye(3)[rng.integers(0, 3, 50)]
    arrays = dfanp.Arrays(rng.normal(size=(50, 4)), classes, loss="cross-entropy")
    seen = probes.of_layer(dfanp.MLP((4, 6, 3)), arrays, 1)
    assert seen.labels["target"].tolist() == classes.argmax(axis=1).tolist()


def test_probes_find_what_is_there_and_only_that(rng):
    """Two clusters along a wide axis: every probe reads the cluster, none a label that was tossed."""
    cluster = rng.integers(0, 2, 400)
    h = rng.normal(size=(400, 6))
    h[:, 0] += 20 * cluster
    found = probes.measured(Represented(h, {"cluster": cluster, "tossed": rng.integers(0, 2, 400)}))
    assert min(found["cluster"][probe] for probe in ("linear", "neighbours", "leading")) > 0.99
    assert max(found["tossed"][probe] for probe in ("linear", "neighbours", "leading")) < 0.62
    assert 0.9 < found["variance"][0] < 1 and sum(found["variance"]) <= 1.0001


def test_the_linear_probe_alone_is_that_of_all(rng):
    labels = {"digit": rng.integers(0, 3, 200), "parity": rng.integers(0, 2, 200), "one": np.ones(200, dtype=int)}
    seen = Represented(rng.normal(size=(200, 5)) + labels["digit"][:, None], labels)
    every = probes.measured(seen)
    assert probes.linear(seen) == {name: every[name]["linear"] for name in ("digit", "parity")}


def test_a_label_with_one_value_tells_nothing(rng):
    found = probes.measured(Represented(rng.normal(size=(50, 3)), {"same": np.ones(50, int)}))
    assert list(found) == ["variance"]


def test_planes(rng):
    seen = Represented(rng.normal(size=(60, 5)), {"digit": np.arange(60) % 10})
    for kind in ("pca", "tsne"):
        points, labels = probes.plane(seen, kind, samples=50)
        assert points.shape == (50, 2) and len(labels["digit"]) == 50
        again, _ = probes.plane(seen, kind, samples=50)
        np.testing.assert_array_equal(points, again)
    with pytest.raises(ValueError, match="did you mean 'tsne'"):
        probes.plane(seen, "t-sne")


@pytest.mark.parametrize("kind", ["pca", "tsne"])
def test_a_single_unit_lies_on_a_line(rng, kind):
    h = rng.normal(size=(60, 1))
    points, _ = probes.plane(Represented(h, {"digit": np.arange(60) % 10}), kind)
    assert points.shape == (60, 2) and np.all(points[:, 1] == 0) and len(np.unique(points[:, 0])) == 60
    if kind == "pca":
        assert abs(np.corrcoef(points[:, 0], h[:, 0])[0, 1]) == pytest.approx(1)


DEAD = {
    "all units": np.zeros((60, 5)),
    "one that is always on": np.ones((60, 1)),
    "all but one example": np.eye(60)[:, :3] * [1, 0, 0],
    "all but one unit": np.arange(60.0)[:, None] * [0, 1, 0],
    "constant columns": np.arange(60.0)[:, None] ** [2, 1, 0] * [1, 1, 7],
}


@pytest.mark.parametrize("h", DEAD.values(), ids=DEAD)
def test_dead_units(h):
    """Nothing warns, and every number is finite."""
    seen = Represented(h, {"parity": np.arange(60) % 2})
    found = probes.measured(seen)
    variance = found["variance"]
    assert sum(variance) == pytest.approx(1) or (variance == [0] * len(variance) and np.ptp(h, axis=0).max() < 2)
    assert all(0 <= accuracy <= 1 for accuracy in found["parity"].values())
    for kind in ("pca", "tsne"):
        points, _ = probes.plane(seen, kind)
        assert points.shape == (60, 2) and np.isfinite(points).all()
        if np.ptp(h, axis=0).max() == 0:
            assert not points.any()


@pytest.mark.parametrize("scale", [2.0**900, 2.0**100, 2.0**-100, 2.0**-900])
def test_very_large_and_very_small_representations(rng, scale):
    """As runs leave them that are about to diverge: what is measured does not depend on the scale."""
    cluster = rng.integers(0, 2, 100)
    h = rng.normal(size=(100, 4)) + 3 * cluster[:, None]
    found = [probes.measured(Represented(h * by, {"cluster": cluster})) for by in (1, scale)]
    assert found[0] == found[1]
    for kind in ("pca", "tsne"):
        points, _ = probes.plane(Represented(h * scale, {"cluster": cluster}), kind)
        assert np.isfinite(points).all() and np.ptp(points[:, 0]) > 0


@pytest.mark.parametrize("h", [np.zeros((10, 3)), np.full((50, 3), np.nan)])
def test_too_few_or_not_finite(h):
    seen = Represented(h, {"digit": np.arange(len(h))})
    for look in (probes.measured, probes.plane):
        with pytest.raises(ValueError, match="at least 40|not finite"):
            look(seen)
