"""Rows of `dfanp results`: groups, paired differences, formats."""

import click
import pytest
from dfanp_cli import results
from dfanp_cli.results import HALF, SCORE, STATUS


def rows(scores, **more):
    """Rows of runs: (method, lr, seed) -> score."""
    return [
        {"config": {"method": method, "lr": lr, "seed": seed, **more}, SCORE: score, STATUS: "done"}
        for (method, lr, seed), score in scores.items()
    ]


SCORES = {
    ("bp", 0.1, 0): 0.8, ("bp", 0.1, 1): 0.6, ("bp", 0.2, 0): 0.9, ("bp", 0.2, 1): 0.7,
    ("dfa", 0.1, 0): 0.7, ("dfa", 0.1, 1): 0.5, ("dfa", 0.1, 2): 0.1, ("dfa", 0.2, 1): None,
}  # fmt: skip


def test_intervals_are_over_seeds_and_what_is_averaged_is_named():
    bp, dfa = results.groups(rows(SCORES), ["method"])
    assert (bp["runs"], bp["seeds"], bp["averaged over"]) == (4, 2, "lr")
    assert bp[SCORE] == pytest.approx(0.75)  # seeds 0.85 and 0.65, not four independent runs
    assert bp[HALF] == pytest.approx(12.706 * 0.1, rel=1e-3)
    assert (dfa["runs"], dfa["seeds"]) == (4, 3)
    each = results.groups(rows(SCORES), ["method", "lr"])
    assert len(each) == 4 and all("averaged over" not in row for row in each)
    assert (each[3]["seeds"], each[3][SCORE], each[3][HALF]) == (0, None, None)


def test_differences_are_of_runs_with_the_same_seed():
    first, second = results.differences(rows(SCORES), "method", ["lr"])
    assert first["config"] == {"lr": 0.1} and first["method"] == "dfa - bp" and first["seeds"] == 2
    assert first["difference"] == pytest.approx(-0.1) and first[HALF] == pytest.approx(0, abs=1e-9)
    assert first["rms"] == pytest.approx(0.1)
    assert (second["seeds"], second["difference"], second[HALF], second["rms"]) == (0, None, None, None)
    (pooled,) = results.differences(rows(SCORES), "method", [])
    assert pooled["averaged over"] == "lr" and pooled["seeds"] == 2


def test_sorting_puts_what_is_missing_last():
    some = results.groups(rows(SCORES), ["method", "lr"])
    order = lambda column: [row[SCORE] for row in results.sorted_by(some, column, ["method", "lr", SCORE])]
    assert order("score")[-1] is None and order("-score")[-1] is None
    assert order("score")[:3] == order("-score")[2::-1] == sorted(order("score")[:3])
    assert [row["config"]["lr"] for row in results.sorted_by(some, "lr", ["lr"])] == [0.1, 0.1, 0.2, 0.2]
    with pytest.raises(click.UsageError, match="no setting 'scor'.*did you mean 'score'"):
        results.sorted_by(some, "-scor", ["method", "lr", SCORE])


def test_markdown_and_latex():
    assert results.markdown(["a", "b"], [["1|2", "3"]]).splitlines() == [
        "| a | b |",
        "| --- | --- |",
        r"| 1\|2 | 3 |",
    ]
    lines = results.latex(["95 %", "a_b"], [["1", "~{^\\"]]).splitlines()
    assert lines[0] == r"\begin{tabular}{ll}" and lines[2] == r"95 \% & a\_b \\" and lines[-1] == r"\end{tabular}"
    assert lines[4] == r"1 & \textasciitilde{}\{\textasciicircum{}\textbackslash{} \\"


def test_what_was_held_out_has_a_validation_accuracy():
    assert results.accuracy_of({"held_out": True}) == "validation accuracy"
    assert results.accuracy_of({"held_out": False}) == results.accuracy_of({}) == "test accuracy"


def test_widths_of_layers_are_written_as_they_are_typed():
    """As `--hidden 256,512-512` of `dfanp tune`; a comma, as in `dfanp parity`, finds them too."""
    assert results.text_of([512, 512]) == "512-512" and results.plain([[512, 512], 0.1]) == ["512-512", 0.1]
    there = lambda text, value: value in results.Values([text])
    assert there("512-512", [512, 512]) and there("512,512", [512, 512]) and not there("512", [512, 512])
    assert there("512", [512]) and there("1e-3", 0.001) and there("TRUE", True) and there("dfa", "dfa")
