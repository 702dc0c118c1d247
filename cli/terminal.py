"""Output for terminals, as opposed to files: colours, tables that fit the width, progress bars.

Colours are off if the stream is not a terminal, TERM is dumb, or NO_COLOR is set and not empty (no-color.org);
FORCE_COLOR turns them on for a stream that is not a terminal.
"""

import os
import shutil
import sys
import time

import click

from .tables import columns, entries

WIDEST_BAR = 36
NARROWEST_BAR = 8


def colours(stream):
    """Whether output on `stream` is coloured."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or moves(stream)


def moves(stream):
    """Whether `stream` is a terminal that can draw over its last line."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def echo(text="", err=False):
    """Print a text; its styles are removed unless the stream is coloured."""
    click.echo(text, err=err, color=colours(sys.stderr if err else sys.stdout))


def bad(text):
    """Return a text in the style of errors."""
    return click.style(text, fg="red")


def good(text):
    """Return a text in the style of the most important result."""
    return click.style(text, bold=True)


def status(text):
    """Return a run's status in its style."""
    return text if text in ("done", "running", "waiting", "") else bad(text)


def width():
    """Return the width of the terminal in columns, or None if stdout is not a terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def table(head, body):
    """Return the lines of a table: in columns, or as entries if the columns are wider than the terminal."""
    lines, available = columns(head, body), width()
    if available is not None and max(len(click.unstyle(line)) for line in lines) > available:
        return entries(head, body)
    return lines


def wrapped(text):
    """Return a line as lines that fit the terminal."""
    available = width()
    return text if available is None else click.wrap_text(text, available, subsequent_indent="  ")


def bar(length, label, item="", done=0):
    """Return a progress bar on stderr that fits its terminal, a ``Bar``.

    Args:
        item: the longest text that will be shown beside the bar.
        done: the position at its start, of work that is resumed.
    """
    available = shutil.get_terminal_size().columns - 1
    needed = len(f"{label}  {length}/{length}") + (len(item) + 2 if item else 0)
    left = available - needed - len("  00:00:00")
    drawn = left - len("[]  ")
    more = {"item_show_func": lambda item: item} if item else {}
    if drawn >= NARROWEST_BAR:
        more["width"] = min(drawn, WIDEST_BAR)
    else:
        more |= {"bar_template": "%(label)s  %(info)s", "show_eta": left >= 0, "width": 1}
        if available < needed:
            more.pop("item_show_func", None)
    return Bar(click.progressbar(length=length, file=sys.stderr, show_pos=True, label=label, **more), done)


class Bar:
    """A bar of click that may begin at a position: what was done before does not count for the time left."""

    def __init__(self, shown, done=0):
        self.shown, self.done, self.began = shown, done, time.time()
        shown.pos = done

    def __enter__(self):
        self.shown.__enter__()
        return self

    def __exit__(self, *exception):
        self.shown.__exit__(*exception)

    def update(self, steps, item=None):
        """Move on by some steps, and show a text beside the bar."""
        now, pos = time.time(), self.shown.pos + steps
        # click takes the time of a step to be (now - start) / position.
        self.shown.start = now - (now - self.began) * pos / max(1, pos - self.done)
        self.shown.update(steps, item)
        if not steps:  # click draws only what has moved
            self.shown.current_item = item
            self.shown.render_progress()

    def above(self, text):
        """Print a line above the bar."""
        click.echo(f"\r\x1b[2K{text}", err=True)
        self.shown._last_line = None  # so that it is drawn again, although it has not changed
        self.shown.render_progress()
