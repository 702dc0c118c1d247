"""Settings from a file: a TOML file, or the config.json of a run. Options on the command line replace them.

The values become click's defaults of the options, as the texts that the options take.
"""

import json
import tomllib
from pathlib import Path

import click

from .options import Place, option

HIDDEN = "dfanp.hidden settings"  # in ctx.meta: settings of a record that have no option


def read(path):
    """Return the settings in a file, name -> value: the config of a record, or a TOML table.

    Raises:
        click.UsageError: it is neither.
        OSError: it cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "config.json"
    if path.suffix == ".json":
        from dfanp import DfanpError
        from dfanp.runs.folder import read_config

        try:
            if path.name != "config.json":  # a copy under another name
                found = json.loads(path.read_bytes())
                return found.get("config", found) if isinstance(found, dict) else None
            return read_config(path.parent)["config"]
        except (ValueError, RecursionError) as error:
            no_settings(path, error)
        except DfanpError as error:
            raise click.UsageError(str(error)) from None
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        no_settings(path, error)


def no_settings(path, why):
    """Raise a usage error about a file of settings."""
    raise click.UsageError(
        f'{path}: no file of settings ({why}); expected TOML, such as method = ["bp", "dfa"], or a config.json'
    )


def problem_in(path):
    """Return the name of the problem in a file of settings."""
    from dfanp.errors import nearest
    from dfanp.problems import PROBLEMS

    problem = (read(path) or {}).get("problem")
    if not isinstance(problem, str) or problem not in PROBLEMS:
        known = ", ".join(PROBLEMS)
        near = nearest(problem, PROBLEMS) if isinstance(problem, str) else ""
        raise click.UsageError(f"{path}: problem must be one of {known}, got {problem!r}{near}")
    return problem


def apply(ctx, param, path):
    """Make the settings of a file the defaults of the command, its callback for --config."""
    if not path or ctx.resilient_parsing:
        return
    found = read(path)
    if not isinstance(found, dict):
        no_settings(path, "no object")
    found = dict(found)
    problem = found.pop("problem", ctx.command.name)
    if problem != ctx.command.name:
        raise click.UsageError(
            f"{path}: holds settings of {problem}: `{ctx.command_path.rpartition(' ')[0]} {problem} --config`"
        )
    defaults, hidden = {}, {}
    known = {
        opt.lstrip("-").replace("-", "_"): each for each in ctx.command.params for opt in (*each.opts, each.name)
    }
    from dfanp.errors import nearest

    for name, value in found.items():
        each = known.get(name.replace("-", "_"))
        if each is not None and each.expose_value:
            text = as_text(each, value, f"{path}: {name}")
            defaults |= {} if text is None else {each.name: text}
        elif name in ("held_out", "data_sha256", "plugins") and Path(path).suffix != ".toml":
            hidden[name] = tuple(value) if isinstance(value, list) else value
        else:
            raise click.UsageError(f"{path}: no setting {name!r} of `{ctx.command_path}`{nearest(name, known)}")
    ctx.default_map = defaults
    ctx.meta[HIDDEN] = hidden


def as_text(param, value, where):
    """Return a value of a file as the option `param` takes it; None for one that is left out."""
    words = getattr(param.type, "words", None)
    if words:
        return next((word for word, meant in words.items() if meant is value or meant == value), value or None)
    if isinstance(value, (dict, bytes)):
        raise click.UsageError(f"{where} must be a value or a list, got a table")
    if not isinstance(value, list):
        return value if value is None or isinstance(value, bool) else str(value)
    separator = getattr(param.type, "separator", None)
    of = getattr(param.type, "of", param.type)
    if separator == "/":  # networks: a list of widths is one, a list of lists several
        several = any(isinstance(each, (list, str)) for each in value)
        return "/".join(plain(each, "-") for each in value) if several else plain(value, "-")
    if separator is None and not getattr(of, "many", False):
        if len(value) != 1:
            raise click.UsageError(f"{where} takes one value, got {len(value)}; `dfanp tune` takes lists")
        return plain(value[0], ",")
    return plain(value, ",")


def plain(value, separator):
    """Return a value, or a list of values, as text."""
    return separator.join(map(str, value)) if isinstance(value, list) else str(value)


def hidden_settings(without=()):
    """Return the settings of the file of --config that have no option, name -> list of its value."""
    ctx = click.get_current_context(silent=True)
    found = ctx.meta.get(HIDDEN, {}) if ctx else {}
    return {name: [value] for name, value in found.items() if name not in without}


config = option(
    "--config",
    type=Place(),
    metavar="FILE",
    is_eager=True,
    expose_value=False,
    callback=apply,
    help="Take settings from this file, a config.json of a run (or its folder) or TOML; options given here replace them.",
)
