"""Option types and options that several commands share."""

import contextlib
import functools
import math

import click
from click.shell_completion import CompletionItem

from .helping import Option
from .names import Name, completing, last_of

option = functools.partial(click.option, cls=Option)


class Whole(click.IntRange):
    """A whole number in a range."""

    name = "integer"


class Real(click.FloatRange):
    """A number in a range."""

    name = "number"


COUNT = Whole(1, 10**9)
THREADS = Whole(1, 1024)  # backend.MOST_THREADS, without the library


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


@contextlib.contextmanager
def drawing(path):
    """Turn whatever goes wrong with the picture `path` into a DfanpError of one line: a broken font, a full disk."""
    from dfanp import DfanpError

    try:
        yield
    except DfanpError:
        raise
    except Exception as error:
        raise DfanpError(f"{path}: cannot be drawn ({getattr(error, 'strerror', None) or error})") from None


class Place(click.ParamType):
    """A path that the library reads or writes, and says itself what is wrong with it; the shell completes it.

    Args:
        kind: "dir" or "file".
    """

    def __init__(self, kind):
        self.name = self.kind = kind

    def shell_complete(self, ctx, param, incomplete):
        return [CompletionItem(incomplete, type=self.kind)]


data_set = option(
    "--data",
    type=Name(["auto"], "problems.datasets.NAMES"),
    default="auto",
    help="auto: MNIST where it is, else the embedded digits.",
)
data_dir = option(
    "--data-dir",
    type=Place("dir"),
    envvar="DFANP_DATA",
    show_envvar=True,
    metavar="DIR",
    help="Folder that has the data set's IDX files, itself or in a folder of its name.  [default: the cache]",
)


def load_plugins(ctx, param, paths):
    """Load the files of --plugin, and what the experiments as they were published have beyond dfanp's own."""
    if ctx.resilient_parsing and not paths:
        return
    from dfanp import plugins
    from dfanp.experiments import published  # noqa: F401  (registers its things)

    for path in paths:
        plugins.load(path)


plugin = option(
    "--plugin",
    multiple=True,
    type=click.Path(),
    metavar="FILE.py",
    envvar="DFANP_PLUGINS",
    show_envvar=True,
    is_eager=True,
    expose_value=False,
    callback=load_plugins,
    help="Load your own rules, activations, losses and optimizers from this file, by their names; may be repeated.",
)
as_json = option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout instead of text.")
quiet = option("--quiet", is_flag=True, help="Nothing on stderr but errors.")
threads = lambda help: option("--threads", type=THREADS, help=help)


class Grid(click.ParamType):
    """Values of another type: one, a list, or for numbers a range."""

    def __init__(self, of, separator=","):
        self.of, self.separator, self.name = of, separator, "list"

    def convert(self, value, param, ctx):
        if completing(ctx) or (isinstance(value, tuple) and self.separator == ","):
            return value
        from dfanp.grids import values

        try:
            if self.separator != "," or isinstance(self.of, click.Choice):  # names have no ranges
                return tuple(dict.fromkeys(self.of.convert(part, param, ctx) for part in value.split(self.separator)))
            return values(str(value), lambda part: self.of.convert(part, param, ctx))
        except ValueError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(self, ctx, param, incomplete):
        return last_of(self.of, self.separator, ctx, param, incomplete)
