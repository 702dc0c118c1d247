"""The README files: their code runs, their links lead somewhere, and what they repeat from elsewhere is the same there."""

import ast
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import dfanp

from .documents import COURSE, PATHS, README, RESULTS, ROOT, anchors, blocks, links, run, scripts, section

# Phrases of a private language, for which there are plain terms.
PRIVATE = (
    "tells?", "told", "whoever", "hangs? (neither )?on", "stands? (there|here|in it)", "goes on", "go on with", "what came (of|to)",
    "parted by", "louder", "slips", "an? \\w+ an? (epoch|seed|run|step)", "contestants?", "kept runs?", "keeps a run", "as it was meant",
    "how far it is", "ours", "examples a step", "for people", "be it", "as such", "any ?body", "some ?body", "what is there",
    "whole or not at all",
)  # fmt: skip
PRIVATE = re.compile(rf"\b({'|'.join(PRIVATE)})\b".replace(" ", r"\s+"), re.IGNORECASE)
SOURCES = [path for folder in ("dfanp", "cli", "figures") for path in sorted((ROOT / folder).rglob("*.py"))]
NAMED = {"progress.py": ["told"], "table.py": ["ours"]}  # an array in files, and a name in the output of --json


def test_every_readme_is_read():
    found = {path for path in ROOT.glob("*/README.md") if path.parent.name != "api" and path.parent.name[0] != "."}
    assert {README, *found} == set(PATHS)


def test_the_first_page_is_short():
    assert len(README.read_text().splitlines()) <= 250


@pytest.mark.slow  # installed, there is nothing that the links lead to
@pytest.mark.parametrize("path", [*PATHS, COURSE], ids=lambda path: path.parent.name)
def test_links_lead_somewhere(path):
    text = path.read_text()
    for target in links(text):
        file, _, anchor = target.partition("#")
        there = path.parent / file if file else path
        assert there.exists(), target
        assert not anchor or anchor in anchors(there.read_text()), target


@pytest.mark.parametrize("path", [*PATHS, COURSE], ids=lambda path: path.parent.name)
def test_the_words_are_plain(path):
    assert [found[0] for found in PRIVATE.finditer(path.read_text())] == []


def test_the_words_of_the_code_are_plain():
    """Docstrings, comments, help, messages and names."""
    for path in SOURCES:
        found = {found[0] for found in PRIVATE.finditer(path.read_text())}
        assert found <= set(NAMED.get(path.name, ())), (path, found)


def test_private_words_are_found():
    for text in ("It tells all", "a line an epoch", "hangs\nneither on", "go on\nwith it", "Whoever"):
        assert PRIVATE.search(text), text
    assert not PRIVATE.search("a taller stand, one line per epoch")


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", [path for path in PATHS if scripts(path.read_text())], ids=lambda path: path.parent.name
)
def test_the_code_can_be_pasted_and_prints_what_is_said(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(path.read_text()) > 3


def test_the_first_page_has_rows_of_the_results():
    rows = [line for line in section(README.read_text(), "Results").splitlines() if line.startswith("|")]
    assert len(rows) > 5 and set(rows) <= set(RESULTS.read_text().splitlines())


def test_the_extras_are_those_of_the_package():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = re.findall(r"^\| `(\w+)` \|", section(README.read_text(), "Install"), re.MULTILINE)
    assert sorted(named) == sorted(extras)


def test_the_citation_is_of_this_version():
    citation = (ROOT / "CITATION.cff").read_text()
    assert re.search(r"^version: (.*)$", citation, re.MULTILINE)[1] == dfanp.__version__
    assert re.search(r"^license: BSD-3-Clause$", citation, re.MULTILINE)


def docstrings():
    """Yield every docstring of dfanp after the place that it is in."""
    for path in sorted(Path(dfanp.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node):
                yield f"{path.name} {getattr(node, 'name', '')}", ast.get_docstring(node)


def test_each_argument_has_its_line():
    """The API reference makes one entry of each line in these lists: of two arguments on one line it would hide the second."""
    lists = re.compile(r"^(?:Args|Attributes|Raises):\n((?:[ ].*\n?|\n)+)", re.MULTILINE)
    second = re.compile(r"[.;] (?!None\b)[A-Za-z_]\w*(?:, [A-Za-z_]\w*)*: ")
    for place, text in docstrings():
        assert not [line for part in lists.findall(text) for line in part.splitlines() if second.search(line)], place


def test_preformatted_lines_have_no_markup():
    """Indented parts of a docstring are shown as they are, marks of code included."""
    lists = re.compile(r"^(?:Args|Attributes|Raises|Returns|Yields):\n(?:[ ].*\n?|\n)+", re.MULTILINE)
    for place, text in docstrings():
        assert not [line for line in lists.sub("", text).splitlines() if line.startswith("    ") and "``" in line], (
            place
        )


@pytest.mark.slow
def test_the_api_reference_is_made_without_a_warning(tmp_path):
    """The command of the README, into another folder."""
    pytest.importorskip("pdoc")
    (line,) = [line for block in blocks(README.read_text(), "sh") for line in block.splitlines() if "pdoc" in line]
    command = line.rpartition("&& python ")[2].replace("-o api", f"-o {shlex.quote(str(tmp_path))}")
    assert command.startswith("-m pdoc ") and str(tmp_path) in command
    environment = os.environ | {"PYTHONWARNINGS": "error"}
    made = subprocess.run(
        f"{shlex.quote(sys.executable)} {command}",
        shell=True,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0 and made.stderr == ""
    assert {"index.html", "dfanp.html", "dfanp/rules.html", "dfanp/problems.html"} <= {
        path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.html")
    }
