"""Alignment over training: figures 3.2 and 3.5.

Published: on the last batch, bugs included; corrected: on fixed examples.
"""

from .experiment import PUBLISHED, Experiment, parity_series

EPOCHS = 50
RATES = {"sgd": 0.016, "rmsprop": 0.00022}  # for 50 epochs; Demirbilek 2021


def dfa(label, mode, scale, opt):
    published = mode == PUBLISHED
    how = dict(align="published" if published else True, lr=RATES[opt] if published and not scale.quick else None)
    return parity_series(label, scale, mode, opt=opt, epochs=EPOCHS, **how)


def of_sgd(mode, scale):
    """Figure 3.2: DFA with SGD for 50 epochs, compared with BP with SGD for 20."""
    return [dfa("DFA, SGD", mode, scale, "sgd"), parity_series("BP, SGD", scale, mode, method="bp", opt="sgd")]


def of_optimizers(mode, scale):
    """Figure 3.5: the alignment of DFA with SGD and with RMSProp."""
    return [dfa("SGD", mode, scale, "sgd"), dfa("RMSProp", mode, scale, "rmsprop")]


MEASURES = ("test_accuracy", "alignment")
EXPERIMENTS = (
    Experiment("3.2", "DFA aligns as it learns", "alignment", of_sgd, measures=MEASURES),
    Experiment("3.5", "Alignment with SGD and with RMSProp", "alignment", of_optimizers, measures=MEASURES),
)
