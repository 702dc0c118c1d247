import json

import pytest


def test_a_figure_from_training_to_picture(dfanp, tmp_path):
    out = tmp_path / "out"
    result = dfanp("figure", "2.2", "--quick", "--out", out, "--workers", "1")
    assert result.code == 0 and "runs  done" in result.err and "figure 2.2" in result.err
    record = json.loads((out / "records" / "2.2-published.json").read_text())
    assert record["figure"] == "2.2" and len(record["series"]) == 20
    assert (out / "figures" / "2.2-published.svg").exists() and (out / "figures" / "2.2-published.png").exists()
    again = dfanp("figure", "2.2", "--quick", "--out", out, "--workers", "1", "--json")
    assert "runs  done" not in again.err and json.loads(again.out)["figures"] == [record]


@pytest.mark.parametrize(
    "args, line",
    [
        (("3.9",), "did you mean '3.8'"),
        (("2.2", "--mode", "corrected"), "has no mode 'corrected'"),
        ((), "Missing argument"),
        (("2.2", "--out", ""), "names no folder"),
    ],
)
def test_bad_usage(dfanp, args, line):
    result = dfanp("figure", *args)
    assert result.code == 2 and line in result.err and len(result.err.splitlines()) == 1


def test_without_mnist(dfanp, tmp_path):
    result = dfanp("figure", "3.1", "--out", tmp_path / "out")
    assert result.code == 1 and "dfanp data fetch mnist" in result.err and not (tmp_path / "out").exists()


def test_a_folder_of_something_else(dfanp, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    result = dfanp("reproduce", "--quick", "--out", tmp_path)
    assert result.code == 1 and "holds other files" in result.err and len(result.err.splitlines()) == 1


def test_help_lists_every_figure(dfanp):
    from dfanp.experiments import experiments

    words = [word.strip(",;.") for word in dfanp("figure", "--help").out.split()]
    assert all(name in words for name in experiments())
