"""The search for default rates, on curves that are known."""

import json

import pytest

from dfanp.experiments import tune_rates
from dfanp.experiments.tune_rates import Case, cases, climb, line
from dfanp.runs.store import Result, key_of
from dfanp.settings import ParitySettings


def results_of(accuracy, trained):
    """A sweep whose runs have the accuracy ``accuracy(lr, seed)``, None for one that diverges; lists rates in `trained`."""

    def sweep(settings):
        found = []
        for each in settings:
            value = accuracy(each.lr, each.seed)
            status = "diverged" if value is None else "done"
            rows = [{"epoch": 1, "test_accuracy": value} if value is not None else {"epoch": 1, "status": status}]
            found.append(Result(key_of(each.config()), each.config(), status, rows))
            trained.add((each.lr, each.seed))
        return found

    return sweep


CASE = Case("optimizer", "sgd", ParitySettings(lr=0.1, opt="sgd", method="bp", data="digits", held_out=True))


@pytest.mark.parametrize("peak", [0.1, 0.225, 0.0444])
def test_it_climbs_until_the_best_is_between_two_others(peak):
    trained = set()
    accuracy = lambda lr, seed: 0.9 - abs(lr / peak - 1) / 10 + seed / 1000
    found = climb(CASE, results_of(accuracy, trained))
    rates = [each.config["lr"] for each in found.tried]
    assert found.best.config["lr"] == pytest.approx(peak, rel=0.01) and rates[0] < found.best.config["lr"] < rates[-1]
    assert found.close == [] and all(
        high / low == pytest.approx(1.5, rel=0.02) for low, high in zip(rates, rates[1:], strict=False)
    )
    assert {seed for _, seed in trained} == set(range(5)) and len(trained) == 5 * len(rates)
    assert line(CASE, found).startswith(f"bp optimizer sgd: {found.best.config['lr']:g} (")


def test_a_rate_at_which_some_seeds_fail_does_not_win():
    accuracy = lambda lr, seed: (0.5 if seed == 3 else 0.95) if lr > 0.14 else 0.9 if lr > 0.09 else 0.8
    found = climb(CASE, results_of(accuracy, set()))
    assert found.best.config["lr"] == 0.1 and found.close == [0.15]
    assert "not separated from 0.15" in line(CASE, found)
    found = climb(CASE, results_of(lambda lr, seed: None, set()))
    assert found.best is None and "no rate was found" in line(CASE, found)
    found = climb(CASE, results_of(lambda lr, seed: 1 - 1 / (1 + lr), set()))
    assert found.best is None and len(found.tried) == tune_rates.MOST


def test_every_case_has_a_start():
    every = list(cases("digits", train_size=100))
    assert len({(case.group, case.value, case.settings.method) for case in every}) == len(every) == 106
    parity = [case.settings for case in every if not case.group.startswith("disks")]
    assert len(parity) == 85 and all(each.held_out and each.lr > 0 for each in parity)


def test_on_the_disks_each_seed_has_points_of_its_own():
    """None of them are those of a figure, whose points_seed is 0."""
    case = next(case for case in cases("digits") if case.group == "disks-output")
    runs = []

    def sweep(settings):
        runs.extend(settings)
        return results_of(lambda lr, seed: 0.8 - abs(lr - case.settings.lr) + seed / 100, set())(settings)

    found = climb(case, sweep, seeds=5)
    assert [len(each.values) for each in found.tried] == [5] * 3 and found.close == []
    assert {(each.seed, each.points_seed) for each in runs} == {(seed, 100 + seed) for seed in range(5)}
    assert {(each.layers, each.labels, each.opt) for each in runs} == {("output", "random", "sgd")}


def test_the_command_is_a_sweep(tmp_path, monkeypatch, capsys):
    small = ParitySettings(
        lr=0.1, k=1, epochs=1, hidden=(4,), train_size=300, test_size=100, data="digits", held_out=True
    )
    monkeypatch.setattr(tune_rates, "cases", lambda data: [Case("width", 4, small), Case("depth", 2, small)])
    monkeypatch.setattr(tune_rates, "MOST", 3)
    tune_rates.main(["--data", "digits", "--out", str(tmp_path / "a"), "--seeds", "2", "--groups", "width"])
    assert capsys.readouterr().out.startswith("dfa width 4: ")
    lines = (tmp_path / "a" / "store.jsonl").read_text().splitlines()
    (row,) = json.loads((tmp_path / "a" / "rates.json").read_text())
    assert [row[name] for name in ("group", "value", "method")] == ["width", 4, "dfa"] and len(row["tried"]) == 3
    assert tune_rates.markdown([row]).splitlines()[-1].startswith(f"| 4 | dfa | {row['tried'][0]['lr']:g}: ")
    assert len(lines) == 6 and all(json.loads(each)["config"]["held_out"] for each in lines)


def test_a_rate_at_which_seeds_diverge_is_said_to_and_is_separated():
    accuracy = lambda lr, seed: None if lr > 0.14 and seed else 0.9 if lr > 0.09 else 0.8
    found = climb(CASE, results_of(accuracy, set()))
    assert found.best.config["lr"] == 0.1 and found.close == []
    assert "0.15: 0.900 (4 diverge) | none |" in tune_rates.markdown([tune_rates.row(CASE, found)])


def test_an_unknown_group_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit) as refused:
        tune_rates.main(["--out", str(tmp_path / "a"), "--groups", "width,widht"])
    assert refused.value.code == 2 and "--groups has no widht: known are optimizer, " in capsys.readouterr().err
    assert not (tmp_path / "a").exists()
