"""Writes the page: its files in one, with the numbers that the library drew."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from ..files.whole import failures, write_whole
from ..reports import pages
from ..reports.plots import checked_file
from ..reports.report import FORMATS
from ..version import __version__
from .drawn import everything
from .scenes import scenes

FOLDER = Path(__file__).parent
SCRIPTS = "data.js", "drawing.js", "page.js"  # after maths.js, in this order


def write(path: str | Path) -> None:
    """Write the page to `path`, an HTML file, completely or not at all.

    Raises:
        ValueError: `path` is invalid.
        RecordError: the file cannot be written.
    """
    path = checked_file(path, "page", FORMATS)
    content = html(everything())
    with failures(path, "be written", "the page"):
        write_whole(path, lambda file: file.write(content))


def html(drawn: dict[str, Any]) -> bytes:
    """Return the page, from what ``drawn.everything`` returns."""
    maths, script = text("maths.js"), "\n".join(text(name) for name in SCRIPTS)
    allowed = " ".join(f"'sha256-{digest(each)}'" for each in (maths, script))
    parts = {
        "policy": f"{pages.POLICY}; script-src {allowed}",
        "style": pages.STYLE + text("style.css"),
        "version": __version__,
        # A tag cannot end inside the data.
        "data": json.dumps(drawn | {"scenes": scenes()}, separators=(",", ":")).replace("<", "\\u003c"),
        "maths": maths,
        "script": script,
    }
    page = text("page.html")
    for name, value in parts.items():
        page = page.replace(f"{{{{{name}}}}}", value)
    return page.encode()


def text(name: str) -> str:
    """Return the text of a file of the page."""
    return (FOLDER / name).read_text(encoding="utf-8")


def digest(script: str) -> str:
    """Return the digest by which the page's content security policy allows a script."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
