"""Where the files of a data set are: in the folder that the user names, or in the cache. No file is read here.

The four files may lie as the common distributors leave them:

    FOLDER/train-images-idx3-ubyte.gz, …            as published; plain, too
    FOLDER/train-images.idx3-ubyte, …               spelt with a dot, or each in a folder of its own name
    FOLDER/mnist/…                                  where `dfanp data fetch` keeps them
    FOLDER/MNIST/raw/…, FOLDER/FashionMNIST/raw/…   where torchvision keeps them; FOLDER may be MNIST or raw itself
"""

import os
from pathlib import Path

from ..errors import DataError
from .sources import FILES, SOURCES

VARIABLE = "DFANP_DATA"
MOST_LISTED = 6  # entries of a folder, in a message


def cache():
    """Return the folder that fetched data sets are kept in, one folder each; it may not exist yet."""
    import pooch

    return Path(pooch.os_cache("dfanp"))


def named_folder(folder=None):
    """Return the folder that the user names, an absolute Path: `folder`, or else what DFANP_DATA names; or None.

    Raises:
        DataError: what is named is no folder's name.
    """
    folder = os.environ.get(VARIABLE) or None if folder is None else folder
    return None if folder is None else expanded(folder).absolute()


def expanded(folder):
    """Return `folder` as a Path, a leading ~ expanded; a DataError if it names nothing."""
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
    """Return the folders that may hold `name`, a key of SOURCES: in the folder that the user names, or in the cache.

    Raises:
        DataError: the folder that is named is not a readable folder.
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

    The cache must have all four (an interrupted fetch leaves fewer). In a folder that the user names, a place that
    has all is taken before one that has any: ``datasets.read`` then says which are missing. MNIST and Fashion-MNIST
    use the same file names: which of the two a folder holds, it finds out by the digests.

    Raises:
        DataError: a folder is there but cannot be read.
    """
    return found_in(places(name, folder), partly=named_folder(folder) is not None)


def found_in(where, partly):
    """Return the first of some folders that has all four files; if `partly`, else one that has any; or None."""
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
    """Return the paths in `place` that a file, one of FILES, may be at: those that are files."""
    names = (file, file.replace("-idx", ".idx"))
    paths = [place / f"{name}{ending}" for name in names for ending in ("", ".gz")]
    paths += [place / name / other for name in names for other in names]  # as some archives unpack
    return [path for path in paths if os.path.isfile(path)]  # a pipe of that name would be waited for


def expectation(folder):
    """Return what a folder should have, and what it has, for a message."""
    *first, last = FILES.values()
    try:
        there = sorted(os.listdir(folder))
    except OSError:
        there = []
    listed = ", ".join(there[:MOST_LISTED]) + (", …" if len(there) > MOST_LISTED else "")
    return f"expected {', '.join(first)} and {last}, plain or .gz; the folder has {listed or 'nothing'}"
