import numpy as np
import pytest

import dfanp
from dfanp.convolution import Convolutional
from dfanp.runs.run import build
from dfanp.settings import ConvSettings

SMALL = dict(lr=0.01, data="digits", patch=3, filters=2, hidden=(5,), train_size=40, test_size=20, batch_size=20)


def test_settings_make_the_network_and_its_frozen_filters():
    for first_layer in ("trained", "frozen"):
        training = build(ConvSettings(**SMALL, first_layer=first_layer, repeats=2, kernels="numpy"))
        network, before = training.network, training.network.W[0].copy()
        assert (
            isinstance(network, Convolutional)
            and network.sizes == (64, 18, 5, 10)
            and network.W[0].shape == (2, 9, 2)
        )
        list(training.epochs(1))
        assert np.array_equal(before, network.W[0]) == (first_layer == "frozen")
    settings = ConvSettings(**SMALL)
    assert settings.widths(64) == (18, 5) and settings.hidden_layers == 2 and settings.starting_rate().lr == 0.001


@pytest.mark.parametrize(
    "given, line",
    [
        (dict(method="pepita"), "another shape"),
        (dict(method="ntk"), "lazy baseline"),
        (dict(patch=9), "patch must be a whole number from 1 to 8"),
        (dict(pool=7), "pool must be a whole number from 1 to 6"),
    ],
)
def test_what_no_convolution_can_be(given, line):
    with pytest.raises(ValueError, match=line):
        build(ConvSettings(**SMALL | given, kernels="numpy"))


def test_a_first_layer_is_trained_or_frozen():
    with pytest.raises(ValueError, match="first_layer must be"):
        ConvSettings(**SMALL, first_layer="thawed")
    assert dfanp.problems.PROBLEMS["conv"] is ConvSettings
