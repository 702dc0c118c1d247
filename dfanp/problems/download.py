"""Fetch a data set into the cache: only when asked to, from several mirrors, checked before it is kept."""

import logging
import os
import tempfile
from pathlib import Path

from ..errors import DataError, by_name
from .datasets import FILES, SOURCES, cache, check_md5, expanded
from .idx import read_idx

TIMEOUT = 30  # seconds without an answer, for each file and mirror


def fetch(name, folder=None, say=lambda message: None):
    """Download the files of a data set that are not there yet, check each, and return their folder.

    A file gets its name only after its digest was checked; an interrupted download leaves nothing behind.

    Args:
        name: ``"mnist"`` or ``"fashion-mnist"``.
        folder: to keep it in (``folder/name``); None takes the cache of this user.
        say: called with a line of progress.

    Raises:
        DataError: no mirror answered with the right file, or the folder cannot be written.
    """
    source = by_name("data set to fetch", name, SOURCES)
    place = (cache() if folder is None else expanded(folder)) / name
    try:
        place.mkdir(parents=True, exist_ok=True)
        for file in FILES.values():
            target = place / f"{file}.gz"
            if target.exists() and not fault(target, source, file):
                say(f"{target}: here already, checked")
                continue
            with tempfile.TemporaryDirectory(prefix=".fetch-", dir=place) as scratch:
                os.replace(fetch_file(source, file, Path(scratch), say), target)
    except OSError as error:
        raise DataError(f"{place}: cannot be written ({error.strerror or error})") from None
    return place


def fetch_file(source, file, scratch, say):
    """Return the path below `scratch` of a checked download of `file`; a DataError tells what each mirror said."""
    import pooch

    pooch.get_logger().setLevel(logging.ERROR)
    failures = []
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
        except Exception as error:  # requests', urllib3's, pooch's and the system's errors: the next mirror may do
            if isinstance(error, OSError) and error.errno in (28, 30, 122):  # full or read-only disk, quota
                raise
            failures.append(f"{host}: {reason(error)}")
            continue
        why = fault(path, source, file)
        if not why:
            return path
        path.unlink()
        failures.append(f"{host}: sent another file ({why})")
    raise DataError(
        f"{file}.gz could not be fetched ({'; '.join(failures)}); with the files from elsewhere, "
        "name their folder with --data-dir or DFANP_DATA"
    )


def fault(path, source, file):
    """Return what is wrong with a downloaded file, or None."""
    try:
        if source.md5:
            check_md5(path, source.md5[file])
        else:
            read_idx(path, source.sha256[file])
    except DataError as error:
        return str(error).removeprefix(f"{path}: ")
    return None


def reason(error):
    """Return a few words for a failed download, without the pages of detail that urllib3 gives."""
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
