"""Download a data set into the cache: only on request, from several mirrors, and checked."""

import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import DataError, by_name
from ..files.whole import FULL, UNWRITABLE, replace
from . import folders
from .datasets import checked, sound
from .sources import FILES, SOURCES

TIMEOUT = 30  # seconds without a reply, per file and mirror


def fetch(name: str, folder: str | Path | None = None, say: Callable[[str], Any] = lambda message: None) -> Path:
    """Download the missing files of a data set, check each, and return their folder.

    A file gets its final name only after its digest was checked; an interrupted download leaves no file.

    Args:
        name: ``"mnist"`` or ``"fashion-mnist"``.
        folder: to save it in (as ``folder/name``); None takes the folder that the variable DFANP_DATA names, or else
            the cache of this user.
        say: is called with lines of progress.

    Raises:
        DataError: no mirror has the right file, or the folder cannot be written.
    """
    by_name("data set to fetch", name, SOURCES)
    place = (folders.named_folder(folder) or folders.cache()) / name
    target = place
    try:
        place.mkdir(parents=True, exist_ok=True)
        for file in FILES.values():
            here = here_already(name, file, place)
            if here:
                say(f"{here}: here already, checked")
                continue
            target = place / f"{file}.gz"
            with tempfile.TemporaryDirectory(prefix=".fetch-", dir=place) as scratch:
                replace(fetch_file(name, file, Path(scratch), say), target)
    except OSError as error:
        raise DataError(f"{target}: cannot be written ({error.strerror or error})") from None
    return place


def here_already(name, file, place):
    """Return the valid version of a file in `place` (see ``datasets.read``), or None."""
    try:
        return sound(name, file, folders.versions(place, file))[0]
    except DataError:
        return None


def fetch_file(name, file, scratch, say):
    """Return the path below `scratch` of a checked download of `file`.

    A DataError lists the failures of all mirrors.
    """
    import pooch

    pooch.get_logger().setLevel(logging.ERROR)
    source, failures = SOURCES[name], []
    for mirror in source.mirrors:
        host = mirror.split("/")[2]
        say(f"fetching {file}.gz from {host}")
        try:
            path = Path(
                pooch.retrieve(
                    f"{mirror}{file}.gz",
                    known_hash=f"md5:{source.md5[file]}" if source.md5 else None,  # else: content, below
                    fname=f"{file}.gz",
                    path=scratch,
                    downloader=pooch.HTTPDownloader(timeout=TIMEOUT),
                )
            )
        except Exception as error:  # errors of requests, urllib3, pooch and the system: try the next mirror
            if isinstance(error, OSError) and error.errno in (*FULL, *UNWRITABLE):  # another mirror would not help
                raise
            failures.append(f"{host}: {reason(error)}")
            continue
        try:
            checked(name, file, path)
            return path
        except DataError as error:
            path.unlink()
            failures.append(f"{host}: sent another file ({str(error).removeprefix(f'{path}: ')})")
    raise DataError(
        f"{file}.gz could not be fetched ({'; '.join(failures)}); with the files from elsewhere, "
        "name their folder with --data-dir or DFANP_DATA"
    )


def reason(error):
    """Return a short reason of a failed download, without the details of urllib3."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP {response.status_code}"
    name = type(error).__name__
    return {
        "ConnectionError": "no connection",
        "ConnectTimeout": "no answer",
        "ReadTimeout": "no answer",
        "ProxyError": "the proxy refuses",
        "SSLError": "no trusted connection",
    }.get(name, f"{name}: {str(error)[:100]}")
