import pytest

from dfanp.runs.store import Result, key_of
from dfanp.settings import ParitySettings
from dfanp.sweeps import grids, tuning


def result(accuracies, diverged=False, **settings):
    config = ParitySettings(**{"lr": 0.1, **settings}).config()
    rows = [{"epoch": i, "test_accuracy": a} for i, a in enumerate(accuracies, 1)]
    if diverged:
        rows.append({"epoch": len(rows) + 1, "status": "diverged"})
    return Result(key_of(config), config, "diverged" if diverged else "done", rows)


def test_score_is_the_mean_of_the_last_epochs():
    assert tuning.score(result([0.1, 0.5, 0.7]), last=2) == pytest.approx(0.6)
    assert tuning.score(result([0.5]), last=10) == 0.5
    assert tuning.score(result([0.9], diverged=True)) is None


def test_seeds_are_taken_together():
    results = [
        result([0.5], seed=0),
        result([0.7], seed=1),
        result([0.9], lr=0.2),
        result([0.9], seed=1, lr=0.2, diverged=True),
    ]
    slow, fast = tuning.candidates(results)
    assert (slow.values, slow.diverged, slow.mean) == ([0.5, 0.7], 0, pytest.approx(0.6))
    assert slow.half == pytest.approx(12.706 * 0.1, rel=1e-3)  # t of one degree of freedom, times the standard error
    assert (fast.values, fast.diverged, fast.half) == ([0.9], 1, None)
    # a rate at which a seed diverges is no better than one at which none does
    assert tuning.best([slow, fast]) == slow
    assert tuning.best(tuning.candidates([result([], diverged=True)])) is None


def test_a_rate_whose_seeds_lie_far_apart_does_not_win():
    each = lambda lr, *values: [result([value], seed=seed, lr=lr) for seed, value in enumerate(values)]
    steady, risky = each(0.1, 0.70, 0.71, 0.70, 0.70, 0.71), each(0.2, 0.85, 0.60, 0.84, 0.60, 0.83)
    low = each(0.05, 0.60, 0.61, 0.60, 0.60, 0.61)
    found = tuning.candidates(steady + risky + low)
    winner = tuning.best(found)
    assert winner.config["lr"] == 0.1 and winner.mean < found[1].mean and winner.cautious > found[1].cautious
    assert winner.by_seed == {0: 0.70, 1: 0.71, 2: 0.70, 3: 0.70, 4: 0.71}
    assert tuning.not_separated(winner, found) == [0.2]  # the lower rate is worse with every seed, by as much
    assert tuning.not_separated(winner, found[:1]) == []
    # The spread of three seeds says little: the mean decides.
    assert tuning.best(tuning.candidates(steady[:3] + risky[:3])).config["lr"] == 0.2
    single = tuning.candidates(steady[:1] + risky[:1])
    assert tuning.best(single).config["lr"] == 0.2 and tuning.not_separated(single[0], single) == [0.2]


def test_regression_is_scored_by_its_loss_and_the_lowest_wins():
    def lossy(lr, *losses):
        runs = [result([], seed=seed, lr=lr) for seed in range(len(losses))]
        rows = [[{"epoch": 1, "train_loss": 1.0, "test_loss": loss}] for loss in losses]
        return [Result(run.key, run.config, "done", own) for run, own in zip(runs, rows, strict=True)]

    results = lossy(0.1, 0.5, 0.6) + lossy(0.2, 0.3, 0.45) + lossy(0.4, 0.31, 0.43)
    assert tuning.measure_of(results) == "test_loss" and tuning.score(results[0]) == 0.5
    found = tuning.candidates(results)
    winner = tuning.best(found)
    assert winner.lower and winner.config["lr"] == 0.4 and winner.worst == 0.43
    assert tuning.not_separated(winner, found) == [0.2]
    five = tuning.candidates(lossy(0.1, *[0.5, 0.51, 0.5, 0.5, 0.51]) + lossy(0.2, *[0.4, 0.6, 0.4, 0.6, 0.4]))
    assert tuning.best(five).config["lr"] == 0.1 and five[0].cautious > five[0].mean


def test_groups_and_edges():
    results = [result([0.5 + lr], lr=lr, opt=opt) for opt in ("sgd", "adam") for lr in (0.1, 0.2, 0.3)]
    found = tuning.candidates(results)
    assert tuning.axes(found) == ["opt"]
    groups = tuning.grouped(found, ["opt"])
    assert list(groups) == [("sgd",), ("adam",)]
    (group, _) = groups.values()
    assert tuning.best(group).config["lr"] == 0.3 and tuning.at_edge(tuning.best(group), group)
    assert not tuning.at_edge(group[1], group) and not tuning.at_edge(group[0], group[:1])


@pytest.mark.parametrize(
    "epochs, rates, factor, expected",
    [(20, 9, 3, [7, 20]), (27, 27, 3, [3, 9, 27]), (20, 1, 3, [20]), (2, 64, 2, [1, 2]), (20, 10, 3, [2, 7, 20])],
)
def test_rungs(epochs, rates, factor, expected):
    assert tuning.rungs(epochs, rates, factor) == expected


class FakeSweep:
    """Runs whose accuracy is best at the rate 8, but for one seed of it after few epochs."""

    def __init__(self, settings):
        self.settings = settings

    def results(self):
        accuracy = lambda each: 1 / (1 + abs(each.lr - (8 if each.opt == "sgd" else 1)))
        return [result([accuracy(each)] * each.epochs, **vars(each)) for each in self.settings if each.lr != 32]


def test_halving_keeps_the_best_rates_of_each_group_with_all_their_seeds():
    settings = grids.product(
        ParitySettings(lr=1.0, epochs=9), opt=["sgd", "adam"], lr=[1, 2, 4, 8, 16, 32], seed=[0, 1]
    )
    tried = [sweep.settings for sweep in tuning.halving(settings, 3, 10, FakeSweep)]
    assert [{each.epochs for each in rung} for rung in tried] == [{3}, {9}]
    rates = lambda rung, opt: {each.lr for each in rung if each.opt == opt}
    assert rates(tried[0], "sgd") == {1, 2, 4, 8, 16, 32}
    assert rates(tried[1], "sgd") == {8, 4} and rates(tried[1], "adam") == {1, 2}
    assert all({each.seed for each in rung if each.lr == 8} <= {0, 1} for rung in tried) and len(tried[1]) == 8
