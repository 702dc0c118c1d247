import json
import os
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dfanp import RecordError
from dfanp.files.locks import LOCK
from dfanp.files.npz import read_checkpoint
from dfanp.runs.folder import RunFolder, canonical, read_config, read_log

SETTINGS = {"lr": 0.1, "hidden": (5,), "k": 3}


def arrays(epoch):
    return {
        "epoch": np.array(epoch),
        "parameters/W0": np.arange(6, dtype=np.float32).reshape(2, 3) + epoch,
        "alive": np.ones(1, dtype=bool),
    }


def row(epoch, seed=0):
    measures = {"train_loss": 1, "train_accuracy": 0.5, "test_loss": 1 / epoch, "test_accuracy": 0.5}
    return {"epoch": epoch, "seed": seed} | measures


def write(folder, epochs, start=1):
    for epoch in range(start, epochs + 1):
        folder.append([row(epoch)], 0.5, epoch, arrays(epoch))


def contents(path):
    return {each.name: each.read_bytes() for each in path.iterdir()}


@pytest.fixture
def run(tmp_path):
    """A folder with two epochs."""
    with RunFolder(tmp_path / "run", SETTINGS, {"threads": 2}) as folder:
        assert folder.load(arrays(0), (0,)) == (None, [], {})
        write(folder, 2)
    return tmp_path / "run"


def header(text):
    """A member of an .npz file whose header is any text."""
    return b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text.encode()


def reopen(run, epochs=None):
    with RunFolder(run, SETTINGS, {"threads": 99}) as folder:
        found, rows, seconds = folder.load(arrays(0), (0,))
        assert [each["epoch"] for each in rows] == list(range(1, int(found["epoch"]) + 1))
        if epochs:
            write(folder, epochs, start=int(found["epoch"]) + 1)
        return found


def test_what_is_written_is_read_back(run):
    found = reopen(run)
    assert all(np.array_equal(found[name], array) for name, array in arrays(2).items())
    assert [row["epoch"] for row in read_log(run)] == [1, 2]
    assert read_config(run)["environment"] == {"threads": 2}
    assert sorted(contents(run)) == ["checkpoint.npz", "config.json", "log.jsonl", "timings.jsonl"]


def test_a_run_in_two_parts_has_the_bytes_of_one_in_one(run, tmp_path):
    reopen(run, epochs=4)
    with RunFolder(tmp_path / "whole", SETTINGS, {"threads": 2}) as folder:
        folder.load(arrays(0), (0,))
        write(folder, 4)
    assert contents(run) == contents(tmp_path / "whole")


@pytest.mark.parametrize(
    "beyond", [b'{"epoch": 3, "seed": 0}\n', b'{"epoch": 3, "se', b"\xff\xfe\n", b"[]\n", b"3\n"]
)
def test_log_lines_beyond_the_checkpoint_are_dropped(run, beyond):
    """What a kill between the log and the checkpoint leaves."""
    before = (run / "log.jsonl").read_bytes()
    (run / "log.jsonl").write_bytes(before + beyond)
    (run / "timings.jsonl").write_bytes((run / "timings.jsonl").read_bytes() + beyond)
    reopen(run)
    assert (run / "log.jsonl").read_bytes() == before


GOOD = json.dumps(row(2)).encode()


@pytest.mark.parametrize(
    "second",
    [
        b"",
        b"nonsense\n",
        b"[" * 100_000 + b"\n",
        GOOD,  # torn: no line end
        GOOD.replace(b'"seed": 0', b'"seed": 7') + b"\n",
        GOOD.replace(b'"test_accuracy": 0.5', b'"test_accuracy": "x"') + b"\n",
        GOOD.replace(b'"test_accuracy": 0.5', b'"test_accuracy": NaN') + b"\n",
        b'{"epoch": 2}\n',
        GOOD + b"\n" + GOOD + b"\n",
        GOOD + b"\nnonsense\nnonsense\n",
    ],
)
def test_a_damaged_log_is_refused_and_kept(run, second):
    first = (run / "log.jsonl").read_bytes().splitlines(keepends=True)[0]
    (run / "log.jsonl").write_bytes(first + second)
    with pytest.raises(RecordError, match="restore the log"):
        reopen(run)
    assert (run / "log.jsonl").read_bytes() == first + second


def test_a_log_without_its_checkpoint_is_not_thrown_away(run):
    (run / "checkpoint.npz").unlink()
    before = contents(run)
    with pytest.raises(RecordError, match="has lines beyond the checkpoint, which is of epoch 0"):
        reopen(run)
    assert contents(run) == before


def test_timings_may_be_lost(run):
    (run / "timings.jsonl").unlink()
    assert int(reopen(run, epochs=3)["epoch"]) == 2
    assert int(reopen(run)["epoch"]) == 3


