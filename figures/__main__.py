"""Redraw all figures of this folder from ``records/``: ``python -m figures``."""

import json
from pathlib import Path

from .draw import draw, draw_table, read

HERE = Path(__file__).parent

if __name__ == "__main__":
    for path in sorted((HERE / "records").glob("*.json")):
        print(*(drawn.name for drawn in draw(read(path), HERE)))
    for path in sorted((HERE / "published").glob("*.json")):
        draw_table(json.loads(path.read_text()), path.parent)
        print(path.with_suffix(".svg").name, path.with_suffix(".png").name)
