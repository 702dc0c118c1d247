"""Reports of small runs, read as HTML."""

import json
import re
import shutil
from html.parser import HTMLParser

import matplotlib
import pytest

import dfanp
from dfanp.experiments.published import PublishedParity
from dfanp.reports import networks, report, run_report
from dfanp.runs.run import Run
from dfanp.settings import ParitySettings, SyntheticSettings, TeacherSettings

VOID = {"meta", "link"}
SMALL = {
    "data": "digits",
    "k": 2,
    "hidden": (16,),
    "epochs": 2,
    "train_size": 300,
    "test_size": 210,
    "kernels": "numpy",
}
STUDENT = {
    "inputs": 20,
    "test_size": 50,
    "batch_size": 1,
    "hidden": (2,),
    "activation": "erf",
    "epochs": 3,
    "kernels": "numpy",
}
DISKS = {"n": 40, "d": 5, "test_points": 200, "epochs": 3, "hidden": (13,), "kernels": "numpy"}
SIZES = {ParitySettings: SMALL, SyntheticSettings: DISKS, TeacherSettings: STUDENT}
SCRIPT = "</title></style><script>alert(1)</script><img src=x onerror=alert(2)>\"'$^{"


class Page(HTMLParser):
    """A page whose elements are closed in their order; its tags, attributes, ids and text."""

    def __init__(self, content):
        super().__init__()
        self.open, self.elements, self.text = [], [], ""
        self.feed(content.decode())
        self.close()
        assert self.open == []
        self.ids = [attributes["id"] for _, attributes in self.elements if "id" in attributes]

    def handle_starttag(self, tag, attrs):
        assert len(attrs) == len(dict(attrs))
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data if self.open and self.open[-1] != "style" else ""

    def all(self, tag):
        return [attributes for each, attributes in self.elements if each == tag]


def train(folder, kind=ParitySettings, epochs=None, **settings):
    """Train a run in `folder`, all its epochs or the first ones."""
    sizes = next(sizes for base, sizes in SIZES.items() if issubclass(kind, base))
    with Run(kind(**{"lr": 0.01} | sizes | settings), folder, threads=1) as run:
        for record, _ in run.epochs():
            if record.epoch == epochs:
                break
    return folder


