import numpy as np
import pytest

import dfanp
from dfanp.optimizers import OPTIMIZERS


def values(record):
    return [record.train_loss, record.train_accuracy, record.test_loss, record.test_accuracy]


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name], equal_nan=True) for name in a)


def test_a_record_an_epoch(make_training):
    training = make_training()
    records = list(training.epochs(3))
    assert [record.epoch for record in records] == [1, 2, 3] and training.epoch == 3 and training.status == "ok"
    assert all(isinstance(value, float) and np.isfinite(value) for value in values(records[0]))
    assert all(record.seconds > 0 and record.alignment is None for record in records)
    assert list(training.epochs(3)) == []


def test_one_step_by_hand(tiny):
    """A full batch of one epoch with SGD is one step down the gradient of the mean loss."""
    problem = dfanp.Parity(tiny, 2, train_size=8, test_size=8, dtype="float64")
    network = dfanp.MLP((problem.features, 5, 1), dtype="float64")
    before = {name: theta.copy() for name, theta in network.parameters.items()}
    training = dfanp.Training(network, problem, "bp", dfanp.SGD(0.1), batch_size=8)
    (record,) = training.epochs(1)
    X, y = (a if isinstance(a, np.ndarray) else a.dense() for a in problem.train(0, 1))
    h = np.maximum(X @ before["W0"], 0)
    z = h @ before["W1"]
    e = (1 / (1 + np.exp(-z)) - y) / 8
    np.testing.assert_allclose(network.W[1], before["W1"] - 0.1 * h.T @ e)
    np.testing.assert_allclose(network.W[0], before["W0"] - 0.1 * X.T @ (e @ before["W1"].T * (h > 0)))
    np.testing.assert_allclose(record.train_loss, np.mean(np.log1p(np.exp(np.where(y, -z, z)))))
    assert record.train_accuracy == np.mean((z > 0) == y)


def test_the_last_smaller_batch_has_the_mean_over_its_own_size(tiny):
    problem = dfanp.Parity(tiny, 2, train_size=5, test_size=5, dtype="float64")
    steps = []

    class Spy(dfanp.SGD):
        def step(self, backend, parameters, gradients, state, epoch=1):
            steps.append(gradients["W0"].dense())

    network = dfanp.MLP((problem.features, 1), dtype="float64")
    list(dfanp.Training(network, problem, "bp", Spy(0.1), batch_size=3).epochs(1))
    X, y = problem.train(0, 1)
    e = 1 / (1 + np.exp(-X.dense() @ network.W[0])) - y
    np.testing.assert_allclose(steps[1], X.dense()[3:].T @ e[3:] / 2)


def test_rules_that_are_compared_share_weights_and_data(make_training, monkeypatch):
    bp, dfa = make_training(rule="bp"), make_training(rule="dfa")
    assert np.array_equal(bp.network.W[0], dfa.network.W[0])
    list(bp.epochs(2))
    assert np.array_equal(bp.problem.train(0, 3)[0].dense(), dfa.problem.train(0, 3)[0].dense())


@pytest.mark.parametrize("opt", OPTIMIZERS)
@pytest.mark.parametrize("rule", ["bp", "fa", "dfa"])
@pytest.mark.parametrize("hidden, bias", [((7,), False), ((65, 3), True)])
def test_replicas_equal_solo_runs_bit_for_bit(make_training, opt, rule, hidden, bias):
    arguments = dict(rule=rule, optimizer=OPTIMIZERS[opt](0.02), hidden=hidden, bias=bias, align=True)
    joint = make_training(seed=(4, 0, 7), **arguments)
    joint_records = list(joint.epochs(2))
    for r, seed in enumerate((4, 0, 7)):
        solo = make_training(seed=seed, **arguments)
        assert list(solo.epochs(2)) == [record.replica(r) for record in joint_records]
        for name, theta in solo.network.parameters.items():
            assert np.array_equal(theta, joint.network.parameters[name][r])


