import gzip
import json
import os
from pathlib import Path

import numpy as np
import pytest

from dfanp import load
from dfanp.problems.sources import FILES

from ..problems.test_idx import idx


def test_list(dfanp, tmp_path):
    result = dfanp("data", "list")
    assert result.code == 0
    assert "digits" in result.out and "dfanp data fetch mnist (11 MB)" in result.out
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"")
    rows = json.loads(dfanp("data", "list", "--json", "--data-dir", tmp_path).out)
    assert {row["name"]: row["place"] for row in rows}["mnist"] == str(tmp_path)


def test_fetch_without_a_network(dfanp, tmp_path, monkeypatch):
    from dfanp.problems import datasets

    dead = datasets.SOURCES["mnist"]._replace(mirrors=("http://127.0.0.1:1/",))
    monkeypatch.setitem(datasets.SOURCES, "mnist", dead)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    result = dfanp("data", "fetch", "mnist", "--quiet")
    assert result.code == 1 and result.err.count("\n") == 1
    assert "could not be fetched (127.0.0.1:1: no connection)" in result.err and "--data-dir" in result.err


@pytest.mark.parametrize("name", ["minst", "digits"])
def test_fetch_of_what_there_is_not(dfanp, name):
    result = dfanp("data", "fetch", name)
    assert result.code == 2 and "is not one of mnist, fashion-mnist" in result.err


SMALL = [
    "--k",
    "1",
    "--hidden",
    "4",
    "--train-size",
    "60",
    "--test-size",
    "20",
    "--batch-size",
    "20",
    "--epochs",
    "1",
    "--device",
    "cpu",
    "--json",
]


def trained(result):
    """Return the config of a run that the command has trained."""
    assert result.code == 0, result.err
    return json.loads(result.out)["config"]


@pytest.fixture
def images(tmp_path):
    """Write images of one's own, named like MNIST's, into a folder."""
    rng = np.random.default_rng(0)

    def write(name, ending=""):
        (tmp_path / name).mkdir(parents=True)
        for file in FILES.values():
            array = (
                rng.integers(0, 256, (60, 4, 4), np.uint8) if "images" in file else np.arange(60, dtype=np.uint8) % 10
            )
            content = idx(array)
            (tmp_path / name / f"{file}{ending}").write_bytes(gzip.compress(content) if ending else content)
        return tmp_path / name

    return write


@pytest.mark.parametrize("command", [["parity"], ["tune", "parity", "--out", "swept"]])
@pytest.mark.parametrize("by", ["option", "variable"])
def test_an_empty_folder_is_one_line_and_nothing_is_trained(dfanp, tmp_path, monkeypatch, command, by):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    if by == "variable":
        monkeypatch.setenv("DFANP_DATA", "empty")
    result = dfanp(*command, *SMALL, *(["--data-dir", "empty"] if by == "option" else []))
    assert result.code == 1 and result.out == "" and result.err.count("\n") == 1
    assert f"looked in {tmp_path / 'empty'}" in result.err and "--data digits takes the embedded digits" in result.err
    assert os.listdir() == ["empty"]


def test_the_embedded_digits_are_taken_where_no_folder_is_named(dfanp):
    assert trained(dfanp("parity", *SMALL))["data"] == "digits"


def test_images_of_ones_own_are_trained_on(dfanp, images, tmp_path, monkeypatch):
    place = images("kana", ".gz")
    config = trained(dfanp("parity", *SMALL, "--data", f"idx:{place}", "--out", tmp_path / "run"))
    assert config["data"] == f"idx:{place}" and config["data_sha256"] == load(f"idx:{place}").digest
    assert dfanp("report", tmp_path / "run", "--out", tmp_path / "page.html").code == 0
    monkeypatch.setenv("HOME", str(tmp_path))
    assert trained(dfanp("parity", *SMALL, "--data", "idx:~/kana"))["data"] == f"idx:{place}"
    swept = dfanp("tune", "parity", *SMALL, "--lr", "0.1", "--data", f"idx:{place}", "--out", tmp_path / "swept")
    assert swept.code == 0
    for file in FILES.values():
        (place / f"{file}.gz").unlink()
    result = dfanp("parity", *SMALL, "--data", f"idx:{place}")
    assert result.code == 1 and "is missing: expected" in result.err and "fetch" not in result.err
    result = dfanp("parity", *SMALL, "--data", "ixd:kana")
    assert result.code == 2 and "is not one of auto, digits, mnist, fashion-mnist, idx:DIR" in result.err


def test_own_images_in_the_place_of_mnist_get_a_message_that_says_how_to_take_them(dfanp, images):
    place = images("mnist")
    result = dfanp("parity", *SMALL, "--data", "mnist", "--data-dir", place)
    assert result.code == 1 and "a sound file, but not the published content" in result.err
    assert "--data idx:DIR takes your own images" in result.err
    trained(dfanp("parity", *SMALL, "--data", f"idx:{place}"))


def test_the_real_mnist_beside_a_plain_file_that_is_cut_off(dfanp, mnist_folder, tmp_path):
    """As the folder stands, and after the command that a message names."""
    place = tmp_path / "loop" / "mnist"
    place.mkdir(parents=True)
    for path in Path(mnist_folder).rglob("*.gz"):
        (place / path.name).write_bytes(path.read_bytes())
    first = place / "train-images-idx3-ubyte"
    first.write_bytes(gzip.decompress(first.with_suffix(".gz").read_bytes())[:1_000_000])
    for name in ("mnist", "auto"):
        assert trained(dfanp("parity", *SMALL, "--data", name, "--data-dir", tmp_path / "loop"))["data"] == "mnist"
    result = dfanp("data", "fetch", "mnist", "--data-dir", tmp_path / "loop")
    assert result.code == 0 and result.err.count("here already, checked") == 4
    assert f"{first}.gz: here already" in result.err


@pytest.mark.parametrize("root", ["", "MNIST", "MNIST/raw"])
def test_the_real_mnist_as_torchvision_keeps_it(dfanp, mnist_folder, tmp_path, root):
    place = tmp_path / "MNIST" / "raw"
    place.mkdir(parents=True)
    for path in Path(mnist_folder).rglob("*.gz"):
        (place / path.name).symlink_to(path)
    assert trained(dfanp("parity", *SMALL, "--data-dir", tmp_path / root))["data"] == "mnist"
    rows = json.loads(dfanp("data", "list", "--json", "--data-dir", tmp_path / root).out)
    assert {row["name"]: row["place"] for row in rows}["mnist"] == str(place)
