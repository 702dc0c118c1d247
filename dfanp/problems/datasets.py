"""The image sets that problems draw from, and where they are found.

MNIST and Fashion-MNIST are files that a user has or fetches (``download.py``); the 8 × 8 digits come with
scikit-learn and are always there. Nothing here goes to the network.
"""

import hashlib
import importlib.util
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import DataError, by_name
from .idx import read_idx

FILES = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}


class Source(NamedTuple):
    """An IDX data set: what its files must be, and where they can be had.

    Attributes:
        title: for people.
        megabytes: of the download.
        sha256: file -> digest of the uncompressed content (gzip wrappers differ between mirrors); empty where md5 is
            set.
        md5: file -> digest of the .gz file, for a publisher who gives only that.
        mirrors: base addresses, tried in turn.
        normalisation: (mean, std) of a raw pixel; None takes those of the training images.
    """

    title: str
    megabytes: int
    sha256: dict
    md5: dict
    mirrors: tuple
    normalisation: tuple | None


SOURCES = {
    "mnist": Source(
        "MNIST, 70 000 handwritten digits of 28 × 28 pixels",
        11,
        {
            "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        },
        {},
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            "https://yann.lecun.com/exdb/mnist/",
        ),
        (33.3285, 78.5655),  # Demirbilek 2021, experiment code
    ),
    "fashion-mnist": Source(
        "Fashion-MNIST, 70 000 pieces of clothing of 28 × 28 pixels in ten classes",
        30,
        {},
        {
            "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
            "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
            "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
        },
        (
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        ),
        None,
    ),
}
NAMES = ("digits", *SOURCES)
TITLES = {"digits": "1 797 handwritten digits of 8 × 8 pixels, embedded in scikit-learn"} | {
    name: source.title for name, source in SOURCES.items()
}


@dataclass(frozen=True)
class Images:
    """Images as rows: pixels uint8 (n, pixels), labels uint8 (n,) in 0 … 9."""

    pixels: np.ndarray
    labels: np.ndarray

    def __len__(self):
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

    @cached_property
    def digest(self):
        """The SHA-256 of pixels, labels and normalisation: equal data, equal digest."""
        told = hashlib.sha256(f"{self.mean} {self.std} {self.side}".encode())
        for images in (self.train, self.test):
            told.update(f"{images.pixels.shape}".encode() + images.pixels.tobytes() + images.labels.tobytes())
        return told.hexdigest()

    def hold_out(self, every=5):
        """Return a Dataset without the test images: every `every`-th training image of each class is its test set.

        Hyperparameters are chosen on it, so that the real test images never choose anything.
        """
        held = every_nth(self.train.labels, every)
        return Dataset(f"{self.name}, held out", self.train[~held], self.train[held], self.mean, self.std, self.side)


def every_nth(labels, n):
    """Return a mask of every n-th example of each class, in the order they stand in: a fixed stratified split."""
    mask = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        mask[np.flatnonzero(labels == label)[n - 1 :: n]] = True
    return mask


def load(name, folder=None):
    """Return the Dataset called `name`.

    Args:
        name: ``"digits"``, ``"mnist"`` or ``"fashion-mnist"``.
        folder: where the files are, see ``find``; not read for ``"digits"``.

    Raises:
        DataError: the files are not there, or not what was published.
    """
    by_name("data set", name, dict.fromkeys(NAMES))
    if name == "digits":
        return embedded_digits()
    place = find(name, folder)
    if place is None:
        looked = ", ".join(str(place) for place in places(name, folder))
        raise DataError(
            f"{name} is not here (looked in {looked}): `dfanp data fetch {name}` downloads it "
            f"({SOURCES[name].megabytes} MB), --data-dir or DFANP_DATA names a folder that has it"
        )
    return read(name, place)


def resolve(name, folder=None):
    """Return the name that ``"auto"`` stands for: MNIST where its files are, else the digits; others as they are."""
    by_name("data set", name, dict.fromkeys(("auto", *NAMES)))
    if name != "auto":
        return name
    return "mnist" if find("mnist", folder) else "digits"


