"""The documents agree with the committed records."""

import json
import re
import subprocess
import sys
from itertools import groupby

import matplotlib
import pytest
from dfanp_figures.draw import draw, read, table_title, title
from dfanp_figures.styles import by_panel, failures, mean

from dfanp.experiments import experiment, experiments, literature, table, tune_rates
from dfanp.experiments.rates import DISKS, RULES_ON_DIGITS, TUNED, default_rate
from dfanp.settings import present

from .documents import README, RESULTS, ROOT, section

PATHS = sorted((ROOT / "figures" / "records").glob("*.json"))
TABLES = sorted((ROOT / "figures" / "published").glob("*.json"))


def test_every_figure_has_its_records():
    every = {f"{each.name}-{mode}": each for each in experiments().values() for mode in each.modes}
    not_run = section(RESULTS.read_text(), "Not run yet")
    missing = {name for name, each in every.items() if each.study and f"`dfanp figure {each.name}`" in not_run}
    wanted = every.keys() - missing
    assert {path.stem for path in PATHS} == wanted
    for name in wanted:
        assert (ROOT / "figures" / f"{name}.svg").exists() and (ROOT / "figures" / f"{name}.png").exists()


def test_the_results_have_the_table_of_the_records():
    rows = list(table.rows(read(path) for path in PATHS))
    assert table.markdown(rows) in RESULTS.read_text()
    agree = sum(row.inside is True for row in rows)
    assert f"All {len(rows)} published numbers, of which {agree} agree," in " ".join(README.read_text().split())
    assert f"(of all {len(rows)} published numbers {agree})" in " ".join(RESULTS.read_text().split())


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_record_has_the_settings_that_its_experiment_trains_now(path):
    """A rate or another setting that changes wants a new record. (The seed is left out, the data and kernels are resolved.)"""
    record = read(path)
    wanted = experiments()[record["figure"]].series(record["mode"], experiment.full())
    assert len(wanted) == len(record["series"])
    for series, recorded in zip(wanted, record["series"], strict=True):
        settings, config = series.settings[0], present(recorded["config"])
        resolved = {name: config[name] for name in ("data_sha256", "kernels") if name in config}
        now = present(settings.config() | resolved)
        assert {name: value for name, value in now.items() if name != "seed"} == config
        assert (series.label, series.panel, series.x) == (recorded["label"], recorded["panel"], recorded["x"])
        repeats = len(series.settings) if not now.get("redraw") else settings.epochs // settings.redraw
        assert all(len(recorded[measure]) == repeats for measure in experiments()[record["figure"]].measures)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_the_results_have_the_table_of_an_experiment(path):
    record = read(path)
    table_of = experiments()[record["figure"]].table
    said = table_of and table_of(record)
    assert said is None or said in RESULTS.read_text()


@pytest.mark.parametrize("data, file", [("mnist", "rates.json"), ("digits", "rates-digits.json")])
def test_the_default_rates_are_those_that_were_found(data, file):
    rows = json.loads((ROOT / "figures" / file).read_text())
    for _, some in groupby(rows, lambda row: row["group"]):
        assert tune_rates.markdown(list(some)) in RESULTS.read_text()
    for row in rows:
        assert rate_in_use(data, row["group"], row["method"], row["value"]) == row["best"]


def rate_in_use(data, group, rule, value):
    """Return the rate of a case of ``tune_rates``."""
    if group in ("optimizer", "lazy"):
        return default_rate(data, rule, value).lr
    if group == "rules":
        return RULES_ON_DIGITS[rule]
    if group == "feedback":
        return default_rate(data, rule, "sgd", value).lr
    if group.startswith("disks"):
        return DISKS["output" if group == "disks-output" else rule][value]
    return TUNED[group][rule][value]


