"""`dfanp report`: an HTML report about runs and sweeps."""

import click

from .options import Place, data_dir, option, plugin, quiet, usage_errors


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=Place())
@option("--out", required=True, type=Place("file"), metavar="FILE", help="File to write, .html.")
@option("--title", metavar="TEXT", help="Title of the page.  [default: the problem and the methods]")
@data_dir
@plugin
@quiet
def report(runs, out, title, data_dir, quiet):
    """Write a self-contained HTML report about runs and sweeps.

    RUN... are folders made by --out of `dfanp parity` and the other problems, or of `dfanp tune`; they may be unfinished.

    The page has their settings, curves with 95 % intervals, alignment, first-layer weights as images, and confusion
    matrices on their last test set; of a sweep the best of each setting, scores against the learning rate, and
    curves. It loads nothing else, and is readable on a phone and in dark mode.

    \b
    Examples:
      dfanp report runs/dfa --out dfa.html
      dfanp report runs/bp runs/dfa --out report.html --title "BP and DFA"
      dfanp report tuned --out tuned.html

    Files: reads each RUN; writes the page of --out.

    Output: one line about the file written; on stderr the parts that are missing, and why.

    See also: dfanp plot, dfanp represent.
    """
    from dfanp.reports import plots, report

    with usage_errors():
        plots.checked_file(out, "report", report.FORMATS)
    reported = report.write(runs, out, data_dir, title)
    for run in reported:
        if run.missing and not quiet:
            click.echo(f"{run.label}: no weights and no confusion: {run.missing}", err=True)
    click.echo(f"wrote {out}")