def test_replicas_equal_solo_runs_at_the_size_of_the_experiment(make_training):
    """Wide layers and whole batches take BLAS's threaded paths, which small ones never see."""
    dataset = dfanp.load("digits")

    def train(seed):
        problem = dfanp.Parity(dataset, 3, train_size=1000, test_size=2500)
        network = dfanp.MLP((problem.features, 512, 1), seed=seed)
        training = dfanp.Training(network, problem, "dfa", dfanp.RMSProp(0.001))
        return list(training.epochs(2)), training

    records, joint = train((0, 1))
    for seed in (0, 1):
        solo_records, solo = train(seed)
        assert solo_records == [record.replica(seed) for record in records]
        assert np.array_equal(solo.network.W[0], joint.network.W[0][seed])


def test_one_rate_a_replica(make_training):
    joint = make_training(seed=(0, 0), optimizer=dfanp.SGD((0.01, 0.3)))
    records = list(joint.epochs(2))
    for r, rate in enumerate((0.01, 0.3)):
        assert list(make_training(optimizer=dfanp.SGD(rate)).epochs(2)) == [record.replica(r) for record in records]


@pytest.mark.parametrize("opt", OPTIMIZERS)
def test_resume_gives_the_same_bytes(make_training, opt):
    arguments = dict(optimizer=OPTIMIZERS[opt](0.02), hidden=(7, 5), bias=True)
    whole, first, second = (make_training(**arguments) for _ in range(3))
    records = list(whole.epochs(4))
    list(first.epochs(2))
    second.restore(first.arrays())
    assert list(second.epochs(4)) == records[2:]
    assert same(second.arrays(), whole.arrays())


def test_restore_refuses_what_does_not_fit_and_changes_nothing(make_training):
    training = make_training()
    before, good = training.arrays(), training.arrays()
    for change, message in (
        ({"parameters/W0": good["parameters/W0"][:, 1:]}, "parameters/W0 must be float32 of shape"),
        ({"parameters/W0": good["parameters/W0"].astype(float)}, "parameters/W0 must be float32"),
        ({"extra": np.zeros(1)}, "extra is not part of this run"),
        ({"epoch": np.array(3)}, "0 steps do not belong to 3 epochs"),
        ({"epoch": np.array(-1)}, "do not belong"),
    ):
        with pytest.raises(ValueError, match=message):
            training.restore(good | change)
    with pytest.raises(ValueError, match="feedback/B0 is missing"):
        training.restore({name: array for name, array in good.items() if name != "feedback/B0"})
    assert same(training.arrays(), before)


def test_a_torn_epoch_does_not_go_on_until_restored(make_training, monkeypatch):
    training, whole = make_training(), make_training()
    records = list(whole.epochs(2))
    list(training.epochs(1))
    before = training.arrays()

    def interrupted(signal, X):  # after the last step
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "means", interrupted)
    with pytest.raises(KeyboardInterrupt):
        training.run_epoch()
    monkeypatch.undo()
    with pytest.raises(RuntimeError, match="an epoch was cut off"):
        training.run_epoch()
    assert not same(training.arrays(), before)
    training.restore(before)
    assert list(training.epochs(2)) == records[1:]


def test_diverged_run_stops_with_its_epochs_so_far(make_training):
    training = make_training(rule="bp", optimizer=dfanp.SGD(1e30))
    assert list(training.epochs(5)) == [] and training.status == "diverged" and training.diverged


def test_one_diverging_replica_leaves_the_others_alone(make_training):
    joint = make_training(seed=(0, 0), rule="bp", optimizer=dfanp.SGD((1e30, 0.1)))
    records = list(joint.epochs(3))
    assert joint.status == ["diverged", "ok"] and len(records) == 3
    assert np.isnan(records[-1].test_loss[0])
    solo = make_training(rule="bp", optimizer=dfanp.SGD(0.1))
    assert list(solo.epochs(3)) == [record.replica(1) for record in records]


def test_output_layer_alone(make_training):
    training = make_training(layers="output", rule="bp", hidden=(7, 5))
    before = {name: theta.copy() for name, theta in training.network.parameters.items()}
    list(training.epochs(1))
    moved = [n for n, theta in training.network.parameters.items() if not np.array_equal(theta, before[n])]
    assert moved == ["W2"] and training.state.slots.keys() == {"W2"}


