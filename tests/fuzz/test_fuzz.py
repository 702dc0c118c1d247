"""Each target at a few inputs, and that each check of the guard can fail. The nightly command is ``python -m tests.fuzz``."""

import contextlib
import importlib.util
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dfanp import registry

from .__main__ import fuzz
from .command_line import bytes_of, run_command, tame
from .guard import Finding, guarded
from .seeds import BREAK, COMMANDS
from .targets import TARGETS, Target

pytestmark = pytest.mark.slow
FEW = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module", autouse=True)
def tamed():
    with tame():
        yield


def mutated(seeds):
    """Return a strategy: a valid input, of which some bytes are cut out and others put in."""
    cut = st.tuples(st.sampled_from(seeds), st.integers(0, 4096), st.integers(0, 8), st.binary(max_size=8))
    return st.binary(max_size=200) | cut.map(
        lambda of: of[0][: (at := of[1] % (len(of[0]) + 1))] + of[3] + of[0][at + of[2] :]
    )


@pytest.mark.parametrize("name", TARGETS)
def test_any_input_ends_as_promised(name, tmp_path_factory):
    target = TARGETS[name]
    seeds = target.seeds()

    def one(data):
        guarded(target, data, tmp_path_factory.mktemp("fuzz"))

    for content in seeds:  # loads what is loaded late, which is not the input's to pay for
        try:
            target.run(content, tmp_path_factory.mktemp("seed"))
        except target.allowed:
            continue
    FEW(given(mutated(seeds))(one))()


@pytest.mark.parametrize("line", COMMANDS)
def test_the_command_lines_that_fuzzing_begins_with_are_right(line, tmp_path):
    """One that is refused would lead nowhere; and none leaves a name behind."""
    names = registry.registered()
    assert run_command(bytes_of(line), tmp_path) == 0
    assert registry.registered() == names


@pytest.mark.parametrize("source", [b"import os; os._exit(9)", b"while True: pass", b"(" * 500, b"\0", b"'\\d'"])
def test_a_plugin_that_is_forged_is_not_run(source, tmp_path):
    line = bytes_of("parity --plugin plugin.py --hidden 3 --epochs 1")
    forged = (BREAK * 2).join([line, b"{}", b"", b"", source])
    guarded(TARGETS["command"], forged, tmp_path)
    assert (tmp_path / "plugin.py").read_bytes() == source


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory):
    """Name -> what became of a target in 200 inputs; they share a process in which the code is instrumented."""
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("atheris is not installed")
    return dict(fuzz(TARGETS, 200, tmp_path_factory.mktemp("found")))


@pytest.mark.parametrize("name", TARGETS)
def test_by_coverage(name, fuzzed):
    found = fuzzed[name]
    assert found.what is None, f"{found.what} ({found.file})"
    assert found.inputs >= 200 and found.edges > 10


def writes_outside(data, folder):
    (folder.parent / "outside").write_bytes(data)


def writes_and_hides_it(data, folder):
    with contextlib.suppress(BaseException):
        writes_outside(data, folder)


def moves_outside(data, folder):
    (folder / "a").write_bytes(data)
    (folder / "a").rename(folder.parent / "outside")


def writes_through_a_link(data, folder):
    (folder / "link").symlink_to(folder.parent)
    (folder / "link" / "outside").write_bytes(data)


def makes_a_folder(data, folder):
    (folder.parent / "outside").mkdir()


def starts_a_process(data, folder):
    subprocess.run([sys.executable, "-c", "pass"])


def warns(data, folder):
    warnings.warn("planted", RuntimeWarning, stacklevel=1)


def leaves(data, folder):
    sys.exit(0)


def raises(data, folder):
    raise KeyError("planted")


def tells_in_two_lines(data, folder):
    raise ValueError("one\ntwo")


def takes_memory(data, folder):
    np.ones(10_000_000)


def takes_time(data, folder):
    time.sleep(5)


@pytest.mark.parametrize(
    "planted, message",
    [
        (writes_outside, "written outside the folder: open"),
        (writes_and_hides_it, "written outside the folder: open"),
        (writes_through_a_link, "written outside the folder: open"),
        (moves_outside, "written outside the folder: os.rename"),
        (makes_a_folder, "written outside the folder: os.mkdir"),
        (starts_a_process, "written outside the folder: subprocess.Popen"),
        (warns, "RuntimeWarning was shown"),
        (leaves, "SystemExit was raised"),
        (raises, "KeyError was raised"),
        (tells_in_two_lines, "not one line"),
        (takes_memory, "bytes of memory"),
        (takes_time, "took more than"),
    ],
)
def test_each_check_can_fail(planted, message, tmp_path):
    folder = tmp_path / "inside"
    folder.mkdir()
    with pytest.raises(Finding, match=message):
        guarded(Target(planted, (ValueError,), list), b"data", folder, timeout=2)
    assert not (tmp_path / "outside").exists()


def test_what_keeps_to_the_promises_is_let_through(tmp_path):
    def good(data, folder):
        (folder / "a").write_bytes(data)
        (folder / "a").rename(folder / "b")
        np.ones(1000)
        raise ValueError("one line")

    guarded(Target(good, (ValueError,), list), b"data", tmp_path)
    assert (tmp_path / "b").read_bytes() == b"data"
