"""Names for things: what the command line, settings and records call a rule, an activation, a loss, an optimizer.

The library takes the things themselves wherever it takes a name. ``register`` gives a thing of your own a name:

    >>> import dfanp
    >>> sign = dfanp.Rule("sign", signal=lambda at: at.delta @ at.xp.sign(at.W.mT))
    >>> dfanp.register(sign) is sign, dfanp.rules.get("sign") is sign
    (True, True)
    >>> dfanp.rules.RULES.remove("sign")
"""

import copyreg
import importlib
from collections.abc import Mapping

from .errors import by_name, shown

REGISTRIES = []  # every Registry whose module was imported
HOMES = (
    "activations",
    "baselines",
    "losses",
    "measures",
    "optimizers",
    "problems",
    "rules",
)  # the modules that have one


class Registry(Mapping):
    """name -> thing, of one kind. It lists plain names; those with hyperparameters in them, such as
    ``adam:count=epochs``, are only found.

    Args:
        what: the kind, for messages ("rule", "optimizer").
        fits: ``fits(thing)``, whether a thing is of this kind.
        things: those that dfanp has itself; each has a ``name``.
        reserved: names that none can have.
    """

    def __init__(self, what, fits, things, reserved=()):
        self.what, self.fits, self.reserved = what, fits, reserved
        self._things = {thing.name: thing for thing in things}
        self._own = dict(self._things)
        REGISTRIES.append(self)
        for kind in {type(thing) for thing in things if isinstance(thing, tuple)}:
            copyreg.pickle(kind, self._reduced)

    def __getitem__(self, name):
        return self._things[name]

    def __contains__(self, name):
        return name in self._things

    def __iter__(self):
        return (name for name in self._things if ":" not in name)

    def __len__(self):
        return sum(1 for _ in self)

    def get(self, thing):
        """Return the thing called `thing`, or `thing` itself if it is one of this kind.

        Raises:
            ValueError: there is none of that name; the message lists the names and suggests the nearest.
        """
        return thing if self.fits(thing) else by_name(self.what, thing, self)

    def built_in(self, thing):
        """Return the name of a thing that dfanp has itself, the very object; None for any other.

        Kernels are looked up by it, so that they can stand in for no other thing of that name.
        """
        name = getattr(thing, "name", None)
        return name if isinstance(name, str) and self._own.get(name) is thing else None

    def _reduced(self, thing):
        """Return how a thing is copied and pickled: what dfanp has itself stays the very object, and so keeps its kernels."""
        name = self.built_in(thing)
        return object.__reduce_ex__(thing, 2) if name is None else (own, (type(thing), name))

    def add(self, thing):
        """Give a thing its name. One that was registered before under that name gives way to it.

        Raises:
            ValueError: the name is no name, or that of a thing which dfanp has itself.
        """
        name = self.name_of(thing)
        if not isinstance(name, str) or not name or not name.isprintable() or set(name) & set(" ,/"):
            raise ValueError(
                f"the name of a {self.what} must be text without spaces, commas or slashes, got {shown(name)}"
            )
        if name in self.reserved:
            raise ValueError(f"{name!r} is another field of a record: choose another name")
        if name in self._own and self._own[name] is not thing:
            raise ValueError(f"dfanp has a {self.what} {name!r} of its own: choose another name")
        self._things[name] = thing

    def name_of(self, thing):
        """Return the name that ``add`` gives a thing; None if it has none."""
        return getattr(thing, "name", None)

    def remove(self, name):
        """Forget a thing that was registered; those that dfanp has itself stay."""
        if name not in self._own:
            self._things.pop(name, None)


def register(thing):
    """Give a rule, an activation, a loss, an optimizer, a measure, a baseline or a problem's settings its name.

    It is then taken by that name in settings and on the command line, listed in its help and completed by the shell.
    Records keep the name, not the thing: who reads them must register it again (``dfanp --plugin`` does).

    Args:
        thing: a ``Rule``, ``Activation``, ``Loss``, ``Measure``, ``Baseline``, a subclass of ``Optimizer``, or of
            ``TrainingSettings``; its ``name`` is the name.

    Returns:
        `thing`, so that a class can be decorated with it.

    Raises:
        TypeError: it is none of these.
        ValueError: see ``Registry.add``.
    """
    for registry in REGISTRIES:  # a thing of a kind exists only where the module of its kind was imported
        if registry.fits(thing):
            registry.add(thing)
            return thing
    kinds = ", ".join(registry.what for registry in registries())
    raise TypeError(f"there are names for things of these kinds: {kinds}; got {shown(thing)}")


def built_in(thing):
    """Return the name of a thing that dfanp has itself, the very object, of whatever kind; None for any other."""
    return next((registry.built_in(thing) for registry in REGISTRIES if registry.fits(thing)), None)


def registries():
    """Return every Registry there is."""
    for home in HOMES:
        importlib.import_module(f".{home}", __package__)
    return REGISTRIES


def registered():
    """Return all that has a name now, for ``restore``."""
    return {registry.what: dict(registry._things) for registry in registries()}


def restore(before):
    """Give names to what had them when ``registered`` was called, and to nothing else."""
    for registry in registries():
        registry._things = dict(before.get(registry.what, registry._own))


def own(kind, name):
    """Return the thing of the class `kind` that dfanp itself has under a name."""
    return next(each for registry in REGISTRIES for each in [registry._own.get(name)] if type(each) is kind)


def provider(kind, name):
    """Return the class that gives the class `kind` its attribute `name`."""
    return next(each for each in kind.__mro__ if name in vars(each))


def overrides(thing, base, names):
    """Return those of `names` that an object, or its class, defines in another way than the class `base` does."""
    own = getattr(thing, "__dict__", {})
    return [name for name in names if name in own or getattr(type(thing), name) is not getattr(base, name)]
