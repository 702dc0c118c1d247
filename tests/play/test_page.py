"""The page in a browser: its trajectories are the library's, its scenes end as they say, and everyone can read it."""

import json
import re

import numpy as np
import pytest

from dfanp import alignment
from dfanp.play import page, scenes
from dfanp.play.drawn import NO_SIGNAL, STRUCTURES, Learner, defaults, everything

RULES = (NO_SIGNAL, "bp", "fa", "dfa", "usf", "kp")
# Near a minimum RMSProp steps back and forth by a constant size, and rounding errors grow: at this rate it is not there yet.
RATES = {"sgd": 1.0, "momentum": 0.1, "rmsprop": 0.0005, "adam": 0.01}
ACTIVATIONS = ("relu", "leaky-relu", "tanh", "sigmoid")
STEPS = 500


def learner(i, j):
    """Return a network for each pair of a rule and an optimizer: over all of them, each two values of dials but rates meet."""
    others = dict(
        decay=0.001 * ((i + j) % 2),
        start=(1.0, 3.0)[j % 2],
        scale=(1.0, 2.0)[i % 2],
        structure=[*STRUCTURES][(i + 2 * j) % 3],
    )
    optimizer = [*RATES][j]
    return Learner(rule=RULES[i], depth=1 + i % 3 if j else 2, width=4, activation=ACTIVATIONS[(i + j) % 4], optimizer=optimizer,
                   lr=RATES[optimizer], labels=("011110100", "101010101")[j % 2], points=24, **others)  # fmt: skip


CASES = [learner(i, j) for i in range(len(RULES)) for j in range(len(RATES))]
FROM_ZERO = [Learner(rule=rule, depth=2, width=4, start=0.0, points=24) for rule in ("bp", "dfa")]

TRAJECTORY = """([dials, rule, steps]) => {
    const training = trainingOf(dials, rule)
    const losses = Array.from({length: steps}, () => training.step())
    const {weights, signals} = angles(training)
    return {losses, W: training.W.map(W => [...W.data]), B: training.B.map(B => [...B.data]), weights, signals}
}"""


@pytest.fixture
def opened(chromium, tmp_path):
    """``opened(content, **context)`` -> the page in a tab, whose `complaints` must stay empty."""
    contexts, complaints, path = [], [], tmp_path / "page.html"

    def open_page(content, **settings):
        path.write_bytes(content)
        contexts.append(chromium.new_context(**settings))
        tab = contexts[-1].new_page()
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on(
            "request", lambda request: request.url.startswith(("file:", "data:")) or complaints.append(request.url)
        )
        tab.goto(path.as_uri())
        return tab

    yield open_page
    assert complaints == []
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def whole():
    return page.html(everything())


def dials(learner):
    return {name: getattr(learner, name) for name in defaults()}


def test_trajectories_are_those_of_the_library(opened):
    tab = opened(page.html(everything(seeds=(0,), widths=(4, 16), points=24, test_points=8)))
    everything_offered_is_compared(tab)
    for each in (*CASES, *FROM_ZERO):
        training = each.training(test_points=1)
        losses = [record.train_loss for record in training.epochs(STEPS)]
        found = tab.evaluate(TRAJECTORY, [dials(each), each.rule, STEPS])
        np.testing.assert_allclose(found["losses"], losses, rtol=0, atol=1e-6, err_msg=str(each))
        for name, arrays in (("W", training.network.W), ("B", training.B)):
            flat = [np.ravel(array) for array in arrays]
            assert len(found[name]) == len(flat)
            for ours, theirs in zip(found[name], flat, strict=True):
                np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6, err_msg=str(each))
        compare_angles(found, training, each)


def compare_angles(found, training, learner):
    """Angles of the page are those of the library's cosines; null stands for one with a zero matrix."""
    if learner.rule == NO_SIGNAL:
        assert found["signals"] == [None] * learner.depth
        return
    pairs = [("signals", scenes.signal_cosines(training))]
    if training.B:
        pairs.append(("weights", alignment.feedback_alignment(training.rule, training.network, training.B)))
    for name, cosines in pairs:
        for angle, cosine in zip(found[name], cosines, strict=True):
            assert float(cosine) == pytest.approx(0 if angle is None else np.cos(np.radians(angle)), abs=1e-6), (
                learner
            )


def test_the_cases_have_every_pair_of_rule_optimizer_and_activation_that_matters():
    pairs = lambda a, b: {(getattr(each, a), getattr(each, b)) for each in CASES}
    for a, b, count in (("rule", "optimizer", 24), ("rule", "activation", 24), ("optimizer", "activation", 16)):
        assert len(pairs(a, b)) == count
    assert {each.structure for each in CASES if each.rule in ("fa", "dfa", "kp")} == {*STRUCTURES}
    assert {each.depth for each in CASES} == {1, 2, 3}


