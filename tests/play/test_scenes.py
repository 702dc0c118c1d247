"""What the scenes of the page claim is what the library measures."""

import pytest

from dfanp.play import scenes
from dfanp.play.drawn import NO_SIGNAL, SEEDS, Learner, defaults

SCENES = scenes.scenes()
TOLERANCE = {"accuracy": 0.03, "loss": 0.03, "weights": 3, "signals": 3}  # rounding grows over the steps


@pytest.fixture(scope="module")
def measured():
    """Title of a scene -> its claims as they are measured now."""
    return {scene["title"]: claims for scene, claims in zip(SCENES, scenes.measured(SCENES), strict=True)}


def test_the_claims_are_measured(measured):
    for scene in SCENES:
        for claim, now in zip(scene["claims"], measured[scene["title"]], strict=True):
            for part in ("mean", "interval"):
                assert claim[part] == pytest.approx(now[part], abs=TOLERANCE[claim["measure"]]), (scene["title"], now)


def test_the_answers_are_true_with_each_seed(measured):
    """What the texts say in words, of the values of the five seeds."""
    values = {
        title: {(each["rule"], each["measure"]): each["values"] for each in claims}
        for title, claims in measured.items()
    }
    nothing, random, direct, turn, zero, fails = values.values()
    assert max(nothing["none", "accuracy"]) < 0.75 and min(nothing["bp", "accuracy"]) > 0.98
    assert min(random["fa", "accuracy"]) > 0.97 and min(direct["dfa", "accuracy"]) > 0.97
    assert all(max(turn[rule, measure]) < 90 for rule in ("fa", "dfa") for measure in ("weights", "signals"))
    assert max(turn["kp", "weights"]) < 10
    assert (
        zero["bp", "loss"] == pytest.approx([0.6931] * len(SEEDS), abs=1e-4) and min(zero["dfa", "accuracy"]) > 0.95
    )
    assert min(fails["bp", "accuracy"]) > 0.98
    assert all(sum(fails[rule, "accuracy"]) / len(SEEDS) < 0.95 for rule in ("fa", "dfa"))


def test_the_first_weights_know_nothing_of_b():
    """At step 0 the angles of the fourth scene are those of unrelated matrices: more than 45 degrees from one another."""
    for rule in ("fa", "dfa"):
        angles = scenes.measure("weights", 2, Learner(rule=rule, seed=SEEDS).training(test_points=1))
        assert min(angles) > 45 and max(angles) < 135


def test_scenes_have_all_that_the_page_reads():
    assert len(SCENES) == 6
    for scene in SCENES:
        assert scene.keys() == {"title", "question", "about", "answer", "dials", "rules", "layer", "steps", "claims"}
        assert scene["dials"].keys() <= defaults().keys() and {each["rule"] for each in scene["claims"]} <= {
            *scene["rules"]
        }
        assert scene["layer"] <= scene["dials"].get("depth", defaults()["depth"])
    assert [rule for scene in SCENES for rule in scene["rules"] if rule == NO_SIGNAL]


def test_a_claim_is_of_the_seeds_it_gets():
    scene = SCENES[4] | {"steps": 3}
    ((loss, *_),) = scenes.measured([scene], seeds=(0, 1))
    assert len(loss["values"]) == 2 and loss["interval"] == pytest.approx(0, abs=1e-12)
