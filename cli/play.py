"""`dfanp play`: a page that shows in the browser how networks learn."""

import click

from .options import Place, option, usage_errors


@click.command()
@option("--out", required=True, type=Place("file"), metavar="FILE", help="File to write, .html.")
def play(out):
    """Write a page that shows in the browser how a small network learns.

    One HTML file of about 200 kB, which loads nothing. The network learns disks in a plane live, under BP, FA, DFA,
    sign-symmetric feedback and Kolen-Pollack side by side: decision surfaces, the signals that hidden layers receive
    and their angle to those of BP, and the weights as they turn towards B. Six short scenes lead through the
    questions of the course; dials change everything else.

    It starts from weights, B and points that the library drew, and gets the numbers of `dfanp.Training`.

    \b
    Examples:
      dfanp play --out alignment.html

    Files: writes the page of --out.

    Output: one line about the file written.

    See also: dfanp synthetic, dfanp report.
    """
    from dfanp.play import page

    with usage_errors():
        page.write(out)
    click.echo(f"wrote {out}")
