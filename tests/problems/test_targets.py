import numpy as np
import pytest

import dfanp
from dfanp.experiments.when_aligned import by_theory
from dfanp.runs.run import build
from dfanp.settings import TargetsSettings

CPU = dfanp.Backend("cpu", threads=1, kernels="numpy")


def test_targets_are_linear_with_the_condition_and_noise_that_were_asked_for():
    problem = dfanp.problems.Targets(12, 4, condition=30, noise=0.5, train_size=3000, test_size=10, backend=CPU)
    s = np.linalg.svd(problem.map(3), compute_uv=False)
    np.testing.assert_allclose(s, np.geomspace(1, 1 / 30, 4))
    X, y = problem.test(3, 1)
    np.testing.assert_allclose(y, X @ problem.map(3), atol=1e-12)
    X, y = problem.train(3, 2)
    assert np.std(y - X @ problem.map(3)) == pytest.approx(0.5, rel=0.05)


def test_examples_depend_on_seed_and_epoch_alone():
    problem = dfanp.problems.Targets(6, 2, train_size=5, backend=CPU)
    both, alone, later = problem.train((0, 1), 2), problem.train(1, 2), problem.train(1, 3)
    for joint, own, other in zip(both, alone, later, strict=True):
        assert joint.shape == (2, *own.shape) and np.array_equal(joint[1], own) and not np.array_equal(own, other)


@pytest.mark.parametrize(
    "more", [{}, {"condition": 30.0}, {"noise": 1.0}, {"hidden": (6,)}, {"feedback": "gaussian:rank=2"}]
)
def test_a_run_from_zero_ends_as_the_theory_says(more):
    given = dict(lr=0.02, method="dfa", feedback="orthogonal", epochs=2, hidden=(8, 7), align=True, kernels="numpy")
    given |= dict(inputs=6, targets=3, train_size=60, test_size=5)
    settings = TargetsSettings(**given | more)
    *_, last = build(settings).epochs(2)
    np.testing.assert_allclose(by_theory(settings), last.alignment["gradient"], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    "given, line",
    [
        (dict(inputs=2, targets=3), "targets must be at most the 2 inputs"),
        (dict(condition=0.5), "condition must be"),
        (dict(noise=float("nan")), "noise must be"),
        (dict(train_size=0), "train_size must be"),
        (dict(dtype="float16"), "float16"),
    ],
)
def test_wrong_arguments(given, line):
    with pytest.raises(ValueError, match=line):
        dfanp.problems.Targets(**given, backend=CPU)
