import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfanp import RecordError
from dfanp.runs.store import Result, Store, key_of

from ..former import rewrite_sweep

ROW = {"train_loss": 0.5, "train_accuracy": 0.7, "test_loss": 0.6, "test_accuracy": 0.6}


def result(seed, epochs=2, diverged=False):
    config = {"seed": seed, "lr": 0.1}
    rows = [{"epoch": epoch, **ROW} for epoch in range(1, epochs + 1)]
    if diverged:
        rows[-1] = {"epoch": epochs, "status": "diverged"}
    return Result(key_of(config), config, "diverged" if diverged else "done", rows)


@pytest.fixture
def folder(tmp_path):
    with Store(tmp_path / "store", write=True) as store:
        store.add([result(0), result(1, diverged=True)], 1.5)
        store.fail({"seed": 2}, "ValueError: no")
    return tmp_path / "store"


def test_what_is_added_is_read_back(folder):
    store = Store(folder)
    assert list(store.results.values()) == [result(0), result(1, diverged=True)]
    assert store.seconds == {result(0).key: 1.5, result(1).key: 1.5}
    assert store.failures == {key_of({"seed": 2}): ({"seed": 2}, "ValueError: no")}
    assert result(0).history.values() == [0.6, 0.6] and result(1, diverged=True).history.values() == [0.6]


def test_equal_configs_have_equal_keys():
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1}) != key_of({"a": 1, "b": 3})


def test_a_run_is_kept_once(folder):
    with Store(folder, write=True) as store:
        store.add([result(0), result(3)], 1.0)
    assert [each.config["seed"] for each in Store(folder).results.values()] == [0, 1, 3]
    assert len((folder / "store.jsonl").read_bytes().splitlines()) == 3


def test_a_result_takes_its_failure_back(folder):
    with Store(folder, write=True) as store:
        store.fail(result(5).config, "KilledWorker")
        store.add([result(5)], 1.0)
        assert result(5).key not in store.failures
    assert result(5).key not in Store(folder).failures


def test_what_an_earlier_version_wrote_is_read_under_the_keys_of_now(folder):
    """A setting that runs no longer have, where it had no effect: the same runs, by another key."""
    failed = {"seed": 2}, result(2).config
    with Store(folder, write=True) as store:
        store.fail(failed[1], "ValueError: no")
    keys = rewrite_sweep(folder)
    (folder / "checkpoints").mkdir()
    old, new = (folder / "checkpoints" / f"{key}.npz" for key in (keys[result(0).key], result(0).key))
    for write in (False, True):
        with Store(folder, write=write) as store:
            assert list(store.results.values()) == [result(0), result(1, diverged=True)]
            assert store.seconds == {result(0).key: 1.5, result(1).key: 1.5}
            assert store.failures == {key_of(config): (config, "ValueError: no") for config in failed}
            assert store.key(keys[result(0).key]) == store.key(result(0).key) == result(0).key
    with Store(folder, write=True) as store:
        store.add([result(0), result(2)], 2.0)  # the first is there
    store = Store(folder)
    assert [each.config["seed"] for each in store.results.values()] == [0, 1, 2]
    assert store.failures.keys() == {key_of(failed[0])}
    assert store.checkpoint(result(0).key) == new
    old.touch()
    assert store.checkpoint(result(0).key) == old and store.checkpoint(result(2).key).stem == result(2).key


def test_a_setting_that_had_an_effect_keeps_its_key(folder):
    config = {"seed": 0, "lr": 0.1, "redraw": 2}
    anew = Result(key_of(config), config, "done", result(0).rows)
    with Store(folder, write=True) as store:
        store.add([anew], 1.0)
    store = Store(folder)
    assert store.results[anew.key] == anew and store.results[result(0).key] == result(0) and not store.former


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(1, 700), garbage=st.sampled_from([b"", b"\xff\xfe", b'{"key": "', b"\n", b"null\n"]))
def test_a_torn_end_is_cut_off_and_done_again(tmp_path_factory, cut, garbage):
    folder = tmp_path_factory.mktemp("torn") / "store"
    with Store(folder, write=True) as store:
        store.add([result(0)], 1.0)
        whole = (folder / "store.jsonl").stat().st_size
        store.add([result(1)], 1.0)
    path = folder / "store.jsonl"
    content = path.read_bytes()
    both = content
    content = content[: max(whole, len(content) - cut)] + garbage
    path.write_bytes(content)
    assert result(0).key in Store(folder).results and path.read_bytes() == content  # who only reads changes nothing
    with Store(folder, write=True) as store:
        store.add([result(1)], 1.0)
    assert path.read_bytes() == both


