"""The notebook of the course: made of its text, executed whole, with the exercises as they are and solved."""

import json
import re

import pytest

from dfanp import course
from dfanp.course import exercises, notebook

from ..documents import blocks

FOLDED = notebook.FOLDED.findall(course.text())


def solutions():
    """Return exercise -> code of its solution."""
    found = {}
    for part in FOLDED:
        (block,) = blocks(part, "python")
        code = "".join(code for code, _ in notebook.sessions(block))
        found[re.search(r'check\("(\w+)"', code)[1]] = code
    return found


def test_every_exercise_has_a_cell_and_a_folded_solution():
    cells = notebook.cells(course.text())
    asked = [
        re.search(r'course.check\("(\w+)"', code)[1]
        for kind, code, _ in cells
        if kind == "code" and "course.check" in code
    ]
    assert sorted(asked) == sorted(exercises.EXERCISES) == sorted(solutions())
    assert all(
        output.startswith("Not yet: ") for kind, code, output in cells if "course.check" in code and kind == "code"
    )
    assert len(re.findall(r"^\*\*Exercise \d\.\*\*", course.text(), re.MULTILINE)) == len(asked)


def test_a_cell_ends_where_the_session_has_an_output():
    text = "# T\n\nWords [here](there.md).\n\n![p](p.svg)\n\n```python\n>>> a = 1\n>>> a\n1\n>>> b = 2\n```\n\n```sh\nls\n```\nEnd.\n"
    assert notebook.cells(text) == [
        ("markdown", "# T\n\nWords here.", ""),
        ("code", "a = 1\na\n", "1\n"),
        ("code", "b = 2\n", ""),
        ("markdown", "```sh\nls\n```\nEnd.", ""),
    ]


def test_it_is_a_valid_notebook():
    nbformat = pytest.importorskip("nbformat")
    made = nbformat.from_dict(notebook.notebook())
    nbformat.validate(made)
    assert not re.search(
        r"\]\((?!https?:)", "".join(cell.source for cell in made.cells if cell.cell_type == "markdown")
    )
    assert not any(">>>" in cell.source for cell in made.cells)


def executed(made):
    """Return the outputs of the code cells of a notebook, a list of texts for each, and the PNGs, after all of it ran."""
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    node = nbformat.from_dict(made)
    nbclient.NotebookClient(node, timeout=300, kernel_name="python3").execute()
    texts, pictures = [], []
    for cell in node.cells:
        if cell.cell_type == "code":
            said = []
            for output in cell.outputs:
                data = output.get("data", {})
                pictures += [data["image/png"]] if "image/png" in data else []
                # What fit() showed is HTML; it is no output of the session.
                if "text/html" not in data or output.output_type != "display_data":
                    said.append(output.get("text") or data.get("text/plain", ""))
            texts.append("".join(said).strip())
    return texts, pictures, node


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of Jupyter's own
def test_it_runs_whole_and_its_exercises_fail_and_then_pass(monkeypatch, tmp_path):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    made = notebook.notebook()
    wanted = [output.strip() for kind, _, output in notebook.cells(course.text()) if kind == "code"]
    answers, number = solutions(), 0
    # In one execution: each exercise as it is, and once more, solved.
    cells = []
    for cell in made["cells"]:
        cells.append(cell)
        found = re.search(r'course.check\("(\w+)"', cell["source"]) if cell["cell_type"] == "code" else None
        if found:
            cells.append(cell | {"id": f"solved-{number}", "source": answers[found[1]]})
            number += 1
    texts, pictures, node = executed(made | {"cells": cells})
    places = [each.id for each in node.cells if each.cell_type == "code"]
    by_place = dict(zip(places, texts, strict=True))
    assert [by_place[f"solved-{n}"] for n in range(number)] == ["Right."] * number
    shown = [text for place, text in by_place.items() if not place.startswith("solved")]
    assert shown == wanted
    assert len(pictures) == 1
    live = [
        o.data["text/html"]
        for c in node.cells
        if c.cell_type == "code"
        for o in c.outputs
        if "text/html" in o.get("data", {})
    ]
    assert any("epoch 15 of 15" in html and "<svg" in html for html in live)


def test_the_command_writes_it_once(tmp_path, capsys, monkeypatch):
    from dfanp_cli.main import run

    monkeypatch.chdir(tmp_path)
    assert run(["course", "--out", "course.ipynb"]) == 0 and "wrote course.ipynb: " in capsys.readouterr().out
    assert json.loads((tmp_path / "course.ipynb").read_text()) == notebook.notebook()
    assert run(["course", "--out", "course.ipynb"]) == 1 and "may have your answers" in capsys.readouterr().err
    assert run(["course", "--out", "course.txt"]) == 2 and "must end in .ipynb" in capsys.readouterr().err
    assert run(["course", "--out", "no/course.ipynb"]) in (1, 2) and capsys.readouterr().err.count("\n") == 1
    assert run(["course"]) == 0 and capsys.readouterr().out == course.text()
