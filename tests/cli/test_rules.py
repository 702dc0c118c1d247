"""Every rule in the commands: trained in replicas, resumed, reported."""

import json

import pytest

from dfanp.rules import RULES

SMALL = (
    "--data",
    "digits",
    "--k",
    "1",
    "--train-size",
    "500",
    "--test-size",
    "100",
    "--hidden",
    "8,6",
    "--lr",
    "0.001",
)


@pytest.mark.parametrize("rule", [name for name in RULES if name not in ("bp", "fa", "dfa")])
def test_a_rule_is_trained_resumed_and_reported(dfanp, tmp_path, rule):
    args = ("parity", *SMALL, "--method", rule, "--repeats", "2", "--align")
    whole = dfanp(*args, "--epochs", "2", "--out", tmp_path / "whole", "--json")
    assert whole.code == 0
    for epochs in ("1", "2"):
        assert dfanp(*args, "--epochs", epochs, "--out", tmp_path / "parts").code == 0
    names = ("log.jsonl", "checkpoint.npz")
    assert all((tmp_path / "whole" / n).read_bytes() == (tmp_path / "parts" / n).read_bytes() for n in names)
    alone = dfanp("parity", *SMALL, "--method", rule, "--seed", "1", "--align", "--epochs", "2", "--json")
    values = [[epoch["test_loss"] for epoch in json.loads(each.out)["runs"][-1]["epochs"]] for each in (whole, alone)]
    assert values[0] == values[1]
    assert dfanp("report", tmp_path / "whole", "--out", tmp_path / "page.html").code == 0


def test_feedback_has_a_structure_in_settings_and_records(dfanp, tmp_path):
    args = ("parity", *SMALL, "--epochs", "1", "--align", "--json")
    first = dfanp(*args, "--method", "fa", "--feedback", "uniform:scale=1:aligned=1", "--out", tmp_path / "run")
    found = json.loads(first.out)
    assert first.code == 0 and found["config"]["feedback"] == "uniform:aligned=1.0"
    assert found["runs"][0]["epochs"][0]["alignment"]["gradient"][0] > 0.95
    assert dfanp("report", tmp_path / "run", "--out", tmp_path / "page.html").code == 0
    wrong = dfanp(*args, "--feedback", "uniform:density=2")
    assert wrong.code == 2 and "density must be" in wrong.err and wrong.err.count("\n") == 1
    nothing = dfanp(*args, "--feedback", "uniform:aligned=1", "--method", "pepita")
    assert nothing.code and "feedback cannot be aligned under the rule 'pepita'" in nothing.err


def test_updates_are_measured_recorded_resumed_and_reported(dfanp, tmp_path):
    args = ("parity", *SMALL, "--method", "node-perturbation", "--updates", "3", "--repeats", "2")
    assert dfanp(*args, "--epochs", "1", "--out", tmp_path / "run").code == 0
    found = json.loads(dfanp(*args, "--epochs", "2", "--out", tmp_path / "run", "--json").out)
    rows = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert found["config"]["updates"] == 3 and len(rows) == 4
    assert all(row["update_variance_W0"] > 1 and -1 <= row["update_cosine_W2"] <= 1 for row in rows)
    assert dfanp("report", tmp_path / "run", "--out", tmp_path / "page.html").code == 0
    shown = dfanp(*args, "--epochs", "2", "--out", tmp_path / "run").out
    assert all(f"update {kind}: " in shown for kind in ("cosine", "norm ratio", "bias", "variance", "snr"))
    plain = dfanp("parity", *SMALL, "--epochs", "1", "--json")
    assert "updates" not in json.loads(plain.out)["config"]
