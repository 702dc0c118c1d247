import json

from dfanp.reports import report, sweep_report
from dfanp.runs.store import Store

from .test_charts import RESULTS


def test_a_sweep_in_a_report(tmp_path):
    from dfanp.runs.store import key_of

    with Store(tmp_path / "tuned", write=True) as store:
        store.add([result._replace(key=key_of(result.config)) for result in RESULTS], 1.0)
        store.fail({"seed": 9, "lr": 0.5}, "it <broke>")
    found = sweep_report.read(tmp_path / "tuned", "tuned")
    assert sweep_report.outcome_of(found) == "32 finished, 1 failed: runs of the parity of k digits."
    report.write([tmp_path / "tuned"], tmp_path / "a.html")
    page = (tmp_path / "a.html").read_text()
    for text in ("adam, 32, 2", "at the edge of the grid", "it &lt;broke&gt;", "All 16 settings and rates", "Curves"):
        assert text in page, text
    assert json.dumps(page) and page.count("<svg") >= 2
    report.write([tmp_path / "tuned"], tmp_path / "b.html")
    assert (tmp_path / "b.html").read_bytes() == (tmp_path / "a.html").read_bytes()
