"""Settings of runs, and how a record is read back (see ``problems.settings``, and the problems)."""

from . import plugins
from .errors import RecordError
from .problems import PROBLEMS, ParitySettings, SyntheticSettings
from .problems.fields import setting, settings_of
from .problems.settings import TrainingSettings, present

__all__ = [
    "PROBLEMS",
    "ParitySettings",
    "SyntheticSettings",
    "TrainingSettings",
    "from_config",
    "made",
    "present",
    "setting",
    "settings_of",
    "variant_for",
]
UNKNOWN = "not the settings of a run that this dfanp knows"


def variant_for(kind, given):
    """Return the class for the problem of `kind` that takes the settings `given`, and the names it does not take.

    It is the first of the variants that takes all; if none does, the first that has them all, or `kind`.
    """
    every = PROBLEMS.variants(kind)
    known = [each for each in every if given.keys() <= settings_of(each).keys()] or [kind]
    misfits = {each: [name for name, value in given.items() if not takes(each, name, value)] for each in known}
    return next(((each, ()) for each in known if not misfits[each]), (known[0], misfits[known[0]]))


def takes(kind, name, value):
    """Whether a class of settings takes a value of the setting `name`."""
    try:
        settings_of(kind)[name].checked(value)
    except (KeyError, ValueError):
        return False
    return True


def made(kind, **given):
    """Return settings of the problem of `kind`: of its first class that takes them.

    Raises:
        ValueError: none does; the message says what is wrong with one of them.
    """
    found, _ = variant_for(kind, given)
    unknown = [name for name in given if name not in settings_of(found)]
    if unknown:
        raise ValueError(f"no settings of {kind.name} have all of these: {', '.join(unknown)}")
    return found(**given)


def from_config(config, path):
    """Return the settings whose ``config()`` is `config`, a dict that the file `path` holds.

    Raises:
        RecordError: there are no such settings, or a value is of another type or range; it names path and setting.
        PluginError: the problem is one of a plugin that is not loaded.
    """
    problem = config.get("problem")
    given = {name: tuple(v) if isinstance(v, list) else v for name, v in present(config).items() if name != "problem"}
    kind, misfits = variant_for(PROBLEMS[problem], given) if problem in tuple(PROBLEMS) else (None, ())
    if kind is None or "lr" not in given or not given.keys() <= settings_of(kind).keys():
        if takes(TrainingSettings, "plugins", given.get("plugins", ())):
            plugins.require(given.get("plugins", ()))
        raise RecordError(f"{path}: {UNKNOWN}: {config!r:.200}")
    for name in misfits:
        raise RecordError(f"{path}: {name} cannot be {given[name]!r:.100}: {UNKNOWN}")
    return kind(**given)
