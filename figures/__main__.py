"""Redraw all figures of this folder from ``records/``: ``python -m figures``."""

from pathlib import Path

from .draw import draw, read

HERE = Path(__file__).parent

if __name__ == "__main__":
    for path in sorted((HERE / "records").glob("*.json")):
        print(*(drawn.name for drawn in draw(read(path), HERE)))
