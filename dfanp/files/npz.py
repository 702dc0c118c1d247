"""Arrays in .npz files from untrusted sources: nothing is unpickled, and every claim of a file is checked."""

import math
import warnings
import zipfile

import numpy as np

from ..errors import DataError, RecordError, first_line

LARGEST_HEADER = 10_000  # bytes
DEFLATE_LIMIT = 1032  # maximal number of bytes to which deflate expands one (zlib's technical notes)


def read_header(member, name):
    """Return shape, dtype and whether the order is Fortran's, from the beginning of a member of an .npz file.

    Raises:
        ValueError: it is not such a header, or no array of numbers has this shape and dtype; the message is one line.
    """
    try:
        if np.lib.format.read_magic(member) != (1, 0):
            raise ValueError(f"{name} has an unknown format")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about headers written by Python 2
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(member, max_header_size=LARGEST_HEADER)
    except (MemoryError, RecursionError):  # raised by Python's parser
        raise ValueError(f"{name} has a header that is nested too deeply") from None
    except ValueError as error:
        raise ValueError(first_line(error)) from None
    if dtype.hasobject or any(d < 0 for d in shape):
        raise ValueError(f"{name} is {dtype} of shape {shape}")
    return shape, dtype, fortran


def size_of(shape, dtype):
    """Return the bytes of an array."""
    return math.prod(shape) * dtype.itemsize


def read_checkpoint(path, expected):
    """Return name -> array of an npz file that must hold exactly the arrays `expected`, by name, dtype and shape.

    No more bytes are read than these arrays have, and nothing is unpickled.
    """
    corrupt = f"{path}: the checkpoint is corrupt (%s); restore it, or start again in another folder"
    arrays = {}
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            for name in sorted({f"{name}.npy" for name in expected} ^ set(names)):
                raise RecordError(corrupt % f"{name} is {'not part of this run' if name in names else 'missing'}")
            for info in archive.infolist():  # other methods allocate as much memory as the file claims
                if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise RecordError(corrupt % f"{info.filename} is compressed in an unknown way")
            for name, like in expected.items():
                with archive.open(f"{name}.npy") as member:
                    arrays[name] = read_array(member, name, like, corrupt)
    except (RecordError, OSError, MemoryError):
        raise
    except Exception as error:  # zipfile, the decompressors and the parser of NumPy's headers raise many kinds
        raise RecordError(corrupt % first_line(error)) from None
    return arrays


def read_array(member, name, like, corrupt):
    """Return the array of one member, after checking its header against the array `like`."""
    shape, dtype, fortran = read_header(member, name)
    if (shape, dtype, fortran) != (like.shape, like.dtype, False):
        raise RecordError(corrupt % f"{name} is {dtype} of shape {shape}, not {like.dtype} of shape {like.shape}")
    content = member.read(like.nbytes + 1)  # reading one byte more makes zipfile check the CRC
    if len(content) != like.nbytes:
        raise RecordError(corrupt % f"{name} holds {len(content)} bytes, not {like.nbytes}")
    return np.frombuffer(bytearray(content), dtype).reshape(shape)


def read_arrays(path):
    """Return name -> array of an npz file of a user, in its order; no more bytes are read than the file can hold.

    Raises:
        DataError: it is not an npz file, is damaged, or has an array of Python objects.
    """
    arrays = {}
    try:
        limit = DEFLATE_LIMIT * path.stat().st_size
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                name = info.filename.removesuffix(".npy")
                if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise ValueError(f"{name} is compressed in an unknown way")
                with archive.open(info) as member:
                    shape, dtype, fortran = read_header(member, name)
                    size = size_of(shape, dtype)
                    if size > min(limit, info.file_size):
                        raise ValueError(f"{name} claims {size} bytes, more than the file can hold")
                    content = member.read(size + 1)
                if len(content) != size:
                    raise ValueError(f"{name} holds {len(content)} bytes, not {size}")
                arrays[name] = np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None
    except MemoryError:
        raise
    except Exception as error:  # as in ``read_checkpoint``
        objects = "; arrays of Python objects are not read" if "object" in str(error) else ""
        raise DataError(f"{path}: is not a sound .npz file ({first_line(error)}{objects})") from None
    return arrays
