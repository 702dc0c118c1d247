import numpy as np
import pytest

from dfanp.reports import charts
from dfanp.runs.store import Result

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def result(seed, accuracy, **config):
    rows = [
        {"epoch": epoch, "train_loss": 1.0, "test_loss": 1.0, "test_accuracy": accuracy + 0.01 * epoch}
        for epoch in (1, 2)
    ]
    return Result("", {"problem": "parity", "seed": seed} | config, "done", rows)


RESULTS = [
    result(seed, 0.5 + 0.1 * (opt == "adam") + 0.001 * width + lr, lr=lr, opt=opt, hidden=[width], k=k)
    for seed in (0, 1)
    for opt in ("sgd", "adam")
    for width in (8, 32)
    for k in (1, 2)
    for lr in (0.01, 0.1)
]


def lines_of(axis):
    return [line for line in axis.lines if len(line.get_xdata()) > 1 and line.get_linestyle() != ":"]


def test_the_settings_that_are_on_no_axis_are_averaged_over_and_the_best_rate_is_drawn():
    chart = charts.planned(RESULTS, x="hidden", hue=["opt"])
    assert chart.averaged == ["k"] and {each.config["lr"] for each in chart.entries} == {0.1}
    figure = charts.figure_of(chart, last=1, title="Width", size=(5, 4))
    assert tuple(figure.get_size_inches()) == (5, 4) and figure.get_suptitle() == "Width"
    (axis,) = figure.axes
    assert [text.get_text() for text in axis.get_xticklabels()] == ["8", "32"]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["sgd", "adam", "chance"]
    means = [container.lines[0].get_ydata().tolist() for container in axis.containers]
    np.testing.assert_allclose(means[0], [0.628, 0.652])


def test_panels_and_the_default_lines():
    chart = charts.planned(RESULTS, x="lr", facet=["opt"])
    assert chart.hue == ["hidden", "k"] and not chart.averaged
    figure = charts.figure_of(chart)
    assert [axis.get_title() for axis in figure.axes] == ["opt sgd", "opt adam"]
    assert all(len(axis.containers) == 4 for axis in figure.axes)


def test_folders_have_a_line_each_with_its_name():
    runs = [result(seed, 0.6, method=method, lr=lr) for method, lr in (("bp", 0.1), ("dfa", 0.2)) for seed in (0, 1)]
    chart = charts.planned(runs, ["one", "one", "two", "two"])
    assert (chart.x, chart.hue, chart.averaged) == ("epoch", ["folder"], [])
    figure = charts.figure_of(chart)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["one", "two", "chance"]
    assert figure.axes[0].get_xlabel() == "epoch" and len(figure.axes[0].lines) == 3


def test_an_unknown_setting():
    with pytest.raises(ValueError, match="no setting 'methud'.*did you mean 'method'"):
        charts.planned([result(0, 0.5, method="bp")], x="methud")
