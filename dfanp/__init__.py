"""Learning without backpropagation: a readable reference implementation of BP, FA, DFA and fifteen other rules.

    import dfanp

    problem = dfanp.Parity(dfanp.load("digits"), k=3)
    network = dfanp.MLP([problem.features, 512, 1], seed=0)
    training = dfanp.Training(network, problem, rule="dfa", optimizer=dfanp.RMSProp(lr=1e-3))
    for record in training.epochs(20):
        print(record.epoch, record.test_accuracy)

Read the modules in this order: activations, losses, feedback, network, gradients, rules, optimizers, training.
"""

from typing import TYPE_CHECKING

from .system.lazy import names_of
from .version import __version__

if TYPE_CHECKING:  # for editors; each is imported at its first use, so that the command line starts quickly
    from .activations import Activation
    from .backend import Backend
    from .errors import BackendError, DataError, DfanpError, PluginError, RecordError, RecordWarning
    from .feedback import Feedback
    from .kernels import KernelWarning
    from .losses import Loss
    from .measures import Measure
    from .network import MLP
    from .optimizers import SGD, Adadelta, Adagrad, Adam, Momentum, Nesterov, Optimizer, RMSProp
    from .problems import Arrays, Classes, Parity, Synthetic, Teacher, load
    from .registry import register
    from .reports import report
    from .rules import Rule
    from .schedules import Schedule
    from .sweeps import grids, tuning
    from .training import Record, Training

HOMES = {
    "activations": "Activation",
    "backend": "Backend",
    "errors": "BackendError DataError DfanpError PluginError RecordError RecordWarning",
    "feedback": "Feedback",
    "kernels": "KernelWarning",
    "losses": "Loss",
    "measures": "Measure",
    "network": "MLP",
    "optimizers": "SGD Adadelta Adagrad Adam Momentum Nesterov Optimizer RMSProp",
    "problems": "Arrays Classes Parity Synthetic Teacher load",
    "registry": "register",
    "reports": "report",
    "rules": "Rule",
    "schedules": "Schedule",
    "sweeps": "grids tuning",
    "training": "Record Training",
}
__getattr__, __dir__ = names_of(__name__, HOMES)

__all__ = [
    "MLP",
    "SGD",
    "Activation",
    "Adadelta",
    "Adagrad",
    "Adam",
    "Arrays",
    "Backend",
    "BackendError",
    "Classes",
    "DataError",
    "DfanpError",
    "Feedback",
    "KernelWarning",
    "Loss",
    "Measure",
    "Momentum",
    "Nesterov",
    "Optimizer",
    "Parity",
    "PluginError",
    "RMSProp",
    "Record",
    "RecordError",
    "RecordWarning",
    "Rule",
    "Schedule",
    "Synthetic",
    "Teacher",
    "Training",
    "__version__",
    "grids",
    "load",
    "register",
    "report",
    "tuning",
]
