"""Images with labels, and data sets of them."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..errors import DataError

LABELS = 10  # number of classes of a data set


@dataclass(frozen=True)
class Images:
    """Images as rows: pixels uint8 (n, pixels), labels uint8 (n,) in 0 … 9."""

    pixels: np.ndarray
    labels: np.ndarray

    def __repr__(self) -> str:
        return f"Images({len(self)} of {self.pixels.shape[1]} pixels)"

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, which):
        return Images(self.pixels[which], self.labels[which])


@dataclass(frozen=True)
class Dataset:
    """Training and test images, and the normalisation (raw - mean) / std that they share."""

    name: str
    train: Images
    test: Images
    mean: float
    std: float
    side: int  # of the square images, in pixels

    def __repr__(self) -> str:
        size = f"{self.side} × {self.side}" if self.side else f"{self.train.pixels.shape[1]}"
        return f"Dataset({self.name}, {len(self.train)} training and {len(self.test)} test images of {size} pixels)"

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of pixels, labels and normalisation: equal data have equal digests."""
        content = hashlib.sha256(f"{self.mean} {self.std} {self.side}".encode())
        for images in (self.train, self.test):
            content.update(f"{images.pixels.shape}".encode() + images.pixels.tobytes() + images.labels.tobytes())
        return content.hexdigest()

    def hold_out(self, every: int = 5) -> "Dataset":
        """Return a Dataset without the test images: every `every`-th training image of each class is its test set.

        Hyperparameters are chosen on it, so that the real test images affect no choice.

        Raises:
            DataError: no class has this many images.
        """
        held = every_nth(self.train.labels, every)
        if not held.any():
            raise DataError(f"{self.name}: nothing can be held out, no class has {every} training images")
        return Dataset(f"{self.name}, held out", self.train[~held], self.train[held], self.mean, self.std, self.side)


def every_nth(labels, n):
    """Return a mask of every n-th example of each class, in their order: a fixed stratified split."""
    mask = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        mask[np.flatnonzero(labels == label)[n - 1 :: n]] = True
    return mask


def assembled(name, found, normalisation):
    """Return the Dataset of four arrays, part -> (path, array); a DataError names one with another format."""
    for part, (path, array) in found.items():
        if array.dtype != np.uint8 or array.ndim != (3 if part.endswith("images") else 1):
            raise DataError(f"{path}: holds {array.dtype} of shape {array.shape}, not {part.replace('_', ' ')}")
    side = found["train_images"][1].shape[1]
    sets = {}
    for part in ("train", "test"):
        (path, pixels), (place, labels) = found[f"{part}_images"], found[f"{part}_labels"]
        if len(pixels) != len(labels) or len(labels) == 0:
            raise DataError(f"{path.parent}: {len(pixels)} {part} images, but {len(labels)} labels")
        if pixels.shape[1:] != (side, side) or side == 0:
            pixels_of = " × ".join(map(str, pixels.shape[1:]))
            raise DataError(
                f"{path}: images must be square, and test images as large as training images, got {pixels_of} pixels"
            )
        if labels.max() >= LABELS:
            raise DataError(
                f"{place}: labels must be 0 … {LABELS - 1}, got {labels.max()} (dfanp.Arrays takes any targets)"
            )
        sets[part] = Images(pixels.reshape(len(pixels), -1), labels)
    mean, std = normalisation or moments(sets["train"].pixels)
    if std == 0:
        raise DataError(f"{found['train_images'][0]}: all pixels are {mean:g}")
    return Dataset(name, sets["train"], sets["test"], mean, std, side)


def moments(pixels):
    """Return mean and standard deviation of uint8 values, from sums of whole numbers, so that they are exact."""
    counts = np.bincount(pixels.reshape(-1), minlength=256)
    values, total = np.arange(256), int(counts.sum())
    mean = int(counts @ values) / total
    return mean, (int(counts @ values**2) / total - mean**2) ** 0.5
