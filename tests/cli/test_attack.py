import json

import pytest

TINY = (
    "--data", "digits", "--hidden", "8", "--epochs", "1", "--train-size", "200", "--test-size", "40", "--device", "cpu",
    "--threads", "1", "--quiet",
)  # fmt: skip
SMALL = ("--samples", "20", "--steps", "2", "--epsilon", "0.1,0.5")


@pytest.fixture
def runs(dfanp, tmp_path):
    """Folders of two runs, of two seeds each."""
    for method in ("bp", "dfa"):
        args = ("--method", method, "--opt", "adam", "--repeats", "2", "--out", tmp_path / method)
        assert dfanp("classes", *TINY, *args).code == 0
    return [tmp_path / "bp", tmp_path / "dfa"]


def test_from_attack_to_report(dfanp, runs, tmp_path):
    page, plot = tmp_path / "report.html", tmp_path / "attack.png"
    result = dfanp("attack", *runs, *SMALL, "--plot", plot)
    assert result.code == 0 and plot.read_bytes().startswith(b"\x89PNG")
    assert result.err.count("wrote ") == 2 and "dfa, seed 1" in result.err
    head, *lines = result.out.splitlines()
    assert head.split("  ")[0] == "run" and head.endswith("ε = 0.5")
    for words in ("FGSM through its own feedback (masked)", "random signs", "FGSM, seen by bp", "dfa - bp", "chance"):
        assert words in result.out
    found = json.loads(dfanp("attack", *runs, *SMALL, "--json", "--quiet").out)
    assert found["dfa"] == json.loads((runs[1] / "attack.json").read_text())
    assert dfanp("report", runs[1], "--out", page).code == 0
    text = page.read_text()
    assert (
        ">Attacks</h2>" in text and "PGD through its own feedback (masked)" in text and "has been trained" not in text
    )
    (runs[1] / "attack.json").write_text("{}")
    result = dfanp("report", *runs, "--out", page)
    assert result.code == 1 and "is not the record of an attack" in result.err and len(result.err.splitlines()) == 1
    assert page.read_text() == text


@pytest.mark.parametrize(
    "args, code, line",
    [
        (("absent",), 1, "cannot be read"),
        ((), 2, "Missing argument"),
        (("absent", "--epsilon", "2"), 2, "each of epsilons must be"),
        (("absent", "--epsilon", "0"), 2, "not a finite number above 0"),
        (("absent", "--steps", "0"), 2, "--steps"),
        (("absent", "--plot", "a.gif"), 2, "must end in"),
    ],
)
def test_bad_usage(dfanp, args, code, line):
    result = dfanp("attack", *args)
    assert result.code == code and line in result.err and len(result.err.splitlines()) == 1


def test_a_problem_without_pixels(dfanp, tmp_path):
    args = (
        "--epochs",
        "1",
        "--n",
        "20",
        "--d",
        "4",
        "--test-points",
        "10",
        "--hidden",
        "4",
        "--device",
        "cpu",
        "--quiet",
    )
    assert dfanp("synthetic", *args, "--out", tmp_path / "disks").code == 0
    result = dfanp("attack", tmp_path / "disks")
    assert result.code == 1 and "disks: an attack needs inputs with limits" in result.err
    assert len(result.err.splitlines()) == 1 and not (tmp_path / "disks" / "attack.json").exists()
