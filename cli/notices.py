"""Warnings of the library, one line each on stderr; none with --quiet."""

import contextlib
import warnings

import click


@contextlib.contextmanager
def notices():
    """Within the block, show warnings of dfanp as notices; those of other packages stay as they are."""
    with warnings.catch_warnings():
        others = warnings.showwarning

        def show(message, category, filename, lineno, file=None, line=None):
            if category.__module__.partition(".")[0] != "dfanp":
                others(message, category, filename, lineno, file, line)
                return
            context = click.get_current_context(silent=True)
            if context is None or not context.params.get("quiet"):
                click.echo(f"notice: {message}", err=True)

        warnings.showwarning = show
        yield
