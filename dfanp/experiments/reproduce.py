"""All experiments as one resumable sweep, in which shared runs are trained once; then their records."""

import json
from dataclasses import replace
from itertools import pairwise
from math import prod
from pathlib import Path

from ..files.whole import write_whole
from ..problems import load
from ..runs.store import key_of
from ..settings import present
from ..sweeps.jobs import resolved
from ..sweeps.sweep import Sweep
from ..system.threads import usable_cores
from .experiment import record


class Reproduction:
    """Experiments in some modes, trained in a folder.

    Args:
        tasks: a list of (Experiment, mode).
        scale: a ``Scale``.
        path: of the folder: a sweep's, with ``records`` in it.
        workers, threads, data_dir, cluster: as in ``Sweep``.

    Attributes:
        sweep: the Sweep of all their runs, the longest first.
    """

    def __init__(self, tasks, scale, path, workers=1, threads=None, data_dir=None, cluster=None):
        self.scale, self.path, self.data_dir = scale, Path(path), data_dir
        self.tasks = [(experiment, mode, series_of(experiment, mode, scale, data_dir)) for experiment, mode in tasks]
        runs, keep = {}, {}
        for experiment, _, series in self.tasks:
            for settings in (one for each in series for one in each.settings):
                runs[settings] = None
                if experiment.keep:
                    keep[settings] = None
        # The longest first, so that no worker is left with a long run at the end.
        order = sorted(runs, key=work, reverse=True)
        self.sweep = Sweep(order, path, workers, threads, data_dir, list(keep), cluster)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.sweep.close()

    def records(self):
        """Write the record of each experiment whose runs are complete.

        Yield (experiment, mode, path), path None for others.
        """
        results = self.sweep.store.results
        for experiment, mode, series in self.tasks:
            if any(key_of(one.config()) not in results for each in series for one in each.settings):
                yield experiment, mode, None
                continue
            found = record(experiment, mode, series, results)
            path = self.path / "records" / f"{experiment.name}-{mode}.json"
            if experiment.analyse:
                found["analysis"] = earlier_analysis(path, found) or self.analysis(experiment, mode, series)
            path.parent.mkdir(exist_ok=True)
            write_whole(path, lambda file, found=found: file.write(text(found).encode()))
            yield experiment, mode, path

    def analysis(self, experiment, mode, series):
        """Return the analysis of the final weights of an experiment."""
        file = lambda settings: self.sweep.store.checkpoint(key_of(settings.config()))
        data = series[0].settings[0].data
        dataset = None if data is None else load(data, self.data_dir)
        workers = self.sweep.workers or usable_cores()
        return experiment.analyse(series, mode, self.scale, file, dataset, workers)


def earlier_analysis(path, found):
    """Return the analysis in the record at `path` if its rest equals `found`, else None; an analysis takes minutes."""
    try:
        there = json.loads(path.read_bytes())
        analysis = there.pop("analysis")
        for each in there["series"]:
            each["config"] = present(each["config"])
    except (OSError, ValueError, RecursionError, AttributeError, KeyError, TypeError):
        return None
    return analysis if there == found and isinstance(analysis, dict) else None


def series_of(experiment, mode, scale, data_dir):
    """Return the Series of an experiment with resolved settings."""
    every = experiment.series(mode, scale)
    found = iter(resolved([settings for each in every for settings in each.settings], data_dir))
    return [replace(each, settings=tuple(next(found) for _ in each.settings)) for each in every]


def work(settings):
    """Return the approximate number of operations of a run."""
    widths = (15 if settings.name == "synthetic" else 150 * getattr(settings, "k", 5), *settings.hidden, 1)
    examples = settings.n if settings.name == "synthetic" else settings.train_size or 60_000
    return settings.epochs * examples * sum(map(prod, pairwise(widths)))


def text(found):
    """Return a record as JSON, one line per series."""
    head = {name: value for name, value in found.items() if name not in ("series", "analysis")}
    lines = ",\n".join(json.dumps(each, allow_nan=False) for each in found["series"])
    rows = found.get("analysis", {})
    parts = [json.dumps(head, allow_nan=False)[1:-1], f'"series": [\n{lines}\n]']
    if rows:
        inner = ",\n".join(
            f"{json.dumps(name)}: [\n" + ",\n".join(json.dumps(row, allow_nan=False) for row in value) + "\n]"
            for name, value in rows.items()
        )
        parts.append(f'"analysis": {{\n{inner}\n}}')
    return "{" + ",\n".join(parts) + "}\n"
