"""The HTML report about runs: settings, curves, alignment, weights as images, and the confusion of their predictions.

The page is one file that loads nothing (``pages``), and derives from the folders of the runs only: equal folders give
equal bytes. This module has the sections that need only the records; ``networks`` has those that need the networks.
"""

import re
from collections.abc import Iterable
from itertools import count
from pathlib import Path

from ..errors import RecordError
from ..files.whole import write_whole
from ..measures import LAST, RESERVED, title_of
from ..runs.history import main_measure
from ..sweeps.grids import varied
from ..version import __version__
from . import attacks, sweep_report
from .figures import key, lines
from .networks import confusion, weights
from .pages import decimal, element, figure, page, table
from .plots import chance_of, checked_file, curve
from .run_report import RunReport, labels, read_one

FORMATS = ("html", "htm")
CURVES = (
    "test_accuracy",
    "train_accuracy",
    "test_loss",
    "train_loss",
)  # in this order, followed by your own measures
COSINES = {
    "feedback": "Weight alignment, layer",
    "gradient": "Gradient alignment, layer",
}


def write(
    folders: Iterable[str | Path], path: str | Path, data_dir: str | Path | None = None, title: str | None = None
) -> list[RunReport]:
    """Write the report about runs to `path`, an HTML file, completely or not at all.

    Args:
        folders: of one or more runs or sweeps.
        data_dir: see ``problems.load``.
        title: of the page; None names the problem.

    Returns:
        a list of ``run_report.RunReport``; its `missing` says why a part of a run was left out.

    Raises:
        ValueError: `path` is invalid.
        RecordError: a folder holds no run, or the file cannot be written.
    """
    path, folders = checked_file(path, "report", FORMATS), list(folders)
    swept = [(Path(folder) / "store.jsonl").exists() for folder in folders]
    named = list(zip(folders, labels(folders), swept, strict=True))
    sweeps = [sweep_report.read(folder, label) for folder, label, of_many in named if of_many]
    runs = [read_one(folder, label, data_dir) for folder, label, of_many in named if not of_many]
    content = html(runs, title, sweeps)
    try:
        write_whole(path, lambda file: file.write(content))
    except OSError as error:
        raise RecordError(f"{path}: the report cannot be written ({error.strerror or error})") from None
    return runs


def html(runs, title=None, sweeps=()):
    """Return the page about a list of RunReports, and of SweepReports, bytes."""
    numbers = count(1)  # of the figures, whose ids begin with them
    sections = of_runs(runs, numbers) if runs else {}
    for sweep in sweeps:
        before = f"{sweep.label}: " if runs or len(sweeps) > 1 else ""
        for name, parts in sweep_report.sections(sweep, numbers).items():
            sections[f"{before}{name.lower()}" if before else name] = parts
    title = title or (problem_of(runs) if runs else f"Sweep of {sweep_report.about(sweeps[0])}")
    heads = [(run.label, outcome_of(run)) for run in runs]
    heads += [(sweep.label, sweep_report.outcome_of(sweep)) for sweep in sweeps]
    links = (element("li", element("a", name, href=f"#{slug(name)}")) for name in sections)
    return page(
        title,
        element(
            "header",
            element("h1", title),
            element("ul", *(element("li", element("strong", label), f": {outcome}") for label, outcome in heads)),
            element("nav", element("ul", *links), aria_label="Sections"),
        ),
        element(
            "main",
            *(
                element("section", element("h2", name, id=slug(name)), *parts, aria_labelledby=slug(name))
                for name, parts in sections.items()
            ),
        ),
        element("footer", f"Written by dfanp {__version__} from the records of the runs. This file loads nothing."),
    )


def slug(name):
    """Return the id of a section."""
    return re.sub(r"[^0-9a-z]+", "-", name.lower()).strip("-")


def of_runs(runs, numbers):
    """Return the sections about runs, heading -> elements."""
    found = {
        "Results": results(runs),
        "Settings": settings(runs),
        "Curves": curves(runs, numbers),
        "Alignment": alignment(runs, numbers),
        "Weights": weights(runs, numbers),
        "Confusion": confusion(runs, numbers),
    }
    if any(run.attack for run in runs):
        found["Attacks"] = attacks.section(runs, numbers)
    return found


