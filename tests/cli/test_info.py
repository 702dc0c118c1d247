import json
import sys

import pytest

from dfanp.kernels import why_not


def test_info_says_why_a_device_is_not_usable(dfanp, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    result = dfanp("info")
    assert result.code == 0 and "gpu            not usable:" in result.out and "numpy" in result.out
    facts = json.loads(dfanp("info", "--json").out)
    assert facts["devices"]["cpu"] == "usable" and facts["packages"]["numpy"]


def test_info_names_the_openmp_library_of_the_kernels(dfanp):
    if why_not("native"):
        pytest.skip("no native tier here")
    assert "omp" in json.loads(dfanp("info", "--json").out)["openmp"]
