"""Runs end to end: interrupted, resumed, joined."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

import dfanp
from dfanp import training
from dfanp.experiments.published_settings import PublishedParity
from dfanp.problems.datasets import Dataset
from dfanp.runs.run import Run, build
from dfanp.settings import ParitySettings

from ..former import rewrite_run


@pytest.fixture
def settings():
    return ParitySettings(lr=0.01, k=2, epochs=4, hidden=(6, 5), bias=True, align=True, data="tiny", batch_size=6000)


@pytest.fixture
def do(tiny):
    """Run settings to the end (or to an exception), return the Run."""

    def run(settings, out=None, **more):
        with Run(settings, out, dataset=tiny, **more) as running:
            for _ in running.epochs():
                pass
        return running

    return run


def contents(path):
    return {each.name: each.read_bytes() for each in path.iterdir() if each.name != "timings.jsonl"}


@pytest.mark.parametrize("repeats", [1, 3])
@pytest.mark.parametrize("opt", ["sgd", "adadelta", "adam"])
def test_an_interrupted_run_ends_with_the_bytes_of_one_never_stopped(
    tmp_path, settings, do, monkeypatch, opt, repeats
):
    """Ctrl-C in the middle of each epoch in turn, and the same call again."""
    settings = replace(settings, opt=opt, repeats=repeats, kernels="numpy")  # step by step
    whole = do(settings, tmp_path / "whole")
    learn, steps = training.Training.learn, 0

    def interrupted(self, *arguments):
        nonlocal steps
        steps += 1
        if steps % 14 == 0:  # an epoch has ten steps
            raise KeyboardInterrupt
        return learn(self, *arguments)

    monkeypatch.setattr(training.Training, "learn", interrupted)
    starts = 0
    while True:
        starts += 1
        try:
            parts = do(settings, tmp_path / "parts")
            break
        except KeyboardInterrupt:
            pass
    assert starts > 3
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")
    assert parts.rows == whole.rows and len(whole.rows) == 4 * repeats
    assert len((tmp_path / "parts" / "timings.jsonl").read_text().splitlines()) == 4


def test_a_finished_run_is_not_trained_again(tmp_path, settings, do):
    first = do(settings, tmp_path / "run")
    before = contents(tmp_path / "run")
    again = do(settings, tmp_path / "run")
    assert again.rows == first.rows and contents(tmp_path / "run") == before


@pytest.mark.parametrize("repeats", [1, 3])
@pytest.mark.parametrize("opt", ["sgd", "adam"])
def test_more_epochs_end_with_the_bytes_of_a_run_that_never_stopped(tmp_path, settings, do, opt, repeats):
    settings = replace(settings, opt=opt, repeats=repeats, kernels="numpy")  # step by step
    whole = do(settings, tmp_path / "whole")
    for epochs in (1, 3, 4):
        parts = do(replace(settings, epochs=epochs), tmp_path / "parts")
        assert parts.training.epoch == epochs
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole") and parts.rows == whole.rows
    assert len((tmp_path / "parts" / "timings.jsonl").read_text().splitlines()) == 4


def test_weights_drawn_anew_on_the_way_are_no_hindrance_to_more_epochs(tmp_path, settings, do):
    given = vars(settings) | {"redraw": 2, "align": False, "hidden": (6,)}
    do(PublishedParity(**given), tmp_path / "whole")
    for epochs in (1, 2, 4):
        do(PublishedParity(**given | {"epochs": epochs}), tmp_path / "parts")
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_fewer_epochs_than_are_there_are_refused(tmp_path, settings, do):
    do(replace(settings, epochs=3), tmp_path / "run")
    before = contents(tmp_path / "run")
    with pytest.raises(dfanp.RecordError, match="holds a run of 3 epochs already, more than 2; give"):
        do(replace(settings, epochs=2), tmp_path / "run")
    assert contents(tmp_path / "run") == before


@pytest.mark.parametrize("epochs", [2, 3])
def test_a_run_that_was_interrupted_may_end_earlier_or_later(tmp_path, settings, do, tiny, epochs):
    """But not before the epoch that it has got to; 30 for 3 is a slip of a key that can be taken back."""
    with Run(replace(settings, epochs=30), tmp_path / "parts", dataset=tiny) as run:
        for record, _ in run.epochs():
            if record.epoch == 2:
                break
    with pytest.raises(dfanp.RecordError, match="2 epochs already, more than 1"):
        do(replace(settings, epochs=1), tmp_path / "parts")
    do(replace(settings, epochs=epochs), tmp_path / "parts")
    do(replace(settings, epochs=epochs), tmp_path / "whole")
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


@pytest.mark.parametrize("rates", ["all", "some"])
def test_more_epochs_of_seeds_that_diverged(tmp_path, settings, do, monkeypatch, rates):
    """All of them: nothing is left to train. Some: the others go on."""
    if rates == "all":
        settings = replace(settings, opt="sgd", lr=1e30, method="bp", repeats=2)
    else:
        settings = replace(settings, repeats=3)
        run_epoch = training.Training.run_epoch

        def one_diverges(self):
            if self.epoch == 1:
                self.network.W[0][1] = np.nan
            return run_epoch(self)

        monkeypatch.setattr(training.Training, "run_epoch", one_diverges)
    whole = do(settings, tmp_path / "whole")
    do(replace(settings, epochs=2), tmp_path / "parts")
    parts = do(settings, tmp_path / "parts")
    assert parts.statuses() == whole.statuses() == (["diverged"] * 2 if rates == "all" else ["ok", "diverged", "ok"])
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole") and parts.rows == whole.rows
    with pytest.raises(dfanp.RecordError, match="4 epochs already, more than 3"):
        do(replace(settings, epochs=3), tmp_path / "parts")
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_more_epochs_change_nothing_where_the_run_is_damaged(tmp_path, settings, do):
    do(replace(settings, epochs=2), tmp_path / "run")
    with np.load(tmp_path / "run" / "checkpoint.npz") as archive:
        arrays = dict(archive) | {"optimizer/step": np.array(7)}
    np.savez(tmp_path / "run" / "checkpoint.npz", **arrays)
    before = contents(tmp_path / "run")
    with pytest.raises(dfanp.RecordError, match="the run is corrupt .7 steps do not belong to 2 epochs"):
        do(settings, tmp_path / "run")
    assert contents(tmp_path / "run") == before


@pytest.mark.parametrize("epochs", [2, 4])
def test_a_run_of_an_earlier_version_goes_on(tmp_path, settings, do, tiny, epochs):
    """Its config has a setting that runs no longer have, where it had no effect."""
    whole = do(settings, tmp_path / "whole")
    with Run(settings, tmp_path / "run", dataset=tiny) as run:
        for record, _ in run.epochs():
            if record.epoch == epochs:
                break
    rewrite_run(tmp_path / "run")
    before = (tmp_path / "run" / "config.json").read_bytes()
    again = do(settings, tmp_path / "run")
    assert again.rows == whole.rows and again.settings == whole.settings
    now, then = contents(tmp_path / "run"), contents(tmp_path / "whole")
    assert now.pop("config.json") == before and then.pop("config.json") != before and now == then


def test_a_run_of_an_earlier_version_that_drew_weights_anew_is_another(tmp_path, settings, do):
    do(settings, tmp_path / "run")
    path = tmp_path / "run" / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"config": config["config"] | {"redraw": 2}}))
    with pytest.raises(dfanp.RecordError, match="holds a run with redraw 2, not None"):
        do(settings, tmp_path / "run")


def test_a_run_keeps_the_threads_that_it_began_with(tmp_path, settings, do):
    do(settings, tmp_path / "run", threads=1)
    assert do(settings, tmp_path / "run", threads=2).training.backend.threads == 1


def test_repeats_are_the_solo_runs(settings, do):
    joint = do(replace(settings, repeats=3, seed=5))
    for seed in (5, 6, 7):
        assert do(replace(settings, seed=seed)).rows == [row for row in joint.rows if row["seed"] == seed]


def test_initial_weights_can_be_moved_a_little(settings, do, tiny):
    share, moved = 0.01, replace(settings, nudge=0.01, repeats=2, seed=5)
    weights = lambda each: build(each, dataset=tiny).network.parameters
    plain, after = weights(replace(moved, nudge=0.0)), weights(moved)
    for name, before in plain.items():
        apart = abs(after[name] - before)
        if not name.startswith("W"):
            assert not apart.any()
            continue
        for r in range(2):
            largest = share * abs(before[r]).max()
            assert 0.5 * largest < apart[r].max() <= 1.01 * largest and 0.2 < apart[r].mean() / largest < 0.8
        assert not np.array_equal(apart[0], apart[1])
        assert np.array_equal(after[name][1], weights(replace(settings, nudge=share, seed=6))[name])
    assert do(moved).rows[0] != do(replace(moved, nudge=0.0)).rows[0]
    assert "nudge" not in settings.config() and moved.config()["nudge"] == share


def test_diverged_seeds_are_reported_and_a_restart_does_not_train_them(tmp_path, settings, do):
    settings = replace(settings, opt="sgd", lr=1e30, method="bp", repeats=2)
    with np.errstate(all="raise"):
        run = do(settings, tmp_path / "run")
    assert run.statuses() == ["diverged", "diverged"]
    assert run.rows == [{"epoch": 1, "seed": seed, "status": "diverged"} for seed in (0, 1)]
    assert do(settings, tmp_path / "run").rows == run.rows


def test_a_run_that_was_cut_off_goes_on_only_from_its_folder(tmp_path, settings, do, tiny, monkeypatch):
    """In a notebook, say: the interrupted object is refused, a new one of the same folder goes on."""

    def interrupted(*arguments):
        raise KeyboardInterrupt

    with Run(settings, tmp_path / "run", dataset=tiny) as run:
        epochs = run.epochs()
        next(epochs)
        monkeypatch.setattr(run.folder, "append", interrupted)
        with pytest.raises(KeyboardInterrupt):
            next(epochs)
        monkeypatch.undo()
        assert run.saved == 1
        with pytest.raises(dfanp.RecordError, match="epoch 2 was not written; open the run again"):
            next(run.epochs())
    assert do(settings, tmp_path / "run").rows == do(settings).rows


def test_other_data_under_the_same_name_are_refused(tmp_path, settings, do):
    do(settings, tmp_path / "run")
    digits = dfanp.load("digits")
    other = Dataset("tiny", digits.train, digits.test, 0.0, 1.0, 8)
    with pytest.raises(dfanp.RecordError, match="holds a run with data_sha256"):
        Run(settings, tmp_path / "run", dataset=other)


def test_what_changed_since_the_first_start_is_reported(tmp_path, settings, do):
    do(settings, tmp_path / "run", threads=1)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    config["environment"]["numpy"] = "1.0"
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    again = do(settings, tmp_path / "run", threads=2)
    assert again.changed == {"numpy": np.__version__, "threads": 2} and again.environment["threads"] == 1
    config["environment"]["threads"] = 10**30
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    with pytest.raises(dfanp.RecordError, match="the run is corrupt .threads must be"):
        do(settings, tmp_path / "run")


def test_changed_settings_are_refused(tmp_path, settings, do):
    do(settings, tmp_path / "run")
    with pytest.raises(dfanp.RecordError, match="holds a run with lr 0.01, not 0.02"):
        do(replace(settings, lr=0.02), tmp_path / "run")


def test_a_checkpoint_of_another_epoch_count_is_corrupt(tmp_path, settings, do):
    do(settings, tmp_path / "run")
    with np.load(tmp_path / "run" / "checkpoint.npz") as archive:
        arrays = dict(archive) | {"optimizer/step": np.array(7)}
    np.savez(tmp_path / "run" / "checkpoint.npz", **arrays)
    with pytest.raises(dfanp.RecordError, match="the run is corrupt .7 steps do not belong to 4 epochs"):
        do(settings, tmp_path / "run")


@pytest.mark.parametrize(
    "bad, message",
    [
        (dict(epochs=0), "epochs must be"),
        (dict(repeats=0), "repeats must be"),
        (dict(k=11), "k must be"),
        (dict(lr=-1), "lr must be"),
        (dict(batch_size=60_001), "at most the 60000 examples"),
        (dict(hidden=(0,)), "each of hidden must be a whole number from 1 to"),
        (dict(method="dfaa"), "did you mean 'dfa'"),
        (dict(feedback="x"), "unknown feedback"),
        (dict(seed=-1), "seed must be"),
    ],
)
def test_bad_settings_leave_no_folder(tmp_path, settings, do, bad, message):
    with pytest.raises(ValueError, match=message):
        do(replace(settings, **bad), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_held_out_images_are_training_images(settings):
    digits = dfanp.load("digits")
    problem = build(replace(settings, held_out=True), dataset=digits).problem
    rows = {row.tobytes() for row in digits.train.pixels}
    assert len(problem.dataset.train) + len(problem.dataset.test) == len(digits.train)
    assert all(row.tobytes() in rows for row in problem.dataset.test.pixels)


def test_settings_are_json(settings):
    from dfanp.runs.folder import canonical

    assert '"hidden":[6,5]' in canonical(asdict(settings))
