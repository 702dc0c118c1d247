"""From a record to its picture."""

import json
from pathlib import Path

from dfanp.errors import RecordError
from dfanp.reports.plots import drawing, save, wrapped

from .findings import FINDINGS
from .kinds import KINDS, published

NAMES = {"figure", "mode", "title", "draws", "data", "series"}


def read(path):
    """Return the record in a file.

    Raises:
        RecordError: the file cannot be read, or holds no record of a figure.
    """
    try:
        record = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError):
        raise RecordError(f"{path}: is not JSON") from None
    good = (
        isinstance(record, dict)
        and record.keys() >= NAMES
        and record["draws"] in KINDS
        and record["figure"] in FINDINGS
    )
    if not good or not isinstance(record["series"], list) or not record["series"]:
        raise RecordError(f"{path}: is not the record of a figure")
    return record


def draw(record, folder, formats=("svg", "png")):
    """Draw a record into `folder`, FIGURE-MODE.svg and .png; return the paths.

    Raises:
        RecordError, DfanpError: it cannot be drawn. OSError: a file cannot be written.
    """
    paths = [Path(folder) / f"{record['figure']}-{record['mode']}.{kind}" for kind in formats]
    with drawing(f"figure {record['figure']}"):
        try:
            figure = KINDS[record["draws"]](record)
            figure.suptitle(wrapped(title(record), figure.get_figwidth()), fontsize=10, x=0.01, ha="left")
        except (KeyError, TypeError, IndexError, ValueError, StopIteration) as error:
            raise RecordError(
                f"the record of figure {record['figure']} cannot be drawn ({type(error).__name__}: {error})"
            ) from None
        for path in paths:
            save(figure, path)
    return paths


def title(record):
    """Return what the record shows, in one sentence, and the number of its seeds."""
    return f"{FINDINGS[record['figure']](record)}; {seeds(record)}"


def seeds(record):
    """Return the number of seeds of a record's runs, in words."""
    counts = [len(series.get("test_accuracy", series.get("test_loss"))) for series in record["series"]]
    number = " to ".join(map(str, sorted({min(counts), max(counts)})))
    return f"{number} {'seed' if number == '1' else 'seeds'}"


def table_title(record):
    """Return the title of a published table, and the number of its seeds here."""
    return f"{record['title']}; {seeds(record)}"


def draw_table(record, folder, formats=("svg", "png")):
    """Draw the record of a published table into `folder`, TABLE.svg and .png."""
    with drawing(record["table"]):
        figure = published(record)
        figure.suptitle(table_title(record), fontsize=10, x=0.01, ha="left")
        for kind in formats:
            save(figure, Path(folder) / f"{record['table']}.{kind}")