def page_of(*folders, **more):
    path = folders[0].parent / "page.html"
    runs = report.write(folders, path, **more)
    return Page(path.read_bytes()), runs


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Folders of two runs of two seeds, by BP and by DFA."""
    root = tmp_path_factory.mktemp("runs")
    return [train(root / method, method=method, repeats=2, align=True) for method in ("bp", "dfa")]


def test_two_runs(pair):
    page, runs = page_of(*pair)
    assert page.all("html") == [{"lang": "en"}] and len(page.all("h1")) == 1
    assert len(page.ids) == len(set(page.ids))
    assert [
        name for name in page.text.split("\n") if name in ("Results", "Settings", "Curves", "Weights", "Confusion")
    ]
    for plot in page.all("svg"):
        assert plot.get("aria-hidden") == "true" or (plot["role"] == "img" and len(plot["aria-label"]) > 60)
    drawn = [plot["aria-label"] for plot in page.all("svg") if "aria-label" in plot]
    assert len(drawn) == 4 + 2 + 4 + 2  # curves, alignment, weights before and after, mistakes
    last, _ = runs[1].last()
    assert any(label.startswith("Test accuracy") and f"{last:.3f} ± " in label for label in drawn)
    assert sum("cosine of trained and initial ones" in label for label in drawn) == 4
    assert len(page.all("image")) == 4 * 12 and all(
        i["href"].startswith("data:image/png;base64,") for i in page.all("image")
    )


def test_equal_folders_make_equal_bytes_whatever_a_matplotlibrc_says(pair, tmp_path, hostile_rc):
    for folders in (pair, [train(tmp_path / "disks", SyntheticSettings)]):
        report.write(folders, tmp_path / "usual.html")
        with matplotlib.rc_context(hostile_rc):
            report.write(folders, tmp_path / "hostile.html")
        assert (tmp_path / "usual.html").read_bytes() == (tmp_path / "hostile.html").read_bytes()


def test_a_figure_that_cannot_be_drawn_is_reported_and_no_page_is_left(pair, tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    def fails(*args, **more):
        raise RuntimeError("a font is broken")

    monkeypatch.setattr(Figure, "savefig", fails)
    with pytest.raises(dfanp.DfanpError, match="cannot be drawn .RuntimeError: a font is broken"):
        report.write(pair, tmp_path / "page.html")
    assert list(tmp_path.iterdir()) == []


def test_numbers_that_no_picture_holds_are_reported(pair, tmp_path):
    """As a run in float64 leaves them before it diverges; they are no damage."""
    shutil.copytree(pair[1], tmp_path / "huge")
    log = tmp_path / "huge" / "log.jsonl"
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    rows[2]["test_loss"] = 1e151
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(dfanp.RecordError, match="log.jsonl: line 3 has a number beyond 1e.150, too large for a page"):
        run_report.read([tmp_path / "huge"])


def test_nothing_comes_from_elsewhere_and_nothing_runs(pair):
    page, _ = page_of(*pair)
    assert not {tag for tag, _ in page.elements} & {"script", "iframe", "object", "embed", "form", "img", "base"}
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("href", "src", "srcset", "action"):
            assert attributes.get(name, "#").startswith(("#", "data:"))
    content = (pair[0].parent / "page.html").read_text()
    assert "://" not in content and "@import" not in content and not re.search(r"url\((?!#)", content)


def test_the_confusion_is_that_of_the_log(pair):
    for run in run_report.read(pair):
        assert [seed_report.seed for seed_report in run.seed_reports] == [0, 1] and run.missing is None
        for seed_report in run.seed_reports:
            assert seed_report.predictions.accuracy == pytest.approx(run.logged(seed_report.seed, 2), abs=1e-12)
    page, _ = page_of(*pair)
    total = sum(seed_report.predictions.counts() for seed_report in run.seed_reports)
    for count in total.ravel():
        assert f"{count} (" in page.text
    assert total.sum() == 2 * 210 and "The log has another accuracy" not in page.text


def test_a_log_of_another_run_is_reported(pair, tmp_path):
    shutil.copytree(pair[1], tmp_path / "mixed")
    rows = [json.loads(line) for line in (tmp_path / "mixed" / "log.jsonl").read_text().splitlines()]
    rows[-1]["test_accuracy"] = 0.125
    (tmp_path / "mixed" / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    page, _ = page_of(tmp_path / "mixed")
    assert "The log has another accuracy: seed 1 " in page.text and "not 0.125" in page.text


def test_where_rounding_decides_the_page_says_so(pair):
    """One answer more or less is a note where an output is in doubt, and a warning where none is."""
    for close, message, kind in (
        (1, "the order of summation decides", "note"),
        (0, "The log has another accuracy", "warn"),
    ):
        (run,) = run_report.read(pair[:1])
        (line,) = [row for row in run.rows if (row["seed"], row["epoch"]) == (1, 2)]
        line["test_accuracy"] += 1 / 210
        run.seed_reports = [
            seed_report._replace(predictions=seed_report.predictions._replace(close=close))
            for seed_report in run.seed_reports
        ]
        (found,) = networks.against_the_log(run)
        assert message in found.text and "seed 1" in found.text and found.get("class") == kind


def test_equal_runs_equal_bytes(pair, tmp_path):
    contents = []
    for name in ("a", "b"):
        shutil.copytree(pair[0], tmp_path / name / "bp")
        report.write([tmp_path / name / "bp"], tmp_path / f"{name}.html")
        contents.append((tmp_path / f"{name}.html").read_bytes())
    assert contents[0] == contents[1] and str(tmp_path).encode() not in contents[0]


def test_settings_that_differ_come_first(pair, tmp_path):
    page, _ = page_of(*pair, train(tmp_path / "sgd", opt="sgd", repeats=2, align=True))
    text = page.text[page.text.index("Settings that differ") :]
    differ, rest = text.split("All settings", 1)
    assert (
        re.findall(r"^[a-z_]+", differ.replace("setting", ""), re.M)
        and "opt" in differ
        and "batch_size" not in differ
    )
    assert "batch_size" in rest and len([one for one in page.all("tr") if one.get("class") == "differs"]) == 2
    assert "All settings" in page_of(pair[0])[0].text


def test_names_tell_runs_apart(tmp_path):
    names = lambda *folders: run_report.labels([tmp_path / folder for folder in folders])
    assert names("x/bp", "x/dfa") == ["bp", "dfa"]
    assert names("x/bp", "y/bp", "y/dfa") == ["x/bp", "y/bp", "dfa"]
    assert names("x/bp", "x/bp") == ["bp (1)", "bp (2)"]


@pytest.mark.parametrize("method, k", [("ntk", 2), ("fourier", 1), ("relu", 2)])
def test_lazy_baselines(tmp_path, method, k):
    page, (run,) = page_of(train(tmp_path / method, method=method, k=k, opt="sgd"))
    assert run.seed_reports[0].predictions.accuracy == pytest.approx(run.logged(0, 2))
    assert ("which are not trained" in page.text) == (method != "ntk") and ("behind the gate" in page.text) == (
        method == "ntk"
    )


def test_a_deep_network_and_one_whose_weights_are_drawn_anew(tmp_path):
    deep = train(tmp_path / "deep", hidden=(8, 6), bias=True, align=True, method="fa")
    again = train(tmp_path / "again", PublishedParity, redraw=1)
    page, runs = page_of(deep, again)
    for run in runs:
        assert run.seed_reports[0].predictions.accuracy == pytest.approx(run.logged(0, 2))
    one, two = (
        runs[1].seed_reports[0].initial.W[0],
        dfanp.MLP((128, 16, 1), seed=1).W[0],
    )  # its second epoch began from seed 1
    assert one.tolist() == two.tolist()
    assert "Weight alignment, layer 2" in page.text


def test_a_test_set_that_lacks_some_digits(tmp_path):
    page, (run,) = page_of(train(tmp_path / "few", test_size=5, repeats=2))
    assert sum(seed_report.predictions.counts().sum() for seed_report in run.seed_reports) == 10 and "–" in page.text


def test_disks(tmp_path):
    page, runs = page_of(
        train(tmp_path / "all", SyntheticSettings, bias=True),
        train(tmp_path / "output", SyntheticSettings, layers="output", c=11, labels="random"),
        train(tmp_path / "ntk", SyntheticSettings, method="ntk"),
    )
    for run in runs:
        assert run.seed_reports[0].predictions.accuracy == pytest.approx(run.logged(0, 3))
    each = runs[0].seed_reports[0].predictions
    wrong = each.wrong[each.disks == 4].mean()
    assert f"1: {wrong:.3f}" in page.text and "121 disks would be too large" in page.text
    assert sum("the lines on which hidden units" in plot.get("aria-label", "") for plot in page.all("svg")) == 2 + 1
    assert "Its weights are not shown" in page.text


def test_a_student_beside_the_theory(tmp_path):
    page, _ = page_of(train(tmp_path / "a", TeacherSettings))
    assert page.text.count("Dotted black lines are what a theory") == 1
    page, _ = page_of(train(tmp_path / "b", TeacherSettings, bias=True))
    assert "Dotted black lines" not in page.text


def test_a_seed_that_diverged(tmp_path):
    one, _ = page_of(train(tmp_path / "one", lr=1e30, opt="sgd", activation="identity"))
    assert "diverged (seed 0 at epoch 1)" in one.text and "left out: every seed has diverged" in one.text
    folder = train(tmp_path / "some", repeats=3, epochs=1)  # and of three, one:
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    rows[1] = {"epoch": 1, "seed": 1, "status": "diverged"}
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (run,) = run_report.read([folder])
    assert run.status == "stopped at epoch 1, 1 of 3 seeds diverged" and [
        seed for seed, history in run.histories.items() if not history.diverged
    ] == [0, 2]


def test_a_run_under_way(tmp_path):
    folder = train(tmp_path / "run", repeats=2, epochs=1)
    line = json.loads((folder / "log.jsonl").read_text().splitlines()[0]) | {"epoch": 2}
    with open(folder / "log.jsonl", "a") as log:
        log.write(json.dumps(line) + "\n")  # of seed 0; that of seed 1 is not written yet
    page, (run,) = page_of(folder)
    assert "stopped at epoch 1" in page.text and run.epoch == 1 and run.seed_reports[0].epoch == 1
    (folder / "checkpoint.npz").unlink()
    page, (run,) = page_of(folder)
    assert "has not finished an epoch yet" in page.text and len(page.all("svg")) == 4
    (folder / "log.jsonl").unlink()
    page, _ = page_of(folder)
    assert "no epoch finished yet" in page.text and "No run has finished an epoch." in page.text


def changed(folder, change):
    content = json.loads((folder / "config.json").read_text())
    change(content)
    (folder / "config.json").write_text(json.dumps(content))
    return folder


def test_data_that_are_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = changed(train(tmp_path / "run"), lambda content: content["config"].update(data="mnist"))
    page, (run,) = page_of(folder)
    assert "the data set mnist of the run is not available" in run.missing and run.missing in page.text
    assert len(page.all("svg")) == 4 and str(tmp_path) not in page.text


def test_a_forged_config_is_text(tmp_path):
    def forge(content):
        content["config"] |= {"opt": SCRIPT, "method": SCRIPT, "feedback": SCRIPT, "data_sha256": SCRIPT}
        content["environment"] |= {SCRIPT: SCRIPT, "nested": {"a": [SCRIPT]}, "half": "\ud800"}

    folder = changed(train(tmp_path / "<script>x", align=True), forge)
    shutil.copytree(folder, tmp_path / "other")
    page, runs = page_of(folder, tmp_path / "other", title=SCRIPT)
    assert not page.all("script") and not page.all("img") and page.text.count("<script>alert(1)") > 10
    assert all(run.missing for run in runs)


@pytest.mark.parametrize(
    "change",
    [{"lr": "1"}, {"epochs": True}, {"hidden": ["x"]}, {"hidden": []}, {"repeats": 10**9}, {"k": None}, {"bias": 1}],
)  # fmt: skip
def test_a_config_that_no_run_has(pair, tmp_path, change):
    shutil.copytree(pair[0], tmp_path / "run")
    changed(tmp_path / "run", lambda content: content["config"].update(change))
    with pytest.raises(dfanp.RecordError, match=f"config.json: {next(iter(change))} "):
        run_report.read([tmp_path / "run"])


def test_a_number_that_no_float_has(pair, tmp_path):
    shutil.copytree(pair[0], tmp_path / "run")
    changed(tmp_path / "run", lambda content: content["config"].update(lr=10**400))
    with pytest.raises(dfanp.RecordError, match="config.json: is not JSON"):
        run_report.read([tmp_path / "run"])


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": 3}, {"seed": 7}, {"seed": [0]}, {"test_accuracy": "x"}, {"test_loss": 10**400}, {"alignment": []},
        {"alignment": {"feedback": [], "gradient": [2.0, 1.0]}}, {"alignment": {"feedback": [0.1] * 9, "gradient": [1.0, 1.0]}},
    ],
)  # fmt: skip
def test_a_log_that_no_run_writes(pair, tmp_path, change):
    shutil.copytree(pair[1], tmp_path / "run")
    lines = (pair[1] / "log.jsonl").read_text().splitlines(keepends=True)
    lines[1] = json.dumps(json.loads(lines[1]) | change) + "\n"
    (tmp_path / "run" / "log.jsonl").write_text("".join(lines))
    with pytest.raises(dfanp.RecordError, match="line 2 is damaged"):
        run_report.read([tmp_path / "run"])


def test_a_full_disk_leaves_what_was_there(pair, tmp_path, monkeypatch):
    (tmp_path / "page.html").write_text("before")

    def full(path, write):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(report, "write_whole", full)
    with pytest.raises(dfanp.RecordError, match="page.html: the report cannot be written .No space left"):
        report.write(pair, tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text() == "before"
