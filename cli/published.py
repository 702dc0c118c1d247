"""`dfanp published`: train a published table of results with the settings of its authors, and compare the numbers."""

import json
import time
from pathlib import Path

import click

from .names import Name
from .options import Place, Whole, option, options, usage_errors
from .reproducing import TRAINING
from .sweeping import follow
from .terminal import echo, table


def names():
    """Return the names that the command accepts."""
    from dfanp.experiments.literature import tables

    return ("list", *tables())


@click.command(context_settings={"show_default": True})
@click.argument("name", type=Name(table=names), metavar="TABLE")
@options(
    option(
        "--quick", is_flag=True, help="Use the embedded digits and two short epochs, to check that everything works."
    ),
    option(
        "--only",
        multiple=True,
        metavar="TEXT",
        help="Train only rows whose name contains this text; may be repeated.",
    ),
    option("--seeds", type=Whole(1, 1000), help="Number of seeds.  [default: that of the table; 2 with --quick]"),
    option(
        "--out",
        type=Place("dir"),
        metavar="DIR",
        help="Save results, record and figure in this folder; resume it if it exists."
        "  [default: published/TABLE, or published/TABLE-quick]",
    ),
    *TRAINING,
)
def published(name, quick, only, seeds, out, data_dir, workers, threads, cluster, device, kernels, as_json, quiet):
    """Train a published table of results with the settings of its authors, and compare the numbers.

    TABLE is akrout-2019, frenkel-2021, biotorch, nokland-2016 or demirbilek-2021; list shows what they are.

    For each published number: that of dfanp, the mean over the seeds with its 95 % interval, the difference, and
    whether they agree. Where a publication leaves a setting open, all choices are trained. After an interrupt the same
    command resumes it.

    \b
    Examples:
      dfanp published list
      dfanp published akrout-2019          # half an hour on two cores
      dfanp published frenkel-2021 --only 784-500-10 --seeds 3
      dfanp published akrout-2019 --quick  # seconds

    Files: in --out, records/TABLE.json, figures/TABLE.svg and .png, and the store of the sweep.

    Output: the table; with --json one object: table, title, source, cells, series, seconds, missing. Progress on
    stderr.

    Exit status: 1 if runs failed; also without MNIST, except with --quick. Numbers that differ are no failure.

    See also: dfanp reproduce, dfanp results, dfanp data fetch.
    """
    from dfanp.experiments import literature

    if name == "list":
        return listed(literature.tables().values(), as_json)
    from dfanp import Backend
    from dfanp.backend import usable_cores
    from dfanp.reports import plots
    from dfanp.runs.store import key_of
    from dfanp.sweeps.sweep import Sweep

    if out == "":
        raise click.UsageError("--out names no folder")
    with plots.drawing("the figure"):
        pass  # fails before training if Matplotlib does not work
    of = literature.get(name)
    size = literature.Size(quick, tuple(range(seeds or (2 if quick else of.seeds))), Backend(device).device, kernels)
    out = Path(out or Path("published", f"{name}-quick" if quick else name))
    if workers is None and not cluster:  # one worker fills a GPU
        workers = usable_cores() if size.device == "cpu" else 1
    with usage_errors():
        rows = literature.rows_of(of, size, data_dir, only)
        sweep = Sweep([one for row in rows for one in row.settings], out, workers, threads, data_dir, False, cluster)
    with sweep:
        began = time.monotonic()
        failed = follow(sweep, out, quiet)
        results, took = sweep.store.results, dict(sweep.store.seconds)
    compared = literature.compared(of, rows, results)
    missing = [
        literature.name_of(row) for row in rows if any(key_of(s.config()) not in results for s in row.settings)
    ]
    found = literature.record(of, rows, compared, results, took)
    write(found, out)
    if as_json:
        seconds = round(time.monotonic() - began, 1)
        click.echo(json.dumps(found | {"seconds": seconds, "missing": missing}, allow_nan=False))
    else:
        show(of, compared, quick)
    if not quiet:
        click.echo(f"wrote {out / 'records'} and {out / 'figures'}", err=True)
    for row in missing:
        click.echo(f"missing: {row}, because runs of it failed (see `dfanp results {out}`)", err=True)
    return 1 if failed or missing else 0


def listed(every, as_json):
    """Print the names of the tables; return the exit code."""
    if as_json:
        names = ("name", "title", "source", "notes", "seeds")
        click.echo(json.dumps([{name: getattr(each, name) for name in names} for each in every]))
        return 0
    for each in every:
        echo(f"{each.name}\n    {each.title}\n    {each.source}\n    {each.notes}")
    return 0


def show(of, compared, quick):
    """Print the comparison as a table, and how many numbers agree."""
    from dfanp.experiments.literature import HEAD, cells_of

    echo(f"{of.title}\n{of.source}\n")
    echo("\n".join(table(list(HEAD), [list(cells_of(each)) for each in compared])))
    decided = [each for each in compared if each.verdict.startswith(("agrees", "differs"))]
    if decided:
        agree = sum(each.verdict.startswith("agrees") for each in decided)
        what = "numbers agree" if of.reference is None else f"rules lie on the published side of {of.reference}"
        echo(f"\n{agree} of {len(decided)} {what}")
    echo(f"\n{of.notes}" if not quick else "\nThe embedded digits, two short epochs: nothing to compare.")


def write(found, out):
    """Write the record of a table, and its figure."""
    from dfanp_figures.draw import draw_table

    from dfanp.files.whole import write_whole

    for folder in ("records", "figures"):
        (out / folder).mkdir(exist_ok=True)
    lines = json.dumps(found, allow_nan=False).replace('{"row"', '\n{"row"').replace('{"label"', '\n{"label"')
    write_whole(out / "records" / f"{found['table']}.json", lambda file: file.write(f"{lines}\n".encode()))
    if found["series"]:
        draw_table(found, out / "figures")
