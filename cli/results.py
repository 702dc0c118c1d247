"""`dfanp results`: the results of a sweep, as a table, CSV or JSON."""

import csv
import io
import json

import click

from dfanp.checks import is_number
from dfanp.measures import LAST

from .names import Setting
from .options import Place, Whole, as_json, option
from .terminal import echo, status, table

COLUMNS = ("epochs done", "test accuracy", "score", "seconds", "status")


@click.command(context_settings={"show_default": True})
@click.argument("folder", metavar="DIR", type=Place("dir"))
@option(
    "--where",
    multiple=True,
    type=Setting("name=value", after="="),
    metavar="NAME=VALUE",
    help="Show only runs with this setting; may be repeated.",
)
@option(
    "--group-by",
    type=Setting("names"),
    metavar="NAMES",
    help="Print one row per combination of these settings, such as method,opt.",
)
@option("--last", type=Whole(min=1), default=LAST, help="Number of last epochs whose mean is the score.")
@option("--csv", "as_csv", is_flag=True, help="Print CSV: one row per run (or group), all settings.")
@as_json
def results(folder, where, group_by, last, as_csv, as_json):
    """Show the runs of a sweep, with the settings that differ.

    DIR is a folder made by --out of `dfanp tune`, `dfanp figure` or `dfanp reproduce`, also while that command runs.

    \b
    Examples:
      dfanp results tuned --where method=dfa
      dfanp results tuned --group-by method,opt,lr
      dfanp results tuned --csv > tuned.csv

    Files: reads DIR; writes nothing.

    Output: a table (if it is wider than the terminal, one entry per run), CSV, or with --json a list of objects.

    Exit status: 0, also if runs diverged or failed (see their status).

    See also: dfanp tune, dfanp plot.
    """
    from dfanp.runs.store import Store
    from dfanp.sweeps.grids import varied

    if as_csv and as_json:
        raise click.UsageError("--csv and --json exclude each other: give one")
    with Store(folder) as store:
        rows = [row_of(result, store.seconds.get(result.key), last) for result in store.results.values()]
        for config, why in store.failures.values():
            rows.append({"config": config, **dict.fromkeys(COLUMNS), "status": f"failed: {why}"})
    known = list(dict.fromkeys(name for row in rows for name in row["config"]))
    every, wanted = rows, filters(where, known)
    rows = [row for row in every if all(row["config"].get(name) in values for name, values in wanted.items())]
    if every and not rows:
        click.echo(none_such(every, wanted), err=True)
    names = varied([row["config"] for row in rows])
    if group_by:
        names = checked(group_by.split(","), known)
        rows = groups(rows, names)
    if as_json:
        click.echo(json.dumps(rows, allow_nan=False))
        return
    found = [name for name in rows[0] if name != "config"] if rows else list(COLUMNS)
    names = known if as_csv and not group_by else names
    body = [[*(row["config"].get(name) for name in names), *(row[name] for name in found)] for row in rows]
    if as_csv:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([[*names, *found], *map(plain, body)])
        click.echo(text.getvalue(), nl=False)
    else:
        head = [*names, *found]
        style = lambda name, cell: status(cell) if name == "status" else cell
        cells = [[style(name, shown(cell)) for name, cell in zip(head, row, strict=True)] for row in body]
        echo("\n".join(table(head, cells)))


def row_of(result, seconds, last):
    """Return the row of a Result."""
    from dfanp.sweeps.tuning import score

    history = result.history
    values = (len(history.measured), history.last(), score(result, last), seconds, result.status)
    return {"config": result.config, **dict(zip(COLUMNS, values, strict=True))}


def groups(rows, names):
    """Return a row for each combination of the settings `names`."""
    from dfanp.analysis.intervals import mean_interval

    together = {}
    for row in rows:
        together.setdefault(json.dumps([row["config"].get(name) for name in names]), []).append(row)
    found = []
    for part in together.values():
        scores = [row["score"] for row in part if row["score"] is not None]
        mean, half = mean_interval(scores) if scores else (None, None)
        ended = [(row["status"] or "").partition(":")[0] for row in part]
        config = {name: part[0]["config"].get(name) for name in names}
        row = {"config": config, "runs": len(part), "score": mean, "95 %": half}
        found.append(row | {"diverged": ended.count("diverged"), "failed": ended.count("failed")})
    return found


def filters(where, known):
    """Return name -> Values, of which a config must have one, from texts NAME=VALUE."""
    wanted = {}
    for text in where:
        name, equals, value = text.partition("=")
        if not equals:
            raise click.UsageError(f"--where {text!r}: write NAME=VALUE, such as method=dfa")
        checked([name], known)
        wanted.setdefault(name, []).append(value)
    return {name: Values(values) for name, values in wanted.items()}


def none_such(rows, wanted):
    """Return a line about filters that no run passes, with the existing values for the first such filter."""
    from dfanp.errors import nearest

    for name, values in wanted.items():
        there = list(dict.fromkeys(shown(row["config"].get(name)) for row in rows))
        if not any(row["config"].get(name) in values for row in rows):
            text = ", ".join(f"{name}={one}" for one in values.texts)
            return f"no run has {text}; existing values are {', '.join(there[:20])}{nearest(values.texts[0], there)}"
    return "no run has all of these settings"


class Values:
    """A set of values, given as texts: words, numbers, true, lists of numbers."""

    def __init__(self, texts):
        self.texts = texts

    def __contains__(self, value):
        plain = ",".join(map(str, value)) if isinstance(value, list) else value
        same = lambda text: str(plain).lower() == text.lower() or (is_number(plain) and as_number(text) == plain)
        return any(map(same, self.texts))


def as_number(text):
    try:
        return float(text)
    except ValueError:
        return None


def checked(names, known):
    """Return names of settings; a usage error names one that is unknown."""
    from dfanp.errors import nearest

    for name in names:
        if name not in known:
            raise click.UsageError(f"no setting {name!r}: expected some of {', '.join(known)}{nearest(name, known)}")
    return names


def shown(cell):
    """Return a cell as text, numbers rounded."""
    if cell is None:
        return "-"
    if isinstance(cell, list):
        return ",".join(map(str, cell))
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)


def plain(row):
    """Return the cells of a row with all digits, for CSV."""
    return [",".join(map(str, cell)) if isinstance(cell, list) else cell for cell in row]