def test_feedback_is_never_trained(make_training):
    training = make_training()
    before = [b.copy() for b in training.B]
    list(training.epochs(2))
    assert all(np.array_equal(a, b) for a, b in zip(before, training.B, strict=True))


def test_alignment_is_measured_on_a_fixed_probe_and_disturbs_nothing(make_training):
    plain, measured = make_training(), make_training(align=True)
    for a, b in zip(plain.epochs(2), measured.epochs(2), strict=True):
        assert values(a) == values(b)
        assert len(b.alignment["feedback"]) == 1 and b.alignment["gradient"][-1] == 1
    assert make_training(rule="bp", align=True).run_epoch().alignment == {"feedback": [], "gradient": [1.0, 1.0]}


@pytest.mark.parametrize("seed", [0, (0, 3)])
@pytest.mark.parametrize("rule", ["bp", "fa", "dfa"])
@pytest.mark.parametrize("opt", OPTIMIZERS)
def test_runs_on_a_device_that_forbids_copies_to_the_host(make_training, strict_backend, opt, rule, seed):
    """The same code on array-api-strict, off the host, gives what NumPy gives: nothing in an epoch leaves the device."""
    arguments = dict(
        seed=seed, rule=rule, optimizer=OPTIMIZERS[opt](0.02), hidden=(7, 5), bias=True, dtype="float64", align=True
    )
    there, here = (make_training(backend=backend, **arguments) for backend in (strict_backend, None))
    for a, b in zip(there.epochs(2), here.epochs(2), strict=True):
        for name in ("train_loss", "test_loss", "test_accuracy"):
            np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-9)
        for kind in ("feedback", "gradient"):
            np.testing.assert_allclose(a.alignment[kind], b.alignment[kind], rtol=1e-6)
    again = make_training(backend=strict_backend, **arguments)
    again.restore(there.arrays())
    assert same(again.arrays(), there.arrays())


@pytest.mark.parametrize("activation", ["relu", "leaky-relu", "tanh", "sigmoid", "identity"])
@pytest.mark.parametrize("loss", ["bce", "cross-entropy", "mse"])
def test_every_activation_and_loss_off_the_host(rng, strict_backend, activation, loss):
    X, y = rng.standard_normal((20, 4)), np.eye(3)[rng.integers(0, 3, 20)]

    def train(backend):
        problem = dfanp.Arrays(X, y, loss=loss, dtype="float64", backend=backend)
        network = dfanp.MLP((4, 5, 3), activation, dtype="float64", backend=backend)
        return list(dfanp.Training(network, problem, "dfa", dfanp.SGD(0.1), batch_size=6).epochs(2))

    for there, here in zip(train(strict_backend), train(None), strict=True):
        measured = 2 if loss == "mse" else 4  # regression has no accuracy
        there, here = ([value for value in values(record) if value is not None] for record in (there, here))
        assert len(there) == len(here) == measured
        np.testing.assert_allclose(there, here, rtol=1e-9)


@pytest.mark.parametrize("seed", [0, (0, 1)])
def test_regression_has_losses_and_no_accuracy(rng, seed):
    X = rng.standard_normal((20, 4))
    problem = dfanp.Arrays(X, X[:, :2], loss="mse")
    network = dfanp.MLP((4, 5, 2), "tanh", seed=seed)
    records = list(dfanp.Training(network, problem, "dfa", dfanp.SGD(0.1), batch_size=5).epochs(30))
    assert all(record.train_accuracy is None and record.test_accuracy is None for record in records)
    assert np.all(records[-1].test_loss < 0.5 * records[0].test_loss)
    if seed:
        solo = records[-1].replica(1)
        assert solo.test_accuracy is None and solo.test_loss == records[-1].test_loss[1]


