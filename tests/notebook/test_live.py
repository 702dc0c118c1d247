"""Training with its progress shown, the history that it returns, and what cells show."""

import subprocess
import sys
import xml.dom.minidom
from types import SimpleNamespace

import numpy as np
import pytest

import dfanp
from dfanp.notebook import live
from dfanp.runs.history import Histories, History


def test_fit_returns_the_history(make_training):
    training, seen = make_training(align=True), []
    history = training.fit(3, callbacks=[lambda training, record: seen.append((training.epoch, record.scalars()))])
    assert isinstance(history, History) and len(history) == 3 and [epoch for epoch, _ in seen] == [1, 2, 3]
    assert seen[-1][1]["test_loss"] == history.rows[-1]["test_loss"]
    assert {"feedback_alignment_0", "gradient_alignment_0", "gradient_alignment_1"} < set(seen[-1][1])
    assert repr(history).startswith("History(3 epochs: training loss 0.")
    assert len(training.fit(3)) == 3 and len(training.fit(5)) == 5  # until so many epochs in all
    other = make_training(align=True)
    assert [record.train_loss for record in other.epochs(5)] == training.history.values("train_loss")
    arrays = other.arrays()
    list(other.epochs(6))
    other.restore(arrays)
    assert len(other.history) == 5
    with pytest.raises(ValueError, match="epochs must be a whole number"):
        training.fit(-1)


def test_replicas_have_a_history_each(make_training):
    training = make_training(seed=(3, 4))
    histories = training.fit(2)
    assert isinstance(histories, Histories) and list(histories) == [3, 4]
    assert histories[4].rows == make_training(seed=4).fit(2).rows
    names = training._records[-1].scalars()
    assert {"test_loss/0", "test_loss/1"} < set(names) and names["test_loss/1"] == histories[4].last("test_loss")
    assert [row["seed"] for row in histories.rows] == [3, 4, 3, 4]


def test_tables(make_training):
    pytest.importorskip("pandas")
    table = make_training(align=True).fit(2).to_pandas()
    assert list(table.epoch) == [1, 2] and "gradient_alignment_0" in table and len(table) == 2
    table = make_training(seed=(0, 1)).fit(2).to_pandas()
    assert list(table.seed) == [0, 1, 0, 1]


def test_figures(make_training, tmp_path):
    history = make_training(align=True).fit(2)
    figure = history.plot("a title", tmp_path / "history.svg")
    assert (
        len(figure.axes) == 2
        and figure._repr_png_()[:4] == b"\x89PNG"
        and (tmp_path / "history.svg").stat().st_size > 1000
    )
    assert len(make_training(seed=(0, 1)).fit(2).plot().axes) == 1
    with pytest.raises(ValueError, match="no epoch has been trained yet"):
        make_training().history.plot()


def test_the_axis_of_ten_classes_begins_below_chance():
    problem = dfanp.Classes(dfanp.load("digits"), train_size=200, test_size=100)
    training = dfanp.Training(dfanp.MLP((64, 5, 10)), problem, "dfa", dfanp.SGD(1e-6))
    history = training.fit(1)
    (axis,) = history.plot().axes
    assert history.chance == 0.1 and axis.get_ylim()[0] < min(0.1, history.last())


def test_a_run_that_diverges_says_so(make_training):
    with np.errstate(all="ignore"):
        history = make_training(optimizer=dfanp.SGD(1e30), rule="bp", hidden=(7, 7)).fit(5)
    assert history.diverged and "diverged in epoch" in repr(history)
    assert live.html_of({"": history}) and "lr 1e+30" in repr(make_training(optimizer=dfanp.SGD(1e30)))


@pytest.mark.parametrize("seed", [0, (0, 1)])
def test_a_bar_on_a_terminal(make_training, monkeypatch, capsys, seed):
    monkeypatch.setattr(live, "SECONDS", 0.0)
    make_training(seed=seed).fit(2, show=True)
    parts = capsys.readouterr().err.split("\r")
    assert (
        parts[1].startswith(f"[{' ' * live.CELLS}] epoch 0/2")
        and f"[{'=' * live.CELLS}] epoch 2/2  test accuracy 0." in parts[-1]
    )
    make_training().fit(2)  # elsewhere: nothing
    make_training().fit(2, show=False)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("seed", [0, (0, 1)])
def test_a_curve_in_a_notebook(make_training, monkeypatch, seed):
    shown = []
    handle = SimpleNamespace(update=shown.append)
    display = SimpleNamespace(HTML=str, display=lambda *_, **__: handle)
    ipython = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object()), display=display)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.setattr(live, "SECONDS", 0.0)
    make_training(seed=seed).fit(3)
    assert "epoch 0 of 3" in shown[0] and "epoch 3 of 3" in shown[-1]
    lines = xml.dom.minidom.parseString(f"<p>{shown[-1]}</p>").getElementsByTagName("polyline")
    assert len(lines) == 2 * np.size(seed) and all(len(line.getAttribute("points").split()) == 3 for line in lines)


def test_nothing_heavy_is_imported():
    code = """
import sys, dfanp
problem = dfanp.Arrays([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0])
history = dfanp.Training(dfanp.MLP([2, 3, 1]), problem, "dfa", dfanp.SGD(0.1), batch_size=4).fit(2, show=True)
history._repr_html_()
print(sorted({"matplotlib", "pandas", "IPython", "sklearn", "torch"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_things_say_what_they_are(make_training, tiny):
    training = make_training()
    assert repr(training.network) == "MLP(24-7-1, relu, 175 parameters, float32, seed 0)"
    assert repr(training.problem) == "Parity(tiny, k=2, 50 + 30 examples, 24 features)"
    assert repr(training).startswith("Training(dfa, RMSProp at lr 0.01, batch 16, epoch 0: MLP(24-7-1")
    assert (
        repr(tiny).startswith("Dataset(tiny, 40 training and 20 test images")
        and repr(tiny.train) == "Images(40 of 12 pixels)"
    )
    for thing, text in ((dfanp.rules.get("fa"), "Rule('fa')"), (dfanp.losses.get("mse"), "Loss('mse')"),
                        (dfanp.activations.get("relu"), "Activation('relu')"), (dfanp.schedules.get("step"), "Schedule('step')"),
                        (dfanp.Teacher(5), "Teacher(5 inputs, 2 units, 5 examples in each epoch)"),
                        (dfanp.Arrays([[0.0]], [1]), "Arrays(1 + 1 examples, 1 features, 1 outputs, bce)"),
                        (dfanp.Classes(tiny), "Classes(tiny, 40 + 20 images, 12 features, 10 outputs)")):  # fmt: skip
        assert repr(thing) == text
