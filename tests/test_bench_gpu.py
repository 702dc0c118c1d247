"""The benchmark of a GPU where there is none: the first minutes on a card, and PyTorch's graphs, with the CPU in the card's place."""

import contextlib
import json
import subprocess
import sys
from itertools import product
from pathlib import Path
from time import monotonic, sleep

import pytest
from click.testing import CliRunner
from dfanp_bench import first, gpu, interleave
from dfanp_cli.main import cli

from dfanp.backend import usable_cupy

pytestmark = pytest.mark.slow
SETTINGS = {"data": "digits", "data_dir": None, "device": "cpu", "quick": True, "width": 8}


def test_the_first_minutes_keep_every_result_at_once(tmp_path):
    said = []
    results = first.run(SETTINGS, 2, tmp_path, said.append, {"card": 0.5, "correct": 0.9, "sanitizer": 0.5})
    lines = [json.loads(line) for line in (tmp_path / "first.jsonl").read_text().splitlines()]
    assert lines == results and len(said) == len(lines)
    compared = [each for each in results if each["part"] == "correct"]
    assert len(compared) == len(first.CASES) + 3 and compared[-1]["ended"] == "done"
    assert all(each["right"] for each in compared[:-1]) and first.right(results)
    assert {"at", "apart", "kernels", "took"} <= compared[0].keys()
    table = first.markdown(results)
    assert "| correct | Adam, DFA |" in table and "sanitizer: compute-sanitizer is not installed" in table


def test_the_first_times_stand_beside_the_peers(tmp_path):
    pytest.importorskip("torch")
    parts = ("alone", "pytorch", "jax")
    results = first.run(SETTINGS, 3, tmp_path, lambda text: None, dict.fromkeys(parts, 0.9))
    timed = [each for each in results if "times" in each]
    assert {each["part"] for each in timed} >= {"alone", "pytorch"} and not any(each["failed"] for each in timed)
    assert "PyTorch max-autotune, captured" in first.markdown(results)


def test_what_is_wrong_is_said(monkeypatch):
    monkeypatch.setattr(first, "NEAR", -1.0)
    monkeypatch.setattr(first, "CASES", dict(list(first.CASES.items())[:1]))
    results = [{"part": "correct", "at": 0.0} | each for each in first.correct(SETTINGS)]
    assert results[0]["right"] is False and "WRONG" in first.line_of(results[0])
    ended = [{"part": "correct", "at": 1.0, "ended": "done", "exit": 0}]
    assert not first.right(results + ended) and first.right(results[1:] + ended) and not first.right(results[1:])


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at /proc")
def test_a_part_that_hangs_is_cut_off_with_all_that_it_started(tmp_path):
    grandchild = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    code = (
        f"import subprocess, sys, time; print('{{}}', flush=True); "
        f"subprocess.Popen([sys.executable, '-c', {grandchild!r}]); time.sleep(60)"
    )
    began = monotonic()
    got = list(first.lines_of([sys.executable, "-c", code], subprocess.DEVNULL, began + 2))
    assert got == ["{}\n", {"ended": "cut off"}] and monotonic() - began < 10
    pid = int((tmp_path / "pid").read_text())
    for _ in range(50):  # until init has taken it
        try:
            state = Path(f"/proc/{pid}/stat").read_text().split()[2]
        except OSError:
            break
        if state == "Z":
            break
        sleep(0.1)
    else:
        pytest.fail("what a part had started goes on")


def test_a_part_that_dies_is_kept_as_failed(tmp_path):
    results = first.run(SETTINGS | {"data": "no such set"}, 1, tmp_path, lambda text: None, {"correct": 0.9})
    assert results[-1]["ended"] == "failed" and not first.right(results)
    assert "no such set" in results[-2]["error"] and "no such set" in first.markdown(results)
    assert "no such set" in (tmp_path / "first.log").read_text()


def test_no_time_is_left(tmp_path):
    results = first.run(SETTINGS, 1e-6, tmp_path, lambda text: None)
    assert {each.get("ended", "") for each in results[1:]} == {"not begun: the time is over"} or all(
        each.get("ended") in ("cut off", "not begun: the time is over") for each in results[1:]
    )


