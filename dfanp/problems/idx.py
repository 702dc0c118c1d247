"""A reader of the IDX format of the MNIST files, which does not trust the header of a file.

An IDX file has two zero bytes, a type code, the number of dimensions, each dimension as a big-endian uint32, and then
the values, row-major and big-endian. It may be compressed by gzip.
"""

import gzip
import hashlib
import struct
import zlib
from math import prod
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..files.npz import DEFLATE_LIMIT

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
CHUNK = 1 << 20


class OtherContent(DataError):
    """A file is valid, but not the expected one."""


def read_idx(path, sha256=None):
    """Return the array in an IDX file, plain or gzip, read-only.

    Memory is bounded by the actual content: a header that claims more than the file can hold is refused, and the
    content is read in pieces.

    Args:
        path: of the file.
        sha256: the hex digest that the uncompressed content must have, or None.

    Raises:
        DataError: the file is missing, unreadable, not an IDX file, or shorter or longer than it claims.
        OtherContent: it has another digest.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        with open(path, "rb") as raw:
            zipped = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            with gzip.GzipFile(fileobj=raw) if zipped else raw as stream:
                return _read(path, stream, size * (DEFLATE_LIMIT if zipped else 1), sha256)
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: broken gzip file ({error})") from None
    except EOFError:
        raise DataError(f"{path}: the gzip file ends too early") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None


def _read(path, stream, most, sha256):
    header = stream.read(4)
    if len(header) < 4 or header[:2] != b"\0\0" or header[2] not in TYPES or header[3] == 0:
        raise DataError(f"{path}: not an IDX file (it starts with {header.hex(' ') or 'nothing'})")
    dtype, ndim = np.dtype(TYPES[header[2]]), header[3]
    sizes = stream.read(4 * ndim)
    if len(sizes) < 4 * ndim:
        raise DataError(f"{path}: the IDX header ends too early")
    shape = struct.unpack(f">{ndim}I", sizes)
    wanted = prod(shape) * dtype.itemsize
    if wanted > most:
        raise DataError(
            f"{path}: the header claims {' × '.join(map(str, shape))} values, more than the file can hold"
        )
    digest, content = hashlib.sha256(header + sizes), bytearray()
    while len(content) <= wanted and (piece := stream.read(min(CHUNK, wanted + 1 - len(content)))):
        digest.update(piece)
        content += piece
    if len(content) != wanted:
        found = "more" if len(content) > wanted else f"only {len(content)}"
        raise DataError(f"{path}: the header claims {wanted} bytes of values, the file holds {found}")
    try:
        array = np.frombuffer(content, dtype).reshape(shape)
    except ValueError as error:
        # More dimensions than NumPy supports; or a zero, and others whose product would overflow.
        raise DataError(f"{path}: the header claims a shape that no array has ({error})") from None
    if sha256 is not None and digest.hexdigest() != sha256:
        found = digest.hexdigest()
        raise OtherContent(
            f"{path}: a sound file, but not the published content (SHA-256 {found}, expected {sha256})"
        )
    array.flags.writeable = False
    return array
