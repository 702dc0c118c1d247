"""Option types and options that several commands share."""

import contextlib
import math

import click

from dfanp.errors import nearest


class Name(click.Choice):
    """One of a set of names; a misspelt one is answered with the nearest."""

    def convert(self, value, param, ctx):
        if value in self.choices:
            return value
        self.fail(f"{value!r} is not one of {', '.join(self.choices)}{nearest(value, self.choices)}", param, ctx)


class Names(Name):
    """A list of names from a set, such as sgd,adam; each once."""

    name = "names"

    def convert(self, value, param, ctx):
        if isinstance(value, tuple):
            return value
        return tuple(dict.fromkeys(super(Names, self).convert(part, param, ctx) for part in value.split(",")))


class Optimizer(click.Choice):
    """An optimizer's name, with hyperparameters where they are not the default: adam:count=epochs."""

    def convert(self, value, param, ctx):
        from dfanp.optimizers import canonical

        try:
            return canonical(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class PositiveNumber(click.ParamType):
    """A finite number above zero."""

    name = "number"

    def convert(self, value, param, ctx):
        with contextlib.suppress(ValueError):
            number = float(value)
            if math.isfinite(number) and number > 0:
                return number
        self.fail(f"{value!r} is not a finite number above 0", param, ctx)


WIDEST = 10**9  # wider than any memory, and narrow enough for NumPy to say so


class Widths(click.ParamType):
    """Widths of hidden layers, such as 512 or 512,256."""

    name = "widths"

    def convert(self, value, param, ctx):
        if isinstance(value, tuple):
            return value
        with contextlib.suppress(ValueError):
            widths = tuple(int(part) for part in value.split(","))
            if min(widths) >= 1 and max(widths) <= WIDEST:
                return widths
        self.fail(f"{value!r} is not a list of widths from 1 to 10^9, such as 512 or 512,256", param, ctx)


@contextlib.contextmanager
def usage_errors():
    """Turn a ValueError of the library about an argument into a usage error of the command line."""
    try:
        yield
    except ValueError as error:
        raise click.UsageError(str(error)) from None


data_dir = click.option(
    "--data-dir",
    envvar="DFANP_DATA",
    show_envvar=True,
    metavar="DIR",
    help="Folder that has the data set's IDX files, itself or in a folder of its name.  [default: the cache]",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout instead of text.")


class Grid(click.ParamType):
    """Values of another type: one, a list, or for numbers a range."""

    def __init__(self, of, separator=","):
        self.of, self.separator, self.name = of, separator, "list"

    def convert(self, value, param, ctx):
        from dfanp.grids import values

        if isinstance(value, tuple) and self.separator == ",":
            return value
        try:
            if self.separator != "," or isinstance(self.of, click.Choice):  # names have no ranges
                return tuple(dict.fromkeys(self.of.convert(part, param, ctx) for part in value.split(self.separator)))
            return values(str(value), lambda part: self.of.convert(part, param, ctx))
        except ValueError as error:
            self.fail(str(error), param, ctx)
