"""What was run where it is not what was meant: weights drawn anew, alignment on the last batch, Adam that counts epochs."""

from functools import partial

import numpy as np
import pytest

import dfanp
from dfanp import optimizers, rules
from dfanp.experiments.published import (
    EpochAdam,
    PublishedParity,
    PublishedSynthetic,
    PublishedTraining,
    published_alignment,
)
from dfanp.runs.run import build
from dfanp.settings import ParitySettings, SyntheticSettings, from_config, made


@pytest.fixture
def make_published(make_training):
    return partial(make_training, kind=PublishedTraining)


def test_redrawn_weights_keep_feedback_and_state(make_training, make_published):
    """As Demirbilek 2021 repeated runs: weights and data of the next seed, but the B and the state of the repeat before."""
    chained = make_published(seed=5, redraw=2)
    first = make_training(seed=5)
    records = []
    for _ in range(2):
        records.append((chained.run_epoch(), first.run_epoch()))
    assert all(one == two for one, two in records)
    B, state = chained.B[0].copy(), chained.arrays()["optimizer/W0/v"]
    # The second repeat by hand: a network of seed 6, with the B and the state of the first.
    second = make_training(seed=6)
    second.B[0][...] = B
    for name, slots in first.state.slots.items():
        for slot, array in vars(slots).items():
            getattr(second.state.slots[name], slot)[...] = array
    second.state.step = first.state.step
    for epoch in (3, 4):
        ours, theirs = chained.run_epoch(), second.run_epoch()
        assert ours.epoch == epoch and ours.test_loss == theirs.test_loss and ours.train_loss == theirs.train_loss
    assert np.array_equal(chained.B[0], B) and not np.array_equal(chained.arrays()["optimizer/W0/v"], state)


def test_a_redrawn_run_resumes(make_published):
    whole, cut, again = (make_published(redraw=2) for _ in range(3))
    for _ in range(5):
        last = whole.run_epoch()
    for _ in range(3):
        cut.run_epoch()
    again.restore(cut.arrays())
    assert [again.run_epoch() for _ in range(2)][-1] == last


def test_redrawn_replicas_are_solo_runs(make_published):
    joint = make_published(seed=(4, 7), redraw=2)
    records = [joint.run_epoch() for _ in range(3)]
    for r, seed in enumerate((4, 7)):
        solo = make_published(seed=seed, redraw=2)
        assert [solo.run_epoch() for _ in range(3)] == [record.replica(r) for record in records]


@pytest.mark.parametrize("redraw", [0, True, 1.5, "2"])
def test_redraw_must_be_a_number_of_epochs(make_published, redraw):
    with pytest.raises(ValueError, match="redraw must be"):
        make_published(redraw=redraw)


@pytest.mark.parametrize("batch_size", [16, 25, 50])
def test_published_alignment_changes_no_training(make_training, make_published, batch_size):
    plain = make_training(batch_size=batch_size, dtype="float64").run_epoch()
    measured = make_published(batch_size=batch_size, dtype="float64", align="published").run_epoch()
    assert measured.test_loss == pytest.approx(plain.test_loss, rel=1e-12)
    assert measured.train_accuracy == pytest.approx(plain.train_accuracy) and len(measured.alignment["gradient"]) == 2


def test_published_alignment_needs_one_hidden_layer(make_published):
    with pytest.raises(ValueError, match="one hidden layer"):
        make_published(hidden=(5, 5), align="published")


def test_published_is_row_by_row_after_the_step(rng):
    network = dfanp.MLP((5, 4, 1), dtype="float64")
    X, y, B = rng.normal(size=(6, 5)), np.ones((6, 1)), [rng.normal(size=(1, 4))]
    X[:, 2] = 0.0  # an input that is always zero has no gradient: it counts 0, and is no NaN
    h = network.forward(X)
    e = dfanp.losses.get("bce").error(np, h[-1], y)
    found = published_alignment(rules.get("dfa"), network, B, h, e)
    active = np.sign(h[1])
    fed_back, exact = X.T @ ((e @ B[0]) * active), X.T @ ((e @ network.W[1].T) * active)
    rows = [
        a @ b / np.sqrt((a @ a) * (b @ b)) for i, (a, b) in enumerate(zip(fed_back, exact, strict=True)) if i != 2
    ]
    assert found["gradient"][0] == pytest.approx(sum(rows) / 5) and found["gradient"][1] == 1
    aligned = published_alignment(rules.get("dfa"), network, [network.W[1].T], h, e)
    assert aligned["gradient"][0] == pytest.approx(4 / 5) and aligned["feedback"][0] == pytest.approx(1)


@pytest.mark.parametrize("kernels", ["numpy", "auto"])
@pytest.mark.parametrize("hidden", [(7,), (7, 5)])
def test_adam_that_counts_epochs_trains_as_its_equation_says(make_training, kernels, hidden):
    """In its first epoch all updates are corrected as the first one: beside Adam, from the second update on."""
    kinds, batch = (EpochAdam, dfanp.Adam), 25  # two updates in an epoch of 50
    backend = dfanp.Backend("cpu", kernels=kernels)
    by_epochs, by_steps = (
        make_training(optimizer=kind(0.01), hidden=hidden, batch_size=batch, dtype="float64", backend=backend)
        for kind in kinds
    )
    before = by_steps.network.W[-1].copy()
    X, y = by_steps.problem.train(0, 1)
    by_steps.learn(X[:25], y[:25], 1)
    first = by_steps.network.W[-1].copy()
    by_steps.learn(X[25:], y[25:], 1)
    by_epochs.run_epoch()
    assert not np.array_equal(first, before)
    s = by_steps.state.slots[f"W{len(hidden)}"]
    # The moments are those of Adam, since both see the same two gradients; the second step is corrected by t = 1.
    second = 0.01 * s.m / (1 - 0.9) / np.sqrt(s.v / (1 - 0.999) + 1e-8)
    np.testing.assert_allclose(by_epochs.network.W[-1], first - second, rtol=1e-9)
    assert not np.allclose(by_epochs.network.W[-1], by_steps.network.W[-1])


def test_the_text_of_adam_that_counts_epochs():
    kind, found = optimizers.parse("adam:eps_placement=outside:count=epochs")
    assert kind is EpochAdam and found == {"eps_placement": "outside"}
    canonical = optimizers.canonical
    assert canonical("adam:eps_placement=outside:count=epochs") == "adam:count=epochs:eps_placement=outside"
    assert canonical("adam:count=epochs:eps_placement=inside") == "adam:count=epochs"
    assert "adam:count=epochs" not in list(optimizers.OPTIMIZERS)  # lists and help have the optimizers' plain names
    with pytest.raises(ValueError, match="unknown hyperparameter of adam 'count'"):
        optimizers.parse("adam:count=days")


@pytest.mark.parametrize(
    "kind, of_kind", [(ParitySettings, PublishedParity), (SyntheticSettings, PublishedSynthetic)]
)
def test_settings_are_those_of_published_runs_only_where_they_ask_for_it(kind, of_kind):
    plain = made(kind, lr=0.1, align=True)
    assert type(plain) is kind and "redraw" not in plain.config()
    for asked in ({"redraw": 2}, {"align": "published"}, {"redraw": 2, "align": "published"}):
        settings = made(kind, lr=0.1, **asked)
        assert type(settings) is of_kind and settings == from_config(settings.config(), "config.json")
        assert settings.config()["problem"] == kind.name and settings.config().items() >= asked.items()


def test_published_settings_build_a_published_training():
    training = build(made(SyntheticSettings, lr=0.1, redraw=2, align="published", n=8, d=3, test_points=8))
    assert type(training) is PublishedTraining and training.redraw == 2 and training.as_published
