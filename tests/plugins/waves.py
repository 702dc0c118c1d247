"""A problem of regression, as a plugin: ``dfanp waves --plugin tests/plugins/waves.py``."""

import numpy as np

import dfanp
from dfanp.settings import TrainingSettings


@dfanp.register
class WaveSettings(TrainingSettings):
    """Train a network to follow a sine."""

    lr: float = 0.01
    opt: str = "adam"
    batch_size: int = 16
    name = "waves"
    about = "a sine"

    def problem(self, dataset, backend):
        X = np.linspace(-1, 1, 64)[:, None]
        return dfanp.Arrays(X, np.sin(3 * X), loss="mse", dtype=self.dtype, backend=backend)
