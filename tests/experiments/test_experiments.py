import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from dfanp_figures.draw import draw, read, title
from dfanp_figures.findings import FINDINGS
from dfanp_figures.kinds import KINDS

from dfanp import experiments
from dfanp.experiments import architectures, experiment, parity, rates, reproduce, table
from dfanp.experiments.experiment import CORRECTED, MODES, PUBLISHED
from dfanp.runs.store import Result, key_of

from ..former import rewrite_sweep

FULL = experiment.full()
NAMES = tuple(experiments.experiments())
TINY = replace(
    experiment.quick("numpy"), train_size=256, test_size=64, most_epochs=2, most_passes=3, assignments=1, samples=80
)


def test_every_experiment_can_be_named_and_drawn():
    every = experiments.experiments()
    assert tuple(every) == (
        "2.1",
        "2.2",
        "3.1",
        "3.2",
        "3.3",
        "3.4",
        "3.5",
        "3.7",
        "3.8",
        "B.1",
        "B.2",
        *sorted(NAMES[11:]),
    )
    assert set(NAMES) == set(every) == set(FINDINGS)
    assert {each.draws for each in every.values()} == set(KINDS)
    with pytest.raises(ValueError, match="did you mean '3.4'"):
        experiments.get("34")


def redraw_of(settings):
    """Return after how many epochs weights are drawn anew, as a record has it; None where they are not."""
    return settings.config().get("redraw")


@pytest.mark.parametrize("name", NAMES)
def test_twenty_seeds_each(name):
    """Each setting is run with twenty seeds, or as one run of twenty repeats.

    The studies have ten, grids three.
    """
    each = experiments.get(name)
    seeds = 10 if each.study else {"labels": 3, "B.1": 3, "B.2": 3}.get(name, 20)
    for mode in each.modes:
        for series in each.series(mode, FULL):
            settings = series.settings
            redraw = redraw_of(settings[0])
            if redraw:
                assert mode == PUBLISHED and len(settings) == 1 and settings[0].epochs == 20 * redraw
            else:
                assert [one.seed for one in settings] == list(range(seeds))
                assert len({replace(one, seed=0) for one in settings}) == 1


def settings_of(name, mode, **wanted):
    """Return the settings in an experiment that have these values."""
    every = [one for series in experiments.get(name).series(mode, FULL) for one in series.settings]
    return [one for one in every if all(getattr(one, key) == value for key, value in wanted.items())]


@pytest.mark.parametrize("name", architectures.ALONG)
def test_each_depth_width_and_activation_has_its_own_rate(name):
    values, settings = architectures.ALONG[name]
    for method in ("bp", "dfa"):
        tuned = rates.TUNED[name][method]
        assert tuple(tuned) == values
        for value in values:
            runs = settings_of(name, CORRECTED, method=method, **settings(value))
            assert len(runs) == 20 and {one.lr for one in runs} == {tuned[value]}


def test_a_depth_that_a_reader_adds_has_the_rate_of_the_optimizer(monkeypatch):
    _, settings = architectures.ALONG["depth"]
    monkeypatch.setitem(architectures.ALONG, "depth", ((5,), settings))
    bp, dfa = architectures.along("depth")(CORRECTED, FULL)
    assert {one.lr for one in bp.settings} == {rates.default_rate("mnist", "bp", "rmsprop").lr}
    assert {one.lr for one in dfa.settings} == {rates.default_rate("mnist", "dfa", "rmsprop").lr}


def test_what_was_run_and_what_was_meant():
    (adam,) = settings_of("3.4", PUBLISHED, opt=parity.THESIS_ADAM, method="bp")
    assert adam.lr == 0.0004 and redraw_of(adam) == 20 and not settings_of("3.4", PUBLISHED, opt="adam")
    assert not settings_of("3.4", CORRECTED, opt=parity.THESIS_ADAM)
    assert settings_of("3.4", CORRECTED) and all(redraw_of(one) is None for one in settings_of("3.4", CORRECTED))
    assert {one.method for one in settings_of("2.1", PUBLISHED)} == {"bp", "ntk", "gaussian", "relu"}
    assert {one.method for one in settings_of("2.1", CORRECTED)} == {"bp", "ntk-step", "fourier", "relu", "linear"}
    assert {one.align for one in settings_of("3.5", PUBLISHED)} == {"published"}
    assert {one.align for one in settings_of("3.5", CORRECTED)} == {True}
    assert {one.epochs for one in settings_of("3.5", PUBLISHED)} == {50}
    assert {one.lr for one in settings_of("3.8", PUBLISHED)} == {0.5}
    assert {one.lr for one in settings_of("B.1", PUBLISHED, feedback="gaussian")} == {0.012, 0.0135, 0.015}
    assert {one.hidden for one in settings_of("depth", CORRECTED)} == {(512,) * depth for depth in (1, 2, 3, 4)}


