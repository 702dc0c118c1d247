"""One more setting for parity, as a plugin: ``dfanp parity --plugin tests/plugins/noisy.py --noise 0.1``."""

import dfanp
from dfanp.settings import ParitySettings, setting
from dfanp.streams import per_replica, streams


@dfanp.register
class NoisyParity(ParitySettings):
    noise: float = setting(0.0, "Share of the training labels that are turned around.", least=0, most=1)

    def problem(self, dataset, backend):
        made = super().problem(dataset, backend)
        made.__class__, made.noise = Noisy, self.noise
        return made


class Noisy(dfanp.Parity):
    """Parity, of whose training labels some are wrong."""

    def train(self, seed, epoch):
        X, y = super().train(seed, epoch)
        turned = per_replica(seed, lambda one: streams(one).rule(epoch, 0).random((self.train_size, 1)) < self.noise)
        return X, self.backend.asarray(abs(y - self.backend.asarray(turned, self.dtype)))
