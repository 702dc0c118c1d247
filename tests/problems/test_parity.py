import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dfanp
from dfanp.problems.parity import picked


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(k=st.integers(1, 10), seed=st.integers(0, 2**40), epoch=st.integers(1, 100))
def test_targets_are_the_parity_of_the_images(tiny, k, seed, epoch):
    """In the tiny data set the label can be read off the pixels, so the whole way from bank to target is tested."""
    problem = dfanp.Parity(tiny, k, train_size=30, test_size=7)
    for X, y in (problem.train(seed, epoch), problem.test(seed, epoch), problem.probe(seed)):
        n = X.shape[0]
        digits = X.dense().reshape(n, k, 12).argmax(axis=-1)
        assert np.array_equal(y[:, 0], digits.sum(axis=1) % 2) and y.shape == (n, 1)
    assert problem.features == 12 * k


def test_each_place_is_a_permutation_of_all_images(rng):
    picks = picked(rng, images=50, n=100, k=3)
    for column in picks.T:
        assert sorted(column[:50]) == sorted(column[50:]) == list(range(50))
    assert not np.array_equal(picks[:, 0], picks[:, 1]) and not np.array_equal(picks[:50, 0], picks[50:, 0])


def test_k_1_is_the_data_set_in_its_own_order(rng):
    assert picked(rng, images=4, n=6, k=1).tolist() == [[0], [1], [2], [3], [0], [1]]


def test_new_examples_every_epoch_the_same_for_the_same_seed(tiny):
    problem, again = dfanp.Parity(tiny, 3), dfanp.Parity(tiny, 3)
    picks = lambda problem, seed, epoch: problem.train(seed, epoch)[0].picks
    assert np.array_equal(picks(problem, 0, 7), picks(again, 0, 7))
    assert not np.array_equal(picks(problem, 0, 7), picks(problem, 0, 8))
    assert not np.array_equal(picks(problem, 0, 7), picks(problem, 1, 7))
    assert problem.train(0, 1)[0].shape == (60_000, 36) and problem.test(0, 1)[0].shape == (10_000, 36)


def test_training_and_test_images_do_not_mix(tiny):
    problem = dfanp.Parity(tiny, 1, train_size=40, test_size=20)
    normalised = (tiny.test.pixels.astype(np.float32) - 30) / 50
    assert np.array_equal(problem.test(0, 1)[0].dense(), normalised)


@pytest.mark.parametrize("k", [0, -1, 11, "three", 3.0, True, None])
def test_bad_k(tiny, k):
    with pytest.raises(ValueError, match="k must be a whole number from 1 to 10"):
        dfanp.Parity(tiny, k)


def test_bad_sizes(tiny):
    with pytest.raises(ValueError, match="train_size must be a whole number from 1 to"):
        dfanp.Parity(tiny, 3, train_size=0)


def test_records_have_the_settings_in_their_order():
    """That of earlier versions, whose records are byte for byte the same."""
    assert list(dfanp.settings.ParitySettings(lr=1.0).config())[-8:] == [
        "device", "kernels", "data", "k", "train_size", "test_size", "held_out", "data_sha256"
    ]  # fmt: skip


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("seed", [4, (4,), (7, 4, 5, 6)])
def test_examples_on_a_device_are_those_of_the_cpu(tiny, strict_backend, monkeypatch, k, seed):
    """Drawn by several threads, moved as int32, labelled on the device."""
    monkeypatch.setattr(dfanp.backend, "usable_cores", lambda: 3)
    here, there = (dfanp.Parity(tiny, k, 100, 20, backend=backend) for backend in (None, strict_backend))
    for part in ("train", "test"):
        (X, y), (X_there, y_there) = (getattr(each, part)(seed, 2) for each in (here, there))
        assert np.array_equal(strict_backend.to_host(X_there.picks), X.picks) and X.picks.dtype == np.int64
        assert str(X_there.picks.dtype).endswith("int64")
        assert np.array_equal(strict_backend.to_host(y_there), y) and y.dtype == np.float32
    alone = here.train(4, 2)[0].picks
    assert seed == 4 or np.array_equal(alone, here.train(seed, 2)[0].picks[seed.index(4)])


def test_the_examples_of_a_seed_never_change(tiny):
    """Of each column so many permutations that they are enough, from one stream: what old runs were trained on."""
    X, _ = dfanp.Parity(tiny, 2, 100, 20).train(3, 5)
    rng = dfanp.streams.streams(3).train(5)
    wanted = [np.concatenate([rng.permutation(40) for _ in range(3)])[:100] for _ in range(2)]
    assert np.array_equal(X.picks, np.stack(wanted, axis=1))
