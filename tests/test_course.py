"""The course: its examples and those of the modules are run, and its commands print the numbers beside them."""

import doctest
import importlib
import pkgutil
import re
import shlex
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

import dfanp
from dfanp import backend, course
from dfanp.kernels import Kernels

from .documents import README, blocks, run, section
from .kernels.emulated import emulated_backend

pytestmark = pytest.mark.slow
COURSE = course.text()
READ_IN_ORDER = re.findall(r"\]\(\.\./(\w+)\.py\)", COURSE.partition("\n## ")[0])
MODULES = [each.name for each in pkgutil.walk_packages(dfanp.__path__, "dfanp.") if not each.name.endswith("_native")]
NUMBER = re.compile(r"\d+\.\d+")
CLOSE = 0.04  # kernels round differently, which becomes visible after some epochs


def failures_of(test):
    runner = doctest.DocTestRunner()
    lines = []
    with threadpool_limits(1):  # products so small are no work for threads, which then wait for each other
        runner.run(test, out=lines.append)
    return "".join(lines)


def examples(module):
    finder = doctest.DocTestFinder(exclude_empty=True)
    return [test for test in finder.find(importlib.import_module(module)) if test.examples]


def modules_with_examples():
    paths = {name: Path(importlib.util.find_spec(name).origin) for name in MODULES}
    return [name for name, path in paths.items() if ">>> " in path.read_text()]


def test_the_course_as_a_session():
    sessions = [block for block in blocks(COURSE, "python") if ">>> " in block]
    assert len(sessions) > 5
    session = doctest.DocTestParser().get_doctest("\n".join(sessions), {}, "course.md", "course.md", 0)
    assert not failures_of(session)


@pytest.mark.parametrize("tier", ["numpy", "native", "numba", "cuda"])
def test_what_a_reader_writes_runs_on_every_tier(tier, monkeypatch):
    """ "Write your own", with each tier in place of the one that "auto" selects."""
    kernels = (emulated_backend() if tier == "cuda" else dfanp.Backend("cpu", kernels=tier)).kernels

    def resolve(name, xp, device):
        chosen = Kernels(kernels.tier, kernels.plain)
        used.append(chosen)
        return chosen

    used = []
    monkeypatch.setattr(backend, "resolve", resolve)
    assert run(section(README.read_text(), "Write your own")) >= 5
    assert used and not any(each.notes for each in used)


@pytest.mark.parametrize("module", modules_with_examples())
def test_a_module_by_its_examples(module):
    tests = examples(module)
    assert tests and not "".join(map(failures_of, tests))


def test_every_module_of_the_course_has_an_example():
    assert len(READ_IN_ORDER) == 10
    assert {f"dfanp.{name}" for name in READ_IN_ORDER} <= set(modules_with_examples())


def in_console():
    """Yield each command of the course with the lines of its output that are quoted."""
    for block in blocks(COURSE, "console"):
        command, *lines = block.removeprefix("$ ").strip().splitlines()
        yield command, lines


@pytest.mark.parametrize("command, lines", list(in_console()))
def test_a_command_prints_the_quoted_numbers(command, lines, shell, monkeypatch, tmp_path):
    (tmp_path / "figures").mkdir()
    monkeypatch.chdir(tmp_path)
    printed = {line.partition(":")[0][:14]: line for line in shell(command).splitlines()}
    for line in lines:
        here = [float(number) for number in NUMBER.findall(printed[line.partition(":")[0][:14]])]
        assert here == pytest.approx([float(number) for number in NUMBER.findall(line)], abs=CLOSE), line
    assert list((tmp_path / "figures").glob("*.svg"))


def in_tables():
    """Yield each command of the table with its shared options, and the interval beside it."""
    shared = re.search(r"each\s+command\s+has\s+`(.*?)`\s+appended", COURSE, re.DOTALL).group(1)
    for command, mean, half in re.findall(r"^\| `(dfanp .*?)` \| (\S+) ± (\S+) \|$", COURSE, re.MULTILINE):
        yield f"{command} {shared}", float(mean), float(half)


def test_where_it_fails(shell):
    """One seed of the three, which is a third of the time."""
    found = {}
    for command, mean, half in in_tables():
        (row,) = re.findall(r"^ +0 .*", shell(f"{command} --repeats 1"), re.MULTILINE)
        found[command] = float(row.split()[3])
        assert found[command] == pytest.approx(mean, abs=half + CLOSE), command
    bp, bp_deep, dfa, dfa_deep = found.values()
    assert bp_deep - bp > 0.15 and dfa_deep - dfa < 0.05


@pytest.fixture
def shell(capsys):
    """Run a command line in this process; return what it prints."""
    from dfanp_cli.main import run

    def call(command):
        program, *words = shlex.split(command)
        assert program == "dfanp" and run([*words, "--quiet"]) == 0
        return capsys.readouterr().out

    return call
