"""One more measure, as a plugin: ``dfanp parity --plugin tests/plugins/sizes.py``."""

import dfanp

size = lambda training: abs(training.network.W[-1]).mean(axis=(-2, -1))
dfanp.register(dfanp.Measure("size", size, title="Mean size of the last weights", low=0))
