import pytest

from dfanp import plots
from dfanp.store import Result

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


def test_draws_a_run_without_alignment_and_one_that_diverged_at_once(tmp_path):
    plots.draw_run([{"epoch": 1, "seed": 0, "train_accuracy": 0.6, "test_accuracy": 0.6}], "one", tmp_path / "a.png")
    plots.draw_run([{"epoch": 1, "seed": 0, "status": "diverged"}], "none", tmp_path / "b.png")


def test_dollars_in_a_setting_are_no_formula(tmp_path):
    results = [Result("", {"data": data}, "done", ROWS[:1]) for data in (r"$\frac$", "b")]
    plots.draw_curves(results, tmp_path / "a.svg")
    assert (tmp_path / "a.svg").exists()


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
