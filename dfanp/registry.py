"""Names of rules, activations, losses, optimizers and more, for the command line, settings and records.

The library accepts an object wherever it accepts a name. ``register`` makes the name of your own object known:

    >>> import dfanp
    >>> sign = dfanp.Rule("sign", signal=lambda at: at.delta @ at.xp.sign(at.W.mT))
    >>> dfanp.register(sign) is sign, dfanp.rules.get("sign") is sign
    (True, True)
    >>> dfanp.rules.RULES.remove("sign")
"""

import copyreg
import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from .errors import by_name, shown

T = TypeVar("T")
REGISTRIES: list["Registry"] = []  # every Registry whose module is imported
# The modules that define one.
HOMES = "activations", "baselines", "losses", "measures", "optimizers", "problems", "rules", "schedules"


class Registry(Mapping):
    """name -> thing, of one kind. Iteration lists plain names only, without names such as ``adam:count=epochs``.

    Args:
        what: the kind, for messages ("rule", "optimizer").
        fits: ``fits(thing)``, whether a thing is of this kind.
        things: the built-in ones; each has a ``name``.
        reserved: names that are not permitted.
    """

    def __init__(
        self, what: str, fits: Callable[[Any], bool], things: Iterable[Any], reserved: Iterable[str] = ()
    ) -> None:
        self.what, self.fits, self.reserved = what, fits, reserved
        self._things = {thing.name: thing for thing in things}
        self._own = dict(self._things)
        REGISTRIES.append(self)
        for kind in {type(thing) for thing in things if isinstance(thing, tuple)}:
            copyreg.pickle(kind, self._reduced)

    def __getitem__(self, name: str) -> Any:
        return self._things[name]

    def __contains__(self, name: object) -> bool:
        return name in self._things

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._things if ":" not in name)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def get(self, thing):
        """Return the thing called `thing`, or `thing` itself if it is of this kind.

        Raises:
            ValueError: the name is unknown; the message lists the known names and suggests the nearest.
        """
        return thing if self.fits(thing) else by_name(self.what, thing, self)

    def built_in(self, thing: Any) -> str | None:
        """Return the name of a built-in thing (that very object); None for any other.

        Kernels are looked up by it, so that they replace no other thing of that name.
        """
        name = getattr(thing, "name", None)
        return name if isinstance(name, str) and self._own.get(name) is thing else None

    def _reduced(self, thing):
        """Return how a thing is copied and pickled: a built-in one stays the same object, and so keeps its kernels."""
        name = self.built_in(thing)
        return object.__reduce_ex__(thing, 2) if name is None else (own, (type(thing), name))

    def add(self, thing: Any) -> None:
        """Register a thing under its name, in place of one that was registered under that name before.

        Raises:
            ValueError: the name is invalid, or that of a built-in thing.
        """
        name = self.name_of(thing)
        if not isinstance(name, str) or not name or not name.isprintable() or set(name) & set(" ,/"):
            raise ValueError(
                f"the name of a {self.what} must be text without spaces, commas or slashes, got {shown(name)}"
            )
        if name in self.reserved:
            raise ValueError(f"{name!r} is another field of a record: choose another name")
        if name in self._own and self._own[name] is not thing:
            raise ValueError(f"{name!r} is a built-in {self.what} of dfanp: choose another name")
        self._things[name] = thing

    def name_of(self, thing):
        """Return the name that ``add`` gives a thing; None if it has none."""
        return getattr(thing, "name", None)

    def remove(self, name: str) -> None:
        """Remove a registered thing; built-in ones stay."""
        if name not in self._own:
            self._things.pop(name, None)


def register(thing: T) -> T:
    """Register a rule, activation, loss, optimizer, schedule, measure, baseline or settings of a problem under its name.

    Settings and the command line then accept the name, help lists it, and the shell completes it. Records contain the
    name, not the thing: to read them, register it again (as ``--plugin`` does).

    Args:
        thing: a ``Rule``, ``Activation``, ``Loss``, ``Measure``, ``Baseline``, ``Schedule``, a subclass of ``Optimizer``, or of
            ``TrainingSettings``; its ``name`` is the name.

    Returns:
        `thing`, so that a class can be decorated with it.

    Raises:
        TypeError: it is of another kind.
        ValueError: see ``Registry.add``.
    """
    for registry in REGISTRIES:  # a thing exists only if the module of its kind is imported
        if registry.fits(thing):
            registry.add(thing)
            return thing
    kinds = ", ".join(registry.what for registry in registries())
    raise TypeError(f"only things of these kinds can be registered: {kinds}; got {shown(thing)}")


def named(thing: Any) -> str:
    """Return the ``repr`` of a thing with a name: Rule('dfa')."""
    return f"{type(thing).__name__}({thing.name!r})"


def built_in(thing: Any) -> str | None:
    """Return the name of a built-in thing (that very object) of any kind; None for any other."""
    return next((registry.built_in(thing) for registry in REGISTRIES if registry.fits(thing)), None)


def registries():
    """Return every Registry."""
    for home in HOMES:
        importlib.import_module(f".{home}", __package__)
    return REGISTRIES


def registered():
    """Return all registered things, for ``restore``."""
    return {registry.what: dict(registry._things) for registry in registries()}


def restore(before):
    """Restore the registered things to what ``registered`` returned."""
    for registry in registries():
        registry._things = dict(before.get(registry.what, registry._own))


def own(kind, name):
    """Return the built-in thing of the class `kind` with a name."""
    return next(each for registry in REGISTRIES for each in [registry._own.get(name)] if type(each) is kind)


def provider(kind, name):
    """Return the class that defines the attribute `name` of the class `kind`."""
    return next(each for each in kind.__mro__ if name in vars(each))


def overrides(thing, base, names):
    """Return those of `names` that an object or its class overrides, compared with the class `base`."""
    own = getattr(thing, "__dict__", {})
    return [name for name in names if name in own or getattr(type(thing), name) is not getattr(base, name)]
