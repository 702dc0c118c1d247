import gzip
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from dfanp import DataError, load
from dfanp.problems import datasets, folders
from dfanp.problems.sources import FILES

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


def test_what_is_too_small_to_hold_out(tmp_path):
    with pytest.raises(DataError, match="nothing can be held out, no class has 5 training images"):
        load(f"idx:{own(tmp_path, n=40)}").hold_out()
    assert len(load(f"idx:{own(tmp_path, n=50)}").hold_out().test) == 10


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


def test_another_data_set_in_the_folder_is_recognised_by_its_digest(forge, monkeypatch):
    published = datasets.SOURCES["fashion-mnist"]
    place = forge("mnist")
    monkeypatch.setitem(datasets.SOURCES, "fashion-mnist", published)
    with pytest.raises(DataError, match="not the published file"):
        load("fashion-mnist", place)


def test_the_other_data_set_is_named_from_both_sides(forge):
    """Each has been published, and the folder has the files of the one that is not asked for."""
    forge("mnist")
    place = forge("fashion-mnist", n=5)
    with pytest.raises(DataError, match="it is that of fashion-mnist: --data fashion-mnist takes it"):
        load("mnist", place)
    forge("mnist", n=4)
    with pytest.raises(DataError, match="it is that of mnist: --data mnist takes it"):
        load("fashion-mnist", place)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
@pytest.mark.parametrize("root", ["", "ROOT", "ROOT/raw"])
def test_reads_what_torchvision_left(forge, name, root, tmp_path):
    """Both data sets below one root, .gz beside plain files; named is the root, a data set's folder in it, or raw."""
    titles = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST"}
    for number, (each, title) in enumerate(titles.items()):
        place = forge(each, n=4 + number, place=tmp_path / title / "raw")
        for path in list(place.glob("*.gz")):
            path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
    found = load(name, tmp_path / root.replace("ROOT", titles[name]))
    assert len(found.train) == (4 if name == "mnist" else 5)


@pytest.mark.parametrize("ending, wrap", [("", bytes), (".gz", gzip.compress)])
def test_reads_names_that_have_a_dot(forge, ending, wrap):
    place = forge("mnist", ending=ending, wrap=wrap)
    for path in list(place.iterdir()):
        path.rename(path.with_name(path.name.replace("-idx", ".idx")))
    assert len(load("mnist", place).train) == 4 and datasets.find("mnist", place) == place


def test_reads_files_that_lie_in_folders_of_their_names(forge):
    place = forge("mnist", ending="", wrap=bytes)
    for path in list(place.iterdir()):
        path.rename(path.with_name("moved"))
        path.mkdir()
        path.with_name("moved").rename(path / path.name)
    assert len(load("mnist", place).train) == 4


def cut(path):
    path.write_bytes(gzip.decompress(path.with_suffix(".gz").read_bytes())[:20])


def emptied(path):
    path.write_bytes(b"")


def of_another(path):
    path.write_bytes(idx(np.zeros((4, 2, 2), np.uint8)))


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
@pytest.mark.parametrize("broken", [cut, emptied, of_another, Path.mkdir, lambda path: path.symlink_to("nowhere")])
@pytest.mark.parametrize("spelt", ["-idx", ".idx"])
def test_of_several_versions_the_sound_one_is_read(forge, name, broken, spelt):
    place = forge(name)
    for path in list(place.glob("*.gz")):
        plain = path.with_suffix("")
        if broken is cut:
            cut(plain)
            plain = plain.rename(plain.with_name(plain.name.replace("-idx", spelt)))
        else:
            broken(plain.with_name(plain.name.replace("-idx", spelt)))
    assert len(load(name, place).train) == 4


def test_the_sound_one_may_lie_in_another_of_the_places(forge, tmp_path):
    good = forge("mnist")
    (good / "mnist").mkdir()
    for path in list(good.glob("*.gz")):
        (good / "mnist" / path.name).write_bytes(b"broken")
    assert len(load("mnist", good).train) == 4


