"""The course on learning without backpropagation: its text, its exercises, and the notebook made of it.

>>> from dfanp import course
>>> course.check("shapes", [(10, 60), (10, 40)])
Right.
"""

from pathlib import Path

from .exercises import check

__all__ = ["check", "text"]


def text() -> str:
    """Return the text of the course, Markdown."""
    return Path(__file__).with_name("course.md").read_text(encoding="utf-8")