def test_a_seed_that_diverged_has_no_more_lines(tmp_path):
    rows = [row(1, 4), {"epoch": 1, "seed": 5, "status": "diverged"}, row(2, 4)]
    with RunFolder(tmp_path, SETTINGS, {}) as folder:
        folder.append(rows[:2], 0.1, 1, arrays(1))
        folder.append(rows[2:], 0.1, 2, arrays(2))
        assert folder.load(arrays(0), (4, 5))[1] == rows


@pytest.mark.parametrize("changed, message", [({"k": 2}, "with k 3, not 2"), ({"new": 1}, "with new None, not 1")])
def test_another_run_is_refused(run, changed, message):
    before = contents(run)
    with pytest.raises(RecordError, match=message):
        RunFolder(run, SETTINGS | changed, {})
    assert contents(run) == before


def with_epochs(run, epochs):
    config = json.loads((run / "config.json").read_text())
    config["config"]["epochs"] = epochs
    (run / "config.json").write_text(json.dumps(config))


def test_another_number_of_epochs_is_kept_once_all_else_is_read(run):
    with_epochs(run, 2)
    before = contents(run)
    with RunFolder(run, SETTINGS | {"epochs": 3}, {"threads": 99}) as folder:
        folder.load(arrays(0), (0,))
        assert contents(run) == before | {LOCK: b""}
        folder.extend()
    found = read_config(run)
    assert found["config"] == {"lr": 0.1, "hidden": [5], "k": 3, "epochs": 3}
    assert found["environment"] == {"threads": 2}


@pytest.mark.parametrize("there", [True, None, 2.0, "2"])
def test_epochs_that_are_no_whole_number_are_of_another_run(run, there):
    with_epochs(run, there)
    before = contents(run)
    with pytest.raises(RecordError, match="holds a run with epochs"):
        RunFolder(run, SETTINGS | {"epochs": 3}, {})
    assert contents(run) == before


def test_a_folder_of_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(RecordError, match=r"holds no run but other files \(thesis.tex"):
        RunFolder(tmp_path, SETTINGS, {})
    assert contents(tmp_path) == {"thesis.tex": b"mine"}


def test_a_file_in_the_place_of_the_folder(tmp_path):
    (tmp_path / "run").write_text("mine")
    with pytest.raises(RecordError, match="cannot be opened"):
        RunFolder(tmp_path / "run", SETTINGS, {})


def test_two_processes_on_one_folder(run):
    with RunFolder(run, SETTINGS, {}), pytest.raises(RecordError, match="another process is writing"):
        RunFolder(run, SETTINGS, {})
    reopen(run)


def test_settings_must_be_finite(tmp_path):
    with pytest.raises(ValueError):
        RunFolder(tmp_path / "run", {"lr": float("nan")}, {})


@pytest.mark.parametrize(
    "config",
    ["", "{", "[]", '{"config": 1}', '{"config": {}, "environment": {}}', "[" * 10**5, '{"config": {"lr": NaN}}'],
)
def test_broken_config(run, config):
    (run / "config.json").write_text(config)
    with pytest.raises(RecordError, match="config.json: (is not JSON|is not the config|was written with schema)"):
        reopen(run)


def test_full_disk_leaves_the_last_checkpoint(run, monkeypatch):
    before = (run / "checkpoint.npz").read_bytes()

    def full(file, **arrays):
        file.write(b"half")
        raise OSError(28, os.strerror(28))

    with RunFolder(run, SETTINGS, {}) as folder:
        monkeypatch.setattr(np, "savez", full)
        with pytest.raises(RecordError, match=r"cannot be written \(No space left on device\)"):
            write(folder, 3, start=3)
    assert (run / "checkpoint.npz").read_bytes() == before and not list(run.glob("*.partial"))
    monkeypatch.undo()
    assert int(reopen(run)["epoch"]) == 2


