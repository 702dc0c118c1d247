"""Finds the files of a data set, in a folder of the user or in the cache, without reading them.

The four files may be laid out as by the common distributors:

    FOLDER/train-images-idx3-ubyte.gz, …            as published, also plain
    FOLDER/train-images.idx3-ubyte, …               named with a dot, or each in a folder of the same name
    FOLDER/mnist/…                                  where `dfanp data fetch` saves them
    FOLDER/MNIST/raw/…, FOLDER/FashionMNIST/raw/…   where torchvision saves them; FOLDER may be MNIST or raw itself
"""

import os
from pathlib import Path

from ..errors import DataError
from .sources import FILES, SOURCES

VARIABLE = "DFANP_DATA"
MOST_LISTED = 6  # entries of a folder, in a message


def cache():
    """Return the folder of downloaded data sets, which has a folder for each; it may not exist yet."""
    import pooch

    return Path(pooch.os_cache("dfanp"))


def named_folder(folder=None):
    """Return the folder given by the user, an absolute Path: `folder`, or else that in DFANP_DATA; or None.

    Raises:
        DataError: the name is not one of a folder.
    """
    folder = os.environ.get(VARIABLE) or None if folder is None else folder
    return None if folder is None else expanded(folder).absolute()


def expanded(folder):
    """Return `folder` as a Path, a leading ~ expanded; a DataError if it is empty or has an unknown user."""
    try:
        if str(folder):
            return Path(folder).expanduser()
    except RuntimeError:
        pass
    raise DataError(f"{folder!r}: the data folder is absent")


def checked_folder(folder, named_by=""):
    """Return `folder`, a Path; a DataError unless it is a folder."""
    if not folder.is_dir():
        raise DataError(f"{folder}: the data folder{named_by} is {'not a folder' if folder.exists() else 'absent'}")
    return folder


def places(name, folder=None):
    """Return the folders that may hold `name`, a key of SOURCES: in the folder given by the user, or in the cache.

    Raises:
        DataError: the given folder is not a readable folder.
    """
    named = named_folder(folder)
    if named is None:
        return [cache() / name]
    checked_folder(named, "" if folder is not None else f" that {VARIABLE} names")
    return layouts(named, (name, *SOURCES[name].folders))


def layouts(folder, names=()):
    """Return the folders that may hold the four files: `folder`, those of `names` in it, and "raw" in each."""
    bases = [*(folder / name for name in names), folder]
    return [place for base in bases for place in (base, base / "raw")]


def find(name, folder=None):
    """Return the first of ``places`` that holds the files of `name`, or None; no file is read.

    The cache must have all four (an interrupted download leaves fewer). In a folder given by the user, a place with
    all files is preferred to one with some, for which ``datasets.read`` then reports the missing ones. MNIST and
    Fashion-MNIST have the same file names; ``datasets.read`` distinguishes them by their digests.

    Raises:
        DataError: a folder exists but cannot be read.
    """
    return found_in(places(name, folder), partly=named_folder(folder) is not None)


def found_in(where, partly):
    """Return the first folder that has all four files; else, if `partly`, the first that has any; else None."""
    some = None
    for place in where:
        if place.is_dir() and not os.access(place, os.R_OK | os.X_OK):
            raise DataError(f"{place}: the data folder cannot be read (permission denied)")
        here = [bool(versions(place, file)) for file in FILES.values()]
        if all(here):
            return place
        if any(here) and some is None:
            some = place
    return some if partly else None


def versions(place, file):
    """Return the existing paths in `place` for a file, one of FILES."""
    names = (file, file.replace("-idx", ".idx"))
    paths = [place / f"{name}{ending}" for name in names for ending in ("", ".gz")]
    paths += [place / name / other for name in names for other in names]  # as some archives unpack
    return [path for path in paths if os.path.isfile(path)]  # a pipe would block


def expectation(folder):
    """Return the expected and the actual contents of a folder, for a message."""
    *first, last = FILES.values()
    try:
        there = sorted(os.listdir(folder))
    except OSError:
        there = []
    listed = ", ".join(there[:MOST_LISTED]) + (", …" if len(there) > MOST_LISTED else "")
    return f"expected {', '.join(first)} and {last}, plain or .gz; the folder has {listed or 'nothing'}"