def test_repeats_are_cut_where_weights_were_drawn_anew():
    rows = [{"epoch": epoch, "test_accuracy": epoch / 10} for epoch in range(1, 7)]
    result = Result("", {"redraw": 2}, "done", rows)
    cut = experiment.repeats(result)
    assert [[row["epoch"] for row in part] for part in cut] == [[1, 2]] * 3
    assert [part[-1]["test_accuracy"] for part in cut] == [0.2, 0.4, 0.6]
    assert experiment.repeats(result._replace(config={})) == [rows]


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory):
    """A folder with the records of every experiment, as small as they get."""
    folder = tmp_path_factory.mktemp("reproduced")
    tasks = [(each, mode) for each in experiments.experiments().values() for mode in each.modes]
    with reproduce.Reproduction(tasks, TINY, folder) as work:
        assert all(outcome.state == "done" for outcome in work.sweep.outcomes())
        assert not work.sweep.pending and len(work.sweep.jobs) > 20
        paths = {(each.name, mode): path for each, mode, path in work.records()}
    return folder, paths


@pytest.mark.slow
def test_each_record_is_drawn(reproduced, tmp_path):
    _, paths = reproduced
    for (name, mode), path in paths.items():
        record = read(path)
        assert (record["figure"], record["mode"], record["data"] or "digits") == (name, mode, "digits")
        (svg,) = draw(record, tmp_path, ["svg"])
        assert svg.name == f"{name}-{mode}.svg" and svg.read_bytes().startswith(b"<?xml")
        assert title(record) and "nan" not in title(record)
        assert svg.stat().st_size < 400_000 and path.stat().st_size < 200_000


def test_equal_records_give_equal_pictures(reproduced, tmp_path):
    record = read(reproduced[1]["3.1", PUBLISHED])
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
        draw(record, folder, ["svg"])
    assert len({(folder / "3.1-published.svg").read_bytes() for folder in folders}) == 1
    svg, png = draw(record, tmp_path)
    assert svg.read_bytes() == (tmp_path / "a" / svg.name).read_bytes() and png.read_bytes().startswith(b"\x89PNG")


def never(*_):
    raise AssertionError("the probes of an equal record are those of the record")


def test_nothing_is_done_twice(reproduced):
    folder, paths = reproduced
    store = (folder / "store.jsonl").read_bytes()
    before = paths["3.7", CORRECTED].read_bytes()
    with reproduce.Reproduction([(replace(experiments.get("3.7"), analyse=never), CORRECTED)], TINY, folder) as work:
        assert not work.sweep.pending
        assert [path for _, _, path in work.records()] == [paths["3.7", CORRECTED]]
    assert (folder / "store.jsonl").read_bytes() == store and paths["3.7", CORRECTED].read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("name", ["3.7", "transfer"])
def test_probes_are_equal_whatever_the_workers(reproduced, tmp_path, name):
    folder, paths = shutil.copytree(reproduced[0], tmp_path / "again"), reproduced[1]
    path = folder / "records" / paths[name, CORRECTED].name
    path.unlink()
    with reproduce.Reproduction([(experiments.get(name), CORRECTED)], TINY, folder, workers=2) as work:
        assert [found for _, _, found in work.records()] == [path]
    assert path.read_bytes() == paths[name, CORRECTED].read_bytes()


def test_what_an_earlier_version_reproduced_is_not_done_again(reproduced, tmp_path):
    folder, paths = shutil.copytree(reproduced[0], tmp_path / "then"), reproduced[1]
    rewrite_sweep(folder)
    record, then = paths["3.7", CORRECTED], folder / "records" / paths["3.7", CORRECTED].name
    assert then.read_bytes() != record.read_bytes()
    runs_done = (folder / "store.jsonl").read_bytes()
    for analyse in (never, experiments.get("3.7").analyse):
        with reproduce.Reproduction(
            [(replace(experiments.get("3.7"), analyse=analyse), CORRECTED)], TINY, folder
        ) as work:
            assert not work.sweep.pending and list(work.records())
        assert json.loads(then.read_bytes()) == json.loads(record.read_bytes())
        then.unlink()  # and then the probes are taken of the final weights of then
    assert (folder / "store.jsonl").read_bytes() == runs_done


def test_runs_that_figures_share_are_trained_once(reproduced):
    folder, _ = reproduced
    keys = [json.loads(line)["key"] for line in (folder / "store.jsonl").read_text().splitlines()]
    assert len(keys) == len(set(keys))
    wanted = [
        one
        for name in NAMES
        for mode in experiments.get(name).modes
        for s in experiments.get(name).series(mode, TINY)
        for one in s.settings
    ]
    assert len(keys) < len(wanted)


def test_an_experiment_with_a_run_missing_has_no_record(tmp_path):
    with reproduce.Reproduction([(experiments.get("3.1"), PUBLISHED)], TINY, tmp_path) as work:
        assert [path for _, _, path in work.records()] == [None]


