"""Names are there at once, and NumPy is imported when it is needed."""

import ast
import subprocess
import sys
from operator import attrgetter
from pathlib import Path

import pytest

import dfanp
import dfanp.problems


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize(
    "imports",
    ["dfanp", "dfanp.settings", "dfanp.problems", "dfanp.experiments.published_settings", "dfanp_cli.problem"],
)
def test_settings_need_no_numpy(imports):
    code = f"import sys, {imports}; from dfanp.problems import PROBLEMS; PROBLEMS['parity'](lr=0.1).config(); "
    assert run(code + "print('numpy' in sys.modules)") == ["False"]


def test_names_and_modules_are_imported_when_they_are_read():
    code = (
        "import dfanp, sys; from dfanp import MLP; print(MLP is dfanp.network.MLP, dfanp.streams.streams(0).seed, "
        "'numpy' in sys.modules, set(dfanp.__all__) <= set(dir(dfanp)))"
    )
    assert run(code) == ["True", "0", "True", "True"]
    for package in (dfanp, dfanp.problems):
        with pytest.raises(AttributeError, match=f"module '{package.__name__}' has no attribute 'nothing'"):
            attrgetter("nothing")(package)


def test_editors_see_the_names_that_are_imported_later():
    tree = ast.parse(Path(dfanp.__file__).read_text())
    (seen,) = (each for each in tree.body if isinstance(each, ast.If))
    names = {each.module: " ".join(name.name for name in each.names) for each in seen.body}
    assert names == dfanp.HOMES
    assert set(dfanp.__all__) == {"__version__", *" ".join(names.values()).split()}
