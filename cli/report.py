"""`dfanp report`: one page about some runs."""

import click

from .options import Place, data_dir, option, plugin, quiet, usage_errors


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=Place())
@option("--out", required=True, type=Place("file"), metavar="FILE", help="The page: an .html file.")
@option("--title", metavar="TEXT", help="Of the page.  [default: the problem and the methods]")
@data_dir
@plugin
@quiet
def report(runs, out, title, data_dir, quiet):
    """Make one page about some runs: an HTML file that is whole in itself.

    RUN... are folders that the --out of `dfanp parity` or `dfanp synthetic` made; a run may be unfinished.

    The page has their settings, curves with 95 % intervals, alignment, first-layer weights as images, and the confusion of what they say of
    their last test set. It loads nothing, can be sent as it is, and is readable on a phone and in the dark.

    \b
    Examples:
      dfanp report runs/dfa --out dfa.html
      dfanp report runs/bp runs/dfa --out report.html --title "BP and DFA"

    Files: reads each RUN; writes the page of --out.

    Output: a line that says what was written; on stderr what a run lacks for a part of the page.

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
