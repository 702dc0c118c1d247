"""HTML pages in one file: elements that escape their contents, and Matplotlib figures as inline SVG.

A page loads nothing, which its content security policy enforces. Colours are variables, with a light and a dark set;
in figures, black becomes the colour of the text.
"""

import io
import re
from pathlib import Path
from xml.etree import ElementTree

from .plots import drawing

STYLE = "\n" + Path(__file__).with_name("report.css").read_text(encoding="utf-8")
LIGHT = tuple(
    re.findall(r"--s\d+:(#\w+)", STYLE.partition("@media")[0])
)  # colours of lines; there are dark ones, too
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
LONG = 1e6  # larger numbers are written with a power of ten
INLINE = {"strong", "a", "th", "td", "svg", "path"}  # elements without a line break after them
XLINK = "{http://www.w3.org/1999/xlink}href"
UNPRINTABLE = re.compile("[^\t\n\x20-\x7e\xa0-\u2029\u202f-\u2065\u206a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def element(tag, *children, **attributes):
    """Return an element. Texts among its children are escaped, and None is ignored.

    The argument ``class_`` is the attribute class, ``aria_label`` is aria-label.
    """
    made = ElementTree.Element(tag, {n.rstrip("_").replace("_", "-"): printable(v) for n, v in attributes.items()})
    for child in children:
        if isinstance(child, ElementTree.Element):
            made.append(child)
        elif child is not None and len(made):
            made[-1].tail = (made[-1].tail or "") + printable(child)
        elif child is not None:
            made.text = (made.text or "") + printable(child)
    if tag not in INLINE:
        made.tail = "\n"
    return made


def printable(value):
    """Return a value as text without control characters, lone surrogates, or changes of the text direction."""
    return UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", str(value))


def decimal(value, digits):
    """Return a number as text with this many decimals; a large one with a power of ten."""
    return f"{value:.{digits}f}" if abs(value) < LONG else f"{value:.2e}"


def page(title, *body):
    """Return a whole page as bytes."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", **{"http-equiv": "Content-Security-Policy", "content": POLICY}),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("link", rel="icon", href="data:,"),  # otherwise a browser requests one from the server
        element("title", title),
        element("style", STYLE),
    )
    text = ElementTree.tostring(element("html", head, element("body", *body), lang="en"), "unicode", method="html")
    return f"<!DOCTYPE html>\n{text}".encode()


def table(caption, head, body, shown=()):
    """Return a table in a box that scrolls if it is too wide.

    Args:
        head: texts.
        body: rows of texts or cells (elements); the first is the head of the row.
        shown: classes of the rows, in order, "" for none.
    """
    classes = [*shown, *[""] * (len(body) - len(shown))]
    box = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", *(element("th", cell, scope="col") for cell in head))),
        element("tbody", *(row_of(row, kind) for row, kind in zip(body, classes, strict=True))),
    )
    return element("div", box, class_="scroll", role="region", tabindex="0", aria_label=caption)


def row_of(row, kind):
    """Return a row of a table; an element among its cells is used as it is."""
    first, *rest = row
    cells = [cell if isinstance(cell, ElementTree.Element) else element("td", cell) for cell in rest]
    return element("tr", element("th", first, scope="row"), *cells, **({"class_": kind} if kind else {}))


def figure(drawn, number, title, alternative, *more):
    """Return a Matplotlib figure as an element, with its caption.

    Args:
        number: of the figure in its page: its ids begin with it.
        alternative: its description in words.
        more: texts below the title.
    """
    svg = inline(drawn, f"f{number}")
    svg.set("aria-label", printable(alternative))
    return element("figure", svg, element("figcaption", element("strong", title), *more))


def inline(drawn, prefix):
    """Return a Matplotlib figure as an svg element for HTML, with text as text and ids that begin with `prefix`.

    Its colours become those of the page: black becomes the text colour, LIGHT the variables.
    """
    from matplotlib import rc_context

    text = io.StringIO()
    with drawing("a figure of the page"), rc_context({"svg.fonttype": "none"}):
        drawn.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    root = ElementTree.fromstring(text.getvalue())
    names = ids(root, prefix)
    for parent in root.iter():
        parent.tag = parent.tag.rpartition("}")[2]
        parent.text, parent.tail = (each if each and each.strip() else None for each in (parent.text, parent.tail))
        for child in [each for each in parent if each.tag.endswith(("metadata", "style"))]:
            parent.remove(child)
        for name, value in list(parent.attrib.items()):
            del parent.attrib[name]
            if name != "id" or value in names:
                parent.set("href" if name == XLINK else name, attribute(name, value, names))
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.set("class", "plot")
    root.set("role", "img")
    root.tail = "\n"
    return root


def ids(root, prefix):
    """Return the ids in a figure that are referred to -> their names in the page."""
    values = " ".join(value for each in root.iter() for value in each.attrib.values())
    used = set(re.findall(r"url\(#([^)]+)\)", values)) | set(re.findall(r"(?:^| )#(\S+)", values))
    there = [each.get("id") for each in root.iter() if each.get("id") in used]
    return {name: f"{prefix}-{number}" for number, name in enumerate(there, 1)}


def attribute(name, value, names):
    """Return the value of an attribute of a figure for the page."""
    if name == "id":
        return names[value]
    if name == XLINK:
        return f"#{names[value[1:]]}" if value.startswith("#") else re.sub(r"\s", "", value)
    if name == "clip-path":
        return f"url(#{names[value[5:-1]]})"
    if name == "d":
        return " ".join(value.split())
    value = re.sub(r"font-family: [^;]*(; |$)", "", value).replace("#000000", "currentColor")
    for number, colour in enumerate(LIGHT):
        value = value.replace(colour, f"var(--s{number})")
    return value
