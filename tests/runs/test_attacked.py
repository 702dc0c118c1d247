"""Saved runs under attack, and what is read back of it."""

import json

import numpy as np
import pytest

import dfanp
from dfanp.runs import attacked
from dfanp.runs.run import Run
from dfanp.settings import ClassesSettings, SyntheticSettings, TeacherSettings

SMALL = dict(
    lr=0.01, opt="adam", epochs=2, hidden=(8,), train_size=200, test_size=40, data="digits", activation="tanh"
)


def trained(folder, kind=ClassesSettings, **more):
    with Run(kind(**(SMALL | more if kind is ClassesSettings else more)), folder, threads=1) as run:
        list(run.epochs())
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs")
    return {
        rule: trained(path / rule, method=rule, repeats=2, kernels=kernels)
        for rule, kernels in (("bp", "auto"), ("dfa", "numpy"))
    }


@pytest.fixture(scope="module")
def records(folders):
    return attacked.attacked(folders, (0.1, 0.5), 2, 30)


def test_a_record_has_each_seed_and_the_transfer_to_the_others(folders, records):
    assert list(records) == ["bp", "dfa"] and [one["seed"] for one in records["bp"]["seeds"]] == [0, 1]
    for record in records.values():
        assert (record["epoch"], record["samples"], record["steps"]) == (2, 30, 2)
        assert all(set(one["transfer"]) == {"bp", "dfa"} for one in record["seeds"])
        assert attacked.rows(record)["FGSM"][0] == [one["clean"] for one in record["seeds"]]
        assert attacked.rows(record)["FGSM, seen by bp"][0] == [None, None]
    assert (
        "own pgd" in records["dfa"]["seeds"][0]["accuracy"] and "own pgd" not in records["bp"]["seeds"][0]["accuracy"]
    )


def test_the_accuracy_without_an_attack_is_that_of_the_log(folders):
    (record,) = attacked.attacked({"dfa": folders["dfa"]}, (0.1,), 1, 40).values()
    rows = [json.loads(line) for line in (folders["dfa"] / "log.jsonl").read_text().splitlines()]
    logged = {row["seed"]: row["test_accuracy"] for row in rows if row["epoch"] == 2}
    assert {one["seed"]: one["clean"] for one in record["seeds"]} == pytest.approx(logged)


def test_what_is_written_is_read_and_equal_attacks_have_equal_bytes(folders, records, tmp_path):
    first = attacked.write(tmp_path, records["dfa"]).read_bytes()
    assert attacked.read(tmp_path) == records["dfa"]
    again = attacked.attacked(folders, (0.1, 0.5), 2, 30)
    assert attacked.write(tmp_path, again["dfa"]).read_bytes() == first
    assert attacked.read(folders["bp"]) is None


def test_paired_differences(records):
    found = attacked.differences(records["dfa"], records["bp"], "pgd")
    values = [[one["accuracy"]["pgd"][0] for one in records[name]["seeds"]] for name in ("dfa", "bp")]
    mean, half, pairs = found[1]
    assert mean == pytest.approx(np.mean(np.subtract(*values))) and half is not None and pairs == 2
    assert attacked.differences(records["dfa"], records["bp"], "own pgd") == []
    assert attacked.differences(records["dfa"], records["bp"] | {"epsilons": [0.3]}, "pgd") == []


DAMAGE = {
    "schema": 2, "seeds": [], "epsilons": [], "epoch": -1, "chance": 2, "samples": "a", "steps": None,
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_record_is_reported(records, tmp_path, name):
    attacked.write(tmp_path, records["dfa"] | {name: DAMAGE[name]})
    with pytest.raises(dfanp.RecordError, match="is not the record of an attack"):
        attacked.read(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda one: one.update(clean=1.5),
        lambda one: one.update(accuracy={}),
        lambda one: one.update(accuracy={"pgd": [0.5]}),
        lambda one: one.update(accuracy={"unknown": [0.5, 0.5]}),
        lambda one: one.update(transfer={"x": [0.5, "0.5"]}),
        lambda one: one.update(transfer=3),
        lambda one: one.update(seed=True),
    ],
)
def test_a_damaged_seed_is_reported(records, tmp_path, change):
    record = json.loads(json.dumps(records["dfa"]))
    change(record["seeds"][1])
    attacked.write(tmp_path, record)
    with pytest.raises(dfanp.RecordError, match="is not the record of an attack"):
        attacked.read(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"[" * 100_000, b"\xff", b"3", b'{"schema": 1, "seeds": [3], "epsilons": [0.1]}']
)
def test_what_is_no_record(tmp_path, content):
    (tmp_path / attacked.NAME).write_bytes(content)
    with pytest.raises(dfanp.RecordError, match="is not the record of an attack"):
        attacked.read(tmp_path)


def test_runs_that_cannot_be_attacked(tmp_path):
    disks = trained(tmp_path / "disks", SyntheticSettings, lr=0.1, epochs=1, n=20, d=4, test_points=10, hidden=(4,))
    teacher = trained(tmp_path / "teacher", TeacherSettings, lr=0.01, epochs=1, inputs=5, test_size=10)
    with pytest.raises(ValueError, match="disks: an attack needs inputs with limits"):
        attacked.attacked({"disks": disks})
    with pytest.raises(ValueError, match="teacher: an attack needs classes"):
        attacked.attacked({"teacher": teacher})
    lost = trained(tmp_path / "lost", lr=1e300, method="bp", activation="relu", opt="sgd")
    with pytest.raises(dfanp.RecordError, match="every seed has diverged"):
        attacked.attacked({"lost": lost})
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "store.jsonl").touch()
    with pytest.raises(dfanp.RecordError, match="is a sweep"):
        attacked.attacked({"sweep": tmp_path / "sweep"})


def test_a_run_of_a_device_that_is_not_there(folders, tmp_path):
    """Weights are read and attacked with NumPy, whatever trained them."""
    import shutil

    copy = tmp_path / "gpu"
    shutil.copytree(folders["bp"], copy)
    config = json.loads((copy / "config.json").read_text())
    config["config"] |= {"device": "gpu", "kernels": "cuda"}
    (copy / "config.json").write_text(json.dumps(config))
    found = attacked.attacked({"bp": folders["bp"], "gpu": copy}, (0.1,), 1, 20)
    assert [one["accuracy"] for one in found["gpu"]["seeds"]] == [one["accuracy"] for one in found["bp"]["seeds"]]
