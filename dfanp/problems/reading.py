"""Reads your own examples: .npz, .csv, .parquet and IDX files, none of which is trusted.

    read("iris.csv", label="species")    columns of a table, one of which is the label
    read("mine.npz")                      the arrays X and y, and X_test and y_test if there are any
    read("images/")                       the four files of MNIST's format, of any size and with any whole labels

Columns of text become one input per value. Nothing is unpickled.
"""

import csv
import gzip
import io
import zlib
from typing import Any, NamedTuple

import numpy as np

from ..errors import DataError, first_line, nearest
from ..files.npz import read_arrays
from .folders import expanded, found_in, layouts, named_folder, versions
from .idx import read_idx
from .sources import FILES

SUFFIXES = (".npz", ".csv", ".tsv", ".txt", ".parquet", ".pq")
INPUTS = ("x", "x_train", "train_x", "data", "features", "inputs", "images", "train_images")
LABELS = ("y", "y_train", "train_y", "label", "labels", "target", "targets", "class", "train_labels")
TESTS = {"x": "x_test", "y": "y_test"}
MISSING = ("", "na", "n/a", "nan", "null", "none", "?")
MOST_VALUES = 50  # different texts of a column that become inputs
FOLDER = "labels"  # name of the label of a folder of IDX files
INSTALL = "pip install 'dfanp[tables]'"


class Raw(NamedTuple):
    """Examples as they were read.

    Attributes:
        X: inputs (n, D), float64.
        y: labels (n,) or (n, T), of any type.
        X_test, y_test: likewise, or None.
        features: names of the columns of X, or None.
        label: name of the label.
        pixels: whether the inputs are alike, as those of images.
        how: where the label was found: "column 5 of 5".
    """

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray | None
    y_test: np.ndarray | None
    features: tuple[str, ...] | None
    label: str
    pixels: bool
    how: str


def read(
    data: str, label: str | None = None, test: str | None = None, drop: str | None = None, folder: Any = None
) -> Raw:
    """Return the examples in a file or folder.

    Args:
        data: a path; if it does not exist, it is looked for in `folder`, too.
        label: of a table the names of one or several columns, separated by commas; of an .npz file that of an array.
            None takes a column or an array called label, target, class or y, or else the last column.
        test: a file of the same kind with the test examples.
        drop: names of columns that are left out, separated by commas.
        folder: see ``problems.load``.

    Raises:
        DataError: a file is absent, damaged or in another format; or a value is missing or not finite.
    """
    path, other = found(data, folder), None if test is None else found(test, folder)
    if path.is_dir():
        if label not in (None, FOLDER) or test or drop:
            raise DataError(f"{path}: a folder of IDX files has its labels and test examples in files of their own")
        return read_folder(path)
    if kind_of(path) == ".npz":
        if drop:
            raise DataError(f"{path}: columns are left out of tables, not of an .npz file")
        return read_npz(path, label, other)
    return read_table(path, label, other, drop)


def found(data, folder):
    """Return the path of a file or folder of data; a DataError if it does not exist."""
    path, named = expanded(data), named_folder(folder)
    if not path.exists() and named and (named / path).exists():
        path = named / path
    if not path.exists():
        raise DataError(f"{path}: there is no such file or folder")
    if not path.is_dir() and kind_of(path) not in SUFFIXES:
        more = (
            "; a pickle can run any program: write .npz or .parquet instead"
            if path.suffix in (".pkl", ".pickle", ".npy")
            else ""
        )
        raise DataError(f"{path}: data must be a folder of IDX files, or end in {', '.join(SUFFIXES)}{more}")
    return path


def kind_of(path):
    """Return the suffix of a file, without that of compression."""
    return (path.with_suffix("") if path.suffix.lower() == ".gz" else path).suffix.lower()


def read_folder(path):
    """Return the examples in a folder of IDX files; without test files there are no test examples."""
    place, found = found_in(layouts(path), partly=True), {}
    if place is None:
        raise DataError(f"{path}: holds no IDX files; expected {', '.join(FILES.values())}, plain or .gz")
    for part, file in FILES.items():
        paths = versions(place, file)
        if not paths and part.startswith("train"):
            raise DataError(f"{place}: {file} (or {file}.gz) is missing")
        found[part] = read_idx(paths[0]) if paths else None
    if (found["test_images"] is None) != (found["test_labels"] is None):
        raise DataError(f"{place}: has only one of the two test files")
    names = {"X": "train_images", "y": "train_labels", "X_test": "test_images", "y_test": "test_labels"}
    arrays = {name: found[part] for name, part in names.items() if found[part] is not None}
    return of_arrays(path, arrays, "images", FOLDER, "the label files")


