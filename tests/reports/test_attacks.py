"""The section of attacks, from records alone."""

from itertools import count
from types import SimpleNamespace
from xml.etree import ElementTree

from dfanp.reports import attacks


def record(epoch=3, seeds=2, vanished=0.0):
    accuracy = {"fgsm": [0.4, 0.0], "pgd": [0.3, 0.0], "own pgd": [0.8, 0.7]}
    one = lambda seed: {
        "seed": seed, "clean": 0.9 + seed / 100, "accuracy": accuracy, "transfer": {"<b>": [0.5, 0.1]}, "vanished": vanished,
    }  # fmt: skip
    head = {"schema": 1, "epoch": epoch, "samples": 50, "steps": 20, "epsilons": [0.1, 0.5], "chance": 0.1}
    return head | {"seeds": [one(seed) for seed in range(seeds)]}


def text_of(*runs):
    return "".join(ElementTree.tostring(part, "unicode") for part in attacks.section(list(runs), count(1)))


def test_the_section_has_each_attack_and_what_is_wrong():
    run = lambda label, attack, epoch=3: SimpleNamespace(label=label, attack=attack, epoch=epoch)
    text = text_of(run("dfa", record()), run("none", None), run("old", record(seeds=1, vanished=0.2), 7))
    assert text.count("<figure>") == 3 and "none" not in text.replace("stroke-dasharray:none", "").replace(
        "fill: none", ""
    )
    assert "0.905 ± 0.064" in text and "0.300 ± 0.000" in text
    assert "FGSM, seen by &lt;b&gt;" in text and "mean of 2 seeds" in text and "one seed" in text
    assert "old has been trained to epoch 7 since." in text and "zero for up to 20.0 %" in text


def test_a_picture_of_several_runs(tmp_path):
    for name in ("a", "b"):
        attacks.draw({"bp": record(), "dfa $x$": record(seeds=1)}, tmp_path / f"{name}.svg", "title")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
