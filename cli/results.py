"""`dfanp results`: the results of a sweep, as a table, CSV or JSON."""

import csv
import io
import json

import click

from dfanp.checks import is_number
from dfanp.measures import LAST

from .live import text_of
from .names import Name, Setting
from .options import Place, Whole, as_json, option
from .terminal import echo, status, table

EPOCHS, SCORE, HALF, SECONDS, STATUS = "epochs done", "score", "95 %", "seconds", "status"
FORMATS = ("table", "csv", "json", "markdown", "latex")


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
@option(
    "--compare",
    type=Setting("names"),
    metavar="NAME",
    help="Print the differences between the values of this setting, over the seeds that both have.",
)
@option(
    "--sort", metavar="COLUMN", help="Sort by this column; with a minus before it (--sort=-score) from the largest."
)
@option("--top", type=Whole(min=1), help="Print only this many rows.")
@option("--last", type=Whole(min=1), default=LAST, help="Number of last epochs whose mean is the score.")
@option("--format", "form", type=Name(FORMATS), help="What is printed.  [default: table]")
@option("--csv", "as_csv", is_flag=True, help="The same as --format csv: one row per run (or group), all settings.")
@as_json
def results(folder, where, group_by, compare, sort, top, last, form, as_csv, as_json):
    """Show the runs of a sweep, with the settings that differ.

    DIR is a folder made by --out of `dfanp tune`, `dfanp figure`, `dfanp published` or `dfanp reproduce`, also while
    that command runs: then runs without a result are running (with the epochs that they have finished) or
    waiting. Runs that were tested on held-out training images have a validation accuracy in place of a test
    accuracy.

    Intervals are of the mean over seeds. Where a row of --group-by has runs that differ in more than the seed, the
    scores of each seed are averaged first, and the row names what was averaged over. --compare has the mean difference
    over seeds with its interval, and rms, how far apart two runs with one seed typically are. After a sweep with --nudge
    0,1e-6, `--compare nudge` says how far rounding alone moves a result.

    \b
    Examples:
      dfanp results tuned --where method=dfa
      dfanp results tuned --group-by method,opt,lr --sort=-score --top 5
      dfanp results tuned --compare method
      dfanp results tuned --group-by opt --compare method --format markdown
      dfanp results tuned --csv > tuned.csv

    Files: reads DIR; writes nothing.

    Output: a table (if it is wider than the terminal, one entry per run), CSV, Markdown, LaTeX, or with --json a list of
    objects.

    Exit status: 0, also if runs diverged or failed (see their status).

    See also: dfanp tune, dfanp plot.
    """
    from dfanp.problems.settings import complete
    from dfanp.runs.store import Store
    from dfanp.sweeps.grids import varied
    from dfanp.sweeps.plan import read_plan

    forms = {name for name, asked in ((form, form), ("csv", as_csv), ("json", as_json)) if asked}
    if len(forms) > 1:
        raise click.UsageError(f"{' and '.join(f'--{name}' for name in sorted(forms))} exclude each other: give one")
    form = forms.pop() if forms else "table"
    with Store(folder) as store:
        rows = [row_of(result, store.seconds.get(result.key), last) for result in store.results.values()]
        empty = (EPOCHS, accuracy_of({}), SCORE, SECONDS)
        for config, why in store.failures.values():
            rows.append({"config": complete(config), **dict.fromkeys(empty), STATUS: f"failed: {why}"})
        there = store.results.keys() | store.failures.keys()
        planned = read_plan(folder)
        named = accuracy_of(planned[0].config if planned else {})
        measure = next((name for row in rows for name in row if name.endswith((" accuracy", " loss"))), named)
        for each in planned:
            if each.key not in there:
                state = "waiting" if each.epochs is None else "running"
                row = {EPOCHS: each.epochs or 0, measure: None, SCORE: None, SECONDS: None, STATUS: state}
                rows.append({"config": complete(each.config), **row})
    known = list(dict.fromkeys(name for row in rows for name in row["config"]))
    every, wanted = rows, filters(where, known)
    rows = [row for row in every if all(row["config"].get(name) in values for name, values in wanted.items())]
    if every and not rows:
        click.echo(none_such(every, wanted), err=True)
    names = [name for name in varied([row["config"] for row in rows]) if name != "data_sha256"]
    asked = checked(group_by.split(","), known) if group_by else None
    if compare:
        (of,) = checked([compare], known)
        names = [name for name in (names if asked is None else asked) if name not in (of, "seed")]
        rows = differences(rows, of, names)
    elif asked is not None:
        names, rows = asked, groups(rows, asked)
    found = list(dict.fromkeys(name for row in rows for name in row if name != "config"))
    rows = sorted_by(rows, sort, [*names, *found])[:top]
    if form == "json":
        click.echo(json.dumps(rows, allow_nan=False))
        return
    names = known if form == "csv" and asked is None and not compare else names
    head = [*names, *(found or (EPOCHS, accuracy_of({}), SCORE, SECONDS, STATUS))]
    body = [
        [*(row["config"].get(name) for name in names), *(row.get(name) for name in head[len(names) :])]
        for row in rows
    ]
    if form == "csv":
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([head, *map(plain, body)])
        click.echo(text.getvalue(), nl=False)
        return
    cells = [[text_of(cell) for cell in row] for row in body]
    if form != "table":
        click.echo({"markdown": markdown, "latex": latex}[form](head, cells))
        return
    style = lambda name, cell: status(cell) if name == STATUS else cell
    echo("\n".join(table(head, [[style(name, cell) for name, cell in zip(head, row, strict=True)] for row in cells])))