@pytest.mark.parametrize(
    "forge",
    [
        lambda line: line | {"key": "0" * 64},
        lambda line: line | {"status": "fine"},
        lambda line: line | {"status": "diverged"},
        lambda line: line | {"rows": []},
        lambda line: line | {"rows": line["rows"][::-1]},
        lambda line: line | {"rows": [{"epoch": 1}]},
        lambda line: line | {"config": {"seed": 7}},
        lambda line: line | {"more": 1},
        lambda line: line | {"config": line["config"] | {"lr": 10**400}},
        lambda line: line | {"rows": [{"epoch": 1, **ROW, "test_accuracy": 1.5}, line["rows"][1]]},
        lambda line: line | {"rows": [{"epoch": 1, **ROW, "alignment": "none"}, line["rows"][1]]},
        lambda line: [1, 2],
    ],
)
def test_a_forged_line_is_reported(folder, forge):
    path = folder / "store.jsonl"
    first, *others = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(json.dumps(forge(json.loads(first))).encode() + b"\n" + b"".join(others))
    for write in (False, True):
        with pytest.raises(RecordError, match=r"store.jsonl: line 1 is damaged; restore it, or delete the line"):
            Store(folder, write=write)
    Store(folder / "other", write=True).close()  # the lock is not held


def test_numbers_that_json_cannot_write_are_not_read(folder):
    """``1e999`` is infinite once it is read: no key can be made of it, nor a table in JSON."""
    path = folder / "store.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"lr": 0.1', b'"lr": 1e999', 1))
    with pytest.raises(RecordError, match="line 1 is damaged"):
        Store(folder)


@pytest.mark.parametrize("line", ['{"key": [], "seconds": 1}', '{"key": "x", "seconds": "1"}', '{"key": {}}', "[]"])
def test_times_that_are_none_are_left_out(folder, line):
    (folder / "timings.jsonl").write_text(line + "\n")
    assert Store(folder).seconds == {}


@pytest.mark.parametrize("config", ["{}", "[]", '{"seed": 1e999}', '{"a": ' + "[" * 990 + "]" * 990 + "}"])
def test_failures_of_no_run_are_left_out(folder, config):
    """One whose key is not that of its config could say anything of any run."""
    (folder / "failures.jsonl").write_text(f'{{"key": "0", "config": {config}, "error": "no"}}\n')
    assert Store(folder).failures == {}


def test_one_writer_at_a_time(folder):
    with (
        Store(folder, write=True),
        pytest.raises(RecordError, match="another process is writing to this sweep; wait for it or name another"),
    ):
        Store(folder, write=True)
    assert len(Store(folder).results) == 2
    Store(folder, write=True).close()


def test_folders_that_are_no_store(tmp_path):
    with pytest.raises(RecordError, match=r"holds no sweep \(no store.jsonl\)"):
        Store(tmp_path)
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(RecordError, match="holds other files"):
        Store(tmp_path, write=True)
    with pytest.raises(RecordError, match="cannot be opened"):
        Store(tmp_path / "thesis.tex", write=True)


def test_a_full_disk_leaves_whole_lines(folder, monkeypatch):
    path = folder / "store.jsonl"
    before = path.read_bytes()

    def full(path, rows):
        with open(path, "ab") as file:
            file.write(json.dumps(rows[0]).encode()[:40])
        raise OSError(28, "No space left on device")

    with Store(folder, write=True) as store:
        monkeypatch.setattr("dfanp.files.lines.append_lines", full)
        with pytest.raises(RecordError, match="cannot be written"):
            store.add([result(9)], 1.0)
        assert path.read_bytes() == before and result(9).key not in store.results
        monkeypatch.undo()
        store.add([result(9)], 1.0)
    assert result(9).key in Store(folder).results
