"""The fields of settings: what a setting is, said once. Its option, help, completion and checks are made of it.

    class SpiralSettings(TrainingSettings):
        turns: float = setting(1.5, "Number of turns of each spiral.", above=0)

is the option ``--turns NUMBER`` of ``dfanp spirals``, a list of numbers in ``dfanp tune spirals``, and
``"turns": 1.5`` in a record.
"""

from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from inspect import get_annotations
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from ..checks import choice, number, truth, whole
from ..errors import shown


def setting(default=MISSING, help=None, **more):
    """Return the field of a setting, for a class of settings; its annotation says what type it has.

    The types are bool, int, float, str, ``tuple[int, ...]``, and each of them with ``| None``. A field without help
    has no option. A class that has a setting of its base class again says only what differs.

    Args:
        default: without one, the setting must be given.
        help: what it does, a phrase that ends with a full stop.
        least, most, above: limits of a number, or of each number in a tuple.
        names: all that a text may be: a tuple, or a function that returns those there are now (plugins bring others).
        parse: ``parse(text)`` of a text that begins with one of `names`: returns its shortest form, or raises a
            ValueError.
        parameters: ``parameters(name)`` returns the names that may follow after a colon.
        words: of a truth value, word -> value: what its option takes; the first one where the option has no value.
        auto: what "auto" means, in words: it is the default of the option, and ``TrainingSettings.decided`` decides.
        unset: what holds without the option, in words; ``TrainingSettings.decided`` decides.
        metavar: what help calls the value.
        swept: False if a sweep has one value of it.
    """
    unknown = more.keys() - {each.name for each in fields(Setting)} | more.keys() & {"name", "types"}
    if unknown:
        raise TypeError(f"setting() has no argument {unknown.pop()!r}")
    return field(default=default, metadata=more if help is None else {"help": help, **more})


@dataclass(frozen=True)
class Setting:
    """What a class of settings says of one of them: see ``setting``; `types` are those of its annotation."""

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

    @property
    def type(self):
        """The type of its values: bool, int, float, tuple or str, the first of these that its annotation has."""
        own = [get_origin(each) or each for each in self.types]
        return next((each for each in (bool, int, float, str, tuple) if each in own), None)

    @property
    def listed(self):
        """Whether a sweep may have several values of it."""
        return self.swept and self.type is not bool

    def __post_init__(self):
        checks = {bool: self._truth, int: self._whole, float: self._number, str: self._text, tuple: self._many}
        object.__setattr__(self, "_check", checks.get(self.type))

    def checked(self, value):
        """Return a value as settings keep it; a ValueError says what is wrong with it.

        Where `names` is a function, names are not looked up (a plugin may not be loaded): building a run looks them up.
        """
        return None if value is None and NoneType in self.types else self._check(value)

    @property
    def _other(self):
        return " or None" if NoneType in self.types else ""

    def _whole(self, value):
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


@cache
def settings_of(kind):
    """Return name -> Setting of a class of settings, in their order; of each, what its class and its bases say.

    Raises:
        TypeError: one is annotated in another way than ``setting`` has it.
        ValueError: a default is out of its range.
    """
    hints, metadata = get_type_hints(kind), {}
    for base in reversed(kind.__mro__):
        own = get_annotations(base) if "__dataclass_fields__" in vars(base) else ()
        for each in (each for each in fields(base) if each.name in own) if own else ():
            before = metadata.get(each.name, {})
            if each.default is not MISSING:  # which takes the place of what is done without one
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
