"""The settings of runs, and how they are read from a record (see ``problems.settings`` and the problems)."""

from pathlib import Path
from typing import Any, TypeVar

from . import plugins
from .errors import RecordError
from .problems import (
    PROBLEMS,
    ClassesSettings,
    ConvSettings,
    OwnSettings,
    ParitySettings,
    SyntheticSettings,
    TargetsSettings,
    TeacherSettings,
)
from .problems.fields import setting, settings_of
from .problems.settings import TrainingSettings, present

__all__ = [
    "PROBLEMS",
    "ClassesSettings",
    "ConvSettings",
    "OwnSettings",
    "ParitySettings",
    "SyntheticSettings",
    "TargetsSettings",
    "TeacherSettings",
    "TrainingSettings",
    "from_config",
    "made",
    "present",
    "setting",
    "settings_of",
    "variant_for",
]
S = TypeVar("S", bound=TrainingSettings)
UNKNOWN = "not the settings of a run that this dfanp knows"


def variant_for(kind: type[S], given: dict[str, Any]) -> tuple[type[S], Any]:
    """Return the class for the problem of `kind` that accepts the settings `given`, and the names that it rejects.

    It is the first variant that accepts all; if none does, the first that has all of these settings, or `kind`.
    """
    every = PROBLEMS.variants(kind)
    known = [each for each in every if given.keys() <= settings_of(each).keys()] or [kind]
    misfits = {each: [name for name, value in given.items() if not takes(each, name, value)] for each in known}
    return next(((each, ()) for each in known if not misfits[each]), (known[0], misfits[known[0]]))


def takes(kind: type[TrainingSettings], name: str, value: Any) -> bool:
    """Whether a class of settings accepts a value of the setting `name`."""
    try:
        settings_of(kind)[name].checked(value)
    except (KeyError, ValueError):
        return False
    return True


def made(kind: type[S], **given: Any) -> S:
    """Return settings of the problem of `kind`: an object of its first class that accepts them.

    Raises:
        ValueError: no class accepts them; the message says why one of them does not.
    """
    found, _ = variant_for(kind, given)
    unknown = [name for name in given if name not in settings_of(found)]
    if unknown:
        raise ValueError(f"no settings of {kind.name} have all of these: {', '.join(unknown)}")
    return found(**given)


def from_config(config: dict[str, Any], path: str | Path) -> TrainingSettings:
    """Return the settings whose ``config()`` is `config`, a dict from the file `path`.

    Raises:
        RecordError: a setting is unknown, or its value has another type or range; the message names path and setting.
        PluginError: the problem belongs to a plugin that is not loaded.
    """
    problem: Any = config.get("problem")
    given = {name: tuple(v) if isinstance(v, list) else v for name, v in present(config).items() if name != "problem"}
    kind, misfits = variant_for(PROBLEMS[problem], given) if problem in tuple(PROBLEMS) else (None, ())
    if kind is None or "lr" not in given or not given.keys() <= settings_of(kind).keys():
        if takes(TrainingSettings, "plugins", given.get("plugins", ())):
            plugins.require(given.get("plugins", ()))
        raise RecordError(f"{path}: {UNKNOWN}: {config!r:.200}")
    for name in misfits:
        raise RecordError(f"{path}: {name} cannot be {given[name]!r:.100}: {UNKNOWN}")
    return kind(**given)
