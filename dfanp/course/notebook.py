"""The course as a Jupyter notebook, made of its text: a doctest session becomes cells, everything else Markdown.

A cell ends where the session has an output, so that the notebook shows it. Solutions stay folded in. A notebook has neither the
files that the text links to nor its pictures: of links the words remain, and cells draw the figures.
"""

import doctest
import json
import re
from pathlib import Path
from typing import Any

from ..errors import DfanpError
from ..files.whole import failures, write_whole
from . import text

FENCE = re.compile(r"^```(\w+)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
PICTURE = re.compile(r"^!\[[^]]*\]\([^)]*\)\n", re.MULTILINE)
LINK = re.compile(r"\[([^]]+)\]\((?!https?:)[^)]+\)")
FOLDED = re.compile(r"<details>.*?</details>\n", re.DOTALL)


def sessions(block: str) -> list[tuple[str, str]]:
    """Return (code, output) for each part of a doctest session: a part ends with an output."""
    parts, code = [], ""
    for example in doctest.DocTestParser().get_examples(block):
        code += example.source
        if example.want:
            parts.append((code, example.want))
            code = ""
    return [*parts, (code, "")] if code else parts


def cells(course: str) -> list[tuple[str, str, str]]:
    """Return ("markdown" or "code", source, expected output) of each cell of a text."""
    found, place = [], 0
    folded = [match.span() for match in FOLDED.finditer(course)]
    prose = ""
    for match in FENCE.finditer(course):
        language, block = match.groups()
        prose += course[place : match.start()]
        place = match.end()
        parts = sessions(block) if language == "python" else []
        if parts and not any(start < match.start() < end for start, end in folded):
            found += [*markdown(prose), *(("code", code, output) for code, output in parts)]
            prose = ""
        else:
            code = "".join(code for code, _ in parts) if parts else block
            prose += f"```{'python' if parts else 'sh'}\n{code}```\n"
    return [*found, *markdown(prose + course[place:])]


def markdown(prose):
    """Return the cells of a part of the text, one per heading."""
    prose = LINK.sub(r"\1", PICTURE.sub("", prose))
    parts = [part.strip() for part in re.split(r"^(?=#+ )", prose, flags=re.MULTILINE)]
    return [("markdown", part, "") for part in parts if part]


def notebook(course: str | None = None) -> dict[str, Any]:
    """Return the notebook of a text (None: of the course), as in nbformat 4.5, without outputs."""
    made = []
    for number, (kind, source, _) in enumerate(cells(text() if course is None else course)):
        cell: dict[str, Any] = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}}
        if kind == "code":
            cell |= {"execution_count": None, "outputs": []}
        made.append(cell | {"source": source.rstrip("\n")})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def write(path: str | Path) -> None:
    """Write the notebook of the course.

    Raises:
        ValueError: the name does not end in .ipynb.
        DfanpError: the file exists: it may have answers.
        RecordError: it cannot be written.
    """
    path = Path(path)
    if path.suffix != ".ipynb":
        raise ValueError(f"{path}: a notebook's name must end in .ipynb")
    if path.exists():
        raise DfanpError(f"{path}: exists, and may have your answers; choose another name")
    content = json.dumps(notebook(), indent=1, ensure_ascii=False) + "\n"
    with failures(path, "be written", "the notebook"):
        write_whole(path, lambda file: file.write(content.encode()))
