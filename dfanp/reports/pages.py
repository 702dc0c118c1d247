"""A page of HTML in one file: elements that escape what is in them, and Matplotlib's figures as SVG among them.

Nothing of a page comes from elsewhere, which its content security policy enforces. Colours are variables, one set for the day and
one for the dark; in figures, black stands for the colour of the text around them.
"""

import io
import re
from xml.etree import ElementTree

from .plots import drawing

LIGHT = ("#0b62a8", "#b8450a", "#23753a", "#7a3fa0", "#866a00", "#b02a6b", "#10706f", "#5a5a5a")
DARK = ("#6cb6ff", "#ff9a5c", "#7ddb8b", "#d0a3f2", "#e6c34c", "#ff8fc2", "#5fd4d6", "#bcbcbc")
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
LONG = 1e6  # a number from which on a power of ten is easier to read
INLINE = {"strong", "a", "th", "td", "svg", "path"}  # elements after which no line ends
XLINK = "{http://www.w3.org/1999/xlink}href"
UNPRINTABLE = re.compile("[^\t\n\x20-\x7e\xa0-\u2029\u202f-\u2065\u206a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def variables(colours):
    """Return the declarations of the colours of lines."""
    return "".join(f"--s{number}:{colour};" for number, colour in enumerate(colours))


DAY = (
    f"--text:#1a1e24;--quiet:#4d5661;--page:#ffffff;--panel:#f4f6f8;--rule:#cdd4db;--warn:#a03000;{variables(LIGHT)}"
)
NIGHT = (
    f"--text:#e6e9ed;--quiet:#a9b3be;--page:#13161b;--panel:#1c2128;--rule:#3b444e;--warn:#ffab7a;{variables(DARK)}"
)
STYLE = f"""
:root{{color-scheme:light dark;{DAY}}}
@media (prefers-color-scheme:dark){{:root{{{NIGHT}}}}}
*{{box-sizing:border-box}}
html{{-webkit-text-size-adjust:100%}}
body{{margin:0 auto;padding:1rem;max-width:70rem;background:var(--page);color:var(--text);
  font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;overflow-wrap:anywhere}}
h1{{font-size:1.6rem;line-height:1.2;margin:.5rem 0}}
h2{{font-size:1.25rem;margin:2.5rem 0 .5rem;padding-top:.75rem;border-top:1px solid var(--rule)}}
h3{{font-size:1rem;margin:1.5rem 0 .25rem}}
p,ul{{margin:.5rem 0;max-width:48rem}}
a{{color:var(--s0)}}
nav ul{{display:flex;flex-wrap:wrap;gap:.25rem 1rem;padding:0;list-style:none}}
footer,figcaption,caption,.note{{color:var(--quiet);font-size:.875rem}}
footer{{margin-top:3rem}}
.warn{{color:var(--warn);font-weight:600}}
.scroll{{overflow-x:auto;max-width:100%;margin:.75rem 0}}
.scroll:focus-visible,summary:focus-visible,a:focus-visible{{outline:2px solid var(--s0);outline-offset:2px}}
table{{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9375rem;overflow-wrap:normal}}
caption{{text-align:left;padding-bottom:.25rem}}
th,td{{text-align:left;vertical-align:baseline;padding:.3rem .9rem .3rem 0;border-bottom:1px solid var(--rule)}}
thead th{{border-bottom:2px solid var(--rule);white-space:nowrap}}
tbody th{{min-width:3.5rem}}
td{{max-width:20rem;overflow-wrap:break-word}}
td.number,th.number{{text-align:right;white-space:nowrap}}
td.share{{text-align:right;padding:.3rem .6rem;background:color-mix(in srgb,var(--s1) calc(var(--share)*55%),transparent)}}
.differs th,.differs td{{background:var(--panel);font-weight:600}}
summary{{cursor:pointer;padding:.25rem 0}}
.figures{{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,25rem),1fr));gap:1rem 1.5rem}}
figure{{margin:.75rem 0;min-width:0;break-inside:avoid}}
figcaption{{max-width:34rem}}
figcaption strong{{display:block;color:var(--text)}}
svg.plot{{display:block;width:100%;height:auto;max-width:34rem;color:var(--text);fill:currentColor;
  stroke-linejoin:round;font-family:inherit}}
.key{{display:flex;flex-wrap:wrap;gap:.1rem 1rem;padding:0;margin:.25rem 0;list-style:none}}
.key svg{{display:inline-block;width:2.25rem;height:.75rem;margin-right:.4rem;vertical-align:baseline}}
@media print{{
  :root{{color-scheme:light;{DAY}}}
  html{{font-size:11px}}
  body{{max-width:none;padding:0;font-size:1rem;print-color-adjust:exact}}
  nav{{display:none}}
  details::details-content{{content-visibility:visible;block-size:auto}}
  .scroll{{overflow:visible}}
  th,td,thead th,td.number,th.number{{padding-right:.6rem;white-space:normal;overflow-wrap:anywhere}}
  h2,h3,caption,summary,.note{{break-after:avoid}}
  tr,figure,.key{{break-inside:avoid}}
  .figures{{display:block}}
  figure{{display:inline-block;width:48%;margin-right:1%;vertical-align:top}}
}}
"""


def element(tag, *children, **attributes):
    """Return an element; of its children, texts are text and never markup, and None is left out.

    Attributes: ``class_`` stands for class, ``aria_label`` for aria-label.
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
    """Return a value as text without control characters, half characters, or those that turn the direction of what follows."""
    return UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", str(value))


def decimal(value, digits):
    """Return a number as text with so many digits after the point; a large one with a power of ten."""
    return f"{value:.{digits}f}" if abs(value) < LONG else f"{value:.2e}"


def page(title, *body):
    """Return a whole page as bytes."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", **{"http-equiv": "Content-Security-Policy", "content": POLICY}),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("link", rel="icon", href="data:,"),  # else a browser asks the server for one
        element("title", title),
        element("style", STYLE),
    )
    text = ElementTree.tostring(element("html", head, element("body", *body), lang="en"), "unicode", method="html")
    return f"<!DOCTYPE html>\n{text}".encode()