def test_without_a_gpu_one_line_says_so(capsys):
    if usable_cupy()[0] is not None:
        pytest.skip("there is one")
    from dfanp_cli.main import run

    assert run(["bench", "gpu", "--first", "--limit", "1"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "the GPU cannot be used" in err
    result = CliRunner().invoke(cli, ["bench", "gpu", "--replicas", "1,0"])
    assert result.exit_code == 2 and "is not a list of numbers from 1 to 4096" in result.output


def test_each_measurement_is_written_before_the_next(tmp_path, monkeypatch):
    """The command loses no more than the measurement that is cut off."""
    import dfanp

    def training(plan, say):
        yield {"name": "steps", "number": 1}
        raise KeyboardInterrupt

    monkeypatch.setattr(dfanp, "Backend", lambda device: None)
    begin = {"gpu": "A card", "measurements": []}
    monkeypatch.setattr(gpu, "begin", lambda plan, quick: begin)
    monkeypatch.setattr(gpu, "MEASUREMENTS", (training,))
    CliRunner().invoke(cli, ["bench", "gpu", "--no-torch", "--data", "digits", "--out", str(tmp_path)])
    assert json.loads((tmp_path / "gpu-a-card.json").read_text())["measurements"] == [{"name": "steps", "number": 1}]


def test_what_a_candidate_prints_is_kept(tmp_path):
    log = tmp_path / "gpu.log"
    bad = {"bad": ("dfanp steps", {"tier": "numpy", "threads": 1, "data": "no such set"})}
    with pytest.raises(interleave.CandidateError):
        interleave.take_turns(bad, 1, log=log)
    assert "-- bad" in log.read_text()


def torch_replicas(**more):
    pytest.importorskip("torch")
    from dfanp_bench import gpu_torch

    settings = gpu.Plan("digits", None, threads=1, hidden=8, train_size=640, test_size=50).replicated(
        "dfa", "adam", 2
    )
    return gpu_torch.Replicas(settings | {"device": "cpu", "mode": "eager"} | more)


def test_all_that_a_step_changes_is_marked_as_static():
    """Else max-autotune skips the graph; _version counts changes in place."""
    timed = torch_replicas()
    timed.settings["mode"] = "compiled"
    timed.hold(*timed.draw("train", 256))
    tensors = {id(each): each for each in vars(timed).values() if hasattr(each, "_version")}
    tensors |= {id(each): each for each in (*timed.W, *sum(timed.state, []))}
    before = {key: each._version for key, each in tensors.items()}
    timed.one_step()
    changed = [each for key, each in tensors.items() if each._version != before[key]]
    assert len(changed) >= 2 + 4 + 3
    assert all(hasattr(each, "_dynamo_static_input_type") for each in (*changed, timed.picks, timed.y))


def test_graphs_cover_all_steps():
    pytest.importorskip("torch")
    from dfanp_bench.gpu_torch import MOST_CAPTURED, captured_steps

    assert [captured_steps(count) for count in (468, 400, 64, 7, 1)] == [52, 50, 64, 7, 1]
    for count in range(1, 500):
        assert count % captured_steps(count) == 0 and captured_steps(count) <= MOST_CAPTURED
    assert gpu.Plan.steps % captured_steps(gpu.Plan.steps) == 0 and captured_steps(gpu.Plan.steps) > 32


class Replayed:
    """What a graph is on a card, but that it runs the code again."""

    def __init__(self, run):
        self.replay = run


def test_captured_steps_and_tests_compute_what_eager_ones_do(monkeypatch):
    import torch

    eager, captured = torch_replicas(), torch_replicas()
    (picks, y), of_test = eager.draw("train", 5 * 128), eager.draw("test", 200)
    kind = type(captured)
    found = []
    for each in (eager, captured):
        if each is captured:
            monkeypatch.setattr(kind, "captures", True)
            monkeypatch.setattr(kind, "capture", lambda self, run: Replayed(run))
        each.hold(picks, y)
        each.steps(5)
        tested = [each.test(*of_test) for _ in range(2)]
        found.append([*each.W, torch.tensor(each.result(1)), torch.tensor(tested)])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_a_capture_leaves_everything_as_it_was(monkeypatch):
    import torch

    timed = torch_replicas()
    timed.hold(*timed.draw("train", 256))
    timed.step()
    timed.counter.zero_()
    before = [tensor.clone() for tensor in timed.held()]
    stream = type("Stream", (), {"wait_stream": lambda self, other: None})
    for name, fake in {"Stream": stream, "current_stream": stream, "CUDAGraph": object}.items():
        monkeypatch.setattr(torch.cuda, name, fake)
    for name in ("stream", "graph"):
        monkeypatch.setattr(torch.cuda, name, lambda of: contextlib.nullcontext())
    timed.capture(lambda: [timed.step() for _ in range(2)])
    assert all(torch.equal(a, b) for a, b in zip(before, timed.held(), strict=True))


def counted():
    return json.loads((Path(gpu.__file__).parent / "results" / "instructions.json").read_text())


def test_the_model_of_a_step_is_that_of_the_counted_instructions():
    """Within 15 % of what is in the machine code of each card; the counts are of the shapes that are chosen now."""
    from dfanp_bench.instructions import CARDS, NETWORKS

    from dfanp.kernels.cuda import shapes

    models = (
        {"forward": 4 * shapes.FORWARD + shapes.LOADED, "backward": shapes.BACKWARD, "copied": shapes.COPIED},
        {"forward": shapes.TENSOR_FORWARD, "backward": shapes.TENSOR_BACKWARD, "copied": shapes.COPIED},
    )
    found = {(each["network"], each["card"], each["shape"]["tensor"]): each for each in counted()}
    possible = 0
    for network, card, tensor in product(NETWORKS, CARDS, (0, 1)):
        words, H, n, _, states = NETWORKS[network]
        _, multiprocessors, shared = CARDS[card]
        sizes = multiprocessors, shared << 10, words, H, n, False, states, True
        shape = shapes.shape_of(*sizes, bool(tensor))
        possible += shape is not None
        if shape is not None:
            each = found[network, card, tensor]
            assert shape._asdict() == each["shape"]
            for name, number in each["turns"].items():
                assert abs(models[tensor][name] - number) <= 0.15 * number, (network, card, tensor, name)
    assert len(found) == possible and sum(len(each["turns"]) for each in found.values()) >= 3 * len(found) - 3


def test_loops_are_found_in_a_listing():
    from dfanp_bench import instructions

    from dfanp.kernels.cuda import card

    source = Path(card.__file__).parent
    lines = (source / "cuda_pass.cu").read_text().splitlines()
    line = next(i for i, text in enumerate(lines, 1) if "sums[f][0] +=" in text)
    turn = [("FFMA", line)] * 128 + [("LDS.128", line)] * 40
    assert instructions.of_products(turn, [(0, 168)], source) == {"forward": 168.0}
    assert instructions.of_products(turn * 2, [(0, 336)], source) == {"forward": 168.0}
    assert instructions.of_products([("MOV", line)] * 9, [(0, 9)], source) == {}


def test_the_time_of_the_host_is_measured(monkeypatch):
    from dfanp_bench import host_time

    monkeypatch.setattr(host_time, "R", (1, 2))
    monkeypatch.setattr(host_time, "images", lambda rng, n, make=host_time.images: make(rng, n // 100))
    drawn = list(host_time.drawing(1))
    assert [each["R"] for each in drawn][-1] == 2 and all(each["processor"] > 0 for each in drawn)
    found = list(host_time.launching(1))
    assert {each["R"] for each in found} == {1, 2} and all(0 < each["seconds"] < 1 for each in found)
    counts = {each["network"]: each["launches"] for each in found}
    assert counts["512, one launch"] == 2 and counts["512-512, recorded steps"] > 30
    table = host_time.table(drawn + found)
    assert "| 512, one launch | 2 |" in table and "| R = 2 |" in table