def problem_of(runs):
    """Return a title: the problem, or the number of runs."""
    titles = {run.settings.title for run in runs}
    methods = ", ".join(dict.fromkeys(run.settings.method.upper() for run in runs))
    title = f"{titles.pop()}: {methods}" if len(titles) == 1 else f"{len(runs)} runs: {methods}"
    return title[0].upper() + title[1:]


def outcome_of(run):
    """Return the outcome of a run in one sentence."""
    measure = f"test_{main_measure(run.rows)}"
    mean, half = run.last(measure)
    if mean is None:
        return f"{run.settings.headline}; {run.status}."
    seeds = len(run.sound)
    over = f"{seeds} seeds, 95 % interval" if seeds > 1 else "one seed"
    return f"{run.settings.headline}; {title_of(measure).lower()} {plus_minus(mean, half)} after epoch {run.epoch} ({over})."


def plus_minus(mean, half, digits=3):
    """Return a mean with the half-width of its interval, if it has one, as text."""
    if mean is None:
        return "–"
    return decimal(mean, digits) + ("" if half is None else f" ± {decimal(half, digits)}")


def results(runs):
    """Return the section of the results."""
    head = [
        "run",
        "status",
        "seeds",
        "test accuracy",
        f"mean of last {min(LAST, max((run.epoch for run in runs), default=0)) or LAST}",
        "training accuracy",
        "test loss",
        *(title_of(name).lower() for name in own_measures(runs)),
        "time",
    ]
    body = []
    for run in runs:
        values = [run.last(), run.last(epochs=LAST), run.last("train_accuracy"), run.last("test_loss")]
        values += [run.last(name) for name in own_measures(runs)]
        status = element("td", run.status, class_="warn") if run.status != "finished" else run.status
        lost = [f"seed {seed} at epoch {epoch}" for seed, epoch in run.diverged.items()]
        if lost:
            status.text += f" ({', '.join(lost[:5])}{', …' if lost[5:] else ''})"
        figures = (element("td", plus_minus(*each, 4), class_="number") for each in values)
        body.append([run.label, status, f"{len(run.settings.seeds)}", *figures, duration(run.seconds)])
    note = (
        "After the last epoch: the mean over the seeds that have not diverged and, if there are several, the half-width of its "
        "95 % interval (Student's t). Training accuracy is measured during the epoch, on each example before its update."
    )
    return [table("Results by run", head, body), element("p", note, class_="note")]


def duration(seconds):
    """Return a duration as text."""
    if seconds is None:
        return "–"
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def settings(runs):
    """Return the section of the settings of the runs, those that differ first."""
    configs = [run.settings.config() for run in runs]
    names = list(dict.fromkeys(name for config in configs for name in config))
    differ = [name for name in varied(configs) if name in names]
    rows = lambda wanted: [[name, *(setting(config, name) for config in configs)] for name in wanted]
    head, parts = ["setting", *(run.label for run in runs)], []
    if len(runs) > 1:
        heading = "Settings that differ" if differ else "No setting differs"
        parts.append(table(heading, head, rows(differ)) if differ else element("p", f"{heading}."))
    shown = ["differs" if name in differ else "" for name in names]
    whole = table("All settings" + (", the differing ones shaded" if differ else ""), head, rows(names), shown)
    where = list(dict.fromkeys(name for run in runs for name in run.environment))
    machine = [[name, *(setting(run.environment, name) for run in runs)] for name in where]
    open_ = {"open": "open"} if len(runs) == 1 else {}
    parts.append(element("details", element("summary", "All settings"), whole, **open_))
    around = table("Environment of the first start", ["", *head[1:]], machine)
    return [*parts, element("details", element("summary", "Versions and machine"), around)]


def setting(config, name):
    """Return the value of a setting as text."""
    value = config.get(name)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "–" if value is None else str(value)


