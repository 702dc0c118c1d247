"""The additional settings of problems with a stored data set."""

from dataclasses import replace
from functools import lru_cache

import dfanp

from ..errors import DataError
from .fields import setting


def data_set(default):
    """Return the field of the setting ``data``."""
    return setting(
        default,
        "Data set; idx:DIR: your own images in the format of MNIST.",
        names=lambda: dfanp.problems.datasets.NAMES,
        auto="MNIST if available, else the embedded digits",
        swept=False,
    )


@lru_cache
def _loaded(name, folder):
    return dfanp.load(name, folder)


class OfDataset:
    """A base, before ``TrainingSettings``, for settings with these fields:

    data: str = data_set("digits")    the name of a data set
    held_out: bool = False            test on held-out training images instead of the test images (for tuning)
    data_sha256: str | None = None    ``Dataset.digest`` of the data; None accepts any
    """

    @classmethod
    def decided(cls, given, data_dir=None):
        found = super().decided(given, data_dir)
        return found | {
            "data": [dfanp.problems.datasets.resolve(name, data_dir) for name in found.get("data", ["auto"])]
        }

    def loading(self):
        return _loaded, self.data

    def dataset(self, data_dir=None):
        return dfanp.load(self.data, data_dir)

    def about_data(self, data_dir=None):
        return [("data", dfanp.problems.datasets.title(self.data))]

    def images(self, dataset):
        """Return the Dataset for training and test."""
        return dataset.hold_out() if self.held_out else dataset

    def agreed(self, dataset):
        if self.data_sha256 not in (None, dataset.digest):
            raise DataError(f"{self.data}: the data have the SHA-256 {dataset.digest}, not {self.data_sha256}")
        return replace(super().agreed(dataset), data_sha256=dataset.digest)