def accuracy_of(config, measure="test_accuracy"):
    """Return what the measure after each epoch of a run is called: of what it was tested on."""
    kind = measure.removeprefix("test_")
    return f"validation {kind}" if config.get("held_out") else f"test {kind}"


def row_of(result, seconds, last):
    """Return the row of a Result."""
    from dfanp.problems.settings import complete
    from dfanp.sweeps.tuning import measure_of, score

    history, measure = result.history, measure_of([result])
    found = {EPOCHS: len(history.measured), accuracy_of(result.config, measure): history.last(measure)}
    found[SCORE] = score(result, last)
    return {"config": complete(result.config), **found, SECONDS: seconds, STATUS: result.status}


def parts_of(rows, names):
    """Return the rows by their values of the settings `names`: lists, in their order."""
    together = {}
    for row in rows:
        together.setdefault(json.dumps([row["config"].get(name) for name in names]), []).append(row)
    return list(together.values())


def by_seed(rows):
    """Return seed -> mean score of the rows with that seed that have one."""
    scores = {}
    for row in rows:
        if row[SCORE] is not None:
            scores.setdefault(row["config"].get("seed"), []).append(row[SCORE])
    return {seed: sum(some) / len(some) for seed, some in scores.items()}


def averaged(parts, names):
    """Return the settings besides the seed and `names` in which rows of one of the `parts` differ."""
    from dfanp.sweeps.grids import varied

    differ = dict.fromkeys(name for part in parts for name in varied([row["config"] for row in part]))
    return [name for name in differ if name not in ("seed", "data_sha256", *names)]


def groups(rows, names):
    """Return a row for each combination of the settings `names`; its interval is that of the mean over seeds."""
    from dfanp.analysis.intervals import mean_interval

    found, parts = [], parts_of(rows, names)
    pooled = averaged(parts, names)
    unfinished = [state for state in ("running", "waiting") if any(row[STATUS] == state for row in rows)]
    for part in parts:
        scores = list(by_seed(part).values())
        mean, half = mean_interval(scores) if scores else (None, None)
        ended = [(row[STATUS] or "").partition(":")[0] for row in part]
        config = {name: part[0]["config"].get(name) for name in names}
        row = {"config": config, "runs": len(part), "seeds": len(scores), SCORE: mean, HALF: half}
        row |= {"averaged over": ", ".join(pooled)} if pooled else {}
        row |= {"diverged": ended.count("diverged"), "failed": ended.count("failed")}
        found.append(row | {state: ended.count(state) for state in unfinished})
    return found


def differences(rows, of, names):
    """Return a row for each pair of values of the setting `of`, the first that occurs and another, in each combination of `names`.

    The difference of their scores is that of runs with the same seed, which share initial weights and data; rms is its root mean
    square over the seeds.
    """
    from dfanp.analysis.intervals import mean_interval, paired_differences

    found, parts = [], parts_of(rows, names)
    pooled = averaged(parts, (*names, of))
    for part in parts:
        first, *others = parts_of(part, [of])
        base = first[0]["config"].get(of)
        for other in others:
            apart = paired_differences(by_seed(other), by_seed(first))
            mean, half = mean_interval(apart) if apart else (None, None)
            rms = (sum(each**2 for each in apart) / len(apart)) ** 0.5 if apart else None
            row = {"config": {name: part[0]["config"].get(name) for name in names}}
            row |= {
                of: f"{text_of(other[0]['config'].get(of))} - {text_of(base)}",
                "seeds": len(apart),
                "difference": mean,
                HALF: half,
                "rms": rms,
            }
            found.append(row | ({"averaged over": ", ".join(pooled)} if pooled else {}))
    return found


def sorted_by(rows, column, known):
    """Return the rows in the order of a column; rows without a value come last."""
    if not column:
        return rows
    name = column.removeprefix("-")
    checked([name], known)
    value = lambda row: row[name] if name in row else row["config"].get(name)
    there = [row for row in rows if value(row) is not None]
    as_key = lambda row: (not is_number(value(row)), value(row) if is_number(value(row)) else text_of(value(row)))
    there.sort(key=as_key, reverse=column != name)
    return there + [row for row in rows if value(row) is None]


def markdown(head, cells):
    """Return a table in Markdown."""
    line = lambda row: f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
    return "\n".join([line(head), line(["---"] * len(head)), *map(line, cells)])


def latex(head, cells):
    """Return a table in LaTeX, for the package booktabs."""
    special = {each: f"\\{each}" for each in "&%$#_{}"} | {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
    }
    line = lambda row: " & ".join("".join(special.get(each, each) for each in cell) for cell in row) + r" \\"
    rows = [line(head), r"\midrule", *map(line, cells)]
    begin = rf"\begin{{tabular}}{{{'l' * len(head)}}}"
    return "\n".join([begin, r"\toprule", *rows, r"\bottomrule", r"\end{tabular}"])


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
        there = list(dict.fromkeys(text_of(row["config"].get(name)) for row in rows))
        if not any(row["config"].get(name) in values for row in rows):
            text = ", ".join(f"{name}={one}" for one in values.texts)
            return f"no run has {text}; existing values are {', '.join(there[:20])}{nearest(values.texts[0], there)}"
    return "no run has all of these settings"


class Values:
    """A set of values, given as texts: words, numbers, true, lists of numbers."""

    def __init__(self, texts):
        self.texts = texts

    def __contains__(self, value):
        known = {text_of(value), ",".join(map(str, value))} if isinstance(value, list) else {str(value).lower()}
        same = lambda text: text.lower() in known or (is_number(value) and as_number(text) == value)
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


def plain(row):
    """Return the cells of a row with all digits, for CSV."""
    return [text_of(cell) if isinstance(cell, list) else cell for cell in row]
