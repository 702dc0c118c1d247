import numpy as np
import pytest

import dfanp
from dfanp.runs.run import build
from dfanp.settings import TeacherSettings


def test_targets_are_those_of_the_teacher():
    problem = dfanp.Teacher(40, 3, test_size=500, noise=0.5)
    X, y = problem.test(0, 1)
    assert X.shape == (500, 40) and problem.W.shape == (40, 3) and problem.features == problem.train_size == 40
    teacher = dfanp.MLP([40, 3, 1], "erf", dtype="float64")
    teacher.load({"W0": problem.W, "W1": problem.A[:, None]})
    np.testing.assert_allclose(y, teacher.forward(X)[-1], atol=1e-12)
    X, y = dfanp.Teacher(40, 3, noise=0.5, train_size=4000).train(0, 1)
    assert np.std(y - teacher.forward(X)[-1]) == pytest.approx(0.5, rel=0.05)
    assert abs(X.mean()) < 0.01 and X.std() == pytest.approx(1, abs=0.01)


def test_examples_depend_on_seed_and_epoch_alone():
    problem = dfanp.Teacher(6, train_size=5)
    both, alone, later = problem.train((0, 1), 2), problem.train(1, 2), problem.train(1, 3)
    for joint, own, other in zip(both, alone, later, strict=True):
        assert joint.shape == (2, *own.shape) and np.array_equal(joint[1], own) and not np.array_equal(own, other)
    assert not np.array_equal(problem.W, dfanp.Teacher(6, seed=1).W)
    half = dfanp.Teacher(6, dtype="float32").test(0, 1)
    assert {each.dtype for each in half} == {np.dtype("float32")} and len(problem.probe(0)[0]) == 1000


def test_the_output_layer_may_have_its_own_rate():
    lr_of = lambda **given: build(TeacherSettings(lr=0.1, inputs=4, test_size=2, **given)).optimizer.lr
    assert lr_of() == 0.1 and lr_of(lr_output=0.2) == {0: 0.1, 1: 0.2}
    assert lr_of(lr_output=0.2, hidden=(3, 2), repeats=2) == {0: 0.1, 1: 0.1, 2: 0.2}
    assert TeacherSettings(lr=0.1, inputs=50).starting_rate().lr == 0.002


@pytest.mark.parametrize(
    "given, message",
    [
        ({"inputs": 0}, "inputs must be a whole number from 1"),
        ({"teacher_units": 1.5}, "teacher_units must be"),
        ({"teacher_activation": "sin"}, "teacher_activation must be 'erf', 'linear', 'relu' or 'tanh', got 'sin'"),
        ({"noise": -1}, "noise must be at least 0"),
        ({"train_size": 0}, "train_size must be a whole number"),
        ({"test_size": None}, "test_size must be"),
        ({"seed": -1}, "teacher_seed must be"),
        ({"dtype": "int8"}, "unknown dtype 'int8'"),
    ],
)
def test_what_does_not_fit(given, message):
    with pytest.raises(ValueError, match=message):
        dfanp.Teacher(**given)


ODE = dict(lr=0.02, inputs=50, test_size=500, hidden=(2,), feedback="standard-gaussian", epochs=4)


@pytest.mark.parametrize("more", [{"method": "bp"}, {"method": "dfa", "lr_output": 0.01, "train_size": 100}])
def test_the_theory_begins_where_a_run_begins_and_goes_its_way(more):
    settings = TeacherSettings(**ODE | more, repeats=3)
    start, *later = settings.theory([0, 1, 2, 4])
    problem = settings.problem(None, dfanp.Backend("cpu", kernels="numpy"))
    X, y = problem.test(0, 1)
    losses = [np.mean((settings.network(problem, seed).forward(X)[-1] - y) ** 2) / 2 for seed in settings.seeds]
    assert start == pytest.approx(np.mean(losses), rel=0.1)  # of 500 examples
    rows = [list(build(settings).epochs(4))[epoch - 1].test_loss for epoch in (1, 2, 4)]
    np.testing.assert_allclose(later, np.mean(rows, axis=1), rtol=0.2)  # 50 inputs are few
    assert later[0] > later[-1]


@pytest.mark.parametrize(
    "more",
    [
        {"hidden": (2, 2)},
        {"bias": True},
        {"opt": "momentum"},
        {"schedule": "linear"},
        {"batch_size": 2},
        {"activation": "relu", "teacher_activation": "relu"},
        {"activation": "identity"},
        {"method": "drtp"},
        {"layers": "output"},
        {"weight_decay": 0.1},
        {"lr": 1e6},
        {"hidden": (20,)},
        {"repeats": 30},
    ],
)
def test_where_the_equations_do_not_hold_or_take_long_there_is_no_theory(more):
    assert TeacherSettings(**ODE | more).theory([1, 2]) is None
    assert dfanp.settings.ParitySettings(lr=0.1).theory([1]) is None
