"""Folders as an earlier version of dfanp wrote them: each config had the setting ``redraw``, null where nothing was drawn anew."""

import json

from dfanp.runs.store import key_of


def former(config):
    return {"redraw": None} | config


def rewrite_run(folder):
    """Turn the folder of a run into one of then."""
    path = folder / "config.json"
    whole = json.loads(path.read_text())
    path.write_text(json.dumps(whole | {"config": former(whole["config"])}, indent=1) + "\n")


def rewrite_sweep(folder):
    """Turn the folder of a sweep into one of then, whose keys were others; return key -> the key of then."""
    keys = {}
    for name in ("store.jsonl", "failures.jsonl", "timings.jsonl"):
        path = folder / name
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        for line in lines:
            if "config" in line:
                line["config"] = former(line["config"])
                keys[line["key"]] = key_of(line["config"])
            line["key"] = keys[line["key"]]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for path in folder.glob("checkpoints/*.npz"):
        path.rename(path.with_stem(keys[path.stem]))
    for path in folder.glob("records/*.json"):
        record = json.loads(path.read_text())
        for series in record["series"]:
            series["config"] = former(series["config"])
        path.write_text(json.dumps(record))
    return keys
