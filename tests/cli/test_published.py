import json

import pytest


def test_a_table_from_training_to_comparison(dfanp, tmp_path):
    args = ("published", "akrout-2019", "--quick", "--out", tmp_path / "out", "--workers", "1")
    result = dfanp(*args)
    assert result.code == 0 and "runs  done" in result.err and "KP" in result.out and "angle, °" in result.out
    record = json.loads((tmp_path / "out" / "records" / "akrout-2019.json").read_text())
    assert [each["label"] for each in record["series"]] == ["BP", "FA", "WM", "KP"]
    assert (tmp_path / "out" / "figures" / "akrout-2019.svg").exists()
    again = dfanp(*args, "--json")
    found = json.loads(again.out)
    assert "runs  done" not in again.err and found["cells"] == record["cells"] and found["missing"] == []
    more = dfanp(*args, "--only", "KP", "--seeds", "3", "--json")  # two of the three are there
    assert {cell["row"]: cell["n"] for cell in json.loads(more.out)["cells"]} == {"KP": 3}


def test_tables_are_listed(dfanp):
    names = [each["name"] for each in json.loads(dfanp("published", "list", "--json").out)]
    assert names == ["akrout-2019", "frenkel-2021", "biotorch", "nokland-2016", "demirbilek-2021"]
    assert all(name in dfanp("published", "list").out and name in dfanp("published", "--help").out for name in names)


@pytest.mark.parametrize(
    "args, line",
    [
        (("akrout",), "did you mean 'akrout-2019'"),
        ((), "Missing argument"),
        (("akrout-2019", "--quick", "--out", ""), "names no folder"),
        (("akrout-2019", "--quick", "--only", "DRTP"), "no row of akrout-2019 contains DRTP: BP, FA, WM, KP"),
        (("akrout-2019", "--quick", "--seeds", "0"), "--seeds"),
    ],
)
def test_bad_usage(dfanp, args, line):
    result = dfanp("published", *args)
    assert result.code == 2 and line in result.err and len(result.err.splitlines()) == 1


def test_without_mnist(dfanp, tmp_path):
    result = dfanp("published", "akrout-2019", "--out", tmp_path / "out")
    assert result.code == 1 and "dfanp data fetch mnist" in result.err and len(result.err.splitlines()) == 1
    assert not (tmp_path / "out").exists()
