"""Headers of arrays in .npz files, which anybody may have written: nothing is unpickled, and nothing claimed is believed."""

import math
import warnings

import numpy as np

from .errors import first_line

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
