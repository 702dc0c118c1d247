"""Redraw figures of this folder from ``records/`` and ``published/``: ``python -m figures [NAME …]``."""

import argparse
import json
from pathlib import Path

from .draw import draw, draw_table, read

HERE = Path(__file__).parent


def main():
    paths = {
        path.stem: path for folder in ("records", "published") for path in sorted((HERE / folder).glob("*.json"))
    }
    parser = argparse.ArgumentParser(prog="python -m figures", description=__doc__.split(":")[0] + ".")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(paths)}  [default: all]")
    names = parser.parse_args().names
    for name in names:
        if name not in paths:
            parser.error(f"no record is called {name!r}: known are {', '.join(paths)}")
    for name in names or paths:
        path = paths[name]
        if path.parent.name == "records":
            drawn = draw(read(path), HERE)
        else:
            draw_table(json.loads(path.read_text()), path.parent)
            drawn = path.with_suffix(".svg"), path.with_suffix(".png")
        print(*(each.name for each in drawn), flush=True)


if __name__ == "__main__":
    main()
