"""`dfanp parity`: train on the parity of k digits."""

import json
import sys
from dataclasses import asdict

import click

from dfanp.activations import ACTIVATIONS
from dfanp.backend import DEVICES
from dfanp.feedback import DISTRIBUTIONS
from dfanp.network import DTYPES
from dfanp.optimizers import OPTIMIZERS
from dfanp.problems.datasets import NAMES
from dfanp.rules import RULES

from .main import Interrupted
from .options import Name, PositiveNumber, Widths, as_json, data_dir, usage_errors

COUNT = click.IntRange(min=1)


@click.command(context_settings={"show_default": True})
@click.option("--k", type=click.IntRange(1, 10), default=3, help="Digits side by side.")
@click.option("--method", type=Name(list(RULES)), default="dfa", help="Learning rule.")
@click.option("--opt", type=Name(list(OPTIMIZERS)), default="rmsprop", help="Optimizer.")
@click.option(
    "--lr", type=PositiveNumber(), help="Learning rate.  [default: tuned for the method, optimizer and data; printed]"
)
@click.option("--weight-decay", type=click.FloatRange(min=0, max=1e6), default=0.0, help="L2 factor.")
@click.option("--epochs", type=COUNT, default=20, help="Epochs of 60 000 new examples, each tested on 10 000.")
@click.option("--batch-size", type=COUNT, default=128, help="Examples a step.")
@click.option("--hidden", type=Widths(), default="512", help="Widths of the hidden layers, such as 512 or 512,512.")
@click.option("--activation", type=Name(list(ACTIVATIONS)), default="relu", help="Of the hidden layers.")
@click.option("--bias/--no-bias", default=False, help="Whether layers have biases.")
@click.option(
    "--layers", type=Name(["all", "output"]), default="all", help="Train all layers, or the output layer alone."
)
@click.option("--feedback", type=Name(list(DISTRIBUTIONS)), default="uniform", help="Distribution of B (fa, dfa).")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of weights, B and data.")
@click.option("--repeats", type=COUNT, default=1, help="Train this many seeds (seed, seed + 1, …) in one loop.")
@click.option(
    "--data", type=Name(["auto", *NAMES]), default="auto", help="auto: MNIST where it is, else the embedded digits."
)
@data_dir
@click.option("--device", type=Name(list(DEVICES)), default="auto", help="auto: the GPU if it works.")
@click.option("--threads", type=COUNT, help="BLAS threads.  [default: every core]")
@click.option("--dtype", type=Name(list(DTYPES)), default="float32", help="Of all arrays.")
@click.option("--align", is_flag=True, help="Measure alignment with backpropagation after each epoch.")
@click.option(
    "--out",
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="Keep the run here; go on with it if it stands there.",
)
@click.option("--plot", metavar="FILE", help="Draw the curves to a .png, .svg or .pdf.")
@as_json
@click.option("--quiet", is_flag=True, help="Nothing on stderr but errors.")
def parity(lr, data, data_dir, device, threads, out, plot, as_json, quiet, **given):
    """Train a network to tell whether the sum of k digits, side by side, is odd.

    \b
    Examples:
      dfanp parity --k 3 --method dfa --opt rmsprop
      dfanp parity --method bp --opt sgd --repeats 3 --align --plot curves.png
      dfanp parity --epochs 50 --out runs/dfa    (the same line goes on after an interrupt)
    """
    from dfanp import Backend, plots
    from dfanp.experiments.rates import default_rate
    from dfanp.problems import datasets, load
    from dfanp.runs import Run, Settings

    def say(message):
        if not quiet:
            click.echo(message, err=True)

    with usage_errors():
        if plot is not None:
            plot = plots.checked_file(plot)
    name = datasets.resolve(data, data_dir)
    dataset = load(name, data_dir)
    say(f"data      {datasets.TITLES[name]}")
    if data == "auto" and name == "digits":
        say("          (MNIST is not here: `dfanp data fetch mnist` gets it, --data-dir names a folder that has it)")
    if lr is None:
        lr, source = default_rate(name, given["method"], given["opt"], given["feedback"])
    else:
        source = "given"
    say(f"lr        {lr:g} ({source})")
    settings = Settings(lr=lr, data=name, device=Backend(device).device, **given)
    with usage_errors():
        run = Run(settings, out, threads, dataset)
    with run:
        backend = run.training.backend
        say(f"device    {backend.device} ({backend.name}{f', {backend.threads} threads' if backend.threads else ''})")
        if run.rows:
            say(f"resuming  {out} after epoch {run.training.epoch}")
        try:
            follow(run, quiet)
        except KeyboardInterrupt:
            kept = f"epochs 1 to {run.training.epoch} are in {out}: the same command goes on from there"
            raise Interrupted(kept if out else "nothing was kept (--out DIR keeps a run)") from None
    unplotted = None
    if plot is not None:
        try:
            plots.draw_run(run.rows, headline(settings), plot)
            say(f"plot      {plot}")
        except OSError as error:  # the results come first, then the complaint
            unplotted = error
    if as_json:
        report = {"settings": asdict(settings), "lr_source": source, "environment": run.environment}
        click.echo(json.dumps(report | summary(run) | {"log": run.rows}, allow_nan=False))
    else:
        click.echo(headline(settings))
        click.echo(table(run))
    if unplotted is not None:
        raise unplotted
    return 1 if "diverged" in run.statuses() else 0


