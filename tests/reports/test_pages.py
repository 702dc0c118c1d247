from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure

from dfanp.reports import pages
from dfanp.reports.pages import element, inline, table

HOSTILE = "</style><script>alert(1)</script>\"'&<img src=x onerror=alert(2)>\ud800\x00\u202e"


def text(each):
    return ElementTree.tostring(each, "unicode", method="html")


class Parsed(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, content):
        super().__init__()
        self.elements, self.text = [], ""
        self.feed(content)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def test_texts_are_text_wherever_they_stand():
    made = text(
        element("p", HOSTILE, element("b", HOSTILE), HOSTILE, None, title=HOSTILE, aria_label="a", class_="c")
    )
    parsed, shown = Parsed(made), pages.printable(HOSTILE)
    assert parsed.elements == [("p", {"title": shown, "aria-label": "a", "class": "c"}), ("b", {})]
    assert parsed.text.replace("\n", "") == 3 * shown
    made.encode()  # no half of a character is left
    assert "\x00" not in made and "\u202e" not in made


def test_a_page_begins_with_its_policy():
    content = pages.page(HOSTILE, element("p", "ü"))
    assert content.startswith(b"<!DOCTYPE html>") and content == pages.page(HOSTILE, element("p", "ü"))
    head, body = content.decode().split("<body>")
    assert head.index("Content-Security-Policy") < head.index("<title>") and "default-src 'none'" in head
    assert "<script" not in head and "ü" in body


def test_a_table_has_heads():
    made = text(table("caption", ["", "a"], [["x", "1"], ["y", element("td", "2", class_="number")]], ["differs"]))
    assert made.count('scope="col"') == 2 and made.count('scope="row"') == 2
    assert made.count("<td") == 2 and made.count('class="differs"') == 1 and 'aria-label="caption"' in made


@pytest.fixture
def drawn():
    figure = Figure()
    axis = figure.subplots()
    axis.plot([1, 2], [1, 2], "o-", color=pages.LIGHT[1])
    axis.fill_between([1, 2], [1, 2], [2, 3], color=pages.LIGHT[0], alpha=0.2)
    axis.imshow([[1, 0], [0, 1]])
    axis.text(1, 1, "own words")
    return figure


def test_a_figure_takes_the_colours_of_the_page_and_has_ids_of_its_own(drawn):
    first, second = (text(inline(drawn, prefix)) for prefix in ("f1", "f2"))
    assert first == text(inline(drawn, "f1")) and first.replace("f1-", "f2-") == second
    for colour in (*pages.LIGHT, "#000000"):
        assert colour not in first
    assert "var(--s1)" in first and "currentColor" in first and "own words" in first
    for gone in ("xmlns", "metadata", "<style", "font-family", "<?xml", "xlink", "://"):
        assert gone not in first
    root = ElementTree.fromstring(first)
    ids = [each.get("id") for each in root.iter() if each.get("id")]
    assert ids and len(ids) == len(set(ids)) and all(one.startswith("f1-") for one in ids)
    for each in root.iter():
        for name, value in each.attrib.items():
            if "#" in value and name in ("href", "clip-path"):
                assert value.removeprefix("url(").removesuffix(")")[1:] in ids
