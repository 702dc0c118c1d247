"""Options from settings: the definitions in ``dfanp.problems.fields``, as options of click."""

import shlex
from dataclasses import MISSING

import click

from dfanp.experiments import published_settings  # noqa: F401  (registers the additional settings of the published runs)
from dfanp.problems import PROBLEMS, ParitySettings
from dfanp.problems.fields import settings_of
from dfanp.problems.settings import TrainingSettings

from .names import Name, Parsed, Word
from .options import DataSet, Grid, Place, PositiveNumber, Real, Whole, Widths, data_dir, option

GENERAL = settings_of(TrainingSettings)


def with_tf32(ctx, param, kernels):
    """Return the tier for `kernels`: its TF32 variant if --tf32 is given; a usage error if it has none."""
    if not ctx.meta.get("tf32"):
        return kernels
    if kernels not in ("auto", "cuda", "cuda-tf32"):
        raise click.UsageError(f"--tf32 is for products on a GPU, not for --kernels {kernels}")
    return "cuda-tf32"


tf32 = option(
    "--tf32",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda ctx, param, value: ctx.meta.update(tf32=value),
    help="On a GPU, round the factors of products to 10 bits (the same as --kernels cuda-tf32).",
)
CALLBACKS = {"kernels": with_tf32}
# setting -> its name in the library, which its option has, too
ALIASES = {"method": "rule", "opt": "optimizer", "repeats": "seeds", "align": "alignment"}
BESIDE = {"kernels": [tf32], "data": [data_dir]}  # further options of a setting


def flags(name):
    """Return the arguments of ``option`` that name the option of a setting, by all its names."""
    names = (name, *([ALIASES[name]] if name in ALIASES else []))
    return (*(f"--{each.replace('_', '-')}" for each in names), name)


def option_of(each, grid=False, unset=None):
    """Return the option of a Setting, a decorator.

    Args:
        grid: whether it accepts a list of values, if a sweep may have several.
        unset: replaces that of the Setting.
    """
    if each.positional:
        return click.argument(each.name, type=Place(), metavar=each.name.upper())
    help_, unset, names = each.help, unset or each.unset, flags(each.name)
    help_ = f"{help_.removesuffix('.')}; auto: {each.auto}." if each.auto else help_
    more = {"help": f"{help_}  [default: {unset}]" if unset else help_, "callback": CALLBACKS.get(each.name)}
    if each.words:
        return option(*names, is_flag=False, flag_value=next(iter(each.words)), type=Word(each.words), **more)
    if each.type is bool:
        name = each.name.replace("_", "-")
        return option(f"--{name}/--no-{name}", default=each.default, **more)
    type_, metavar = type_of(each), each.metavar
    if each.several and not grid:
        type_ = Grid(type_)
    elif grid and each.listed:
        type_, metavar = Grid(type_, "/" if each.type is tuple else ","), "LIST"
    return option(*names, type=type_, metavar=metavar, **default_of(each, unset), **more)


def type_of(each):
    """Return the type of a value of a Setting."""
    if each.parse:
        return Parsed(each.names, each.parse, each.parameters)
    if each.name == "data":
        return DataSet(("auto",), each.names)
    if each.names:
        return Name(("auto",) if each.auto else (), each.names)
    if each.type is int:
        return Whole(each.least, each.most)
    if each.type is float and each.above == 0 and each.most is None:
        return PositiveNumber()
    if each.type is float:
        return Real(each.least if each.above is None else each.above, each.most, min_open=each.above is not None)
    return Widths(each.least, each.most) if each.type is tuple else click.STRING


def default_of(each, unset):
    """Return click's arguments for the default of a Setting."""
    if each.auto:
        return {"default": "auto"}
    if unset or each.default is None:
        return {"default": None}
    if each.default is MISSING:
        return {"required": True}
    return {"default": ",".join(map(str, each.default)) if each.type is tuple else each.default}


def settings_for(kind):
    """Return name -> Setting of all classes for the problem of `kind`; where they differ, of the last."""
    return {name: each for variant in PROBLEMS.variants(kind) for name, each in settings_of(variant).items()}


def options_of(kind, grid=False, without=(), **unset):
    """Return the options of a problem, decorators: its own, those of all runs, those of its variants.

    Settings of which a sweep has one value come last.

    Args:
        kind: the class of its settings. grid: see ``option_of``. without: names of settings to leave out.
        unset: name of a setting -> see ``option_of``.
    """
    group = lambda name: 1 if name in GENERAL else 0 if name in settings_of(kind) else 2
    asked = [each for name, each in settings_for(kind).items() if each.help and name not in without]
    asked.sort(key=lambda each: (not each.swept, group(each.name)))
    return [
        one
        for each in asked
        for one in (
            option_of(each, grid, unset.get(each.name)),
            *([] if each.positional else BESIDE.get(each.name, [])),
        )
    ]


def lists_of(kind, options, grid=False):
    """Return name -> list of values of those `options`, a dict, that are settings of a problem; [] for None."""
    every = settings_for(kind)
    several = {name for name, each in every.items() if grid and each.listed}
    given = {name: value for name, value in options.items() if name in every}
    for name, value in given.items():
        if every[name].several and not grid and isinstance(value, tuple) and len(value) == 1:
            (given[name],) = value
    return {n: [] if value is None else list(value) if n in several else [value] for n, value in given.items()}


def command_for(settings):
    """Return the command that trains one or several seeds by `settings`, without options that keep their default."""
    every = settings_for(type(settings))
    words = ["dfanp", settings.name, *(getattr(settings, name) for name, each in every.items() if each.positional)]
    for name, each in every.items():
        value = getattr(settings, name, each.default)
        said = name in ("lr", "data")  # what the command takes without the option is not the default of the setting
        if not each.help or each.positional or name in ("device", "kernels") or (value == each.default and not said):
            continue
        flag = f"--{ALIASES.get(name, name).replace('_', '-')}"
        if each.type is bool and not each.words:
            words.append(flag if value else flag.replace("--", "--no-", 1))
        else:
            text = next((word for word, meant in (each.words or {}).items() if meant is value), None)
            words += [flag, text or (",".join(map(str, value)) if isinstance(value, tuple) else str(value))]
    return shlex.join(words)


data_set = option_of(settings_of(ParitySettings)["data"])
where_options = (option_of(GENERAL["device"]), option_of(GENERAL["kernels"]), tf32)