def read_npz(path, label, other):
    """Return the examples in an .npz file."""
    arrays = read_arrays(path)
    if other is not None:
        for name, array in read_arrays(other).items():
            arrays[f"{name.removesuffix('_train')}_test"] = array
    held = ", ".join(f"{name} {array.shape}" for name, array in arrays.items()) or "nothing"
    lower = {name.lower(): name for name in arrays}
    if label is not None and label not in arrays:
        raise DataError(f"{path}: has no array {label!r}{nearest(label, arrays)} (it holds {held})")
    y = label or next((lower[name] for name in LABELS if name in lower), None)
    X = next((lower[name] for name in INPUTS if name in lower), None)
    left = [name for name in arrays if name != y and not name.lower().endswith("test")]
    X = X or (left[0] if len(left) == 1 else None)
    if X is None or y is None or y == X:
        raise DataError(f"{path}: must hold the arrays X and y (--label names another label), it holds {held}")
    test = {
        part: next(
            (
                lower[n]
                for n in (f"{name.lower()}_test", name.lower().replace("train", "test"), TESTS[part])
                if n in lower and lower[n] != name
            ),
            None,
        )
        for part, name in (("x", X), ("y", y))
    }
    chosen = {"X": X, "y": y, "X_test": test["x"], "y_test": test["y"]}
    return of_arrays(
        path,
        {role: arrays[name] for role, name in chosen.items() if name},
        X,
        y,
        "an array",
    )


def of_arrays(path, arrays, X_name, y_name, how):
    """Return the Raw of arrays X, y, and X_test and y_test if there are any, checked."""
    X, y, X_test, y_test = (arrays.get(name) for name in ("X", "y", "X_test", "y_test"))
    if (X_test is None) != (y_test is None):
        raise DataError(
            f"{path}: has test {'inputs' if y_test is None else 'labels'} without test {'labels' if y_test is None else 'inputs'}"
        )
    pixels = X.ndim > 2 or X.dtype == np.uint8
    parts = []
    for inputs, labels, which in ((X, y, ""), (X_test, y_test, "test ")):
        if inputs is None:
            parts += [None, None]
            continue
        if inputs.ndim < 2 or inputs.size == 0:
            raise DataError(
                f"{path}: {which}inputs must have a row for each example and a column for each feature, got shape {inputs.shape}"
            )
        if labels.ndim not in (1, 2) or len(labels) != len(inputs) or labels.size == 0:
            raise DataError(f"{path}: {len(inputs)} rows of {which}inputs, but {which}labels of shape {labels.shape}")
        parts += [
            numbers(path, f"{which}inputs {X_name}", inputs.reshape(len(inputs), -1)),
            checked_labels(path, f"{which}labels {y_name}", labels),
        ]
    if parts[2] is not None and parts[2].shape[1] != parts[0].shape[1]:
        raise DataError(f"{path}: inputs have {parts[0].shape[1]} columns, test inputs {parts[2].shape[1]}")
    if parts[3] is not None and parts[3].shape[1:] != parts[1].shape[1:]:
        raise DataError(f"{path}: labels have shape {parts[1].shape}, test labels {parts[3].shape}")
    return Raw(*parts, None, y_name, pixels, how)


def numbers(path, what, array):
    """Return an array as float64; a DataError unless all its values are finite numbers."""
    if array.dtype.kind not in "biuf":
        raise DataError(f"{path}: {what} must be numbers, got {array.dtype}")
    array = array.astype(np.float64)
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        where = f"row {bad[0][0] + 1}" + (f", column {bad[0][1] + 1}" if array.ndim > 1 else "")
        raise DataError(
            f"{path}: {what} must be finite, but {len(bad)} of {array.size} values are not (the first: {where})"
        )
    return array


def checked_labels(path, what, labels):
    """Return labels as numbers or texts, (n,) or (n, T)."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.dtype.kind == "S":
        labels = np.char.decode(labels, "utf-8", "replace")
    return labels if labels.dtype.kind in "Ub" else numbers(path, what, labels)


class Columns(NamedTuple):
    """A table: names of columns, and each column as an array of texts or of numbers, all of one length."""

    names: list
    columns: list
    lines: list | None  # of the file, one per row

    def __len__(self):
        return len(self.columns[0])


def read_table(path, label, other, drop):
    """Return the examples in a table; the test examples in `other` have the same columns."""
    table = columns_of(path)
    labels, how = label_of(path, table.names, label)
    dropped = split_names(path, table.names, drop) if drop else []
    tables, paths = [table], [path]
    if other is not None:
        tables.append(columns_of(other))
        paths.append(other)
        if tables[1].names != table.names:
            raise DataError(
                f"{other}: must have the columns of {path} ({', '.join(table.names)}), has {', '.join(tables[1].names)}"
            )
    inputs, features, y = [], [], []
    for place, name in enumerate(table.names):
        if name in dropped and name not in labels:
            continue
        column = joined([finite(p, t, place) for p, t in zip(paths, tables, strict=True)])
        if name in labels:
            y.append(column)
        elif column.dtype.kind == "U":
            values = np.unique(column)
            if len(values) > MOST_VALUES:
                raise DataError(
                    f"{path}: column {name!r} has {len(values)} different texts ({column[0]!r}, …), "
                    f"too many for one input each; --drop {name} leaves it out"
                )
            inputs += [(column == value).astype(np.float64) for value in values]
            features += [f"{name}={value}" for value in values]
        else:
            inputs.append(column)
            features.append(name)
    if not inputs:
        raise DataError(f"{path}: no column is left to learn from")
    X, n = np.column_stack(inputs), len(table)
    target = y[0] if len(y) == 1 else np.column_stack(y)
    if len(y) > 1 and target.dtype.kind != "f":
        raise DataError(f"{path}: several labels must be numbers, got {', '.join(labels)}")
    parts = (X, target, None, None) if other is None else (X[:n], target[:n], X[n:], target[n:])
    return Raw(*parts, tuple(features), ", ".join(labels), False, how)


def joined(parts):
    """Return one column of several; as text if one of them is."""
    return np.concatenate([part.astype(str) if any(p.dtype.kind == "U" for p in parts) else part for part in parts])


def label_of(path, names, label):
    """Return the names of the label's columns, and why they are."""
    if label is not None:
        wanted = split_names(path, names, label)
        return wanted, f"column {', '.join(str(names.index(name) + 1) for name in wanted)} of {len(names)}"
    if len(names) < 2:
        raise DataError(
            f"{path}: has a single column ({names[0]!r}); expected columns of inputs and one of the label"
        )
    named = [name for name in names if name.lower() in LABELS]
    return label_of(path, names, named[0] if named else names[-1])


