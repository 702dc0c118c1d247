"""Arrays in .npz files, which anybody may have written: nothing is unpickled, and nothing claimed is believed."""

import math
import warnings
import zipfile

import numpy as np

from ..errors import RecordError, first_line

LARGEST_HEADER = 10_000  # bytes


def read_header(member, name):
    """Return shape, dtype and whether the order is Fortran's, from the beginning of a member of an .npz file.

    Raises:
        ValueError: it is no such header, or says something that no array of numbers has; the message is one line.
    """
    try:
        if np.lib.format.read_magic(member) != (1, 0):
            raise ValueError(f"{name} has an unknown format")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of headers that Python 2 wrote
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(member, max_header_size=LARGEST_HEADER)
    except (MemoryError, RecursionError):  # how Python's parser says it
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

    No more is read than those arrays take, whatever the file claims, and nothing is unpickled.
    """
    corrupt = f"{path}: the checkpoint is corrupt (%s); restore it, or start anew in another folder"
    arrays = {}
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            for name in sorted({f"{name}.npy" for name in expected} ^ set(names)):
                raise RecordError(corrupt % f"{name} is {'not part of this run' if name in names else 'missing'}")
            for info in archive.infolist():  # other methods allocate what the file tells them to
                if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise RecordError(corrupt % f"{info.filename} is compressed in an unknown way")
            for name, like in expected.items():
                with archive.open(f"{name}.npy") as member:
                    arrays[name] = read_array(member, name, like, corrupt)
    except (RecordError, OSError, MemoryError):
        raise
    except Exception as error:  # zipfile, the decompressors and the parser of NumPy's headers raise a dozen kinds
        raise RecordError(corrupt % first_line(error)) from None
    return arrays


def read_array(member, name, like, corrupt):
    """Return the array of one member, after checking its header against the array `like`."""
    shape, dtype, fortran = read_header(member, name)
    if (shape, dtype, fortran) != (like.shape, like.dtype, False):
        raise RecordError(corrupt % f"{name} is {dtype} of shape {shape}, not {like.dtype} of shape {like.shape}")
    content = member.read(like.nbytes + 1)  # one byte more makes zipfile reach the end and check the CRC
    if len(content) != like.nbytes:
        raise RecordError(corrupt % f"{name} holds {len(content)} bytes, not {like.nbytes}")
    return np.frombuffer(bytearray(content), dtype).reshape(shape)
