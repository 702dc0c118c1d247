"""How long training takes, against named peers that take their turns in the same run: ``dfanp bench cpu``.

The folder bench/ is installed as ``dfanp_bench``. Read roofline.py first (what a step must cost), then candidates.py (what is
run), worker.py and interleave.py (how it is timed), suite.py (what is measured), report.py (what is written).
"""
