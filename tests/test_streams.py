import numpy as np
import pytest

from dfanp.streams import checked_seeds, per_replica, streams


def test_each_access_starts_the_stream_anew():
    assert streams(3).weights.random() == streams(3).weights.random()


def test_streams_and_seeds_and_epochs_differ():
    first = [
        stream.random()
        for seed in (0, 1)
        for s in [streams(seed)]
        for stream in (s.weights, s.biases, s.feedback, s.probe, s.train(1), s.train(2), s.test(1), s.test(2))
    ]
    assert len(set(first)) == len(first)


def test_the_meaning_of_a_seed_does_not_drift():
    """These numbers were drawn by version 0.1.0: a change here changes every published run."""
    assert streams(0).weights.integers(0, 1000, 4).tolist() == [802, 942, 5, 316]
    assert streams(0).train(17).integers(0, 1000, 4).tolist() == [799, 843, 364, 771]


@pytest.mark.parametrize("seed", [-1, 1.5, "0", None, True])
def test_seed_must_be_a_whole_number(seed):
    with pytest.raises(ValueError, match="seed must be a whole number"):
        streams(seed)


def test_per_replica_stacks_solo_draws():
    draw = lambda seed: streams(seed).weights.random(3)
    joint = per_replica((4, 5), draw)
    assert joint.shape == (2, 3) and np.array_equal(joint[1], draw(5)) and draw(5).shape == per_replica(5, draw).shape
    with pytest.raises(ValueError, match="must not be empty"):
        checked_seeds(())
    with pytest.raises(ValueError, match="one for each of 3 replicas"):
        checked_seeds((1, 2), 3)
    with pytest.raises(ValueError, match="no sequence, since there are no replicas"):
        checked_seeds((1, 2), 0)
