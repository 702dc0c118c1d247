"""JSON Lines: files to which lines are added, and whose last line a kill or a full disk may have torn."""

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
    """Append lines, all or none: what a full disk has let through of them is cut off again."""
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
    """Return the JSON objects of a file, a line each, and the bytes they take, up to the first line that is not `wanted`.

    A line that is no JSON object or has no line end ends the list, too.
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
    """Return the JSON values of a file, a line each, and the bytes that they take. A last line that is torn is left out.

    Any other line that is no JSON object counts as an empty object.
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
    """Return the value of a JSON text whose numbers are all finite floats, or whole numbers that a float can be.

    Raises:
        ValueError, RecursionError: it is none.
    """
    return json.loads(text, parse_constant=not_json, parse_float=finite, parse_int=whole)


def finite(text):
    """Return the float of a text; ``1e999`` is none."""
    return float(text) if math.isfinite(float(text)) else not_json(text)


def whole(text):
    """Return the whole number of a text, unless it is larger than a float can be."""
    return int(text) if math.isfinite(float(text)) else not_json(text)


def not_json(constant):
    raise ValueError(f"{constant[:20]} is not JSON here")
