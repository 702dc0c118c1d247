"""Option types and options that several commands share."""

import contextlib
import functools
import os

import click

from dfanp.checks import MOST_THREADS, limit, number

from .helping import Option
from .names import Name, completing, last_of

option = functools.partial(click.option, cls=Option)


class Whole(click.IntRange):
    """A whole number in a range."""

    name = "integer"


class Real(click.FloatRange):
    """A number in a range."""

    name = "number"


THREADS = Whole(1, MOST_THREADS)


class PositiveNumber(click.ParamType):
    """A finite number above zero."""

    name = "number"

    def convert(self, value, param, ctx):
        with contextlib.suppress(ValueError):
            return number("", float(value), above=0)
        self.fail(f"{value!r} is not a finite number above 0", param, ctx)


class Widths(click.ParamType):
    """Widths of layers, such as 512, 512-256 or 512,256; a subclass may name other whole numbers."""

    name, many = "widths", True

    def __init__(self, least, most):
        self.least, self.most = least, most

    def convert(self, value, param, ctx):
        if isinstance(value, tuple):
            return value
        with contextlib.suppress(ValueError):
            widths = tuple(int(part) for part in value.split("-" if "-" in value.strip("-") else ","))
            if min(widths) >= self.least and max(widths) <= self.most:
                return widths
        within = f"from {self.least} to {limit(self.most)}"
        self.fail(f"{value!r} is not a list of {self.name} {within}, such as 512, 512-256 or 512,256", param, ctx)


@contextlib.contextmanager
def usage_errors():
    """Turn a ValueError of the library about an argument into a usage error of the command line."""
    try:
        yield
    except ValueError as error:
        raise click.UsageError(str(error)) from None


@contextlib.contextmanager
def drawing(path):
    """Turn any error in drawing `path` (a broken font, a full disk) into a DfanpError of one line."""
    from dfanp import DfanpError

    try:
        yield
    except DfanpError:
        raise
    except Exception as error:
        raise DfanpError(f"{path}: cannot be drawn ({getattr(error, 'strerror', None) or error})") from None


def options(*each):
    """Return a decorator that adds options to a command, in their order."""

    def decorate(command):
        for one in reversed(each):
            command = one(command)
        return command

    return decorate


class Place(click.Path):
    """A path that the library reads or writes, a leading ~ expanded; the shell completes it.

    Args:
        kind: "dir", "file" or "path" (either), if the path exists.
    """

    def __init__(self, kind="path"):
        super().__init__(file_okay=kind != "dir", dir_okay=kind != "file", readable=False)

    def convert(self, value, param, ctx):
        if completing(ctx):
            return value
        path = os.path.expanduser(value)
        if path.startswith("~"):
            self.fail(
                f"{value!r}: there is no such user (for a file of this name write {'./' + value!r})", param, ctx
            )
        return super().convert(path, param, ctx)


class DataSet(Name):
    """The name of a data set, or images of the user's own: idx:DIR."""

    @property
    def choices(self):
        return (*super().choices, "idx:DIR")

    def shell_complete(self, ctx, param, incomplete):
        return [item for item in super().shell_complete(ctx, param, incomplete) if item.value != "idx:DIR"]

    def convert(self, value, param, ctx):
        kind, colon, folder = value.partition(":")
        if kind != "idx" or not colon:
            return super().convert(value, param, ctx)
        return kind + colon + Place("dir").convert(folder, param, ctx)


data_dir = option(
    "--data-dir",
    type=Place("dir"),
    envvar="DFANP_DATA",
    show_envvar=True,
    metavar="DIR",
    help="Folder with the data set's IDX files, directly, in a folder of its name, or in torchvision's layout."
    "  [default: the cache]",
)


def load_plugins(ctx, param, paths):
    """Load the files of --plugin, and the additional definitions of the published experiments."""
    if ctx.resilient_parsing and not paths:
        return
    from dfanp import plugins
    from dfanp.experiments import published  # noqa: F401  (registers its things)

    for path in paths:
        plugins.load(path)


plugin = option(
    "--plugin",
    multiple=True,
    type=Place("file"),
    metavar="FILE.py",
    envvar="DFANP_PLUGINS",
    show_envvar=True,
    is_eager=True,
    expose_value=False,
    callback=load_plugins,
    help="Load your own rules, activations, losses, optimizers and problems from this file; may be repeated.",
)
as_json = option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout instead of text.")
quiet = option("--quiet", is_flag=True, help="Print nothing on stderr except errors.")
threads = lambda help: option("--threads", type=THREADS, help=help)


class Grid(click.ParamType):
    """One or more values of another type: a value, a list, or (of numbers) a range.

    Values of widths are separated by slashes, or if layers are separated by hyphens, also by commas: 256/512 and
    128-64,256 are two networks each, 256,512 is one.
    """

    def __init__(self, of, separator=","):
        self.of, self.separator, self.name = of, separator, "list"

    def convert(self, value, param, ctx):
        if completing(ctx) or (isinstance(value, tuple) and self.separator == ","):
            return value
        from dfanp.sweeps.grids import values

        try:
            if self.separator != "," or isinstance(self.of, click.Choice):  # names have no ranges
                if self.separator == "/" and "-" in value:
                    value = value.replace(",", "/")
                return tuple(dict.fromkeys(self.of.convert(part, param, ctx) for part in value.split(self.separator)))
            return values(str(value), lambda part: self.of.convert(part, param, ctx))
        except ValueError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(self, ctx, param, incomplete):
        return last_of(self.of, self.separator, ctx, param, incomplete)
