"""Files of your own definitions for the command line: ``dfanp parity --plugin FILE.py``, or DFANP_PLUGINS.

A plugin is a Python file that calls ``dfanp.register``. Settings contain its name and SHA-256, so that a run is not
resumed with another version of it. A worker loads the plugins of the process that started it. Reading a record loads
no plugin.
"""

import hashlib
import importlib
import sys
import types
from pathlib import Path
from typing import Any

from .errors import PluginError, first_line
from .registry import registered, restore

LOADED: dict[Path, str] = {}  # path of a file -> its SHA-256
SHARED: dict[str, None] = {}  # name of an importable module that workers import too -> None
PREFIX = "dfanp_plugin_"  # of module names


def load(path: str | Path, sha256: str | None = None) -> None:
    """Run the file `path`, which registers its definitions; once per content.

    Args:
        sha256: that the file must have; None accepts any.

    Raises:
        PluginError: the file cannot be read, fails, registers nothing, or has another SHA-256. It then registers
            nothing.
    """
    path = Path(path).absolute()
    try:
        source = path.read_bytes()
    except OSError as error:
        raise PluginError(f"the plugin {path} cannot be read ({error.strerror or error})") from None
    digest = hashlib.sha256(source).hexdigest()
    if sha256 not in (None, digest):
        raise PluginError(f"the plugin {path} has changed: its SHA-256 is {digest}, not {sha256}")
    if LOADED.get(path) == digest:
        return
    before = registered()
    try:
        execute(path, source)
        if registered() == before:
            raise PluginError(f"the plugin {path} registers nothing: it should call dfanp.register")
    except BaseException:
        restore(before)
        raise
    LOADED[path] = digest


def execute(path, source):
    """Run the source of a plugin as a module."""
    name = f"{PREFIX}{path.stem}"
    module = types.ModuleType(name)
    module.__file__ = str(path)
    before = sys.modules.get(name)
    sys.modules[name] = module  # where classes look their module up
    try:
        exec(compile(source, str(path), "exec"), vars(module))
    except (PluginError, KeyboardInterrupt):
        raise
    except BaseException as error:  # SystemExit too: a file that is loaded must not end the program
        sys.modules.pop(name) if before is None else sys.modules.__setitem__(name, before)
        unplaced = f"the plugin {path} fails ({type(error).__name__}: {first_line(error)})"
        raise PluginError(blame(error, [path]) or unplaced) from None


def blame(error, paths=None):
    """Return a line about an error in the code of a plugin.

    None if it was in none of `paths` (default: the loaded files).
    """
    paths, where, trace = list(map(str, LOADED if paths is None else paths)), None, error.__traceback__
    if isinstance(error, SyntaxError) and error.filename in paths:
        where = error.filename, error.lineno
    while trace is not None:
        if trace.tb_frame.f_code.co_filename in paths:
            where = trace.tb_frame.f_code.co_filename, trace.tb_lineno
        trace = trace.tb_next
    if where is None:
        return None
    return f"the plugin {where[0]} fails (line {where[1]}: {type(error).__name__}: {first_line(error)})"


def share(module):
    """Make workers import the module of this name, too, because it registers things."""
    SHARED[module] = None


def loaded():
    """Return what a worker must load to know the same names: modules to import, and (path, SHA-256) of files."""
    return tuple(SHARED), tuple((str(path), digest) for path, digest in LOADED.items())


def load_all(needed):
    """Load what ``loaded`` returned in another process."""
    modules, files = needed
    for module in modules:
        importlib.import_module(module)
    for path, digest in files:
        load(path, digest)


def defines(kind):
    """Whether the file of a plugin defines a class: another process must load the file first."""
    return kind.__module__.startswith(PREFIX)


def rebuilt(needed, module, name, attributes):
    """Return an object of the class `name` of a plugin's module, in a process that may have to load the plugin first.

    Args:
        needed: the result of ``loaded`` in the original process.
        attributes: of the object.
    """
    load_all(needed)
    kind = getattr(sys.modules[module], name)
    made = object.__new__(kind)
    vars(made).update(attributes)
    return made


def digests() -> tuple[str, ...]:
    """Return "NAME SHA-256" of each loaded file, in order of names, as settings contain them."""
    return tuple(sorted(f"{path.name} {digest}" for path, digest in LOADED.items()))


def require(wanted: Any) -> None:
    """Raise a PluginError unless all files that settings name (see ``digests``) are loaded."""
    here = digests()
    for each in wanted:
        name, _, digest = each.rpartition(" ")
        if each in here:
            continue
        other = next((one.rpartition(" ")[2] for one in here if one.rpartition(" ")[0] == name), None)
        if other:
            raise PluginError(
                f"this run was made with another version of the plugin {name}: SHA-256 {digest}, not {other}"
            )
        raise PluginError(f"this run needs the plugin {name} (SHA-256 {digest}): name it with --plugin {name}")
