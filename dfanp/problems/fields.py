"""The fields of settings: each setting is defined once; its option, help, completion and checks derive from it.

    class SpiralSettings(TrainingSettings):
        turns: float = setting(1.5, "Number of turns of each spiral.", above=0)

is the option ``--turns NUMBER`` of ``dfanp spirals``, a list of numbers in ``dfanp tune spirals``, and
``"turns": 1.5`` in a record.
"""

from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from inspect import get_annotations
from types import NoneType, UnionType
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

from ..checks import choice, number, truth, whole
from ..errors import shown


def setting(default: Any = MISSING, help: str | None = None, **more: Any) -> Any:
    """Return the field of a setting, for a class of settings; its annotation is its type.

    Types are bool, int, float, str, ``tuple[int, ...]``, and each of them with ``| None``. A field without help has
    no option. A class that redefines a setting of its base class gives only the differences.

    Args:
        default: without it, the setting is required.
        help: what it does, a phrase with a full stop.
        least, most, above: limits of a number, or of each number in a tuple.
        names: the possible texts: a tuple, or a function that returns the current ones (plugins may add some).
        parse: ``parse(text)`` of a text that begins with one of `names` returns its shortest form, or raises a
            ValueError.
        parameters: ``parameters(name)`` returns the names that may follow after a colon.
        words: of a boolean, word -> value: the possible values of its option; the first is used for an option without
            a value.
        auto: the meaning of "auto", the default of the option, in words; ``TrainingSettings.decided`` resolves it.
        unset: the default in words, if ``TrainingSettings.decided`` determines it.
        metavar: name of the value in the help.
        swept: False if a sweep has a single value of it.
        positional: whether it is the path that a command takes as its argument, not an option.
    """
    unknown = more.keys() - {each.name for each in fields(Setting)} | more.keys() & {"name", "types"}
    if unknown:
        raise TypeError(f"setting() has no argument {unknown.pop()!r}")
    return field(default=default, metadata=more if help is None else {"help": help, **more})


@dataclass(frozen=True)
class Setting:
    """The definition of a setting in a class: see ``setting``; `types` are those of its annotation."""

    name: str
    types: tuple
    default: Any = MISSING
    help: str | None = None
    least: float | None = None
    most: float | None = None
    above: float | None = None
    names: Any = None
    parse: Any = None
    parameters: Any = None
    words: Any = None
    auto: str | None = None
    unset: str | None = None
    metavar: str | None = None
    swept: bool = True
    positional: bool = False
    _check = cast(Any, None)  # of a value, by the type

    @property
    def type(self) -> Any:
        """The type of its values: the first of bool, int, float, str and tuple that its annotation has."""
        return next((each for each in (bool, int, float, str, tuple) if each in self._origins), None)

    @property
    def several(self) -> bool:
        """Whether one run may have several of its values: int or a tuple of them."""
        return {int, tuple} <= set(self._origins)

    @property
    def _origins(self):
        return [get_origin(each) or each for each in self.types]

    @property
    def listed(self) -> bool:
        """Whether a sweep may have several values of it."""
        return self.swept and self.type is not bool

    def __post_init__(self):
        checks = {bool: self._truth, int: self._whole, float: self._number, str: self._text, tuple: self._many}
        object.__setattr__(self, "_check", checks.get(self.type))

    def checked(self, value: Any) -> Any:
        """Return a value in the form of settings; a ValueError if it is invalid.

        If `names` is a function, names are not checked here (a plugin may not be loaded), but when a run is built.
        """
        return None if value is None and NoneType in self.types else self._check(value)

    @property
    def _other(self):
        return " or None" if NoneType in self.types else ""

    def _whole(self, value):
        if self.several and isinstance(value, (tuple, list)):
            many = self._many(value)
            if len(set(many)) < len(many):
                raise ValueError(f"{self.name} must be distinct whole numbers, got {shown(value)}")
            return many[0] if len(many) == 1 else many
        return whole(self.name, value, self.least, self.most, self._other)

    def _number(self, value):
        return number(self.name, value, self.least, self.most, self.above, other=self._other)

    def _truth(self, value):
        texts = [word for word in (self.words or {}).values() if isinstance(word, str)]
        if isinstance(value, str) and value in texts:
            return value
        return truth(self.name, value, "".join(f" or {text!r}" for text in texts))

    def _text(self, value):
        if not isinstance(value, str) and tuple in self.types:
            return self._many(value)
        if isinstance(self.names, tuple):
            return choice(self.name, value, self.names)
        if not isinstance(value, str):
            raise ValueError(f"{self.name} must be a text, got {shown(value)}")
        return value

    def _many(self, value):
        of = next(((*get_args(each), Any)[0] for each in self.types if (get_origin(each) or each) is tuple), Any)
        if not isinstance(value, (tuple, list)) or (of is int and not value):
            raise ValueError(f"{self.name} must be a tuple{' of whole numbers' * (of is int)}, got {shown(value)}")
        if of is int:
            return tuple(whole(f"each of {self.name}", one, self.least, self.most) for one in value)
        if of is not Any and not all(isinstance(one, of) for one in value):
            raise ValueError(f"{self.name} must be a tuple of {of.__name__}, got {shown(value)}")
        return tuple(value)


def settings_of(kind: type) -> dict[str, Setting]:
    """Return name -> Setting of a class of settings, in their order, merged with the definitions in its bases.

    Raises:
        TypeError: an annotation is not one of the types in ``setting``.
        ValueError: a default is out of range.
    """
    return _settings_of(kind)


@cache
def _settings_of(kind):
    hints, metadata = get_type_hints(kind), {}
    for base in reversed(kind.__mro__):
        own = get_annotations(base) if "__dataclass_fields__" in vars(base) else ()
        for each in (each for each in fields(base) if each.name in own) if own else ():
            before = metadata.get(each.name, {})
            if each.default is not MISSING:  # which replaces `unset` of the base
                before = before | {"unset": None}
            metadata[each.name] = before | each.metadata
    found = {}
    for each in fields(kind):
        hint = hints[each.name]
        types = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
        found[each.name] = Setting(each.name, types, each.default, **metadata[each.name])
        if found[each.name].type is None:
            wanted = "bool, int, float, str or tuple[int, ...], or one of these | None"
            raise TypeError(f"the setting {each.name!r} must be annotated with {wanted}, got {hint!r}")
        if each.default is not MISSING:
            found[each.name].checked(each.default)
    return found
