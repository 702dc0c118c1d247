"""The table of the rules, from a record that is known."""

from dfanp.experiments.compared_rules import markdown


def test_each_rule_is_compared_with_backpropagation_on_the_same_seeds():
    """The seeds differ by 0.2, and DFA from BP by 0.1 on each; one that diverged is not compared."""
    accuracies = {"bp": [0.9, 0.7, 0.8], "dfa": [0.8, 0.6, None], "fa": [None, None, None]}
    series = [
        {"label": rule, "config": {"lr": 0.01}, "test_accuracy": [[0.5, value] for value in seeds]}
        for rule, seeds in accuracies.items()
    ]
    bp, dfa, fa = markdown({"series": series}).splitlines()[2:]
    assert bp.endswith("(3) | 0.700 |  |") and dfa.startswith("| dfa | 0.01 | 0.700 ± ")
    assert dfa.endswith("(2) | 0.600 | 0.100 ± 0.000 |") and " | - | " in fa
