import json

from dfanp.runs.store import key_of
from dfanp.settings import ParitySettings
from dfanp.sweeps import grids, jobs, plan

BASE = ParitySettings(lr=0.01, data="digits", kernels="numpy")


def planned(tmp_path):
    made = [jobs.job_of(runs) for runs in (grids.product(BASE, seed=[0, 1]), grids.product(BASE, hidden=[(9, 3)]))]
    (tmp_path / "progress").mkdir(exist_ok=True)
    plan.write_plan(tmp_path, made)
    return made


def test_the_runs_of_a_plan_are_those_of_the_jobs(tmp_path):
    made = planned(tmp_path)
    found = plan.read_plan(tmp_path)
    assert [each.key for each in found] == [key for job in made for key in job.keys]
    assert all(key_of(each.config) == each.key and each.epochs is None for each in found)


def test_a_job_runs_while_its_process_holds_the_lock(tmp_path, monkeypatch):
    first, _ = planned(tmp_path)
    beat = plan.Beat(tmp_path / "progress" / f"{first.name}.running")
    beat(3)
    beat(4)  # too early to be written again
    assert plan.running(tmp_path) == {first.name: 3}
    assert {each.epochs for each in plan.read_plan(tmp_path)} == {None}
    monkeypatch.setattr(plan, "is_locked", lambda folder: True)
    assert [each.epochs for each in plan.read_plan(tmp_path)] == [3, 3, None]


def test_a_damaged_plan_lists_nothing(tmp_path):
    planned(tmp_path)
    whole = (tmp_path / "plan.json").read_text()
    config = json.loads(whole)
    for text in ("", "[]", whole[:-9], json.dumps(config | {"common": 3}), json.dumps(config | {"jobs": [{}]})):
        (tmp_path / "plan.json").write_text(text)
        assert plan.read_plan(tmp_path) == []