def test_records_have_what_their_runs_have(reproduced):
    folder, paths = reproduced
    record = read(paths["3.5", CORRECTED])
    results = {}
    for line in (folder / "store.jsonl").read_text().splitlines():
        row = json.loads(line)
        results[row["key"]] = row
    series = record["series"][0]
    for seed, accuracies, cosines in zip(TINY.seeds, series["test_accuracy"], series["alignment"], strict=True):
        rows = results[key_of(series["config"] | {"seed": seed})]["rows"]
        assert accuracies == [round(row["test_accuracy"], 5) for row in rows]
        assert cosines["gradient"] == [round(row["alignment"]["gradient"][0], 5) for row in rows]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"figure": "3.1"}', "[" * 100_000])
def test_what_is_no_record_gets_one_line(tmp_path, content):
    from dfanp.errors import RecordError

    path = tmp_path / "3.1.json"
    path.write_text(content)
    with pytest.raises(RecordError, match="3.1.json"):
        read(path)


def test_a_damaged_record_gets_one_line(reproduced, tmp_path):
    from dfanp.errors import RecordError

    record = read(reproduced[1]["3.1", PUBLISHED])
    with pytest.raises(RecordError, match="cannot be drawn"):
        draw(record | {"series": [{"label": "x"}]}, tmp_path)


def series(published, values, label="DFA"):
    return {
        "label": label,
        "panel": "k = 3",
        "published": published,
        "test_accuracy": [[0.5, value] for value in values],
    }


def test_the_table_sets_published_beside_ours():
    records = [
        {"figure": "3.1", "mode": PUBLISHED, "series": [series(0.70, [0.69, 0.70, 0.71]), series(None, [0.1], "BP")]},
        {"figure": "3.1", "mode": CORRECTED, "series": [series(0.70, [0.79, 0.80, 0.81])]},
        {"figure": "2.1", "mode": PUBLISHED, "series": [series(0.80, [0.69, 0.70, 0.71])]},
    ]
    other, row = table.rows(records)
    assert row.inside and other.inside is False and row.run == "k = 3, DFA"
    assert row.ours[CORRECTED][0] == pytest.approx(0.8)
    lines = table.markdown([other, row]).splitlines()
    assert lines[2] == "| 2.1 | k = 3, DFA | 0.800 | 0.700 ± 0.025 | 0.700 ± 0.025 (3) | **no** | - |"
    assert lines[3] == "| 3.1 | k = 3, DFA | 0.700 | 0.700 ± 0.025 | 0.700 ± 0.025 (3) | yes | 0.800 ± 0.025 (3) |"


def test_many_seeds_agree_with_three_within_the_interval_of_their_difference():
    values = [0.70, 0.72] * 10
    (row,) = table.rows([{"figure": "3.1", "mode": PUBLISHED, "series": [series(0.735, values)]}])
    ours, first = row.ours[PUBLISHED], row.first
    assert (ours.n, first.n) == (20, 3) and first.mean == pytest.approx(np.mean(values[:3]))
    assert row.inside == (ours.half * np.sqrt(1 + 20 / 3) >= 0.025) and not row._replace(published=0.75).inside


def test_a_number_read_off_a_plot_may_be_misread():
    head = {"figure": "2.1", "mode": PUBLISHED, "series": [series(0.73, [0.70, 0.71] * 10)]}
    (printed,), (read_off,) = table.rows([head]), table.rows([head | {"reading": 0.02}])
    assert printed.inside is False and read_off.inside and not read_off._replace(published=0.75).inside
    cells = [table.markdown([row]).splitlines()[2].split(" | ")[2] for row in (printed, read_off)]
    assert cells == ["0.730", "0.73"]


def test_rules_are_compared_on_paired_seeds():
    panels = {"BP": [0.8, 0.9, 0.7, None], "DFA": [0.75, None, 0.66, 0.1]}
    record = {
        "series": [
            series(None, values, "Adam") | {"panel": name, "config": {"lr": 0.5}} for name, values in panels.items()
        ]
    }
    (found,) = table.gaps(record)
    assert found.gap.mean == pytest.approx(0.045) and found.gap.n == 2
    assert (found.bp.n, found.dfa.n, found.worst) == (3, 3, (0.7, 0.1))
    line = table.markdown_of_gaps([found]).splitlines()[-1]
    assert line.startswith("| Adam | 0.5 | 0.800 ± 0.248 (3) | 0.700 | 0.5 | 0.503") and line.endswith(
        "0.045 ± 0.064 |"
    )
    assert table.gaps({"series": record["series"][:1]}) == []


def test_a_run_that_diverged_is_left_out_of_means():
    record = {"figure": "3.1", "mode": PUBLISHED, "series": [series(0.7, [None, 0.7])]}
    (row,) = table.rows([record])
    assert row.ours[PUBLISHED] == (0.7, None, 1) and row.inside is None and set(MODES) == {PUBLISHED, CORRECTED}