def read(name, place):
    """Return the Dataset `name` from the files in folder `place`, each checked against its published digest."""
    source, arrays = SOURCES[name], {}
    for part, file in FILES.items():
        path = file_in(place, file)
        if source.md5:
            check_md5(path, source.md5[file])
        array = read_idx(path, source.sha256.get(file))
        if array.dtype != np.uint8 or array.ndim != (3 if part.endswith("images") else 1):
            raise DataError(f"{path}: holds {array.dtype} of shape {array.shape}, not {part.replace('_', ' ')}")
        arrays[part] = array
    sets = {}
    for part in ("train", "test"):
        pixels, labels = arrays[f"{part}_images"], arrays[f"{part}_labels"]
        if len(pixels) != len(labels) or len(labels) == 0:
            raise DataError(f"{place}: {len(pixels)} {part} images, but {len(labels)} labels")
        sets[part] = Images(pixels.reshape(len(pixels), -1), labels)
    mean, std = source.normalisation or moments(sets["train"].pixels)
    return Dataset(name, sets["train"], sets["test"], mean, std, arrays["train_images"].shape[1])


def embedded_digits():
    """Return scikit-learn's digits: 1 797 images of 8 × 8 pixels in 0 … 16 (UCI, Alpaydin & Kaynak 1998).

    Every sixth image of each class is a test image: 1 501 to train on, 296 to test on, always the same.
    """
    table = digits_table()
    images = Images(np.ascontiguousarray(table[:, :-1]), np.ascontiguousarray(table[:, -1]))
    test = every_nth(images.labels, 6)
    mean, std = moments(images.pixels[~test])
    return Dataset("digits", images[~test], images[test], mean, std, 8)


def digits_table():
    """Return scikit-learn's digits, uint8 [1797, 65]: the 64 pixels of an image, then its label.

    They are read from the file that scikit-learn has them in: to import it takes a second, longer than a small run trains.
    """
    installed = importlib.util.find_spec("sklearn")
    file = installed and Path(installed.origin).parent / "datasets" / "data" / "digits.csv.gz"
    if file and file.is_file():
        return np.loadtxt(file, dtype=np.uint8, delimiter=",")
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return np.column_stack([images, labels]).astype(np.uint8)


def moments(pixels):
    """Return mean and standard deviation of uint8 values, from sums of whole numbers: exact, whatever the order."""
    counts = np.bincount(pixels.reshape(-1), minlength=256)
    values, total = np.arange(256), int(counts.sum())
    mean = int(counts @ values) / total
    return mean, (int(counts @ values**2) / total - mean**2) ** 0.5


def cache():
    """Return the folder that fetched data sets are kept in, one folder each; it may not exist yet."""
    import pooch

    return Path(pooch.os_cache("dfanp"))


def places(name, folder=None):
    """Return the folders that may hold `name`: in `folder`, by its name or itself; without a folder, in the cache.

    Raises:
        DataError: `folder` is named and is not a readable folder.
    """
    if folder is None:
        return [cache() / name]
    folder = expanded(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: the data folder is {'not a folder' if folder.exists() else 'absent'}")
    return [folder / name, folder]


def expanded(folder):
    """Return `folder` as a Path, a leading ~ expanded; a DataError if it names nothing."""
    try:
        if str(folder):
            return Path(folder).expanduser()
    except RuntimeError:
        pass
    raise DataError(f"{folder!r}: the data folder is absent")


def find(name, folder=None):
    """Return the first of ``places`` that holds the files of `name`, or None; no file is read.

    Of the cache all four are asked (an interrupted fetch leaves fewer); of a folder that the user names, any one: ``read``
    then tells which are missing. MNIST and Fashion-MNIST use the same file names: which of the two a folder holds, ``read`` tells by the digests.

    Raises:
        DataError: a folder is there but cannot be read.
    """
    for place in places(name, folder):
        if place.is_dir() and not os.access(place, os.R_OK | os.X_OK):
            raise DataError(f"{place}: the data folder cannot be read (permission denied)")
        here = [(place / file).exists() or (place / f"{file}.gz").exists() for file in FILES.values()]
        if all(here) or (any(here) and folder is not None):
            return place
    return None


def file_in(place, file):
    """Return the path of `file` in `place`, plain or .gz; a DataError if neither is there."""
    for path in (place / file, place / f"{file}.gz"):
        if path.exists():
            return path
    raise DataError(f"{place}: {file} (or {file}.gz) is missing; fetch the data set again")


def check_md5(path, md5):
    """Raise a DataError unless `path` is the .gz file with this MD5."""
    if path.suffix != ".gz":
        raise DataError(f"{path}: only the published .gz file can be checked; put that beside it and remove this one")
    try:
        with open(path, "rb") as file:
            found = hashlib.file_digest(file, "md5").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    if found != md5:
        raise DataError(f"{path}: not the published file (MD5 {found}, expected {md5}); fetch it again")
