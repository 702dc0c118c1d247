"""Shared by `dfanp figure` and `dfanp reproduce`: options, the sweep, the pictures, the table."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import click

from .derived import where_options
from .options import Place, Whole, as_json, data_dir, option, options, plugin, quiet, threads, usage_errors
from .sweeping import follow

FULL, QUICK = "reproduced", "reproduced-quick"

# How an experiment is trained; of `dfanp published`, too.
TRAINING = (
    data_dir,
    option("--workers", type=Whole(1, 1024), help="Number of worker processes.  [default: one per core]"),
    threads("Number of threads of each worker.  [default: the cores, divided among the workers]"),
    option("--cluster", metavar="ADDRESS", help="Train on the workers of this Dask scheduler, tcp://host:port."),
    *where_options,
    plugin,
    as_json,
    quiet,
)
reproduction_options = options(
    option("--quick", is_flag=True, help="Use the embedded digits and few epochs, to check that everything works."),
    option(
        "--out",
        type=Place("dir"),
        metavar="DIR",
        help=f"Save results, records and figures in this folder; resume it if it exists.  [default: {FULL}, or {QUICK}]",
    ),
    option(
        "--seeds",
        type=Whole(1, 1000),
        help="Train each setting with this many seeds (the studies with ten at most, grids of rates and of "
        "labelings with three).  [default: 20; with --quick 2]",
    ),
    *TRAINING,
)


def reproduce_tasks(tasks, quick, out, seeds, data_dir, workers, threads, cluster, device, kernels, as_json, quiet):
    """Train, write and draw a list of (Experiment, mode); return the exit code."""
    from dfanp_figures.draw import draw, read, title

    from dfanp import Backend
    from dfanp.backend import usable_cores
    from dfanp.experiments import experiment, table
    from dfanp.experiments.reproduce import Reproduction
    from dfanp.files.whole import write_whole
    from dfanp.reports import plots

    if out == "":
        raise click.UsageError("--out names no folder")

    def say(text):
        if not quiet:
            click.echo(text, err=True)

    with plots.drawing("the figures"):
        pass  # fails before training if Matplotlib does not work
    scale = (experiment.quick if quick else experiment.full)(kernels, Backend(device).device)
    scale = replace(scale, seeds=tuple(range(seeds))) if seeds else scale
    out = Path(out or (QUICK if quick else FULL))
    if workers is None and not cluster:  # one worker fills a GPU
        workers = usable_cores() if scale.device == "cpu" else 1
    records, missing = [], []
    with usage_errors():
        work = Reproduction(tasks, scale, out, workers, threads, data_dir, cluster)
    with work:
        failed = follow(work.sweep, out, quiet)
        (out / "figures").mkdir(exist_ok=True)
        for each, mode, path in work.records():
            if path is None:
                missing.append(f"{each.name} ({mode})")
                continue
            records.append(read(path))
            draw(records[-1], out / "figures")
            say(f"figure {each.name:10} {mode:9}  {title(records[-1])}")
    rows = table.rows(records)
    text = table.markdown(rows)
    if rows:
        write_whole(out / "table.md", lambda file: file.write(f"{text}\n".encode()))
    if as_json:
        named = [row._asdict() | {"inside": row.inside} for row in rows]
        click.echo(json.dumps({"figures": records, "table": named, "missing": missing}, allow_nan=False))
    elif rows:
        click.echo(text)
    say(f"wrote {out / 'records'}, {out / 'figures'}{f' and {out}/table.md' if rows else ''}")
    for name in missing:
        click.echo(f"missing: figure {name}, because runs of it failed (see `dfanp results {out}`)")
    sys.stdout.flush()
    return 1 if failed or missing else 0
