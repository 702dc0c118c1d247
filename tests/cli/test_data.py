import json

import pytest


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
