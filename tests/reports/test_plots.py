import io
import logging

import matplotlib
import matplotlib.figure
import numpy as np
import pytest

from dfanp import DfanpError
from dfanp.reports import charts, plots
from dfanp.runs.store import Result
from dfanp.sweeps import tuning

ROWS = [
    {"epoch": epoch, "seed": seed, "train_accuracy": 0.6, "test_accuracy": 0.5 + 0.1 * epoch + 0.01 * seed}
    | {"alignment": {"feedback": [0.1 * epoch], "gradient": [0.2 * epoch, 1.0]}}
    for epoch in (1, 2)
    for seed in (0, 1)
]


@pytest.mark.parametrize("name, begins", [("a.png", b"\x89PNG"), ("a.svg", b"<?xml"), ("a.PDF", b"%PDF")])
def test_draws_whole_files(tmp_path, name, begins):
    plots.draw_run(ROWS, "title", tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(begins) and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("form, box", [("svg", None), ("png", None), ("pdf", None), ("svg", "tight")])
def test_a_picture_is_drawn_once_with_the_bytes_of_one_that_matplotlib_draws_twice(form, box):
    drawn, written = [], []
    for figure in (plots.blank(5, 3), matplotlib.figure.Figure(figsize=(5, 3), layout="constrained")):
        with plots.drawing("a figure"), io.BytesIO() as file:
            axes = figure.subplots(1, 2)
            for axis in axes:
                axis.plot([1, 20, 300], [0.1, 2e-5, 1e-3], label="a line")
                axis.set_ylabel("a label")
            figure.suptitle("a title")
            figure.legend(loc="outside lower center")
            axes[0].patch.draw = lambda renderer, draw=axes[0].patch.draw: [drawn.append(1), draw(renderer)][1]
            figure.savefig(
                file,
                format=form,
                bbox_inches=box,
                metadata={"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(form),
            )
            written.append(file.getvalue())
        drawn.append(0)
    assert written[0] == written[1] and drawn == [1, 0, 1, 1, 0]


def test_draws_a_run_without_alignment_and_one_that_diverged_at_once(tmp_path):
    plots.draw_run([{"epoch": 1, "seed": 0, "train_accuracy": 0.6, "test_accuracy": 0.6}], "one", tmp_path / "a.png")
    plots.draw_run([{"epoch": 1, "seed": 0, "status": "diverged"}], "none", tmp_path / "b.png")


def test_a_loss_has_a_logarithmic_axis_where_it_falls_far_and_what_a_theory_says_of_it():
    losses = {1: 0.5, 2: 0.1, 3: 0.01}
    rows = [{"epoch": epoch, "seed": 0, "train_loss": x, "test_loss": x} for epoch, x in losses.items()]
    figure = plots.run_figure(rows, "a title " * 20, None, lambda epochs: [losses[epoch] / 2 for epoch in epochs])
    (axis,) = figure.axes
    theory = {each.get_label(): each for each in axis.get_lines()}["test, theory"]
    assert theory.get_xydata().tolist() == [[1, 0.25], [2, 0.05], [3, 0.005]]
    assert axis.get_yscale() == "log" and figure.get_suptitle().count("\n") == 2
    figure = plots.run_figure(rows[:2], "short", None, lambda epochs: None)
    assert figure.axes[0].get_yscale() == "linear" and len(figure.axes[0].get_lines()) == 2


def test_no_line_of_a_title_ends_within_an_equation_or_a_number_of_seeds():
    title = "MNIST, DFA with RMSProp at 0.00022, the parity of one digit, k = 1, and of three, k = 3; 20 seeds"
    for width in np.linspace(1, 9, 30):
        lines = plots.wrapped(title, width).split("\n")
        assert " ".join(lines) == title and not any(line.split()[-1] in ("k", "=", "20") for line in lines)


def test_dollars_in_a_setting_or_a_title_are_no_formula(tmp_path):
    results = [Result("", {"data": data}, "done", ROWS[:1]) for data in (r"$\frac$", "b")]
    charts.draw(charts.planned(results), tmp_path / "a.svg")
    plots.draw_run(ROWS, r"a rule called $\frac$", tmp_path / "b.svg")
    assert (tmp_path / "a.svg").exists() and (tmp_path / "b.svg").exists()


RESULTS = [
    Result(str(number), {"lr": lr, "opt": opt, "seed": 0}, "done", [row for row in ROWS if row["seed"] == number % 2])
    for number, (lr, opt) in enumerate([(0.1, "sgd"), (0.2, "sgd"), (0.1, "adam"), (0.2, "adam")])
]
POINTS = np.random.default_rng(0).normal(size=(30, 2))
MAPS = {
    "before": (POINTS, {"target": np.arange(30) % 2}),
    "after": (POINTS * [1, 0], {"digit": np.arange(30) % 10, "parity": np.arange(30) % 2}),  # along a line
}
PICTURES = {
    "run": lambda path: plots.draw_run(ROWS, "title", path),
    "rates": lambda path: plots.draw_rates(tuning.candidates(RESULTS), path, "score"),
    "curves": lambda path: charts.draw(charts.planned(RESULTS, x="epoch"), path),
    "maps": lambda path: plots.draw_maps(MAPS, path, "title"),
}


@pytest.mark.parametrize("suffix", plots.FORMATS)
@pytest.mark.parametrize("name", PICTURES)
def test_equal_bytes_whatever_a_matplotlibrc_says(tmp_path, hostile_rc, name, suffix):
    pictures = [tmp_path / f"{place}.{suffix}" for place in ("usual", "hostile")]
    PICTURES[name](pictures[0])
    with matplotlib.rc_context(hostile_rc):
        before = dict(matplotlib.rcParams)
        PICTURES[name](pictures[1])
        assert dict(matplotlib.rcParams) == before
    assert pictures[0].read_bytes() == pictures[1].read_bytes() and len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("name", PICTURES)
def test_what_matplotlib_cannot_draw_is_one_line_and_leaves_nothing(tmp_path, monkeypatch, name):
    from matplotlib.figure import Figure

    def fails(self, file, **more):
        file.write(b"half")
        raise RuntimeError("a font\nis broken")

    monkeypatch.setattr(Figure, "savefig", fails)
    log = logging.getLogger("matplotlib")
    before = log.level, dict(matplotlib.rcParams)
    with pytest.raises(DfanpError) as caught:
        PICTURES[name](tmp_path / "a.png")
    assert str(caught.value) == f"{tmp_path / 'a.png'}: cannot be drawn (RuntimeError: a font)"
    assert list(tmp_path.iterdir()) == [] and (log.level, dict(matplotlib.rcParams)) == before


def test_a_character_that_no_font_has_is_a_box(tmp_path):
    plots.draw_run(ROWS, "\N{CJK UNIFIED IDEOGRAPH-5B66}", tmp_path / "a.png")


def test_mean_and_interval_of_the_seeds():
    epochs, means, halves = plots.curve(ROWS, lambda row: row["test_accuracy"])
    assert epochs == [1, 2] and means.tolist() == pytest.approx([0.605, 0.705])
    assert halves.tolist() == pytest.approx([12.706205 * 0.005] * 2, rel=1e-6)


@pytest.mark.parametrize("name", ["a.jpeg2", "a", "absent/a.png", "."])
def test_a_file_that_cannot_be_drawn_is_refused_beforehand(tmp_path, name):
    with pytest.raises(ValueError, match="must end in|no folder"):
        plots.checked_file(tmp_path / name)


def test_a_picture_that_fails_leaves_nothing(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    def full(self, file, **more):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", full)
    with pytest.raises(OSError):
        plots.draw_run(ROWS, "title", tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []
