import pytest

from dfanp.experiments.rates import default_rate
from dfanp.feedback import DISTRIBUTIONS
from dfanp.optimizers import OPTIMIZERS
from dfanp.problems.datasets import NAMES
from dfanp.rules import RULES


@pytest.mark.parametrize("data", NAMES)
@pytest.mark.parametrize("method", RULES)
@pytest.mark.parametrize("opt", OPTIMIZERS)
@pytest.mark.parametrize("feedback", DISTRIBUTIONS)
def test_there_is_a_rate_for_every_choice(data, method, opt, feedback):
    lr, source = default_rate(data, method, opt, feedback)
    assert 1e-5 < lr < 10 and source


@pytest.mark.parametrize(
    "method, opt, feedback, lr",
    [
        ("bp", "sgd", "uniform", 0.12),
        ("dfa", "rmsprop", "uniform", 0.00022),
        ("fa", "rmsprop", "uniform", 0.00022),
        ("dfa", "sgd", "standard-gaussian", 0.001),
        ("bp", "sgd", "standard-gaussian", 0.12),
        ("bp", "momentum", "uniform", 0.012),
    ],
)
def test_published_rates(method, opt, feedback, lr):
    assert default_rate("mnist", method, opt, feedback).lr == lr
