"""The README files, as tests read and run them."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from dfanp import registry

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
LIBRARY, COMMANDS, SPEED, RESULTS, CHECKS = (
    ROOT / folder / "README.md" for folder in ("dfanp", "cli", "bench", "figures", "tests")
)
COURSE = ROOT / "dfanp" / "course" / "course.md"
PATHS = (README, LIBRARY, COMMANDS, SPEED, RESULTS, CHECKS)
PRINTED = re.compile(r"^print\(.*\)  # ([\d.]+)$", re.MULTILINE)


def blocks(text, language):
    """Return the contents of the fenced blocks of a language in a text."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def scripts(text):
    """Return the blocks of Python that can be pasted: those that are no session with prompts."""
    return [block for block in blocks(text, "python") if ">>> " not in block]


def section(text, title):
    """Return the section of a text under the heading `title`, up to the next heading of that level."""
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def run(text):
    """Run the scripts of a text in one namespace, compare what they print with the comments beside it, and return how many were compared."""
    compared, names, before = 0, {"__name__": "__readme__"}, registry.registered()
    for block in scripts(text):
        try:
            with contextlib.redirect_stdout(io.StringIO()) as stream:
                exec(compile(block, "README.md", "exec"), names)
        finally:
            registry.restore(before)
        said = [float(number) for number in PRINTED.findall(block)]
        if said:
            printed = [float(line) for line in stream.getvalue().splitlines()]
            assert printed == pytest.approx(said, rel=0.05), block
        compared += len(said)
    return compared


def anchors(text):
    """Return the anchors of a text's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links(text):
    """Return the targets of a text's links and pictures."""
    return re.findall(r"\]\(([^)\s]+)\)", text)