def split_names(path, names, text):
    """Return the columns that a text names, separated by commas; a DataError names one that there is not."""
    wanted = [text] if text in names else [part.strip() for part in text.split(",")]
    for each in wanted:
        if each not in names:
            raise DataError(
                f"{path}: has no column {each!r}: expected some of {', '.join(names)}{nearest(each, names)}"
            )
        if names.count(each) > 1:
            raise DataError(f"{path}: has {names.count(each)} columns called {each!r}")
    return wanted


def finite(path, table, place):
    """Return a column; a DataError says where a value is missing or not finite."""
    name, column = table.names[place], table.columns[place]
    bad = np.flatnonzero(
        ~np.isfinite(column) if column.dtype.kind == "f" else np.isin(np.char.lower(column), MISSING)
    )
    if len(bad):
        row = f"line {table.lines[bad[0]]}" if table.lines else f"row {bad[0] + 1}"
        raise DataError(
            f"{path}: column {name!r} has {len(bad)} missing or infinite value{'s' * (len(bad) > 1)} (the first in {row}); "
            f"fill them in, or leave out these rows or the column (--drop)"
        )
    return column


def columns_of(path):
    """Return the Columns of a file."""
    return read_parquet(path) if kind_of(path) in (".parquet", ".pq") else read_csv(path)


def read_csv(path):
    """Return the Columns of a text file; the first line is the head unless it has a number."""
    try:
        content = path.read_bytes()
        text = (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content).decode("utf-8-sig")
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or first_line(error)})") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not text in UTF-8 (byte {error.start})") from None
    first = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(",;\t|", key=first.count)
    reader, rows, lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator), [], []
    try:
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if rows and len(row) != len(rows[0]):
                raise DataError(
                    f"{path}: line {reader.line_num} has {len(row)} values, line {lines[0]} has {len(rows[0])}"
                )
            rows.append([cell.strip() for cell in row])
            lines.append(reader.line_num)
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num} cannot be read ({error})") from None
    head = bool(rows) and not any(is_number(cell) for cell in rows[0])
    names = rows.pop(0) if head else [f"column {place + 1}" for place in range(len(rows[0]) if rows else 0)]
    if not rows:
        raise DataError(f"{path}: holds no rows of data")
    return Columns(names, [column_of(cells) for cells in zip(*rows, strict=True)], lines[head:])


def is_number(cell):
    """Whether a text is a number."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def column_of(cells):
    """Return the cells of a column as numbers, NaN where one is missing; as texts, if one is a text."""
    try:
        return np.array([float("nan") if cell.lower() in MISSING else float(cell) for cell in cells])
    except ValueError:
        return np.array(cells)


def read_parquet(path):
    """Return the Columns of a .parquet file, by pandas."""
    try:
        import pandas
    except ImportError:
        raise DataError(f"{path}: pandas is needed to read it ({INSTALL})") from None
    try:
        frame = pandas.read_parquet(path)
    except ImportError:
        raise DataError(f"{path}: pandas needs pyarrow to read it ({INSTALL})") from None
    except Exception as error:  # pyarrow raises many kinds
        raise DataError(f"{path}: cannot be read ({first_line(error)})") from None
    return of_frame(frame, path)


def of_frame(frame, name):
    """Return the Columns of a pandas DataFrame."""
    if frame.shape[0] == 0 or frame.shape[1] == 0:
        raise DataError(f"{name}: holds no rows of data")
    columns = []
    for place, title in enumerate(frame.columns):
        column = frame.iloc[:, place]
        if column.dtype.kind in "biuf":
            columns.append(column.to_numpy(np.float64, na_value=np.nan))
        elif column.dtype.kind in "mMc":
            raise DataError(f"{name}: column {str(title)!r} is {column.dtype}, neither numbers nor text")
        else:
            columns.append(column.astype(object).where(column.notna(), "").astype(str).to_numpy(str))
    return Columns(list(map(str, frame.columns)), columns, None)
