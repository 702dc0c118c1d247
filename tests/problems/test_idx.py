import gzip
import hashlib
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dfanp import DataError
from dfanp.problems.idx import read_idx


def idx(array, code=0x08):
    return bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


@pytest.mark.parametrize("wrap", [bytes, gzip.compress])
def test_reads_plain_and_gzip(tmp_path, wrap):
    (tmp_path / "a").write_bytes(wrap(idx(IMAGES)))
    found = read_idx(tmp_path / "a", hashlib.sha256(idx(IMAGES)).hexdigest())
    assert np.array_equal(found, IMAGES) and found.dtype == np.uint8 and not found.flags.writeable


@pytest.mark.parametrize("code, dtype", [(0x09, ">i1"), (0x0B, ">i2"), (0x0C, ">i4"), (0x0D, ">f4"), (0x0E, ">f8")])
def test_reads_every_type(tmp_path, code, dtype):
    array = np.array([[-1, 2, 3]], dtype)
    (tmp_path / "a").write_bytes(idx(array, code))
    assert np.array_equal(read_idx(tmp_path / "a"), array)


CLAIMS_2_31 = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**31, 28, 28) + bytes(100)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "not an IDX file"),
        (b"\0\0", "not an IDX file"),
        (b"PK\3\4 and more", "not an IDX file"),
        (b"\0\0\7\1\0\0\0\1x", "not an IDX file"),
        (b"\0\0\x08\0", "not an IDX file"),
        (idx(IMAGES)[:9], "header ends too early"),
        (bytes([0, 0, 8, 66]) + struct.pack(">66I", *[1] * 66) + b"x", "a shape that no array has"),
        (bytes([0, 0, 8, 4]) + struct.pack(">4I", 0, *[2**32 - 1] * 3), "a shape that no array has"),
        (idx(IMAGES)[:-1], "claims 24 bytes of values|more than the file can hold"),
        (idx(IMAGES) + b"x", "the file holds more"),
        (CLAIMS_2_31, "2147483648 × 28 × 28 values, more than the file can hold"),
        (gzip.compress(CLAIMS_2_31, mtime=0), "more than the file can hold"),
        (gzip.compress(idx(IMAGES), mtime=0)[:-9], "ends too early|broken gzip"),
        (gzip.compress(idx(IMAGES), mtime=0)[:20] + b"\xff" * 20, "broken gzip|ends too early|can hold"),
        (gzip.compress(idx(IMAGES)[:-5], mtime=0), "the file holds only 19"),
        (gzip.compress(idx(IMAGES), mtime=0)[:-8] + bytes(8), "broken gzip"),
    ],
)
def test_broken_files_get_one_clear_line(tmp_path, content, message):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_idx(tmp_path / "a")
    assert str(caught.value).startswith(f"{tmp_path / 'a'}: ") and "\n" not in str(caught.value)


def test_a_forged_size_takes_no_memory(tmp_path):
    """A gzip file of 100 kB that claims 100 MB, within what deflate could reach, but holds little."""
    claim = bytes([0, 0, 8, 1]) + struct.pack(">I", 100_000_000)
    (tmp_path / "a").write_bytes(gzip.compress(claim + np.random.default_rng(0).bytes(100_000)))
    tracemalloc.start()
    with pytest.raises(DataError, match="only 100000"):
        read_idx(tmp_path / "a")
    assert tracemalloc.get_traced_memory()[1] < 4_000_000
    tracemalloc.stop()


def test_another_content_is_recognised_by_its_digest(tmp_path):
    (tmp_path / "a").write_bytes(idx(IMAGES))
    with pytest.raises(DataError, match="not the published content"):
        read_idx(tmp_path / "a", "0" * 64)


def test_absent_and_a_folder(tmp_path):
    with pytest.raises(DataError, match="there is no such file"):
        read_idx(tmp_path / "a")
    with pytest.raises(DataError, match="cannot be read"):
        read_idx(tmp_path)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=60) | st.binary(max_size=60).map(lambda tail: b"\0\0\x08\x01\0\0" + tail),
    zipped=st.booleans(),
)
def test_any_bytes_are_an_array_or_a_data_error(tmp_path, content, zipped):
    (tmp_path / "a").write_bytes(gzip.compress(content, mtime=0) if zipped else content)
    try:
        found = read_idx(tmp_path / "a")
    except DataError as error:
        assert "\n" not in str(error)
    else:
        assert found.nbytes <= len(content)