def follow(run, quiet):
    """Train to the end, with a bar on a terminal and a line an epoch elsewhere."""
    epochs, seconds = run.settings.epochs, 0.0
    first = run.training.epoch

    def told(rows):
        accuracies = [row["test_accuracy"] for row in rows if "test_accuracy" in row]
        return f"test accuracy {sum(accuracies) / len(accuracies):.4f}" if accuracies else "diverged"

    if quiet:
        for _ in run.epochs():
            pass
    elif sys.stderr.isatty():
        bar = click.progressbar(
            length=epochs - first, file=sys.stderr, show_pos=True, item_show_func=lambda item: item, label="epoch"
        )
        with bar:
            for _, rows in run.epochs():
                bar.update(1, told(rows))
    else:
        for record, rows in run.epochs():
            seconds += record.seconds
            left = (epochs - record.epoch) * seconds / (record.epoch - first)
            click.echo(f"epoch {record.epoch:>3}/{epochs}  {told(rows)}  {left:.0f} s left", err=True)


def headline(settings):
    """Return the run in a line."""
    widths = "-".join(map(str, settings.hidden))
    told = f", {settings.feedback} B" if settings.method != "bp" else ""
    return (
        f"parity of k = {settings.k}, {settings.data}: {settings.method.upper()}{told}, "
        f"{settings.opt} at lr {settings.lr:g}, {widths} {settings.activation}{'' if settings.layers == 'all' else ', output layer alone'}"
    )


def summary(run):
    """Return a dict: the end of each seed's run, and mean and 95 % interval of the test accuracies."""
    from dfanp.intervals import mean_interval

    runs = []
    for seed, status in zip(run.settings.seeds, run.statuses(), strict=True):
        rows = [row for row in run.rows if row["seed"] == seed and "test_accuracy" in row]
        last = rows[-1] if rows else {}
        final_ten = [row["test_accuracy"] for row in rows[-10:]]
        runs.append(
            {
                "seed": seed,
                "status": "done" if status == "ok" else status,
                "epochs": len(rows),
                "train_accuracy": last.get("train_accuracy"),
                "test_accuracy": last.get("test_accuracy"),
                "test_accuracy_last_ten": sum(final_ten) / len(final_ten) if final_ten else None,
            }
        )
    finals = [each["test_accuracy"] for each in runs if each["status"] == "done"]
    mean, half = mean_interval(finals) if finals else (None, None)
    return {"runs": runs, "test_accuracy": {"mean": mean, "interval_95": half, "runs": len(finals)}}


def table(run):
    """Return the table that the command ends with."""
    found = summary(run)
    number = lambda value: "-" if value is None else f"{value:.4f}"
    lines = [f"{'seed':>6}  {'epochs':>6}  {'train acc':>9}  {'test acc':>8}  {'mean of last 10':>15}  status"]
    for each in found["runs"]:
        lines.append(
            f"{each['seed']:>6}  {each['epochs']:>6}  {number(each['train_accuracy']):>9}  "
            f"{number(each['test_accuracy']):>8}  {number(each['test_accuracy_last_ten']):>15}  {each['status']}"
        )
    total = found["test_accuracy"]
    if total["runs"] > 1:
        half = total["interval_95"]
        lines.append(
            f"test accuracy {total['mean']:.4f} ± {half:.4f} (mean of {total['runs']} seeds, 95 % interval, t)"
        )
    if run.settings.align and run.rows and "alignment" in run.rows[-1]:
        for kind, title in (("feedback", "B with the weights"), ("gradient", "gradient with BP's")):
            cosines = [
                row["alignment"][kind]
                for row in run.rows
                if row.get("alignment") and row["epoch"] == run.training.epoch
            ]
            if cosines and cosines[0]:
                means = [sum(layer) / len(layer) for layer in zip(*cosines, strict=True)]
                lines.append(f"alignment, {title}: {', '.join(f'{c:.3f}' for c in means)} (by layer, lowest first)")
    return "\n".join(lines)