def test_dfa_learns_and_a_lazy_network_does_not():
    dataset = dfanp.load("digits")

    def accuracy(**more):
        problem = dfanp.Parity(dataset, 3, train_size=30_000, test_size=2000)
        network = dfanp.MLP((problem.features, 128, 1))
        training = dfanp.Training(network, problem, "dfa", dfanp.RMSProp(0.002), **more)
        return [record.test_accuracy for record in training.epochs(5)][-1]

    assert accuracy() > 0.7 and accuracy(layers="output") < 0.55


def test_arguments_that_do_not_fit(make_training, tiny):
    problem = dfanp.Parity(tiny, 2, train_size=50)
    network = dfanp.MLP((24, 5, 1))
    for bad, message in (
        (dict(network=dfanp.MLP((23, 5, 1))), "must lead from 24 features to 1 outputs"),
        (dict(network=dfanp.MLP((24, 5, 1), dtype="float64")), "same dtype and backend"),
        (dict(batch_size=0), "batch_size must be a whole number of at least 1"),
        (dict(batch_size=51), "at most the 50 examples"),
        (dict(rule="hebb"), "unknown rule"),
        (dict(layers="first"), "layers must be"),
        (dict(seed=(1, 2)), "seed must be one number"),
        (dict(seed=-1), "seed must be a whole number"),
        (dict(feedback=dfanp.Feedback(seed=(1, 2))), "seed must be one number"),
    ):
        with pytest.raises(ValueError, match=message):
            dfanp.Training(
                **(dict(network=network, problem=problem, rule="bp", optimizer=dfanp.SGD(0.1), batch_size=16) | bad)
            )
    with pytest.raises(TypeError, match="feedback must be a dfanp.Feedback"):
        dfanp.Training(network, problem, "bp", dfanp.SGD(0.1), "uniform", batch_size=16)
    with pytest.raises(TypeError, match="optimizer must be one of dfanp's"):
        dfanp.Training(network, problem, "bp", "sgd", batch_size=16)


WEIGHTS = np.random.default_rng(0).random(40) + 0.1


def weighted_training(rule, weights=WEIGHTS, seed=0, backend=None, batch_size=40, X=None, **more):
    rng = np.random.default_rng(1)
    drawn, y = rng.normal(size=(40, 5)), (rng.random((40, 1)) < 0.5).astype(float)
    problem = dfanp.Arrays(drawn if X is None else X, y, dtype="float64", backend=backend, weights=weights)
    network = dfanp.MLP((5, 4, 3, 1), "tanh", True, "float64", seed, backend)
    return dfanp.Training(network, problem, rule, dfanp.SGD(0.5), batch_size=batch_size, **more)


@pytest.mark.parametrize("rule", dfanp.rules.RULES)
def test_weights_change_what_every_rule_learns_from_the_output(rule):
    plain, weighed, alike = (weighted_training(rule, w) for w in (None, WEIGHTS, np.full(40, 3.0)))
    losses = [next(training.epochs(1)).train_loss for training in (plain, weighed, alike)]
    assert losses[0] == pytest.approx(losses[2]) and losses[0] != pytest.approx(losses[1], rel=1e-3)
    found = [
        np.concatenate([a.ravel() for a in each.network.parameters.values()]) for each in (plain, weighed, alike)
    ]
    np.testing.assert_allclose(found[0], found[2], atol=1e-12)
    assert abs(found[0] - found[1]).max() > 1e-4


@pytest.mark.parametrize("rule", ["bp", "fa", "dfa"])
def test_weighted_replicas_are_their_solo_runs(rule):
    joint = weighted_training(rule, seed=(0, 1), batch_size=16)
    records = list(joint.epochs(2))
    for r in (0, 1):
        solo = weighted_training(rule, seed=r, batch_size=16)
        assert [each.train_loss for each in solo.epochs(2)] == pytest.approx(
            [record.train_loss[r] for record in records]
        )
        np.testing.assert_allclose(joint.network.W[0][r], solo.network.W[0], atol=1e-12)


def test_weights_on_another_device(strict_backend):
    here, there = (
        weighted_training("dfa", batch_size=16),
        weighted_training("dfa", batch_size=16, backend=strict_backend),
    )
    assert [r.train_loss for r in here.epochs(2)] == pytest.approx([r.train_loss for r in there.epochs(2)])
