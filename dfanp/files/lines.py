"""JSON Lines: files that grow by lines, whose last line may be incomplete after a kill or on a full disk."""

import json
import math

from .whole import sync


def append_lines(path, rows):
    """Append each dict as a line of JSON, and sync."""
    with open(path, "ab") as file:
        file.write("".join(json.dumps(row, allow_nan=False) + "\n" for row in rows).encode())
        file.flush()
        sync(file.fileno())


def append_whole(path, rows):
    """Append all lines or none: if the disk is full, the part that was written is removed."""
    size = path.stat().st_size if path.exists() else 0
    try:
        append_lines(path, rows)
    except OSError:
        cut_off(path, size)
        raise


def cut_off(path, keep):
    """Cut a file to its first `keep` bytes, if it has more."""
    if path.exists() and path.stat().st_size > keep:
        with open(path, "r+b") as file:
            file.truncate(keep)
            sync(file.fileno())


def parse_lines(path, wanted=lambda row: True):
    """Return the JSON objects in the lines of a file, up to the first that is not `wanted`, and the bytes they take.

    A line that is not a JSON object, or is incomplete, ends the list, too.
    """
    content = path.read_bytes() if path.exists() else b""
    rows, keep = [], 0
    for line in content.splitlines(keepends=True):
        try:
            row = loads(line) if line.endswith(b"\n") else None
            if not isinstance(row, dict) or not wanted(row):
                break
        except (ValueError, TypeError, RecursionError):
            break
        rows.append(row)
        keep += len(line)
    return rows, keep


def read_lines(path):
    """Return the JSON objects in the lines of a file, and the bytes they take. An incomplete last line is ignored.

    Any other line that is not a JSON object counts as an empty object.
    """
    content = path.read_bytes() if path.exists() else b""
    lines = content.splitlines(keepends=True)
    if lines and (not lines[-1].endswith(b"\n") or not parsed(lines[-1])):
        lines.pop()
    return [parsed(line) for line in lines], sum(map(len, lines))


def parsed(line):
    """Return the JSON object of a line, or an empty one."""
    try:
        value = loads(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def loads(text):
    """Return the value of a JSON text. All its numbers must be finite as floats.

    Raises:
        ValueError, RecursionError: it is not such a text.
    """
    return json.loads(text, parse_constant=not_json, parse_float=finite, parse_int=whole)


def finite(text):
    """Return the float of a text; a ValueError for one that is not finite, such as ``1e999``."""
    return float(text) if math.isfinite(float(text)) else not_json(text)


def whole(text):
    """Return the whole number of a text; a ValueError if it is larger than any float."""
    return int(text) if math.isfinite(float(text)) else not_json(text)


def not_json(constant):
    raise ValueError(f"{constant[:20]} is not JSON here")
