"""The examples of loggers in the README, each with the real library, where it is installed."""

import importlib.util
import os
import subprocess
import sys

import pytest

from ..documents import LIBRARY, blocks, section

EXAMPLES = {
    block.split()[1].partition(".")[0]: block
    for block in blocks(section(LIBRARY.read_text(), "Notebooks and loggers"), "py")
}
READ = {
    "tensorboard": """
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator("logs/dfa").Reload()
print([event.step for event in events.Tensors("test_accuracy")])
""",
    "mlflow": """
import mlflow
(run,) = mlflow.search_runs(output_format="list")
assert run.data.params["rule"] == "dfa"
print([metric.step for metric in mlflow.MlflowClient().get_metric_history(run.info.run_id, "test_accuracy")])
""",
    "wandb": """
from pathlib import Path
(path,) = Path("wandb").glob("offline-run-*/*.wandb")
from wandb.proto.wandb_internal_pb2 import Record
content, place, steps = path.read_bytes(), 7, []
while place + 7 <= len(content):  # the format of LevelDB's logs: blocks of 32 kB, records in one part or several
    if 32768 - place % 32768 < 7:
        place += 32768 - place % 32768
    size, kind = int.from_bytes(content[place + 4 : place + 6], "little"), content[place + 6]
    part = content[place + 7 : place + 7 + size]
    whole, place = part if kind in (1, 2) else whole + part, place + 7 + size
    history = Record.FromString(whole).history if kind in (1, 4) else None
    if history and any("test_accuracy" in (item.key, *item.nested_key) for item in history.item):
        steps.append(history.step.num)
print(steps)
""",
}


def test_there_is_an_example_of_each():
    assert EXAMPLES.keys() == READ.keys()
    assert all(len([line for line in block.splitlines() if line.strip()]) <= 11 for block in EXAMPLES.values())


@pytest.mark.slow
@pytest.mark.parametrize("name", READ)
def test_an_example_logs_every_epoch(name, tmp_path):
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    quiet = {"WANDB_SILENT": "true", "WANDB_DISABLE_GIT": "true", "MLFLOW_TRACKING_URI": (tmp_path / "mlruns").as_uri(),
             "MLFLOW_ALLOW_FILE_STORE": "true", "OMP_NUM_THREADS": "1"}  # fmt: skip
    for code in (EXAMPLES[name], READ[name]):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env=os.environ | quiet,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[1, 2, 3]", done.stdout + done.stderr
