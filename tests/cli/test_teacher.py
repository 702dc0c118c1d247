import json

QUICK = ("teacher", "--inputs", "20", "--test-size", "200", "--epochs", "30", "--device", "cpu", "--threads", "1")


def test_a_student_learns_and_its_loss_is_reported(dfanp):
    result = dfanp(*QUICK, "--repeats", "2", "--lr", "0.03")
    assert (
        result.code == 0
        and "teacher with 2 erf units, 20 inputs: DFA, uniform B, sgd at lr 0.03, 2 erf" in result.out
    )
    assert "train loss  test loss" in result.out and "test loss 0." in result.out and "mean of 2 seeds" in result.out
    found = json.loads(dfanp(*QUICK, "--lr-output", "0.05", "--repeats", "2", "--json", "--quiet").out)
    assert found["config"]["lr"] == 0.005 and found["config"]["lr_output"] == 0.05
    losses = [epoch["test_loss"] for epoch in found["runs"][0]["epochs"]]
    assert losses[-1] < losses[0] and found["summary"]["test_accuracy"]["mean"] is None
    assert found["summary"]["test_loss"]["mean"] > 0 and found["summary"]["test_loss"]["ci95"] > 0


def test_the_lowest_loss_wins_a_sweep(dfanp, tmp_path):
    out = tmp_path / "tuned"
    args = ("--inputs", "20", "--test-size", "200", "--epochs", "10", "--workers", "1", "--out", out, "--quiet")
    result = dfanp("tune", "teacher", *args, "--lr", "0.0001,0.02", "--plot", tmp_path / "rates.png")
    assert result.code == 0 and "score: mean test loss of the last 10 epochs" in result.out
    rows = json.loads(dfanp("results", out, "--json").out)
    scores = {row["config"]["lr"]: row["score"] for row in rows}
    assert scores[0.02] < scores[0.0001] and all("test loss" in row for row in rows)
    (winner,) = (line for line in result.out.splitlines() if line.endswith("best"))
    assert winner.split()[0] == "0.02"
