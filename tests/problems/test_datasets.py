import gzip
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from dfanp import DataError, load
from dfanp.problems import datasets, folders

from .test_idx import idx


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch, tmp_path):
    monkeypatch.setattr(folders, "cache", lambda: tmp_path / "cache")


@pytest.fixture
def forge(tmp_path, monkeypatch):
    """Put small IDX files into a folder and make their digests the published ones: ``forge("mnist", …)``."""

    def put(name, n=4, labels=None, wrap=gzip.compress, ending=".gz", place=tmp_path / "data"):
        source, sums = datasets.SOURCES[name], {}
        place.mkdir(parents=True, exist_ok=True)
        for part, file in datasets.FILES.items():
            array = np.arange(n * 4, dtype=np.uint8).reshape(n, 2, 2)
            if part.endswith("labels"):
                array = np.arange(n if labels is None else labels, dtype=np.uint8)
            (place / (file + ending)).write_bytes(wrap(idx(array)))
            content = (place / (file + ending)).read_bytes() if source.md5 else idx(array)
            sums[file] = hashlib.new("md5" if source.md5 else "sha256", content).hexdigest()
        monkeypatch.setitem(datasets.SOURCES, name, source._replace(**{"md5" if source.md5 else "sha256": sums}))
        return place

    return put


def test_embedded_digits():
    digits = load("digits")
    assert (len(digits.train), len(digits.test), digits.side) == (1501, 296, 8)
    assert digits.train.pixels.dtype == np.uint8 and digits.train.pixels.shape[1] == 64
    assert digits.train.pixels.max() == 16
    counts = np.bincount(digits.test.labels)
    assert counts.min() >= 29 and counts.max() <= 30
    np.testing.assert_allclose([digits.mean, digits.std], [digits.train.pixels.mean(), digits.train.pixels.std()])


@pytest.mark.parametrize("file", ["digits.csv.gz", "moved"])
def test_the_digits_are_those_that_scikit_learn_loads(file, monkeypatch):
    is_file = Path.is_file
    monkeypatch.setattr(Path, "is_file", lambda path: is_file(path) and path.name == file)
    images, labels = load_digits(return_X_y=True)
    table = datasets.digits_table()
    assert table.dtype == np.uint8
    np.testing.assert_array_equal(table, np.column_stack([images, labels]))


def test_the_digits_split_does_not_drift():
    digits = load("digits")
    found = hashlib.sha256(digits.train.pixels.tobytes() + digits.test.labels.tobytes()).hexdigest()
    assert found == "e40565776924ad2833f033a054e5a2fb70ce87120784447cd8a24bab24df8034"


def test_hold_out_never_sees_the_test_images():
    digits = load("digits")
    held = digits.hold_out()
    assert len(held.train) + len(held.test) == len(digits.train)
    rows = {row.tobytes() for row in digits.train.pixels}
    assert all(row.tobytes() in rows for row in held.test.pixels)
    assert np.bincount(held.test.labels).min() >= 28


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_reads_a_folder_or_the_folder_of_its_name_in_it(forge, name, tmp_path):
    for place in (tmp_path / "a", tmp_path / "b" / name):
        forge(name, place=place)
    for folder in (tmp_path / "a", tmp_path / "b"):
        found = load(name, folder)
        assert found.train.pixels.shape == (4, 4) and found.side == 2 and found.test.labels.tolist() == [0, 1, 2, 3]
    assert (found.mean, found.std) == ((33.3285, 78.5655) if name == "mnist" else (7.5, np.arange(16).std()))


def test_reads_uncompressed_files_of_mnist_but_not_of_fashion_mnist(forge):
    place = forge("mnist", wrap=bytes, ending="")
    assert len(load("mnist", place).train) == 4
    with pytest.raises(DataError, match="only the published .gz file can be checked"):
        load("fashion-mnist", place)


def test_another_data_set_in_the_folder_is_told_by_its_digest(forge, monkeypatch):
    published = datasets.SOURCES["fashion-mnist"]
    place = forge("mnist")
    monkeypatch.setitem(datasets.SOURCES, "fashion-mnist", published)
    with pytest.raises(DataError, match="not the published file"):
        load("fashion-mnist", place)


def test_auto_is_mnist_where_it_is_and_else_the_digits(forge, tmp_path):
    assert datasets.resolve("auto") == "digits"
    assert datasets.resolve("auto", forge("mnist")) == "mnist"
    forge("mnist", place=tmp_path / "cache" / "mnist")
    assert datasets.resolve("auto") == "mnist" and datasets.resolve("digits") == "digits"


def test_absent_data_say_where_and_how(tmp_path):
    with pytest.raises(DataError, match=r"mnist is not here .*cache.*dfanp data fetch mnist.*--data-dir"):
        load("mnist")
    with pytest.raises(DataError, match="the data folder is absent"):
        load("mnist", tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="the data folder is not a folder"):
        datasets.resolve("auto", tmp_path / "file")


def test_an_incomplete_cache_is_no_mnist_yet(forge, tmp_path):
    place = forge("mnist", place=tmp_path / "cache" / "mnist")
    (place / "t10k-labels-idx1-ubyte.gz").unlink()
    assert datasets.resolve("auto") == "digits"
    assert datasets.resolve("auto", tmp_path / "cache") == "mnist"  # a folder that was named is told what it lacks


@pytest.mark.parametrize("folder", ["", "~nobody-of-this-name/data"])
def test_a_folder_that_names_nothing(folder):
    with pytest.raises(DataError, match="the data folder is absent"):
        datasets.resolve("auto", folder)


def test_unreadable_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # the tests may run as root, who reads everything
    with pytest.raises(DataError, match="cannot be read .permission denied"):
        datasets.resolve("auto", tmp_path)


def test_a_missing_file_and_labels_that_do_not_fit(forge):
    place = forge("mnist", labels=3)
    with pytest.raises(DataError, match="4 train images, but 3 labels"):
        load("mnist", place)
    (place / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match="t10k-labels-idx1-ubyte .* is missing"):
        load("mnist", place)


def test_labels_in_the_place_of_images(forge):
    place = forge("mnist")
    labels, images = (f"train-{part}-ubyte" for part in ("labels-idx1", "images-idx3"))
    (place / f"{images}.gz").write_bytes((place / f"{labels}.gz").read_bytes())
    datasets.SOURCES["mnist"].sha256[images] = datasets.SOURCES["mnist"].sha256[labels]
    with pytest.raises(DataError, match=r"holds uint8 of shape \(4,\), not train images"):
        load("mnist", place)


def test_unknown_name():
    with pytest.raises(ValueError, match="unknown data set 'minst'.*did you mean 'mnist'"):
        load("minst")


def test_the_real_mnist(mnist_folder):
    mnist = load("mnist", mnist_folder)
    assert mnist.train.pixels.shape == (60000, 784) and len(mnist.test) == 10000 and mnist.side == 28
    assert mnist.train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert (mnist.train.pixels != 0).mean() == pytest.approx(0.191, abs=0.001)