def test_an_interrupt_while_saving_leaves_the_last_checkpoint(run, monkeypatch):
    def interrupted(descriptor):
        raise KeyboardInterrupt

    with RunFolder(run, SETTINGS, {}) as folder:
        monkeypatch.setattr(os, "fsync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write(folder, 3, start=3)
    monkeypatch.undo()
    assert int(reopen(run)["epoch"]) == 2


def replace_member(path, name, content):
    with zipfile.ZipFile(path) as archive:
        members = {each: archive.read(each) for each in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for each, old in (members | {name: content}).items():
            archive.writestr(each, old)


def npy(array):
    import io

    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("parameters/W0.npy", npy(np.zeros((2, 4), np.float32)), "parameters/W0 is float32 of shape"),
        ("parameters/W0.npy", npy(np.zeros((2, 3))), "parameters/W0 is float64"),
        ("parameters/W0.npy", npy(np.zeros((3, 2), np.float32).T), "parameters/W0 is float32 of shape"),
        ("parameters/W0.npy", npy(np.array([{}], dtype=object)), "parameters/W0 is object"),
        ("parameters/W0.npy", b"\x93NUMPY\x01\x00", "EOF|expected"),
        ("parameters/W0.npy", b"", "EOF|expected"),
        ("parameters/W0.npy", npy(np.zeros((2, 3), np.float32))[:-1], "holds 23 bytes, not 24"),
        ("parameters/W0.npy", npy(np.zeros((2, 3), np.float32)) + b"0" * 10**7, "holds 25 bytes, not 24"),
        ("parameters/W0.npy", b"\x93NUMPY\x01\x00\x10\x00{'descr': '<f4', (", "corrupt"),
        ("parameters/W0.npy", header("-" * 9000 + "1"), "nested too deeply"),
        ("parameters/W0.npy", header("x" * 20_000), "Header info length"),
        ("extra.npy", npy(np.zeros(1)), "extra.npy is not part of this run"),
        ("two\nlines.npy", npy(np.zeros(1)), "two lines.npy is not part of this run"),
    ],
)
def test_forged_checkpoint(run, name, content, message):
    replace_member(run / "checkpoint.npz", name, content)
    before = contents(run)
    with pytest.raises(RecordError, match="the checkpoint is corrupt") as caught:
        reopen(run)
    import re

    assert re.search(message, str(caught.value)) and "\n" not in str(caught.value)
    assert contents(run) == before


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_checkpoint_is_refused_or_whole(run, data):
    """Bytes flipped, cut off or put in: one clear error, or (where the damage hits nothing that counts) the right arrays."""
    path = run / "checkpoint.npz"
    whole = path.read_bytes()
    damaged = bytearray(whole)
    place = data.draw(st.integers(0, len(whole) - 1))
    kind = data.draw(st.sampled_from(["flip", "cut", "insert"]))
    if kind == "flip":
        damaged[place] ^= data.draw(st.integers(1, 255))
    elif kind == "cut":
        del damaged[place:]
    else:
        damaged[place:place] = data.draw(st.binary(min_size=1, max_size=20))
    path.write_bytes(damaged)
    try:
        found = read_checkpoint(path, arrays(0))
    except RecordError as error:
        assert "corrupt" in str(error) and "\n" not in str(error)
    except OSError:
        pass  # the caller's one line
    else:
        assert all(np.array_equal(found[name], array) for name, array in arrays(2).items())
    finally:
        path.write_bytes(whole)


def test_a_compression_that_takes_the_memory_that_it_declares_is_refused(run):
    """The header of an LZMA member may ask for a dictionary of 4 GiB; NumPy writes none."""
    path = run / "checkpoint.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        for name, array in arrays(2).items():
            archive.writestr(f"{name}.npy", npy(array))
    content = bytearray(path.read_bytes())
    place = content.index(b"\x05\x00\x5d") + 3
    content[place : place + 4] = (0xE0000000).to_bytes(4, "little")
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(RecordError, match="epoch.npy is compressed in an unknown way"):
            reopen(run)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "content",
    [
        '{"schema": "a\\nb", "config": {}, "environment": {}}',
        '{"schema": 1, "config": {"a\\nb": 1}, "environment": {}}',
    ],
)
def test_a_forged_config_is_reported_in_one_line(run, content):
    (run / "config.json").write_text(content)
    with pytest.raises(RecordError) as caught:
        reopen(run)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "forged",
    [
        {"test_accuracy": 1.5},
        {"alignment": 3},
        {"alignment": {"feedback": [0.5]}},
        {"alignment": {"feedback": [0.5], "gradient": ["x"]}},
    ],
)
def test_measures_that_no_epoch_has_are_refused(run, forged):
    first = (run / "log.jsonl").read_bytes().splitlines(keepends=True)[0]
    (run / "log.jsonl").write_bytes(first + json.dumps(row(2) | forged).encode() + b"\n")
    with pytest.raises(RecordError, match="no valid line for epoch 2"):
        reopen(run)


def test_epochs_have_equally_many_cosines(run):
    aligned = [row(1) | {"alignment": {"feedback": [0.5] * n, "gradient": [0.5, 1.0]}} for n in (1, 2)]
    aligned[1]["epoch"] = 2
    (run / "log.jsonl").write_text("".join(json.dumps(each) + "\n" for each in aligned))
    with pytest.raises(RecordError, match="no valid line for epoch 2"):
        reopen(run)


def test_canonical_settings_do_not_hang_on_the_order():
    assert canonical({"b": 1, "a": (2,)}) == canonical({"a": [2], "b": 1}) == '{"a":[2],"b":1}'
    assert json.loads(canonical({"a": 0.1})) == {"a": 0.1}
