"""Files of examples: what they mean, and one clear line for each that cannot be used."""

import gzip
import os

import numpy as np
import pytest

from dfanp import DataError
from dfanp.problems import own, reading

IRIS = "length,colour,species\n1,red,a\n2,blue,b\n3,red,a\n4,blue,b\n"


@pytest.fixture
def write(tmp_path):
    def written(content, name="a.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return written


def test_a_table(write):
    found = reading.read(write(IRIS))
    assert found.features == ("length", "colour=blue", "colour=red") and found.label == "species"
    assert found.X.tolist() == [[1, 0, 1], [2, 1, 0], [3, 0, 1], [4, 1, 0]] and found.y.tolist() == list("abab")
    assert found.how == "column 3 of 3" and found.X_test is None


@pytest.mark.parametrize(
    "content, name",
    [
        (IRIS.replace(",", ";"), "a.csv"),
        (IRIS.replace(",", "\t"), "a.tsv"),
        ("\ufeff" + IRIS.replace("\n", "\r\n\r\n"), "a.txt"),
        (gzip.compress(IRIS.encode(), mtime=0), "a.csv.gz"),
    ],
)
def test_other_separators_line_ends_and_compression(write, content, name):
    assert reading.read(write(content, name)).X.shape == (4, 3)


def test_labels_by_name_and_columns_left_out(write):
    path = write(IRIS.replace("length", "Target"))
    assert reading.read(path).label == "Target" and reading.read(path, label="colour").y.tolist()[0] == "red"
    assert reading.read(path, label="Target", drop="colour").features == ("species=a", "species=b")
    assert reading.read(write("1,2,0\n3,4,1\n")).label == "column 3"  # no head
    two = reading.read(write("a,b,c\n1,2,3\n4,5,6\n"), label="a, c")
    assert two.y.tolist() == [[1, 3], [4, 6]] and two.label == "a, c"


def test_a_test_file_has_the_same_columns(write):
    found = reading.read(write(IRIS), test=write("length,colour,species\n9,green,b\n", "b.csv"))
    assert found.features == ("length", "colour=blue", "colour=green", "colour=red")
    assert found.X_test.tolist() == [[9, 0, 1, 0]] and found.y_test.tolist() == ["b"]


HOSTILE = {
    "ragged": ("a,b\n1,2\n3\n", "line 3 has 1 values, line 1 has 2"),
    "empty": ("", "holds no rows of data"),
    "only a head": ("a,b\n", "holds no rows of data"),
    "a single column": ("a\n1\n", "has a single column ('a')"),
    "nothing there": ("a,b\n1,2\n,3\n", "column 'a' has 1 missing or infinite value (the first in line 3)"),
    "NaN": ("a,b\nnan,2\n2,3\n", "'a' has 1 missing"),
    "infinite": ("a,b\n1,2\ninf,3\n", "'a' has 1 missing or infinite"),
    "no text": (b"a,b\n\xff\xfe,2\n", "is not text in UTF-8"),
    "too many texts": ("a,b\n" + "".join(f"x{i},{i % 2}\n" for i in range(60)), "--drop a leaves it out"),
    "a column twice": ("a,b,b\n1,2,3\n", "has 2 columns called 'b'"),
    "half a gzip file": (gzip.compress(IRIS.encode() * 99)[:-9], "cannot be read"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_table_is_one_clear_line(write, name):
    content, why = HOSTILE[name]
    with pytest.raises(DataError) as caught:
        reading.read(write(content))
    assert why in str(caught.value) and "\n" not in str(caught.value)


def test_names_that_there_are_not(write):
    for label, why in (("specis", "did you mean 'species'?"), ("zzz", "expected some of length, colour, species")):
        with pytest.raises(DataError, match=why.replace("?", r"\?")):
            reading.read(write(IRIS), label=label)
    for data, why in (("none.csv", "no such file"), (write("x", "a.pkl"), "a pickle can run any program")):
        with pytest.raises(DataError, match=why):
            reading.read(data)


def test_arrays(tmp_path):
    X, y = np.arange(24.0).reshape(6, 2, 2), np.array(list("ababab"))
    np.savez(tmp_path / "a.npz", x_train=X, y_train=y, x_test=X[:2], y_test=y[:2])
    found = reading.read(str(tmp_path / "a.npz"))
    assert found.X.shape == (6, 4) and found.X_test.shape == (2, 4) and found.pixels and found.label == "y_train"
    np.savez(tmp_path / "b.npz", X=X.reshape(6, 4), y=np.arange(6.0), other=np.arange(6) % 2)
    assert reading.read(str(tmp_path / "b.npz"), label="other").y.tolist() == [0, 1] * 3


class Bomb:
    def __reduce__(self):
        return os.system, ("touch hacked",)


def test_nothing_is_unpickled(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("a.npz", X=np.array([Bomb()], dtype=object), y=np.zeros(1))
    with pytest.raises(DataError, match="Python objects are not read"):
        reading.read("a.npz")
    assert not (tmp_path / "hacked").exists()


BAD = {
    "no label": (dict(X=np.ones((3, 2))), "must hold the arrays X and y"),
    "too few labels": (dict(X=np.ones((3, 2)), y=np.ones(2)), r"3 rows of inputs, but labels of shape \(2,\)"),
    "flat": (dict(X=np.ones(3), y=np.ones(3)), "a row for each example"),
    "empty": (dict(X=np.ones((0, 2)), y=np.ones(0)), "a row for each example"),
    "NaN": (dict(X=np.array([[1, np.nan]]), y=np.ones(1)), r"must be finite.*row 1, column 2"),
    "texts": (dict(X=np.array([["a"]]), y=np.ones(1)), "inputs X must be numbers"),
    "half a test set": (dict(X=np.ones((3, 2)), y=np.ones(3), X_test=np.ones((3, 2))), "without test labels"),
    "another width": (dict(X=np.ones((3, 2)), y=np.ones(3), X_test=np.ones((3, 1)), y_test=np.ones(3)), "2 columns"),
}


@pytest.mark.parametrize("name", BAD)
def test_arrays_that_do_not_fit(tmp_path, name):
    arrays, why = BAD[name]
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=why):
        reading.read(str(tmp_path / "a.npz"))


def test_a_truncated_file_of_arrays(tmp_path, write):
    np.savez_compressed(tmp_path / "a.npz", X=np.random.default_rng(0).normal(size=(50, 9)), y=np.ones(50))
    whole = (tmp_path / "a.npz").read_bytes()
    for content in (whole[:-30], whole[:200], b"PK", b""):
        with pytest.raises(DataError, match="not a sound .npz file"):
            reading.read(write(content, "b.npz"))


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


def test_a_folder_of_idx_files_of_any_size(tmp_path):
    images, labels = np.arange(36, dtype=np.uint8).reshape(6, 3, 2), np.array([0, 200, 0, 200, 0, 200], np.uint8)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(images))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(labels))
    found = own.load(str(tmp_path), test_share=0.34)
    assert found.classes == ("0", "200") and found.X.shape == (4, 6) and found.pixels and found.label == "labels"
    with pytest.raises(DataError, match="holds no IDX files"):
        reading.read(str(tmp_path.parent / tmp_path.name / ".."))


def test_parquet_by_pandas(tmp_path, monkeypatch, write):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "x"], "y": [True, False, True]})
    monkeypatch.setattr(pandas, "read_parquet", lambda path: frame)
    found = reading.read(write("PAR1", "a.parquet"))
    assert found.features == ("a", "b=x", "b=y") and found.y.tolist() == [1, 0, 1]
    frame.loc[1, "b"] = None
    with pytest.raises(DataError, match="'b' has 1 missing or infinite value .the first in row 2."):
        reading.read(write("PAR1", "a.parquet"))

    def lacks(path):
        raise ImportError("no engine")

    monkeypatch.setattr(pandas, "read_parquet", lacks)
    with pytest.raises(DataError, match=r"needs pyarrow to read it \(pip install 'dfanp\[tables\]'\)"):
        reading.read(write("PAR1", "a.parquet"))
