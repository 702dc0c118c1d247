"""`dfanp report`, and its page in a browser: Playwright with the system's Chromium, where both are."""

import os
import stat

import pytest

SMALL = (
    "--data",
    "digits",
    "--k",
    "2",
    "--hidden",
    "16",
    "--epochs",
    "3",
    "--train-size",
    "512",
    "--test-size",
    "200",
)


@pytest.fixture
def runs(dfanp, tmp_path):
    """Folders of two runs, of two seeds each."""
    for method in ("bp", "dfa"):
        args = (
            "--method",
            method,
            "--repeats",
            "2",
            "--align",
            "--device",
            "cpu",
            "--out",
            tmp_path / method,
            "--quiet",
        )
        assert dfanp("parity", *SMALL, *args).code == 0
    return [tmp_path / "bp", tmp_path / "dfa"]


def test_writes_one_file(dfanp, runs, tmp_path):
    before = {*tmp_path.iterdir(), tmp_path / "cache"}
    result = dfanp("report", *runs, "--out", tmp_path / "report.html", "--title", "Both")
    assert (result.code, result.err) == (0, "") and result.out == f"wrote {tmp_path / 'report.html'}\n"
    assert set(tmp_path.iterdir()) - before == {tmp_path / "report.html"}
    assert b"<title>Both</title>" in (tmp_path / "report.html").read_bytes()


def test_says_what_is_left_out(dfanp, runs, tmp_path):
    (runs[1] / "checkpoint.npz").unlink()
    result = dfanp("report", *runs, "--out", tmp_path / "report.html")
    assert result.code == 0 and result.err.startswith("dfa: no weights and no confusion: ")
    assert len(result.err.splitlines()) == 1
    assert dfanp("report", *runs, "--out", tmp_path / "report.html", "--quiet").err == ""


@pytest.mark.parametrize("name, line", [("a.txt", "report's name must end in .html"), ("no/a.html", "no folder")])
def test_a_page_that_cannot_be_is_refused_before_anything_is_read(dfanp, tmp_path, name, line):
    result = dfanp("report", tmp_path / "absent", "--out", tmp_path / name)
    assert result.code == 2 and line in result.err and len(result.err.splitlines()) == 1


def test_what_is_no_run(dfanp, runs, tmp_path):
    page = tmp_path / "report.html"
    page.write_text("before")
    result = dfanp("report", runs[0], tmp_path / "absent", "--out", page)
    assert result.code == 1 and "cannot be read" in result.err and len(result.err.splitlines()) == 1
    assert page.read_text() == "before"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="whoever may do everything is not refused")
def test_a_folder_that_cannot_be_written(dfanp, runs, tmp_path):
    runs[0].chmod(stat.S_IRUSR | stat.S_IXUSR)
    assert dfanp("report", runs[0], "--out", runs[0] / "report.html").code == 2


CHECKS = """() => {
    const numbers = text => text.match(/[\\d.]+(?:e-?\\d+)?/g).map(Number)
    const colour = text => {
        const [r, g, b, a = 1] = numbers(text.replace('srgb', ''))
        return text.startsWith('color(') ? [255 * r, 255 * g, 255 * b, a] : [r, g, b, a]
    }
    const behind = element => {  // the colours of the boxes around it, laid over one another
        const layers = []
        for (let each = element; each; each = each.parentElement) layers.unshift(colour(getComputedStyle(each).backgroundColor))
        return layers.reduce((under, [r, g, b, a]) => [r, g, b].map((c, i) => a * c + (1 - a) * under[i]), [255, 255, 255])
    }
    const luminance = rgb => {
        const [r, g, b] = rgb.map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b
    }
    const contrast = (a, b) => {
        const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y)
        return (high + 0.05) / (low + 0.05)
    }
    const lowest = (selector, property) => {
        const found = [...document.querySelectorAll(selector)].filter(e => getComputedStyle(e)[property] !== 'none')
        const each = found.map(e => contrast(colour(getComputedStyle(e)[property]).slice(0, 3), behind(e)))
        return [found.length, Math.min(...each)]
    }
    const ids = [...document.querySelectorAll('[id]')].map(each => each.id)
    return {
        texts: lowest('p, li, a, h1, h2, h3, th, td, caption, figcaption, summary, footer, .warn', 'color'),
        figures: lowest('svg.plot text', 'fill'),
        lines: lowest('svg.plot path[style*="stroke: "]', 'stroke'),
        background: behind(document.body),
        wide: document.documentElement.scrollWidth,
        outside: [...document.querySelectorAll('svg.plot')].filter(e => e.getBoundingClientRect().right > innerWidth).length,
        smallest: Math.min(...[...document.querySelectorAll('svg.plot text')].map(e => e.getBoundingClientRect().height)),
        nameless: [...document.querySelectorAll('svg')]
            .filter(e => e.getAttribute('aria-hidden') !== 'true' && !(e.getAttribute('role') === 'img' && e.ariaLabel)).length,
        twice: ids.filter((id, place) => ids.indexOf(id) !== place),
    }
}"""


def test_in_a_browser(dfanp, runs, tmp_path, chromium):
    """By day and in the dark, on a desk and on a phone: no error, no request, readable, and as wide as the screen."""
    path = tmp_path / "report.html"
    assert dfanp("report", *runs, "--out", path).code == 0
    for scheme, dark in (("light", False), ("dark", True)):
        for width in (360, 1200):
            context = chromium.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
            page, complaints, requests = context.new_page(), [], []
            page.on("console", lambda message, to=complaints: to.append(message.text))
            page.on("pageerror", lambda error, to=complaints: to.append(str(error)))
            page.on("request", lambda request, to=requests: to.append(request.url))
            page.goto(path.as_uri())
            page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
            checks = page.evaluate(CHECKS)
            assert complaints == []
            assert [url for url in requests if not url.startswith("data:")] == [path.as_uri()]
            assert checks["wide"] <= width and checks["outside"] == checks["nameless"] == 0 and checks["twice"] == []
            for what, least in (("texts", 4.5), ("figures", 4.5), ("lines", 3)):
                found, contrast = checks[what]
                assert found >= 12 and contrast >= least, (scheme, what, contrast)
            assert (sum(checks["background"]) < 150) == dark and checks["smallest"] >= 9
            images = page.get_by_role("img")
            assert (
                images.count() == 12
                and images.and_(page.get_by_label("Test accuracy over the epochs. bp ")).count() == 1
            )
            context.close()


def test_on_paper(dfanp, runs, tmp_path, chromium):
    """Nothing is cut off or folded up on an A4 page, and by night too it is black on white."""
    path = tmp_path / "report.html"
    assert dfanp("report", *runs, "--out", path).code == 0
    page = chromium.new_page(viewport={"width": 718, "height": 1047}, color_scheme="dark")
    page.goto(path.as_uri())
    hidden = "[...document.querySelectorAll('table')].filter(each => !each.checkVisibility()).length"
    cut = "[...document.querySelectorAll('.scroll')].filter(each => each.scrollWidth > each.clientWidth).length"
    assert page.evaluate(hidden) > 0
    page.emulate_media(media="print")
    assert page.evaluate(hidden) == page.evaluate(cut) == 0
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.close()
