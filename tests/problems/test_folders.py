"""The folder that the user names, in the library and in processes of its own."""

import gzip
import hashlib
import os

import numpy as np
import pytest

from dfanp.problems import folders
from dfanp.problems.sources import FILES, SOURCES
from dfanp.settings import ParitySettings
from dfanp.sweeps import grids, jobs
from dfanp.sweeps.sweep import Sweep

from .test_idx import idx

BASE = ParitySettings(lr=0.1, k=1, hidden=(4,), epochs=1, train_size=40, test_size=20, batch_size=20, opt="sgd")


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder that DFANP_DATA names, with images of one's own in ``mine``."""
    monkeypatch.setattr(folders, "cache", lambda: tmp_path / "cache")
    rng = np.random.default_rng(0)
    (tmp_path / "data" / "mine").mkdir(parents=True)
    for file in FILES.values():
        array = rng.integers(0, 256, (30, 4, 4), np.uint8) if "images" in file else np.arange(30, dtype=np.uint8) % 10
        (tmp_path / "data" / "mine" / f"{file}.gz").write_bytes(gzip.compress(idx(array)))
    monkeypatch.setenv("DFANP_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def outcomes(settings, folder, **more):
    with Sweep(settings, folder, **more) as sweep:
        return [outcome.error or outcome.state for outcome in sweep.outcomes()]


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_sweep_and_its_workers_find_what_the_variable_names(own, tmp_path, monkeypatch, workers):
    """Also where the workers were started before the variable was set, and in another folder."""
    settings = grids.product(BASE, data=["digits"], hidden=[(4,), (5,)])
    with monkeypatch.context() as without:
        without.delenv("DFANP_DATA")
        assert outcomes(settings, tmp_path / "first", workers=workers) == ["done", "done"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DFANP_DATA", "data")
    settings = grids.product(BASE, data=["idx:mine"], hidden=[(4,), (5,)])
    assert outcomes(settings, tmp_path / "second", workers=workers) == ["done", "done"]


def test_what_was_loaded_is_of_the_folder_that_is_named_now(own, tmp_path, monkeypatch):
    """Data sets that are kept between jobs are kept by their folder."""
    first = jobs.resolved([ParitySettings(**vars(BASE) | {"data": "idx:mine"})])[0]
    other = tmp_path / "other"
    os.rename(own, other)
    (other / "mine" / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.ones(30, np.uint8))))
    monkeypatch.setenv("DFANP_DATA", str(other))
    assert jobs.resolved([ParitySettings(**vars(BASE) | {"data": "idx:mine"})])[0].data_sha256 != first.data_sha256


def test_folders_that_are_named(tmp_path, monkeypatch):
    monkeypatch.delenv("DFANP_DATA", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert (
        folders.named_folder() is None and folders.named_folder("~/x") == folders.named_folder("x") == tmp_path / "x"
    )
    monkeypatch.setenv("DFANP_DATA", "y")
    assert folders.named_folder() == tmp_path / "y" and folders.named_folder("x") == tmp_path / "x"


def test_each_published_file_has_one_digest():
    for source in SOURCES.values():
        assert (source.sha256 or source.md5).keys() == set(FILES.values()) and not (source.sha256 and source.md5)
        kind = hashlib.sha256 if source.sha256 else hashlib.md5
        assert all(len(bytes.fromhex(each)) == kind().digest_size for each in (source.sha256 or source.md5).values())
