"""The same runs on a GPU; skipped, with the reason, where there is none."""

import numpy as np
import pytest

import dfanp
from dfanp.backend import usable_cupy
from dfanp.optimizers import OPTIMIZERS

WHY_NOT = usable_cupy()[1]
pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=f"no GPU: {WHY_NOT}")


@pytest.mark.parametrize("seed", [0, (0, 3)])
@pytest.mark.parametrize("rule", ["bp", "fa", "dfa"])
@pytest.mark.parametrize("opt", OPTIMIZERS)
def test_a_run_agrees_with_the_cpu(make_training, opt, rule, seed):
    arguments = dict(seed=seed, rule=rule, optimizer=OPTIMIZERS[opt](0.02), hidden=(7, 5), bias=True, dtype="float64")
    there, here = (make_training(backend=dfanp.Backend(device), align=True, **arguments) for device in ("gpu", "cpu"))
    for a, b in zip(there.epochs(2), here.epochs(2), strict=True):
        np.testing.assert_allclose(a.test_loss, b.test_loss, rtol=1e-8)
        np.testing.assert_allclose(a.alignment["gradient"], b.alignment["gradient"], rtol=1e-6)
    again = make_training(backend=dfanp.Backend("gpu"), align=True, **arguments)
    again.restore(there.arrays())
    for name, array in there.arrays().items():
        assert np.array_equal(again.arrays()[name], array)


def test_the_experiment_agrees_with_the_cpu():
    digits = dfanp.load("digits")

    def accuracies(device):
        backend = dfanp.Backend(device)
        problem = dfanp.Parity(digits, 3, backend=backend)
        network = dfanp.MLP((problem.features, 512, 1), backend=backend)
        return [r.test_accuracy for r in dfanp.Training(network, problem, "dfa", dfanp.RMSProp(0.001)).epochs(10)]

    assert accuracies("gpu")[-1] == pytest.approx(accuracies("cpu")[-1], abs=0.03)
