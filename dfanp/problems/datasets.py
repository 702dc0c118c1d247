"""The image data sets of the problems.

MNIST and Fashion-MNIST are files that a user has or downloads (``folders.py``, ``download.py``); the 8 × 8 digits
come with scikit-learn and are always available. Your own images are read from four files in the format of MNIST.
Nothing here uses the network.
"""

import hashlib
import importlib.util
import shlex
from pathlib import Path

import numpy as np

from ..errors import DataError, by_name
from .folders import checked_folder, expanded, expectation, find, found_in, layouts, named_folder, places, versions
from .idx import OtherContent, read_idx
from .images import Dataset, Images, assembled, every_nth, moments
from .sources import FILES, SOURCES

NAMES = ("digits", *SOURCES)
TITLES = {"digits": "1 797 handwritten digits of 8 × 8 pixels, embedded in scikit-learn"} | {
    name: source.title for name, source in SOURCES.items()
}
OWN = "idx:"  # prefix of the name of your own images, followed by their folder


def load(name: str, folder: str | Path | None = None) -> Dataset:
    """Return the Dataset called `name`.

    Args:
        name: ``"digits"``, ``"mnist"`` or ``"fashion-mnist"``; or ``"idx:DIR"`` for your own images: four files in
            DIR (or in its folder ``raw``) with the names and the format of MNIST's: uint8 images (n, side, side) and
            labels (n,) in 0 … 9.
        folder: with the files, see ``folders``; None takes the folder that the variable DFANP_DATA names, or else the
            cache. Not used for ``"digits"``. If DIR does not exist, it is looked for in this folder, too.

    Raises:
        ValueError: an unknown name.
        DataError: the files are missing, not the published ones, or not in this format.
    """
    name = checked_name(name)
    if name == "digits":
        return embedded_digits()
    if is_own(name):
        return read_own(name, own_folder(name, folder))
    if find(name, folder) is None:
        raise DataError(absent(name, folder))
    return read(name, folder)


def checked_name(name, *more):
    """Return the name of a data set (or one of `more`); a ValueError lists the known names."""
    if is_own(name):
        return name
    return by_name("data set", name, {each: each for each in (*more, *NAMES)} | {f"{OWN}DIR": None})


def is_own(name):
    """Whether a name is that of the user's own images."""
    return isinstance(name, str) and name.startswith(OWN)


def title(name):
    """Return a description of a data set."""
    return f"your own images in {name.removeprefix(OWN)}" if is_own(name) else TITLES[name]


def resolve(name: str, folder: str | Path | None = None) -> str:
    """Resolve ``"auto"`` to MNIST if its files are available, else to the digits; return other names unchanged.

    Raises:
        DataError: the folder that the user names (see ``load``) does not have MNIST.
    """
    if checked_name(name, "auto") != "auto":
        return name
    if find("mnist", folder):
        return "mnist"
    if named_folder(folder) is not None:
        raise DataError(f"{absent('mnist', folder)}; --data digits takes the embedded digits")
    return "digits"


def absent(name, folder):
    """Return the message for a data set of which no file is found."""
    named = named_folder(folder)
    place = named or places(name)[0]
    looked = f"looked in {place}"
    if named:
        looked += f", in its {', '.join((name, *SOURCES[name].folders))}, and in raw of each"
    fetch = f"{fetching(name, folder)} ({SOURCES[name].megabytes} MB)"
    other = "--data-dir or DFANP_DATA names a folder that has it"
    return f"{name} is not here ({looked}; {expectation(place)}): {fetch}, {other}"


def fetching(name, folder):
    """Return how to download the published files, for a message."""
    named = named_folder(folder)
    return (
        f"`dfanp data fetch {name}{'' if named is None else f' --data-dir {shlex.quote(str(named))}'}` downloads it"
    )


def read(name, folder=None):
    """Return the Dataset `name`, a key of SOURCES: of each file the first valid version in ``places``."""
    where, found = places(name, folder), {}
    for part, file in FILES.items():
        paths = [path for place in where for path in versions(place, file)]
        if not paths:
            raise DataError(missing(find(name, folder) or where[0], file) + f"; {fetching(name, folder)}")
        found[part] = sound(name, file, paths, folder)
    return assembled(name, found, SOURCES[name].normalisation)


def missing(place, file):
    """Return the message for a file that is missing in a folder."""
    return f"{place}: {file} (or {file}.gz) is missing: {expectation(place)}"


def sound(name, file, paths, folder=None):
    """Return the first of `paths` that is the published `file` of a data set, and its array.

    Raises:
        DataError: none is; the message says what is wrong with each, and a remedy.
    """
    faults = []
    for path in paths:
        try:
            return path, checked(name, file, path)
        except DataError as error:
            faults.append(error)
    each = "; ".join(map(str, faults))
    if not any(isinstance(fault, OtherContent) for fault in faults):
        raise DataError(f"{each}; {fetching(name, folder)}")
    others = [other for other in SOURCES if other != name and any(is_of(other, file, path) for path in paths)]
    own = f"--data {OWN}DIR takes your own images"
    what = f"it is that of {others[0]}: --data {others[0]} takes it" if others else own
    raise DataError(f"{each}; {what}, {fetching(name, folder)}")


def is_of(name, file, path):
    """Whether the file `path` is the published `file` of a data set."""
    try:
        checked(name, file, path)
    except DataError:
        return False
    return True


def checked(name, file, path):
    """Return the array in the file `path`; a DataError unless it is the published `file` of a data set."""
    source = SOURCES[name]
    if not source.md5:
        return read_idx(path, source.sha256[file])
    array = read_idx(path)  # first, so that a broken file is reported as broken
    if path.suffix != ".gz":
        raise OtherContent(f"{path}: only the published .gz file can be checked: put it into the same folder")
    with open(path, "rb") as stream:
        found = hashlib.file_digest(stream, "md5").hexdigest()
    if found != source.md5[file]:
        raise OtherContent(
            f"{path}: a sound file, but not the published file (MD5 {found}, expected {source.md5[file]})"
        )
    return array


def own_folder(name, folder=None):
    """Return the folder of ``idx:DIR``: DIR, or DIR in the folder that the user names; a DataError without either."""
    own, named = expanded(name.removeprefix(OWN)), named_folder(folder)
    return checked_folder(named / own if named and not own.is_dir() else own)


def read_own(name, folder):
    """Return the Dataset of four files in `folder`; a DataError says which is missing, broken or of another form."""
    place, found = found_in(layouts(folder), partly=True) or folder, {}
    for part, file in FILES.items():
        faults = [missing(place, file)]
        for path in versions(place, file):
            try:
                found[part] = path, read_idx(path)
                break
            except DataError as error:
                faults.append(str(error))
        else:
            raise DataError("; ".join(faults[1:] or faults))
    return assembled(name, found, None)


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

    They are read from the file that scikit-learn has them in: to import it takes a second, longer than a small run
    trains.
    """
    installed = importlib.util.find_spec("sklearn")
    file = installed and Path(installed.origin).parent / "datasets" / "data" / "digits.csv.gz"
    if file and file.is_file():
        return np.loadtxt(file, dtype=np.uint8, delimiter=",", encoding="utf-8")
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return np.column_stack([images, labels]).astype(np.uint8)
