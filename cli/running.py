"""How a command trains one run: its further options, its progress, and its summary."""

import json
import sys
import warnings

import click

from dfanp import measures

from .main import Interrupted, check_interrupted
from .options import Place, as_json, drawing, option, quiet, threads, usage_errors
from .tables import decimals
from .terminal import bar, echo, moves, status, table, wrapped

MANY = 50  # epochs; for more, one line per second is printed


run_options = (
    threads("Number of threads of BLAS and the kernels.  [default: every core]"),
    option(
        "--out",
        type=Place("dir"),
        metavar="DIR",
        help="Save the run in this folder; resume it if it exists.",
    ),
    option("--plot", type=Place("file"), metavar="FILE", help="Draw the curves to a .png, .svg or .pdf."),
    as_json,
    quiet,
)


def checked_files(out, plot):
    """Return the picture's path (None without one); a usage error if `out` or `plot` is invalid."""
    from dfanp.reports import plots

    if out == "":
        raise click.UsageError("--out names no folder")
    with usage_errors():
        return None if plot is None else plots.checked_file(plot)


def train(settings, out, threads, dataset, plot, as_json, quiet):
    """Train the run of `settings`, print its progress and its outcome; return the exit code."""
    from dfanp import KernelWarning
    from dfanp.reports import plots
    from dfanp.runs.run import Run

    def say(message):
        if not quiet:
            click.echo(message, err=True)

    with usage_errors():
        run = Run(settings, out, threads, dataset)
    with run, warnings.catch_warnings():
        warnings.simplefilter("ignore", KernelWarning)  # printed below as notes
        backend = run.training.backend
        threads = f", {backend.threads} threads" if backend.threads else ""
        say(f"device    {backend.device} ({backend.name}, {backend.kernels.name} kernels{threads})")
        if run.rows:
            say(f"resuming  {out} after epoch {run.saved}")
        for note in backend.kernels.notes:
            say(f"          ({note}: the reference implementation is used instead)")
        for what, now in run.changed.items():
            if what == "threads":
                say(f"          (on {backend.threads} BLAS threads, as at its first start)")
            else:
                say(
                    f"          ({what} was {run.environment.get(what)} at its first start, now {now}: the last bits may differ)"
                )
        try:
            follow(run, quiet)
        except KeyboardInterrupt:
            saved = f"{run.saved} epochs are in {out}: the same command resumes there"
            raise Interrupted(saved if out else "nothing was saved (--out DIR saves a run)") from None
    try:
        if as_json:
            click.echo(json.dumps(report(run), allow_nan=False))
        else:
            click.echo(wrapped(run.settings.headline))
            echo(summary(run))
        sys.stdout.flush()
    finally:  # also when the reader of stdout has closed it
        if plot is not None:
            with drawing(plot):
                plots.draw_run(run.rows, run.settings.headline, plot, run.settings.chance, run.settings.theory)
            say(f"plot      {plot}")
    return 1 if "diverged" in run.statuses() else 0


def follow(run, quiet):
    """Train to the end, with a bar on a terminal and one line per epoch (or second) elsewhere."""
    from dfanp.runs.history import main_measure

    epochs, seconds = run.settings.epochs, 0.0
    first = run.training.epoch

    def measures_of(rows):
        name = f"test_{main_measure(rows)}"
        values = [row[name] for row in rows if name in row]
        return f"{measures.title_of(name).lower()} {sum(values) / len(values):.4f}" if values else "diverged"

    if quiet:
        for _ in run.epochs():
            check_interrupted()
    elif moves(sys.stderr):
        with bar(epochs, "epoch", "test accuracy 0.0000", first) as shown:
            for _, rows in run.epochs():
                check_interrupted()
                shown.update(1, measures_of(rows))
    else:
        last_printed = 0.0
        for record, rows in run.epochs():
            check_interrupted()
            seconds += record.seconds
            if epochs > MANY and record.epoch < epochs and seconds - last_printed < 1:
                continue
            last_printed = seconds
            left = (epochs - record.epoch) * seconds / (record.epoch - first)
            click.echo(f"epoch {record.epoch:>3}/{epochs}  {measures_of(rows)}  {left:.0f} s left", err=True)


