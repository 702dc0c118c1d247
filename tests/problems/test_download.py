"""Downloads from a server on this machine: the real requests, none of the real hosts."""

import gzip
import hashlib
import http.server
import threading

import numpy as np
import pytest

from dfanp import DataError
from dfanp.problems import datasets, download

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
