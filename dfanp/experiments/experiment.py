"""An experiment as data: the settings that it trains, and the record from which its figure is drawn.

Each has one or two modes: ``published`` repeats what was run for Demirbilek 2021, including its bugs; ``corrected``
fixes them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ..runs.store import key_of
from ..settings import ParitySettings, SyntheticSettings, made
from .published import PublishedParity  # noqa: F401  (registers the definitions of published runs)
from .rates import default_rate, thesis_rate

PUBLISHED, CORRECTED = MODES = ("published", "corrected")
SEEDS, STUDY_SEEDS, THESIS_SEEDS = 20, 10, 3  # of each setting; of the studies; of the thesis


@dataclass(frozen=True)
class Scale:
    """How large the experiments are: ``full()`` as in the thesis, ``quick()`` to check that they work.

    Attributes:
        data: of the parity runs.
        train_size, test_size: number of examples of an epoch.
        most_epochs: maximal number of epochs, except on the synthetic problem.
        most_passes: number of epochs on the synthetic problem.
        seeds: of each setting.
        assignments: number of labelings of the disks.
        samples: number of digits whose representations are probed.
        kernels, device: of all runs.
    """

    data: str = "mnist"
    train_size: int = ParitySettings.train_size
    test_size: int = ParitySettings.test_size
    most_epochs: int = 10**9
    most_passes: int = 500
    seeds: tuple = tuple(range(SEEDS))
    assignments: int = 20
    samples: int = 10_000
    kernels: str = "auto"
    device: str = "cpu"

    @property
    def quick(self):
        return self.data == "digits"

    def at_most(self, seeds):
        """The same with so many seeds at most."""
        return replace(self, seeds=self.seeds[:seeds])

    @property
    def few(self):
        """The same with as many seeds as the thesis: for grids of rates and of labelings, whose points are many."""
        return self.at_most(THESIS_SEEDS)


def full(kernels="auto", device="cpu"):
    """Return the Scale of the thesis, with more seeds."""
    return Scale(kernels=kernels, device=device)


def quick(kernels="auto", device="cpu"):
    """Return a Scale for all experiments in a minute or two: the embedded digits, three short epochs, two seeds."""
    small = dict(train_size=10_000, test_size=1000, most_epochs=3, most_passes=40, assignments=2, samples=300)
    return Scale(data="digits", seeds=(0, 1), kernels=kernels, device=device, **small)


@dataclass(frozen=True)
class Series:
    """The runs of one setting, which are drawn as one curve or one point of it.

    Attributes:
        label: in the legend.
        settings: of its runs, one per seed; or of a single run with ``redraw`` that contains all repeats.
        panel: of the figure.
        x: place of a point on the axis.
        published: the published mean test accuracy of the last epoch.
    """

    label: str
    settings: tuple
    panel: str = ""
    x: float | None = None
    published: float | None = None


@dataclass(frozen=True)
class Experiment:
    """A figure of the thesis or of its future work.

    Attributes:
        name: of the figure.
        title: of the figure.
        draws: the kind of drawing, a name in ``dfanp_figures``.
        series: ``series(mode, scale)``, a list of Series.
        modes: those that differ.
        measures: the measures of each epoch in the record.
        last: whether to record only the last epoch.
        keep: whether to save the final weights, for `analyse`.
        study: whether it is left out of `dfanp reproduce`.
        reading: by how much the published values may be misread, where they are read off a plot; 0 where they are printed.
        table: ``table(record)`` returns its numbers as a table in Markdown, or None.
        analyse: ``analyse(series, mode, scale, checkpoint, dataset, workers)`` returns further contents of the record,
            name -> list; ``checkpoint(settings)`` is the file of a run's final arrays, `workers` the number of processes.
    """

    name: str
    title: str
    draws: str
    series: Callable
    modes: tuple = MODES
    measures: tuple = ("test_accuracy",)
    last: bool = False
    keep: bool = False
    study: bool = False
    reading: float = 0.0
    table: Callable | None = field(default=None, compare=False)
    analyse: Callable | None = field(default=None, compare=False)


def parity_series(label, scale, mode, k=3, method="dfa", opt="rmsprop", epochs=20, lr=None, panel="", x=None, published=None,
                  chained=False, **more):  # fmt: skip
    """Return the Series of a parity run.

    Args:
        lr: None takes the rate of the mode: that of the thesis, or the one tuned on held-out images.
        chained: whether the repeats of the published mode share B and the optimizer state, as in figures 3.3 and 3.4.
        more: other settings.
    """
    epochs = min(epochs, scale.most_epochs)
    base = opt.partition(":")[0]
    if lr is None and (scale.quick or mode == CORRECTED):
        lr = default_rate(scale.data, method, opt, more.get("feedback", "uniform")).lr
    elif lr is None:
        lr = thesis_rate(method, base, more.get("feedback", "uniform"))
    given = dict(
        lr=lr, method=method, opt=opt, k=k, data=scale.data, train_size=scale.train_size,
        test_size=scale.test_size, kernels=scale.kernels, device=scale.device, **more,
    )  # fmt: skip
    if chained and mode == PUBLISHED:
        in_all = epochs * len(scale.seeds)
        runs = (made(ParitySettings, redraw=epochs, epochs=in_all, seed=scale.seeds[0], **given),)
    else:
        runs = tuple(made(ParitySettings, epochs=epochs, seed=seed, **given) for seed in scale.seeds)
    return Series(label, runs, panel, x, None if scale.quick else published)


def disk_series(label, scale, panel="", x=None, method="bp", opt="sgd", lr=0.5, **more):
    """Return the Series of a run on the synthetic problem."""
    base = SyntheticSettings(
        lr=lr, method=method, opt=opt, epochs=scale.most_passes, kernels=scale.kernels, device=scale.device, **more
    )
    return Series(label, tuple(replace(base, seed=seed) for seed in scale.seeds), panel, x)


def repeats(result):
    """Return the rows of each repeat in a Result: one, unless the run redraws its weights."""
    every = result.config.get("redraw")
    if not every:
        return [result.rows]
    cut = [result.rows[start : start + every] for start in range(0, len(result.rows), every)]
    return [[row | {"epoch": row["epoch"] - number * every} for row in rows] for number, rows in enumerate(cut)]


def record(experiment, mode, series, results):
    """Return the record of an experiment without its analysis: a dict of JSON values, from which its figure is drawn.

    Args:
        series: ``experiment.series(mode, scale)``, resolved.
        results: key -> Result.
    """
    lines = []
    for each in series:
        runs = [results[key_of(settings.config())] for settings in each.settings]
        parts = [rows for run in runs for rows in repeats(run)]
        config = {name: value for name, value in runs[0].config.items() if name != "seed"}
        line = {"label": each.label, "panel": each.panel, "x": each.x, "published": each.published, "config": config}
        line["diverged"] = sum(rows[-1].get("status") == "diverged" for rows in parts)
        for measure in experiment.measures:
            line[measure] = [of_rows(rows, measure, experiment.last) for rows in parts]
        lines.append(line)
    head = {"figure": experiment.name, "mode": mode, "title": experiment.title, "draws": experiment.draws}
    head |= {"reading": experiment.reading} if experiment.reading else {}
    return head | {"data": series[0].settings[0].data, "series": lines}


def of_rows(rows, measure, last):
    """Return a measure over the epochs of one run, rounded to the precision of a figure; None where it diverged."""
    rows = rows[-1:] if last else rows
    if measure == "cosines":  # of the gradients of all layers, lowest first
        return [[rounded(c) for c in row["alignment"]["gradient"]] for row in rows if row.get("alignment")]
    if measure == "alignment":
        pick = lambda kind: [
            rounded(row["alignment"][kind][0]) for row in rows if row.get("alignment") and row["alignment"][kind]
        ]
        return {kind: pick(kind) for kind in ("feedback", "gradient")}
    return [rounded(row.get(measure)) for row in rows]


def rounded(value):
    return None if value is None else round(value, 5)
