"""The progress of a Training: a curve in a notebook, a bar on a terminal. Nothing beyond the standard library is imported."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from html import escape
from math import isfinite
from time import monotonic
from typing import Any

from ..checks import truth
from ..measures import title_of
from ..runs.history import Histories, History, main_measure

SECONDS = 0.2  # between two updates
WIDTH, HEIGHT, LEFT, BOTTOM = 420, 170, 46, 22  # of a curve, in pixels, and of its margins
COLOURS = {"test": "#1f77b4", "train": "#ff7f0e"}
CELLS = 24  # of a bar


@contextmanager
def progress(training: Any, epochs: int, show: bool | None = None) -> Iterator[Callable[[], None]]:
    """Yield a function that shows the present state of a Training; it is to be called after each epoch.

    Args:
        epochs: until which it trains.
        show: see ``Training.fit``.
    """
    wanted = show is None or truth("show", show, " or None")
    kernel = in_notebook()
    if not wanted or (show is None and not kernel and not sys.stderr.isatty()):
        yield lambda: None
        return
    draw = cell() if kernel else line
    last, first, began = monotonic() - SECONDS, training.epoch, monotonic()

    def update(end=False):
        nonlocal last
        now = monotonic()
        if end or now - last >= SECONDS:
            last, done = now, training.epoch - first
            left = (now - began) / done * (epochs - training.epoch) if done else 0.0
            draw(training, epochs, 0.0 if training.diverged else left)

    update()
    try:
        yield update
    finally:
        update(end=True)
        if not kernel:
            print(file=sys.stderr)


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


def cell() -> Callable[[Any, int, float], None]:
    """Return a function that draws a Training into the output of the present cell, in place of what it drew before."""
    from IPython.display import HTML, display

    handle: Any = display(HTML(""), display_id=True)

    def draw(training, epochs, left):
        handle.update(HTML(bar_html(training.epoch, epochs, left) + html_of(by_name(training.history), table=False)))

    return draw


def line(training: Any, epochs: int, left: float) -> None:
    """Draw a bar on stderr, in place of what the line had before."""
    histories, done = by_name(training.history), training.epoch
    filled = CELLS * done // max(epochs, 1)
    rows = [history.measured[-1] for history in histories.values() if history.measured]
    name = f"test_{main_measure(rows)}"
    values = [row[name] for row in rows if name in row]
    measured = f"{title_of(name).lower()} {sum(values) / len(values):.4f}" if values else "diverged" if done else ""
    text = f"[{'=' * filled}{' ' * (CELLS - filled)}] epoch {done}/{epochs}  {measured}"
    print(
        f"\r{text}  {left:.0f} s left " if left >= 1 else f"\r{text}             ",
        end="",
        file=sys.stderr,
        flush=True,
    )


def by_name(history: History | Histories) -> Mapping[Any, History]:
    """Return histories by their seeds; a single one by no name."""
    return {"": history} if isinstance(history, History) else history


def bar_html(done: int, epochs: int, left: float) -> str:
    """Return a bar as HTML."""
    seconds = f", {left:.0f} s left" if left >= 1 else ""
    return f"<div><progress value='{done}' max='{epochs}'></progress> epoch {done} of {epochs}{seconds}</div>"


def html_of(histories: Mapping[Any, History], table: bool = True) -> str:
    """Return histories as HTML: the curves, and a table of the last epoch of each."""
    parts = [curves(histories)]
    if table:
        for seed, history in histories.items():
            parts.append(f"<div>{f'seed {escape(str(seed))}: ' if seed != '' else ''}{escape(repr(history))}</div>")
    return "".join(parts)


def curves(histories: Mapping[Any, History]) -> str:
    """Return the curves of test and training accuracy (or loss) as an SVG; "" without an epoch."""
    rows = [row for history in histories.values() for row in history.measured]
    if not rows:
        return ""
    kind = main_measure(rows)
    lines = []
    for part in COLOURS:
        for history in histories.values():
            found = [(row["epoch"], row.get(f"{part}_{kind}")) for row in history.measured]
            lines.append((part, [(x, y) for x, y in found if y is not None and isfinite(y)]))
    heights = [y for _, points in lines for _, y in points] or [0.0]
    low, high = min(heights), max(heights)
    margin = (high - low) * 0.05 or 0.01
    low, high, last = low - margin, high + margin, max(row["epoch"] for row in rows)
    first = min(row["epoch"] for row in rows)
    across = lambda x: LEFT + (WIDTH - LEFT - 8) * (x - first) / max(last - first, 1)
    up = lambda y: 8 + (HEIGHT - BOTTOM - 8) * (high - y) / (high - low)
    text = lambda x, y, words, more="": (
        f"<text x='{x:.0f}' y='{y:.0f}' font-size='11' fill='currentColor' {more}>{words}</text>"
    )
    parts = [
        f"<path d='M{LEFT},8V{HEIGHT - BOTTOM}H{WIDTH - 8}' fill='none' stroke='currentColor' stroke-opacity='0.5'/>",
        *(text(LEFT - 4, up(y) + 4, f"{y:.3g}", "text-anchor='end'") for y in (low + margin, high - margin)),
        text(LEFT, HEIGHT - 6, f"epoch {first}"),
        text(WIDTH - 8, HEIGHT - 6, f"{last}", "text-anchor='end'"),
    ]
    for part, points in lines:
        path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in points)
        dots = (
            f"<circle cx='{across(points[-1][0]):.1f}' cy='{up(points[-1][1]):.1f}' r='2' fill='{COLOURS[part]}'/>"
            if points
            else ""
        )
        parts.append(f"<polyline points='{path}' fill='none' stroke='{COLOURS[part]}' stroke-width='1.5'/>{dots}")
    for number, part in enumerate(COLOURS):
        parts.append(
            text(LEFT + 110 + 110 * number, HEIGHT - 6, f"{part} {kind}").replace("currentColor", COLOURS[part])
        )
    return f"<svg width='{WIDTH}' height='{HEIGHT}' xmlns='http://www.w3.org/2000/svg'>{''.join(parts)}</svg>"
