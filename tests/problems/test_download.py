"""Downloads from a server on this machine: the real requests, none of the real hosts."""

import gzip
import hashlib
import http.server
import threading
from pathlib import Path

import numpy as np
import pytest

from dfanp import DataError
from dfanp.problems import datasets, download, folders

from .test_idx import idx

FILES = {
    f"{file}.gz": gzip.compress(idx(np.arange(8, dtype=np.uint8).reshape(2, 2, 2)), mtime=0)
    for file in datasets.FILES.values()
}


class Mirror(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        kind, _, name = self.path[1:].partition("/")
        if kind == "gone":
            self.send_error(404)
            return
        content = FILES[name] if kind == "good" else gzip.compress(b"something else")
        self.send_response(200)
        self.send_header("Content-Length", len(content))
        self.end_headers()
        self.wfile.write(content[:5] if kind == "cut" else content)

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mirror) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.fixture
def mirrors(monkeypatch, server):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def use(name, *kinds):
        source = datasets.SOURCES[name]
        md5 = {file: hashlib.md5(FILES[f"{file}.gz"]).hexdigest() for file in datasets.FILES.values()}
        sha = {
            file: hashlib.sha256(gzip.decompress(FILES[f"{file}.gz"])).hexdigest() for file in datasets.FILES.values()
        }
        sums = {"md5": md5} if source.md5 else {"sha256": sha}
        addresses = tuple("http://127.0.0.1:1/" if kind == "dead" else f"{server}/{kind}/" for kind in kinds)
        monkeypatch.setitem(datasets.SOURCES, name, source._replace(mirrors=addresses, **sums))

    return use


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_first_mirror_with_the_right_file_serves(mirrors, tmp_path, name):
    mirrors(name, "dead", "gone", "wrong", "cut", "good")
    said = []
    place = download.fetch(name, tmp_path, said.append)
    assert place == tmp_path / name
    assert {each.name: each.read_bytes() for each in place.iterdir()} == FILES
    assert len(said) == 4 * 5
    said.clear()
    download.fetch(name, tmp_path, said.append)
    assert len(said) == 4 and all("here already" in line for line in said)


def test_a_damaged_file_is_fetched_again(mirrors, tmp_path):
    mirrors("mnist", "good")
    place = download.fetch("mnist", tmp_path)
    damaged = place / "t10k-labels-idx1-ubyte.gz"
    damaged.write_bytes(b"damaged")
    download.fetch("mnist", tmp_path)
    assert damaged.read_bytes() == FILES[damaged.name]


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
@pytest.mark.parametrize("broken", [lambda path: path.write_bytes(b"broken"), lambda path: path.touch(), Path.mkdir])
def test_fetching_helps(mirrors, tmp_path, name, broken):
    """Whatever is in the way of the files is reported with the command that then brings them."""
    mirrors(name, "good")
    (tmp_path / name).mkdir()
    for file in datasets.FILES.values():
        broken(tmp_path / name / file)
    with pytest.raises(DataError, match=f"dfanp data fetch {name} --data-dir {tmp_path}` downloads it"):
        datasets.read(name, tmp_path)
    download.fetch(name, tmp_path)
    assert datasets.find(name, tmp_path) == tmp_path / name
    assert all(datasets.is_of(name, file, tmp_path / name / f"{file}.gz") for file in datasets.FILES.values())
    for file in ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte"):
        assert datasets.sound(name, file, folders.versions(tmp_path / name, file))[0].suffix == ".gz"


def test_what_is_read_is_not_fetched(mirrors, tmp_path):
    """Plain files and names with a dot are as good as the .gz that would be fetched."""
    mirrors("mnist", "dead")
    (tmp_path / "mnist").mkdir()
    for name, content in FILES.items():
        plain = name.removesuffix(".gz").replace("-idx", ".idx")
        (tmp_path / "mnist" / plain).write_bytes(gzip.decompress(content))
    said = []
    assert download.fetch("mnist", tmp_path, said.append) == tmp_path / "mnist"
    assert len(said) == 4 and all(line.endswith("ubyte: here already, checked") for line in said)


def test_the_variable_names_where_to_fetch_to(mirrors, tmp_path, monkeypatch):
    mirrors("mnist", "good")
    monkeypatch.setenv("DFANP_DATA", str(tmp_path))
    assert download.fetch("mnist") == tmp_path / "mnist" == datasets.find("mnist")


def test_a_folder_in_the_place_of_the_file_is_reported(mirrors, tmp_path):
    mirrors("mnist", "good")
    place = tmp_path / "mnist" / "train-images-idx3-ubyte.gz"
    (place / "full").mkdir(parents=True)
    with pytest.raises(DataError, match=f"{place}: cannot be written .Is a directory."):
        download.fetch("mnist", tmp_path)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_no_mirror_is_one_line_and_leaves_nothing(mirrors, tmp_path, name):
    mirrors(name, "dead", "gone", "wrong")
    with pytest.raises(DataError) as caught:
        download.fetch(name, tmp_path)
    message = str(caught.value)
    assert "no connection" in message and "HTTP 404" in message and "\n" not in message and "--data-dir" in message
    assert list((tmp_path / name).iterdir()) == []


def test_a_place_that_cannot_be_written(mirrors, tmp_path):
    mirrors("mnist", "good")
    (tmp_path / "mnist").write_text("a file")
    with pytest.raises(DataError, match="cannot be written"):
        download.fetch("mnist", tmp_path)


def test_only_what_can_be_fetched():
    with pytest.raises(ValueError, match="unknown data set to fetch 'digits'"):
        download.fetch("digits")
