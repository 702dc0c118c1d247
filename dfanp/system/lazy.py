"""Modules that are imported at their first use, so that the command line reads settings without NumPy."""

import importlib
import importlib.util
import sys
from types import ModuleType


class Lazy(ModuleType):
    """A stand-in for the module of the same name, which it imports at the first access of an attribute."""

    def __getattr__(self, attribute):
        name = self.__name__
        return getattr(sys.modules.get(name) or importlib.import_module(name), attribute)


def lazy(name):
    """Return a stand-in for the module `name`, such as ``lazy("numpy")``, that imports it at its first use."""
    return Lazy(name)


def names_of(package, homes):
    """Return the ``__getattr__`` and ``__dir__`` of a package whose names are imported at their first use.

    Args:
        package: its ``__name__``.
        homes: submodule -> the public names that it defines, with spaces between them.
    """
    home_of = {name: home for home, names in homes.items() for name in names.split()}

    def getattr_(name):
        if name in home_of:
            found = getattr(importlib.import_module(f"{package}.{home_of[name]}"), name)
        elif not name.startswith("__") and importlib.util.find_spec(f"{package}.{name}"):
            return importlib.import_module(f"{package}.{name}")  # which sets the attribute itself
        else:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        setattr(sys.modules[package], name, found)
        return found

    return getattr_, lambda: sorted({*vars(sys.modules[package]), *home_of})
