"""`dfanp course`: the course, as text or as a notebook."""

import click

from .options import Place, option, usage_errors


@click.command()
@option("--out", type=Place("file"), metavar="FILE", help="Write it as a notebook, a .ipynb.  [default: print it]")
def course(out):
    """Print the course on learning without backpropagation, or write it as a notebook.

    Its exercises ("now change this line") check themselves; the solutions are folded in.

    \b
    Examples:
      dfanp course --out course.ipynb
      dfanp course > course.md

    Output: the text, Markdown; or one line about the file written.

    Files: writes FILE completely or not at all, and never in place of another.

    Exit status: 1 if FILE exists.

    See also: dfanp parity, dfanp report.
    """
    from dfanp import course as of

    if out is None:
        click.echo(of.text(), nl=False)
        return
    from dfanp.course import notebook

    with usage_errors():
        notebook.write(out)
    click.echo(f"wrote {out}: {len(notebook.cells(of.text()))} cells; open it with jupyter lab {out}")
