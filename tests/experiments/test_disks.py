"""The errors over labelings of the disks, from a record that is known."""

import pytest

from dfanp.experiments.disks import errors, markdown


def record(**by_rule):
    """Return a record of rule -> labeling -> final accuracies of its seeds, None for one that diverged, with Adam."""
    return {
        "series": [
            {
                "label": rule,
                "panel": "Adam",
                "config": {"labels": labels, "lr": 0.1},
                "test_accuracy": [[0.5, value] for value in seeds],
            }
            for rule, labelings in by_rule.items()
            for labels, seeds in labelings.items()
        ]
    }


def test_the_error_of_a_labeling_is_the_mean_over_the_seeds_that_did_not_diverge():
    found = errors(record(BP={"01": [0.9, None, 0.7], "10": [None, None, None]}))
    assert found == {("BP", "Adam"): {"01": pytest.approx(0.2)}}


def test_the_rules_are_compared_on_the_same_labelings():
    """The labelings differ by 0.4, and DFA from BP by 0.01 on each; one on which BP diverged is not compared."""
    bp = {"01": [0.95], "10": [0.55], "11": [None]}
    dfa = {"11": [0.2], "10": [0.54], "01": [0.94]}
    row = markdown(record(BP=bp, DFA=dfa)).splitlines()[-1].split(" | ")
    assert row[0] == "| Adam" and row[1] == row[3] == "0.1" and row[2].startswith("0.250 ± ")
    assert row[-1] == "0.010 ± 0.000 |"
