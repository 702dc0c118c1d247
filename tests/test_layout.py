"""The layout: a ground floor that is the textbook, packages below it, and imports that never run in a circle."""

import ast
import graphlib
from pathlib import Path

import pytest

import dfanp

PACKAGE = Path(dfanp.__file__).parent
GROUND_FLOOR = [
    "activations",
    "losses",
    "network",
    "feedback",
    "gradients",
    "rules",
    "optimizers",
    "schedules",
    "training",
    "alignment",
    "baselines",
    "convolution",
    "backend",
    "streams",
    "inputs",
    "errors",
    "checks",
    "measures",
    "registry",
    "plugins",
    "settings",
    "version",
]


def modules():
    """Return module (a tuple of names below dfanp) -> (path, whether it is a package)."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        *folders, name = path.relative_to(PACKAGE).with_suffix("").parts
        found[tuple(folders) if name == "__init__" else (*folders, name)] = path, name == "__init__"
    return found


def imports(module, path, is_package, known):
    """Yield the modules of dfanp that a module imports when it is imported itself."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.level:
            package = module if is_package else module[:-1]
            base = (*package[: len(package) - node.level + 1], *(node.module.split(".") if node.module else ()))
            yield from ((*base, name.name) if (*base, name.name) in known else base for name in node.names)


@pytest.fixture(scope="module")
def graph():
    known = modules()
    return {module: set(imports(module, *of, known)) - {module} for module, of in known.items()}


def test_the_ground_floor_is_the_textbook_and_what_all_stand_on():
    assert {path.stem for path in PACKAGE.glob("*.py")} == {"__init__", "__main__", *GROUND_FLOOR}


def test_no_imports_run_in_a_circle_neither_of_modules_nor_of_packages(graph):
    list(graphlib.TopologicalSorter(graph).static_order())
    rooms = {}
    for module, needs in graph.items():
        if module:
            rooms.setdefault(module[0], set()).update(each[0] for each in needs if each and each[0] != module[0])
    list(graphlib.TopologicalSorter(rooms).static_order())


@pytest.mark.slow  # the installed tests have no code of the package beside them
def test_tests_mirror_the_package():
    tests, known = Path(__file__).parent, modules()
    folders = {module[0] for module, (_, is_package) in known.items() if module and is_package}
    for folder in folders & {path.name for path in tests.iterdir()}:
        for path in (tests / folder).glob("test_*.py"):
            name = path.stem.removeprefix("test_")
            assert (folder, name) in known or (folder, name) in NAMED_AFTER_WHAT_THEY_TEST, path


# Tests of what several modules of a package do together.
NAMED_AFTER_WHAT_THEY_TEST = {
    ("kernels", "races"),
    ("notebook", "loggers"),
    ("kernels", "steps"),
    ("kernels", "tensor_cores"),
    ("kernels", "table"),
    ("experiments", "experiments"),
}