def report(run):
    """Return the object that ``--json`` prints."""
    config, runs = run.settings.config(), []
    for seed, ended, history in by_seed(run):
        epochs = [
            {name: value for name, value in row.items() if name != "seed"}
            | {"seconds": run.seconds.get(row["epoch"])}
            for row in history.measured
        ]
        runs.append({"seed": seed, "status": "done" if ended == "ok" else ended, "epochs": epochs})
    from dfanp.runs.history import main_measure

    summary = {"test_accuracy": final(run, "test_accuracy")}
    if main_measure(run.rows) == "loss":
        summary["test_loss"] = final(run, "test_loss")
    return {"config": config, "environment": run.environment, "runs": runs, "summary": summary}


def by_seed(run):
    """Return for each seed of a run the seed, its status and its History."""
    from dfanp.runs import history

    found = history.by_seed(run.rows)
    own = (found.get(seed, history.History()) for seed in run.settings.seeds)
    return list(zip(run.settings.seeds, run.statuses(), own, strict=True))


def final(run, measure):
    """Return mean and half-width of the 95 % interval of the last values of a measure, for ``report``."""
    mean, half = final_accuracy(run, measure)
    return {"mean": mean, "ci95": half}


def final_accuracy(run, measure="test_accuracy"):
    """Return mean and half-width of the 95 % interval of the last values of a measure, over the seeds that finished."""
    from dfanp.analysis.intervals import mean_interval

    finals = [history.last(measure) for _, status, history in by_seed(run) if status == "ok"]
    finals = [final for final in finals if final is not None]
    return mean_interval(finals) if finals else (None, None)


def summary(run):
    """Return the table printed at the end, and the lines about all seeds."""
    from dfanp.runs.history import main_measure

    body, more, kind = [], [measure.name for measure in measures.own()], main_measure(run.rows)
    train, test = f"train_{kind}", f"test_{kind}"
    for seed, ended, history in by_seed(run):
        values = [history.last(train), history.last(test), history.mean(test), *map(history.last, more)]
        body.append([seed, len(history.measured), *map(decimals, values), status("done" if ended == "ok" else ended)])
    short = {"accuracy": "acc"}.get(kind, kind)
    averaged = min(measures.LAST, max((row[1] for row in body), default=0)) or measures.LAST
    head = ("seed", "epochs", f"train {short}", f"test {short}", f"mean of last {averaged}", *more, "status")
    lines = table(head, body)
    mean, half = final_accuracy(run, test)
    if half is not None:
        seeds = f"mean of {run.statuses().count('ok')} seeds, 95 % interval, t"
        lines.append(wrapped(f"{measures.title_of(test).lower()} {mean:.4f} ± {half:.4f} ({seeds})"))
    ends = [row["alignment"] for row in run.rows if row.get("alignment") and row["epoch"] == run.training.epoch]
    for kind, title in (("feedback", "weight alignment"), ("gradient", "gradient alignment")):
        if ends and ends[0][kind]:
            layers = [[c for c in layer if c is not None] for layer in zip(*(end[kind] for end in ends), strict=True)]
            means = ", ".join(f"{sum(layer) / len(layer):.3f}" if layer else "-" for layer in layers)
            lines.append(wrapped(f"{title}: {means} (by layer, lowest first)"))
    last = [row for row in run.rows if row["epoch"] == run.training.epoch]
    for kind in ("cosine", "norm_ratio", "bias", "variance", "snr") if run.settings.updates else ():
        names = [f"update_{kind}_W{l}" for l in range(len(run.training.network.W))]
        layers = [[row[name] for row in last if row.get(name) is not None] for name in names]
        means = ", ".join(f"{sum(layer) / len(layer):.3g}" if layer else "-" for layer in layers)
        lines.append(wrapped(f"update {kind.replace('_', ' ')}: {means} (by layer, lowest first)"))
    return "\n".join(lines)
