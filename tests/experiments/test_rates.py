from itertools import product

import pytest

from dfanp.baselines import BASELINES
from dfanp.experiments.rates import default_rate, thesis_rate
from dfanp.feedback import DISTRIBUTIONS
from dfanp.optimizers import OPTIMIZERS
from dfanp.problems.datasets import NAMES
from dfanp.rules import RULES


@pytest.mark.parametrize("data", NAMES)
def test_there_is_a_rate_for_every_choice(data):
    for method, opt, feedback in product(RULES, OPTIMIZERS, DISTRIBUTIONS):
        lr, source = default_rate(data, method, opt, feedback)
        assert 1e-5 < lr < 10 and source, (method, opt, feedback)
    for method, opt in product(BASELINES, [*OPTIMIZERS, "adam:count=epochs"]):
        assert 1e-5 < default_rate(data, method, opt).lr < 10, (method, opt)


def test_published_rates():
    assert thesis_rate("bp", "sgd") == 0.12
    assert thesis_rate("dfa", "sgd", "standard-gaussian") == 0.001
    assert thesis_rate("dfa", "rmsprop") == 0.00022
    assert thesis_rate("ntk", "adadelta") == 0.05


@pytest.mark.parametrize("data", ["mnist", "fashion-mnist"])
@pytest.mark.parametrize("method", ["fa", "dfa"])
def test_dfa_with_rmsprop_has_the_published_rate(data, method):
    """Five seeds choose it, too. Twice that was the choice of one, and is worse over twelve."""
    lr, source = default_rate(data, method, "rmsprop")
    assert lr == thesis_rate("dfa", "rmsprop") and source.startswith("tuned on held-out MNIST images")
    assert default_rate(data, method, "rmsprop:rho=0.95").lr == lr
    assert default_rate(data, method, "adam").source.startswith("tuned on held-out MNIST images")
    assert default_rate("digits", method, "rmsprop").source.startswith("tuned on held-out digits")