def table(caption, head, body, shown=()):
    """Return a table in a box of its own that scrolls where it is too wide.

    Args:
        head: texts.
        body: rows of texts or cells (elements); the first one is the row's head.
        shown: classes of the rows, in their order, "" for none.
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
    """Return a row of a table; an element among its cells is a cell already."""
    first, *rest = row
    cells = [cell if isinstance(cell, ElementTree.Element) else element("td", cell) for cell in rest]
    return element("tr", element("th", first, scope="row"), *cells, **({"class_": kind} if kind else {}))


def figure(drawn, number, title, alternative, *more):
    """Return a Matplotlib figure as an element, with its caption.

    Args:
        number: of the figure in its page: its ids begin with it.
        alternative: what it shows, in words.
        more: below the title.
    """
    svg = inline(drawn, f"f{number}")
    svg.set("aria-label", printable(alternative))
    return element("figure", svg, element("figcaption", element("strong", title), *more))


def inline(drawn, prefix):
    """Return a Matplotlib figure as an svg element for HTML, without a name yet: text as text, ids that begin with `prefix`.

    Its colours become those of the page: black that of the text, LIGHT the variables.
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
    """Return the ids in a figure that something refers to -> what they are called in the page."""
    values = " ".join(value for each in root.iter() for value in each.attrib.values())
    used = set(re.findall(r"url\(#([^)]+)\)", values)) | set(re.findall(r"(?:^| )#(\S+)", values))
    there = [each.get("id") for each in root.iter() if each.get("id") in used]
    return {name: f"{prefix}-{number}" for number, name in enumerate(there, 1)}


def attribute(name, value, names):
    """Return the value of an attribute of a figure as the page has it."""
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