def test_where_none_is_sound_each_is_named_with_a_remedy(forge):
    place = forge("mnist")
    for path in list(place.glob("*.gz")):
        cut(path.with_suffix(""))
        path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError) as caught:
        load("mnist", place)
    message = str(caught.value)
    assert message.count("train-images-idx3-ubyte: ") == 1 and message.count("train-images-idx3-ubyte.gz: ") == 1
    assert message.endswith(f"`dfanp data fetch mnist --data-dir {place}` downloads it") and "idx:DIR" not in message


def test_a_sound_file_that_is_another_one_is_not_to_be_fetched_again(forge):
    place = forge("mnist")
    (place / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(np.ones((4, 2, 2), np.uint8))))
    with pytest.raises(
        DataError, match="a sound file, but not the published content .*--data idx:DIR takes your own images"
    ):
        load("mnist", place)


def test_a_pipe_of_that_name_is_not_waited_for(forge):
    place = forge("mnist")
    os.mkfifo(place / "train-images-idx3-ubyte")
    assert len(load("mnist", place).train) == 4


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


def test_a_folder_that_is_named_is_never_passed_over(tmp_path, monkeypatch):
    """By an argument or by the variable, with nothing in it or with other things."""
    for number in range(9):
        wanted = "mnist is not here .looked in .*in its mnist, MNIST, and in raw of each; "
        wanted += "expected train-images-idx3-ubyte, .*; the folder has "
        wanted += "0, 1, 2, 3, 4, 5, …" if number > 6 else ", ".join(map(str, range(number))) or "nothing"
        with pytest.raises(DataError, match=f"{wanted}.*--data digits takes the embedded digits"):
            datasets.resolve("auto", tmp_path)
        with monkeypatch.context() as patch:
            patch.setenv("DFANP_DATA", str(tmp_path))
            for call in (lambda: datasets.resolve("auto"), lambda: load("mnist")):
                with pytest.raises(DataError, match=wanted):
                    call()
            assert load("digits").name == "digits"  # which nobody looks for in a folder
        (tmp_path / str(number)).touch()


def test_the_variable_names_a_folder_in_the_library_too(forge, tmp_path, monkeypatch):
    forge("mnist", n=3, place=tmp_path / "cache" / "mnist")
    for each in (tmp_path / "other", tmp_path / "named"):
        forge("mnist", n=5, place=each)
    monkeypatch.setenv("DFANP_DATA", str(tmp_path / "named"))
    assert datasets.find("mnist") == tmp_path / "named" and len(load("mnist").train) == 5
    assert datasets.find("mnist", tmp_path / "other") == tmp_path / "other"  # an argument goes before it
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DFANP_DATA", "~/named")
    assert datasets.find("mnist") == tmp_path / "named"
    monkeypatch.setenv("DFANP_DATA", str(tmp_path / "gone"))
    with pytest.raises(DataError, match="gone: the data folder that DFANP_DATA names is absent"):
        load("mnist")
    monkeypatch.setenv("DFANP_DATA", "")
    forge("mnist", n=3, place=tmp_path / "cache" / "mnist")
    assert len(load("mnist").train) == 3


def own(place, side=3, n=6, labels=10, **changed):
    """Write images of one's own, four plain files, into a folder; `changed` are arrays of some parts."""
    rng = np.random.default_rng(n)
    place.mkdir(parents=True, exist_ok=True)
    for part, file in FILES.items():
        array = (
            rng.integers(0, 256, (n, side, side), np.uint8)
            if part.endswith("images")
            else np.arange(n, dtype=np.uint8) % labels
        )
        (place / file).write_bytes(idx(changed.get(part, array)))
    return place


