"""What a class of settings says of each, of itself and by its bases; and what a value may be."""

import pickle
import subprocess
import sys
from dataclasses import MISSING, replace
from pathlib import Path

import numpy as np
import pytest

from dfanp.problems.fields import setting, settings_of
from dfanp.settings import ParitySettings, SyntheticSettings, TrainingSettings

SPIRALS = Path(__file__).parent.parent / "plugins" / "spirals.py"


class Mine(TrainingSettings):
    """A problem that nothing makes."""

    lr: float = 0.5
    epochs: int = setting(7, "Number of rounds.")
    opt: str = "adam"
    share: float | None = setting(None, "A share.", least=0, most=1, unset="half")
    kind: str = setting("thin", "Kind.", names=("thin", "thick"))
    sizes: tuple[int, ...] = setting((1, 2), "Sizes.", least=1)

    name = "mine"


def test_a_class_says_what_is_another_and_has_the_rest_of_its_bases():
    mine, general = settings_of(Mine), settings_of(TrainingSettings)
    assert (mine["epochs"].default, mine["epochs"].help, mine["epochs"].most) == (7, "Number of rounds.", 10**9)
    assert mine["opt"].default == "adam" and mine["opt"].help == general["opt"].help and mine["opt"].parse
    assert mine["lr"].default == 0.5 and mine["lr"].unset is None and mine["lr"].above == 0
    assert general["lr"].default is MISSING and general["lr"].unset
    assert mine["share"].unset == "half" and mine["seed"] == general["seed"]
    assert list(mine)[: len(general)] == list(general)


@pytest.mark.parametrize(
    "name, given, kept",
    [
        ("epochs", np.int64(3), 3),
        ("lr", np.float32(0.5), 0.5),
        ("lr", 1, 1),
        ("bias", np.True_, True),
        ("hidden", [4, np.int32(5)], (4, 5)),
        ("share", None, None),
        ("share", 1, 1),
        ("method", "of a plugin that is not loaded", "of a plugin that is not loaded"),
    ],
)
def test_values_are_kept_as_pythons_own(name, given, kept):
    found = getattr(Mine(**{name: given}), name)
    assert found == kept and type(found) is type(kept)
    assert getattr(replace(Mine(), **{name: given}), name) == kept


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("epochs", 0, "epochs must be a whole number from 1 to 10.9, got 0$"),
        ("epochs", 2.0, "epochs must be a whole number from 1 to 10.9, got 2.0$"),
        ("epochs", True, "epochs must be a whole number"),
        ("epochs", None, "epochs must be a whole number from 1 to 10.9, got None$"),
        ("seed", -1, "seed must be a whole number of at least 0, got -1$"),
        ("lr", 0, "lr must be a finite number above 0, got 0$"),
        ("lr", float("nan"), "lr must be a finite number above 0, got nan$"),
        ("lr", 10**400, "lr must be a finite number above 0, got 1000"),
        ("lr", "fast", "lr must be a finite number above 0, got 'fast'$"),
        ("share", 2, "share must be at least 0 and at most 1 or None, got 2$"),
        ("weight_decay", float("inf"), "weight_decay must be at least 0 and at most 10.6, got inf$"),
        ("bias", 1, "bias must be True or False, got 1$"),
        ("align", "published", "align must be True or False, got 'published'$"),
        ("layers", "outptu", "layers must be 'all' or 'output', got 'outptu'; did you mean 'output'"),
        ("kind", "thinn", "kind must be 'thin' or 'thick', got 'thinn'; did you mean 'thin'"),
        ("method", 3, "method must be a text, got 3$"),
        ("hidden", (), r"hidden must be a tuple of whole numbers, got \(\)$"),
        ("hidden", 8, "hidden must be a tuple of whole numbers, got 8$"),
        ("hidden", (8, 0), "each of hidden must be a whole number from 1 to 10.9, got 0$"),
        ("plugins", (3,), r"plugins must be a tuple of str, got \(3,\)$"),
    ],
)
def test_what_a_value_must_be_is_said(name, value, message):
    with pytest.raises(ValueError, match=message):
        Mine(**{name: value})


def test_published_settings_take_more():
    from dfanp.experiments.published_settings import PublishedParity
    from dfanp.settings import made

    assert PublishedParity(lr=0.1, align="published", redraw=2).redraw == 2
    with pytest.raises(ValueError, match="align must be True or False or 'published', got 'publish'"):
        PublishedParity(lr=0.1, align="publish")
    with pytest.raises(ValueError, match="redraw must be a whole number from 1 to 10.9 or None, got 0"):
        PublishedParity(lr=0.1, redraw=0)
    assert [
        type(made(ParitySettings, lr=0.1, **more)).__name__ for more in ({}, {"align": True}, {"align": "published"})
    ] == [
        "ParitySettings",
        "ParitySettings",
        "PublishedParity",
    ]
    assert type(made(SyntheticSettings, lr=0.1, redraw=3)).__name__ == "PublishedSynthetic"


def test_the_library_has_the_defaults_and_limits_of_the_settings(tiny):
    import dfanp

    problem = dfanp.Parity(tiny)
    assert (problem.k, problem.train_size, problem.test_size) == (3, 60_000, 10_000)
    for name, most in (("k", 10), ("train_size", 10**9)):
        with pytest.raises(ValueError, match=f"{name} must be a whole number from 1 to 10"):
            dfanp.Parity(tiny, **{name: most + 1})
    assert dfanp.Synthetic().train_size == SyntheticSettings.n and dfanp.Synthetic().features == SyntheticSettings.d


def test_the_sizes_of_a_problem_are_found_out_by_making_it():
    class Four(TrainingSettings):
        made = 0
        name = "four"

        def problem(self, dataset, backend):
            import dfanp

            type(self).made += 1
            return dfanp.Arrays(np.ones((5, 4)), np.ones(5), dtype=self.dtype, backend=backend)

    settings = Four(lr=0.1, epochs=3, method="bp")
    assert settings.features(None) == 4 and replace(settings, epochs=9).features(None) == 4 and Four.made == 1
    assert settings.bytes_of_examples(4) == 2 * 5 * 8 * 5 and Four.made == 1
    assert settings.title == "four" and settings.of_problem == ("dtype", "device", "kernels")


def test_settings_of_a_plugin_reach_a_process_that_has_not_loaded_it(tmp_path, monkeypatch):
    from dfanp import plugins, registry
    from dfanp.problems import PROBLEMS

    before = registry.registered()
    monkeypatch.setattr(plugins, "LOADED", {})
    try:
        plugins.load(SPIRALS)
        settings = PROBLEMS["spirals"](turns=2.5)
        assert pickle.loads(pickle.dumps(settings)) == settings
        (tmp_path / "settings").write_bytes(pickle.dumps(settings))
    finally:
        registry.restore(before)
    code = "import pickle, sys; one = pickle.load(open(sys.argv[1], 'rb')); print(one.turns, one.headline)"
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "settings"], capture_output=True, text=True)
    assert done.stdout.startswith("2.5 spirals, turns = 2.5, points = 400") and done.stderr == ""
