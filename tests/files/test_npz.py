import io
import struct
import warnings

import numpy as np
import pytest

from dfanp.files import npz


def member(header):
    """The beginning of a member whose header is any text."""
    return io.BytesIO(b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode())


def test_a_header_as_numpy_writes_it():
    file = io.BytesIO()
    np.save(file, np.asfortranarray(np.zeros((2, 3), np.float32)))
    file.seek(0)
    assert npz.read_header(file, "W") == ((2, 3), np.float32, True)
    assert npz.size_of((2, 3), np.dtype(np.float32)) == 24


@pytest.mark.parametrize(
    "header, message",
    [
        ("-" * 9000 + "1", "W has a header that is nested too deeply"),
        ("1+" * 4000 + "1", "W has a header that is nested too deeply"),
        ("x" * 20_000, "Header info length"),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", r"W is object of shape \(1,\)"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 4)}", r"W is float32 of shape \(-1, 4\)"),
        ("{'descr': '<f4'}", "Header does not contain the correct keys"),
        ("", "Cannot parse header"),
    ],
)
def test_a_header_that_is_none_is_reported_in_one_line(header, message):
    with pytest.raises(ValueError, match=message) as caught:
        npz.read_header(member(header), "W")
    assert "\n" not in str(caught.value)


def test_a_header_of_python_2_is_read_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = npz.read_header(member("{'descr': '<f4', 'fortran_order': False, 'shape': (2L,)}"), "W")
    assert found == ((2,), np.float32, False)
