"""Arrays, the name of an activation and a further text in .npz and .safetensors files, of dfanp and of other programs.

Nothing is unpickled, and memory is bounded by the size of the file.
"""

import json
import zipfile

import numpy as np

from ..errors import RecordError
from ..files.npz import DEFLATE_LIMIT, read_header, size_of

ACTIVATION, ABOUT = TEXTS = "activation", "about"  # in files beside the arrays
# Types of safetensors. A bfloat16, which NumPy does not know, is the upper half of a float32.
DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1",
}  # fmt: skip


def widened(array):
    """Return an array in this machine's byte order, half precision as float32 (exact)."""
    if array.dtype.name in ("float16", "bfloat16"):
        return array.astype(np.float32)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def read_npz(path, wanted):
    """Return the arrays of a file whose name is ``wanted(name)``, and the texts that it has, name of TEXTS -> text."""
    found, size_of_file = {}, path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            if not wanted(name) and name not in TEXTS:
                continue
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError(f"{info.filename} is compressed in a way that NumPy does not know")
            if name in found:
                raise ValueError(f"it has two arrays {name!r}")
            most = size_of_file * (DEFLATE_LIMIT if info.compress_type == zipfile.ZIP_DEFLATED else 1)
            with archive.open(info) as member:
                shape, dtype, fortran = read_header(member, info.filename)
                size = size_of(shape, dtype)
                if size > min(info.file_size, most):  # the first is only a claim of the file
                    raise ValueError(f"{info.filename} holds fewer bytes than it claims")
                array = np.frombuffer(bytearray(member.read(size + 1)), dtype)
            found[name] = array.reshape(shape, order="F" if fortran else "C")
    return found, {name: text_of(found.pop(name)) for name in TEXTS if name in found}


def text_of(array):
    """Return the text in an array: bytes of UTF-8, as ``write_npz`` writes them, or a text of NumPy; else None."""
    if array.dtype.kind == "U" and array.size == 1:
        return str(array.reshape(-1)[0])
    if array.dtype == np.uint8 and array.ndim == 1:
        return array.tobytes().decode(errors="replace")
    return None


def write_npz(file, arrays, texts):
    """Write arrays and texts, name of TEXTS -> text, to an open file."""
    named = {name: np.frombuffer(text.encode(), np.uint8) for name, text in texts.items()}
    np.savez(file, **arrays, **named)


def read_safetensors(path, wanted):
    """Return the arrays of a file whose name is ``wanted(name)``, and the texts that it has, name of TEXTS -> text."""
    content, found = path.read_bytes(), {}
    for name, tensor in sorted(safetensors().deserialize(content), key=lambda named: named[0]):  # in any order
        if not wanted(name):
            continue
        if tensor["dtype"] not in DTYPES:
            raise ValueError(f"{name!r} has the dtype {tensor['dtype']}")
        array = np.frombuffer(tensor["data"], DTYPES[tensor["dtype"]]).reshape(tensor["shape"])
        if tensor["dtype"] == "BF16":
            array = (array.astype(np.uint32) << 16).view(np.float32)
        found[name] = array
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    metadata = header.get("__metadata__") or {}
    return found, {name: metadata[name] for name in TEXTS if name in metadata}


def write_safetensors(file, arrays, texts):
    """Write arrays and texts, name of TEXTS -> text, to an open file."""
    file.write(safetensors().numpy.save(arrays, texts or None))


def safetensors():
    """Return the package safetensors; a RecordError if it is not installed."""
    try:
        import safetensors.numpy
    except ImportError:
        raise RecordError(
            "safetensors is not installed (pip install safetensors); .npz files need no further package"
        ) from None
    return safetensors