def everything_offered_is_compared(tab):
    """Every activation, optimizer, structure and rule that the page offers is one of the cases above."""
    offered = lambda name: {*tab.evaluate(f"[...form.elements.{name}.options].map(each => each.value)")}
    assert offered("activation") == {*ACTIVATIONS} and offered("optimizer") == {*RATES}
    assert offered("structure") == {*STRUCTURES} and {*tab.evaluate("Object.keys(ABOUT)")} == {*RULES}


def test_one_small_file(whole):
    assert len(whole) < 300_000
    assert not re.search(rb"(?:src|href)=\"(?!data:)", whole) and b"http:" not in whole.replace(
        b"http://www.w3.org/2000/svg", b""
    )
    assert b"{{" not in whole


def test_a_scene_runs_to_its_answer(opened, whole):
    """From the keyboard: choose it, run it, and read what was measured beside what five seeds gave."""
    tab = opened(whole, reduced_motion="reduce")
    tab.get_by_role("button", name="5. From zero").press("Enter")
    assert not tab.get_by_text("BP is stuck").is_visible()
    tab.evaluate("state.scene = {...state.scene, steps: 10}")
    tab.get_by_label("Speed").select_option("16")
    tab.get_by_role("button", name="Run it").press("Enter")
    tab.get_by_role("button", name="Start").wait_for()
    tab.get_by_text("BP is stuck").wait_for()
    rows = tab.locator("#claims tbody tr").all_inner_texts()
    assert rows[0].split("\t")[:3] == ["Backpropagation", "training loss", "0.69"]
    assert tab.get_by_role("status").inner_text().startswith("Step 10. Backpropagation: loss 0.69")
    assert "no signal" in tab.locator(".arrows svg").first.get_attribute("aria-label")


def test_steps_resets_and_stops_at_an_angle(opened, whole):
    tab = opened(whole)
    tab.evaluate("showScene(DATA.scenes[3])")
    step, output = tab.get_by_role("button", name="One step"), tab.locator("#steps")
    step.click()
    step.click()
    assert output.inner_text() == "step 2"
    tab.get_by_role("button", name="Reset").click()
    assert output.inner_text() == "step 0"
    tab.locator("#stop-rule").select_option("kp")
    tab.get_by_label("falls below").fill("75")
    tab.get_by_label("when the angle").check()
    tab.get_by_label("Speed").select_option("16")
    tab.get_by_role("button", name="Start").click()
    tab.get_by_text("Stopped: the angle fell below 75°").wait_for()
    angle = "angles(state.trainings.kp).signals[state.layer - 1]"
    stopped = tab.evaluate("steps()")
    assert tab.evaluate(angle) < 75
    before = "(n) => { const t = trainingOf(state.dials, 'kp'); while (t.steps < n) t.step(); return angles(t).signals[state.layer - 1] }"
    assert tab.evaluate(before, stopped - 1) >= 75


CHECKS = """() => {
    const named = each => each.ariaLabel || each.labels?.length || each.textContent.trim()
    const channel = c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4
    const linear = text => text.match(/[\\d.]+/g).slice(0, 3).map(c => channel(c / 255))
    const luminance = text => linear(text).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0)
    const behind = each => {
        const colour = getComputedStyle(each).backgroundColor
        return colour !== 'rgba(0, 0, 0, 0)' || !each.parentElement ? colour : behind(each.parentElement)
    }
    const contrast = each => {
        const [low, high] = [luminance(getComputedStyle(each).color), luminance(behind(each))].sort((a, b) => a - b)
        return (high + 0.05) / (low + 0.05)
    }
    const all = selector => [...document.querySelectorAll(selector)]
    const texts = 'p, button, label, select, h1, h2, h3, td, th, code, legend, figcaption, #steps'
    const ids = all('[id]').map(each => each.id)
    return {
        wide: document.documentElement.scrollWidth,
        nameless: all('button, select, input, canvas, svg[role=img]').filter(each => !named(each)).map(each => each.outerHTML),
        contrast: Math.min(...all(texts).map(contrast)),
        low: all('button, select, input[type=number]').filter(each => each.checkVisibility() && each.offsetHeight < 40)
            .map(each => each.id),
        twice: ids.filter((id, place) => ids.indexOf(id) !== place),
    }
}"""


@pytest.mark.parametrize("scheme, width", [("light", 1280), ("light", 390), ("dark", 360)])
def test_readable_by_day_and_in_the_dark_on_a_desk_and_on_a_phone(opened, whole, scheme, width):
    tab = opened(whole, viewport={"width": width, "height": 800}, color_scheme=scheme)
    tab.evaluate("change({depth: 3}); document.querySelectorAll('details').forEach(each => { each.open = true })")
    tab.wait_for_timeout(250)  # colours of buttons fade
    found = tab.evaluate(CHECKS)
    assert found["wide"] <= width and found["contrast"] >= 4.5
    assert found["nameless"] == found["low"] == found["twice"] == []


def test_a_bad_path_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"a page's name must end in \.html"):
        page.write(tmp_path / "a.txt")


def test_the_data_are_those_of_the_page(whole):
    data = json.loads(re.search(rb'id="data">(.*?)</script>', whole)[1])
    assert data["scenes"] == scenes.scenes() and data["defaults"] == defaults()