def test_the_gallery_has_the_title_of_each_record():
    alts = re.findall(r"!\[(.*?)\]\((\S+?)\.svg\)", RESULTS.read_text())
    tables = {f"published/{path.stem}": table_title(json.loads(path.read_text())) for path in TABLES}
    assert {name: alt for alt, name in alts} == {path.stem: title(read(path)) for path in PATHS} | tables


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_a_published_table_is_that_of_its_record(path):
    record = json.loads(path.read_text())
    cells = [{name: value for name, value in cell.items() if name != "difference"} for cell in record["cells"]]
    assert literature.markdown([literature.Comparison(**cell) for cell in cells]) in RESULTS.read_text()
    published = {
        (literature.name_of(row), cell.quantity, cell.epoch): cell.value
        for row in rows_of(path.stem)
        for cell in row.cells
    }
    found = {(c["row"], c["quantity"], c["epoch"]): c["published"] for c in cells}
    assert found and all(published[key] == value for key, value in found.items())


def rows_of(name):
    """Return the rows of a published table at full scale."""
    return literature.get(name).rows(literature.Size(False, (0,)))


def test_a_title_has_the_number_of_seeds_it_rests_on():
    record = read(ROOT / "figures" / "records" / "3.3-corrected.json")
    assert title(record).endswith("; 20 seeds")
    record["series"][0]["test_accuracy"].pop()
    assert title(record).endswith("; 19 to 20 seeds")
    for series in record["series"]:
        del series["test_accuracy"][1:]
    assert title(record).endswith("; 1 seed")


def test_dfa_stays_below_backpropagation_with_every_optimizer():
    """The first picture of the README says so."""
    record = read(ROOT / "figures" / "records" / "3.4-corrected.json")
    finals = {panel: {each["label"]: mean(each) for each in group} for panel, group in by_panel(record).items()}
    assert len(finals["BP"]) == 7 and all(finals["DFA"][name] < bp for name, bp in finals["BP"].items())
    assert (
        "mean of twenty seeds: DFA stays below backpropagation with every optimizer](figures/3.4-corrected.svg)"
        in README.read_text()
    )


@pytest.mark.parametrize("name", ["3.4-corrected", "2.2-published"])
def test_a_record_draws_its_figure(name, tmp_path):
    """Its curves and title; fonts and other details differ between versions of Matplotlib."""
    (svg,) = draw(read(ROOT / "figures" / "records" / f"{name}.json"), tmp_path, ["svg"])
    marks = lambda path: path.read_text().count("<use ")
    assert marks(svg) == pytest.approx(marks(ROOT / "figures" / f"{name}.svg"), rel=0.2)


def test_a_name_without_a_record_is_refused():
    command = [sys.executable, "-m", "figures", "3.4-corrcted"]
    refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert refused.returncode == 2 and "no record is called '3.4-corrcted'" in refused.stderr and not refused.stdout


@pytest.mark.parametrize("path", [PATHS[0], PATHS[-1]], ids=lambda path: path.stem)
def test_a_figure_has_equal_bytes_whatever_a_matplotlibrc_says(path, tmp_path, hostile_rc):
    for name, rc in (("usual", {}), ("hostile", hostile_rc)):
        (tmp_path / name).mkdir()
        with matplotlib.rc_context(rc):
            draw(read(path), tmp_path / name)
    for drawn in (tmp_path / "usual").iterdir():
        assert drawn.read_bytes() == (tmp_path / "hostile" / drawn.name).read_bytes()


@pytest.mark.parametrize(
    "runs, said",
    [
        ([[0.5, 0.7], [0.6, 0.56]], ""),
        ([[0.5, 0.51], [0.6, 0.7]], "1 of 2 never leaves chance"),
        (
            [[0.5, 0.7, 0.5], [0.7, 0.5, 0.51], [0.5, 0.5, 0.5]],
            "1 of 3 never leaves chance, 2 of 3 fall back to chance",
        ),
        ([[0.7, None], [None, None], []], ""),
    ],
)
def test_pictures_say_which_runs_failed(runs, said):
    assert failures({"test_accuracy": runs}) == said
