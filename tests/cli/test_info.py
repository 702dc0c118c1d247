import json
import sys


def test_info_says_why_a_device_is_not_usable(dfanp, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    result = dfanp("info")
    assert result.code == 0 and "gpu            not usable:" in result.out and "numpy" in result.out
    facts = json.loads(dfanp("info", "--json").out)
    assert facts["devices"]["cpu"] == "usable" and facts["packages"]["numpy"]
