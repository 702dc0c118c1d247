"""What the documents say is what the committed records hold."""

import re
from pathlib import Path

import matplotlib
import pytest
from dfanp_figures.draw import draw, read, title

from dfanp.experiments import experiments, table

ROOT = Path(__file__).parent.parent
PATHS = sorted((ROOT / "figures" / "records").glob("*.json"))


def test_every_figure_has_its_records():
    wanted = {f"{each.name}-{mode}" for each in experiments().values() for mode in each.modes}
    assert {path.stem for path in PATHS} == wanted
    for name in wanted:
        assert (ROOT / "figures" / f"{name}.svg").exists() and (ROOT / "figures" / f"{name}.png").exists()


def test_the_readme_has_the_table_of_the_records():
    told = table.markdown(table.rows(read(path) for path in PATHS))
    assert told in (ROOT / "README.md").read_text()


def test_the_gallery_tells_what_each_record_shows():
    told = re.findall(r"!\[(.*?)\]\((\S+?)\.svg\)", (ROOT / "figures" / "README.md").read_text())
    assert {name: alt for alt, name in told} == {path.stem: title(read(path)) for path in PATHS}


@pytest.mark.parametrize("name", ["3.4-corrected", "2.2-published"])
def test_a_record_draws_its_figure(name, tmp_path):
    """Curves and titles, that is: fonts and Matplotlib's own ways differ between versions."""
    (svg,) = draw(read(ROOT / "figures" / "records" / f"{name}.json"), tmp_path, ["svg"])
    marks = lambda path: path.read_text().count("<use ")
    assert marks(svg) == pytest.approx(marks(ROOT / "figures" / f"{name}.svg"), rel=0.2)


@pytest.mark.parametrize("path", [PATHS[0], PATHS[-1]], ids=lambda path: path.stem)
def test_a_figure_has_equal_bytes_whatever_a_matplotlibrc_says(path, tmp_path, hostile_rc):
    for name, rc in (("usual", {}), ("hostile", hostile_rc)):
        (tmp_path / name).mkdir()
        with matplotlib.rc_context(rc):
            draw(read(path), tmp_path / name)
    for drawn in (tmp_path / "usual").iterdir():
        assert drawn.read_bytes() == (tmp_path / "hostile" / drawn.name).read_bytes()
