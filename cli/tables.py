"""Tables of text. A cell may have a style (``click.style``), which has no width."""

import click


def columns(head, body):
    """Return the lines of a table, each column as wide as its widest cell; numbers to the right."""
    rows = [[str(cell) for cell in row] for row in (head, *body)]
    length = lambda cell: len(click.unstyle(cell))
    widths = [max(length(row[i]) for row in rows) for i in range(len(head))]
    numeric = [all(click.unstyle(row[i])[:1] in "+-±.0123456789" for row in rows[1:]) for i in range(len(head))]
    gap = lambda cell, i: " " * (widths[i] - length(cell))
    pad = lambda cell, i: gap(cell, i) + cell if numeric[i] else cell + gap(cell, i)
    return ["  ".join(pad(cell, i) for i, cell in enumerate(row)).rstrip() for row in rows]


def decimals(value):
    """Return a measure with four decimals, "-" for None; a large loss, as of a run that diverges, with four digits."""
    if value is None:
        return "-"
    return f"{value:.4f}" if abs(value) < 1e6 else f"{value:.4g}"


def entries(head, body):
    """Return the lines of a table that is too wide: one per non-empty cell, and an empty one after each row."""
    lines = []
    for row in body:
        lines += [
            f"{name}: {cell}" if name else str(cell) for name, cell in zip(head, row, strict=True) if cell != ""
        ]
        lines.append("")
    return lines[:-1]