def test_images_of_ones_own(tmp_path, monkeypatch):
    found = load(f"idx:{own(tmp_path / 'kana')}")
    assert (
        found.name == f"idx:{tmp_path / 'kana'}"
        and found.side == 3
        and found.train.labels.tolist() == [0, 1, 2, 3, 4, 5]
    )
    assert (found.mean, found.std) == (
        pytest.approx(found.train.pixels.mean()),
        pytest.approx(found.train.pixels.std()),
    )
    assert load(f"idx:{own(tmp_path / 'KMNIST' / 'raw').parent}").digest == found.digest
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load("idx:kana").digest == load("idx:~/kana").digest == found.digest
    monkeypatch.chdir("/")
    assert load("idx:kana", tmp_path).digest == found.digest
    monkeypatch.setenv("DFANP_DATA", str(tmp_path))
    assert load("idx:kana").digest == found.digest and datasets.resolve("idx:kana") == "idx:kana"


def test_of_ones_own_files_the_sound_ones_are_read(tmp_path):
    place = own(tmp_path)
    want = load(f"idx:{place}").digest
    for file in FILES.values():
        (place / f"{file}.gz").write_bytes(gzip.compress((place / file).read_bytes()))
        (place / file).write_bytes(b"broken")
    assert load(f"idx:{place}").digest == want


@pytest.mark.parametrize("changed, message", [
    ({"train_images": np.zeros((6, 3, 4), np.uint8)}, "images must be square.* got 3 × 4 pixels"),
    ({"test_images": np.zeros((6, 4, 4), np.uint8)}, "as large as training images, got 4 × 4 pixels"),
    ({"train_images": np.zeros((6, 0, 0), np.uint8)}, "got 0 × 0 pixels"),
    ({"train_images": np.full((6, 3, 3), 7, np.uint8)}, "all pixels are 7"),
    ({"train_images": np.zeros((6, 9), np.uint8)}, r"holds uint8 of shape .6, 9., not train images"),
    ({"test_labels": np.arange(5, 11, dtype=np.uint8)}, "labels must be 0 … 9, got 10"),
    ({"test_labels": np.zeros(5, np.uint8)}, "6 test images, but 5 labels"),
])  # fmt: skip
def test_images_of_ones_own_in_another_form(tmp_path, changed, message):
    with pytest.raises(DataError, match=message) as caught:
        load(f"idx:{own(tmp_path, **changed)}")
    assert "fetch" not in str(caught.value)


def test_images_of_ones_own_that_are_not_there(tmp_path):
    with pytest.raises(
        DataError,
        match="train-images-idx3-ubyte .or train-images-idx3-ubyte.gz. is missing: expected .*has nothing",
    ):
        load(f"idx:{tmp_path}")
    with pytest.raises(DataError, match="the data folder is absent"):
        load("idx:")
    with pytest.raises(DataError, match="nowhere: the data folder is absent"):
        load(f"idx:{tmp_path / 'nowhere'}", tmp_path)
    (own(tmp_path) / "t10k-labels-idx1-ubyte").write_bytes(b"broken")
    with pytest.raises(DataError, match="t10k-labels-idx1-ubyte: not an IDX file") as caught:
        load(f"idx:{tmp_path}")
    assert "fetch" not in str(caught.value)


def test_an_incomplete_cache_is_no_mnist_yet(forge, tmp_path):
    place = forge("mnist", place=tmp_path / "cache" / "mnist")
    (place / "t10k-labels-idx1-ubyte.gz").unlink()
    assert datasets.resolve("auto") == "digits"
    assert (
        datasets.resolve("auto", tmp_path / "cache") == "mnist"
    )  # a folder that was named gets a message about what it lacks


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
    with pytest.raises(
        ValueError, match="unknown data set 'minst'.*digits, mnist, fashion-mnist, idx:DIR; did you mean 'mnist'"
    ):
        load("minst")
    for name in (None, 3, ["mnist"], "auto", "IDX:x"):
        with pytest.raises(ValueError, match="unknown data set"):
            load(name)


def test_the_real_mnist(mnist_folder):
    mnist = load("mnist", mnist_folder)
    assert mnist.train.pixels.shape == (60000, 784) and len(mnist.test) == 10000 and mnist.side == 28
    assert mnist.train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert (mnist.train.pixels != 0).mean() == pytest.approx(0.191, abs=0.001)