def curves(runs, numbers):
    """Return the section of accuracy and loss over the epochs."""
    parts, note = [], "Bands are 95 % intervals of the mean over the seeds (Student's t); dots mark chance."
    for name in (*CURVES, *own_measures(runs)):
        series = courses(runs, lambda row, name=name: row.get(name))
        if series:
            title, accuracy = title_of(name), name.endswith("accuracy")
            kind = "own" if name not in CURVES else "accuracy" if accuracy else "loss"
            chance = chance_of(run.settings.name for run in runs)
            theory = theories(runs, series) if name == "test_loss" else {}
            drawn = lines(series, title.lower(), kind, chance, theory)
            words = f"{title} over the epochs. {in_words(runs, series)}" + (
                f" Chance is {chance:g}." if accuracy and chance else ""
            )
            note += " Dotted black lines are what a theory of infinitely many inputs predicts." if theory else ""
            parts.append(figure(drawn, next(numbers), f"{title} over the epochs", words, key(runs, series)))
    if not parts:
        return [element("p", "No run has finished an epoch.")]
    return [element("div", *parts, class_="figures"), element("p", note, class_="note")]


def theories(runs, series):
    """Return number of the run -> what a theory predicts of its test loss, for the runs of which one does."""
    found = {number: runs[number].settings.theory(epochs) for number, (epochs, _, _) in series.items()}
    return {number: losses for number, losses in found.items() if losses is not None}


def own_measures(runs):
    """Return the names of the measures in the rows of the runs in addition to the built-in ones."""
    known = (*CURVES, *RESERVED)
    return list(dict.fromkeys(name for run in runs for row in run.rows for name in row if name not in known))


def courses(runs, measure):
    """Return number of the run -> epochs, means and half-widths of a measure, for the runs that have it."""
    found = {}
    for number, run in enumerate(runs):
        lost = run.diverged if len(run.diverged) < len(run.settings.seeds) else ()  # means are over the other seeds
        course = curve([row for row in run.rows if row["seed"] not in lost], measure)
        if course[0]:
            found[number] = course
    return found


def in_words(runs, series):
    """Return a description of where the line of each run begins and ends."""
    sentences = []
    for number, (epochs, means, halves) in series.items():
        first, last, half = means[0], means[-1], None if halves is None else halves[-1]
        verb = "stays near" if abs(last - first) < 0.01 else "rises from" if last > first else "falls from"
        ends = "" if verb == "stays near" else f"{decimal(first, 3)} to "
        at = f"after epoch {epochs[-1]}" if epochs[-1] == epochs[0] else f"from epoch {epochs[0]} to {epochs[-1]}"
        sentences.append(f"{runs[number].label} {verb} {ends}{plus_minus(last, half)} {at}.")
    return " ".join(sentences)


def alignment(runs, numbers):
    """Return the section of the cosines in the logs, one figure per kind and layer."""
    parts, layers = [], max(run.settings.hidden_layers for run in runs)
    for kind, title in COSINES.items():
        for layer in range(
            layers
        ):  # the gradient of the output layer is exact under every rule: its line at 1 is not drawn
            series = courses(runs, lambda row, kind=kind, layer=layer: cosine(row, kind, layer))
            if kind == "gradient":  # neither is that of BP
                series = {number: each for number, each in series.items() if runs[number].settings.method != "bp"}
            if series:
                name = f"{title} {layer + 1}"
                words = f"{name}, over the epochs. {in_words(runs, series)}"
                drawn = lines(series, "cosine", "cosine")
                parts.append(figure(drawn, next(numbers), name, words, key(runs, series)))
    if not parts:
        return [element("p", "No run of FA or DFA has measured its alignment (option --align).")]
    note = (
        "Weight alignment is the cosine between B and the weights that BP would use in its place, gradient alignment that between "
        "the gradients of the rule and of BP. Layers count from the lowest. The gradient of the output layer is exact under every rule."
    )
    return [element("div", *parts, class_="figures"), element("p", note, class_="note")]


def cosine(row, kind, layer):
    """Return a cosine in a log line, or None."""
    cosines = row.get("alignment", {}).get(kind, ())
    hidden = len(cosines) - (kind == "gradient")
    return cosines[layer] if layer < hidden else None
