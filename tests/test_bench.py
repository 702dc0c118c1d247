"""The benchmark at its smallest: that it runs, checks and tells; not how fast anything is."""

import importlib.util
import json

import matplotlib
import pytest
from click.testing import CliRunner
from dfanp_bench import candidates, gpu, growth, interleave, report, suite
from dfanp_bench.roofline import floor
from dfanp_cli.main import cli

from dfanp.backend import usable_cupy

pytestmark = pytest.mark.slow


def tiny_plan(**more):
    sizes = {"train_size": 640, "test_size": 100, "steps": 3, "epochs": 3, "hidden": 16, "networks": 2}
    plan = {
        "data": "digits",
        "data_dir": None,
        "threads": 1,
        "tiers": ("numpy",),
        "opts": ("adam",),
        "rules": ("dfa",),
    }
    return suite.Plan(**(plan | {"rounds": 2, "torch": False} | sizes | more))


def measured(plan, *measures):
    result = report.begin(plan, quick=True)
    for measure in measures:
        result["measurements"].extend(measure(plan, lambda text: None))
    return json.loads(json.dumps(result, allow_nan=False))


def test_the_result_is_whole_and_its_tables_and_pictures_can_be_made(tmp_path, hostile_rc):
    measures = (suite.epochs, suite.networks, suite.steps_against_blas, suite.full_batch, suite.replicas)
    curves = lambda plan, say: growth.curves(plan, say, {"k": (1, 2), "replicas": (1, 2), "threads": (1,)})
    result = measured(tiny_plan(), *measures, curves)
    assert result["machine"]["cpu"] and result["machine"]["versions"]["numpy"] and result["threads"] == 1
    names = [each["name"] for each in result["measurements"]]
    assert names == ["epoch", *["network"] * 2, "step", "full batch", "replicas", "growth", "growth", "growth"]
    for each in result["measurements"][:-3]:
        for title, times in each["times"].items():
            assert 0 < times["min"] <= times["median"] <= times["max"] and len(times["all"]) == 2
            assert each["faster"][title] > 0
        assert each["faster"][each["peer"]] == 1 and not each["failed"]
        assert each["name"] != "network" or each["floor"]["reached"] > 0
    assert [point["median"] > 0 for point in result["measurements"][-3]["steps"]["numpy"]] == [True, True]
    table = report.markdown(result)
    assert "| DFA adam |" in table and "dense pair" in table and "A training step by replicas" in table
    paths = report.keep(result, tmp_path / "kept")
    assert [path.name for path in paths] == ["cpu.json", "cpu.png", "networks.png", "growth.png"]
    assert json.loads(paths[0].read_text()) == result
    with matplotlib.rc_context(hostile_rc):
        again = report.keep(result, tmp_path / "hostile")
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in paths]


@pytest.mark.parametrize("rule", ["dfa", "bp"])
def test_jax_trains_what_all_others_train(rule):
    if importlib.util.find_spec("jax") is None:
        pytest.skip("JAX is not installed")
    plan = tiny_plan(jax=True, rounds=1, rules=(rule,), opts=("sgd", "adadelta"), networks=4)
    for each in measured(plan, suite.epochs, suite.networks, suite.full_batch)["measurements"]:
        assert each["peer"] == "JAX" and not each["failed"]


@pytest.mark.parametrize("rule", ["dfa", "bp"])
def test_on_classes_pytorch_and_the_estimators_take_part(rule):
    plan = tiny_plan(torch=True)
    more = dict(hidden=[12, 8], bias=True, activation="tanh", tier="numpy", threads=1)
    settings = plan.settings(rule, "adam", **more)
    others = suite.others_on_classes(plan, settings)
    assert {suite.OUR_FIT, *suite.TORCH} <= set(others) and (suite.THEIR_FIT in others) == (rule == "bp")
    candidates.make("dfanp fit", settings)["run"]()
    candidates.make("scikit-learn fit", settings)["run"]()
    pytest.importorskip("torch")
    name, settings = others["PyTorch eager"]
    theirs = candidates.make(name, settings)
    theirs["run"]()
    candidates.same_losses({"dfanp": candidates.make("dfanp classes", settings)["check"](), name: theirs["check"]()})


def test_start_and_memory_are_measured():
    start, memory = measured(tiny_plan(rounds=1), suite.start)["measurements"]
    assert start["import_beyond_numpy"] < start["times"]["import dfanp"]["median"]
    assert 20 < memory["peak"] < 2000 and "MB" in report.memory_table([memory])


def test_candidates_that_compute_something_else_are_found_out():
    candidates.same_losses({})
    candidates.same_losses({"one": [0.7, 0.6], "two": [0.7001, 0.6001]})
    with pytest.raises(interleave.CandidateError, match="two computes something else than one"):
        candidates.same_losses({"one": [0.7, 0.6], "two": [0.7, 0.7]})


def test_a_candidate_that_fails_ends_the_measurement_unless_it_is_optional():
    bad = {"bad": ("dfanp steps", {"tier": "numpy", "threads": 1, "data": "no such set"})}
    pair = {"pair": ("blas pair", {"n": 2, "D": 3, "H": 4, "steps": 1, "threads": 1})}
    with pytest.raises(interleave.CandidateError, match=r"bad cannot run \(KeyError"):
        interleave.take_turns(bad | pair, 1)
    seconds, failed = interleave.take_turns(bad | pair, 1, optional=("bad",))
    assert seconds["pair"]["run"] and "cannot run" in failed["bad"]


def test_outliers_are_named_and_no_part_of_the_range():
    found = interleave.summary([1.0, 1.02, 0.99, 5.0, 1.01])
    assert found["outliers"] == [4] and (found["low"], found["high"], found["max"]) == (0.99, 1.02, 5.0)
    assert report.outliers([("JAX, DFA adam", found, 1)]).endswith(": JAX, DFA adam: round 4, 5 s (median 1.01 s).")
    for calm in ([1.0], [1.0, 9.0], [1.0, 1.0, 1.0, 1.05, 1.0], [1.0, 1.3, 1.6, 1.9, 2.2]):
        found = interleave.summary(calm)
        assert found["outliers"] == [] and (found["low"], found["high"]) == (min(calm), max(calm))
        assert report.outliers([("numpy", found, 1)]) == ""


def test_the_speedup_is_of_the_same_round():
    assert interleave.speedup([1, 10, 1], [2, 20, 2]) == 2


def test_the_floor_is_that_of_its_docstring():
    found = floor()
    assert (found["dense_multiply_adds"], found["sparse_multiply_adds"]) == (308_281_344, 58_982_400)


def test_without_pytorch_one_line_says_so(monkeypatch, capsys):
    from dfanp_cli.main import run

    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "torch" else real(name, *more)
    )
    assert run(["bench", "cpu", "--quick", "--data", "digits"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "pip install 'dfanp[bench]'" in err


def test_a_misspelt_optimizer_is_bad_usage():
    result = CliRunner().invoke(cli, ["bench", "cpu", "--opt", "sgd,adm"])
    assert result.exit_code == 2 and "did you mean 'adam'" in result.output


def everybody(settings):
    """Title -> (name, settings) of those who train an epoch."""
    return {
        "ours": ("dfanp epoch", settings | {"tier": "numpy"}),
        "eager": ("torch epoch", settings | {"compiled": False}),
        "thesis": ("thesis epoch", settings),
    }


def test_pytorch_and_the_thesis_way_take_part():
    pytest.importorskip("torch")
    settings = tiny_plan().settings("dfa", "rmsprop")
    seconds, _ = interleave.take_turns(everybody(settings), 1, check=candidates.same_losses, unchecked=("thesis",))
    assert all(each["run"] for each in seconds.values())


def test_pytorch_trains_by_backpropagation_what_dfanp_does():
    pytest.importorskip("torch")
    made = {
        title: candidates.make(*each) for title, each in everybody(tiny_plan().settings("bp", "adadelta")).items()
    }
    for runs in made.values():
        runs["run"]()
    candidates.same_losses({title: made[title]["check"]() for title in ("ours", "eager")})


def test_the_gpu_benchmark_checks_and_tells_where_there_is_no_gpu(tmp_path):
    """The whole of it, but for the card's ceilings, with the CPU in the card's place."""
    pytest.importorskip("torch")
    sizes = {"steps": 4, "train_size": 640, "test_size": 100, "hidden": 16, "grid_epochs": 1, "figures": ("B.1",)}
    chosen = {"opts": ("adam",), "rules": ("dfa",), "rounds": 1, "replicas": (2,), "tiers": ("numpy",)}
    plan = gpu.Plan("digits", None, threads=1, **chosen, **sizes, device="cpu", ours="cpu")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gpu, "TORCH", {"PyTorch eager": "eager"})
        result = gpu.begin(plan, quick=True)
        for measure in (gpu.training, gpu.grid, gpu.figures):
            result["measurements"].extend(measure(plan, lambda text: None))
    *training, grid, figures = result["measurements"]
    assert len(training) == 2 and not any(each["failed"] for each in training)
    assert grid["runs"] == 150 and not grid["failed"]
    assert figures["figures"] == ["B.1"] and not figures["failed"] and not figures["missing"]
    result["measurements"].append({"name": "ceilings", "found": {"float32 product, flop/s": 5e13}})
    table = gpu.markdown(result)
    assert "| DFA adam, R = 2 |" in table and "50 T" in table and "150 runs" in table
    assert json.loads(gpu.keep(result, tmp_path).read_text()) == json.loads(json.dumps(result))


def test_the_gpu_benchmark_without_pytorch():
    sizes = {"steps": 2, "train_size": 256, "test_size": 50, "hidden": 8}
    chosen = {
        "opts": ("adam",),
        "rules": ("dfa",),
        "rounds": 1,
        "replicas": (1,),
        "tiers": ("numpy",),
        "torch": False,
    }
    plan = gpu.Plan("digits", None, threads=1, **chosen, **sizes, device="cpu", ours="cpu")
    result = gpu.begin(plan, quick=True)
    result["measurements"].extend(gpu.training(plan, lambda text: None))
    assert [each["peer"] for each in result["measurements"]] == ["dfanp numpy"] * 2
    assert "DFA adam" in gpu.markdown(result)


def test_the_gpu_benchmark_says_that_there_is_no_gpu():
    if usable_cupy()[0] is not None:
        pytest.skip("there is one")
    done = CliRunner().invoke(cli, ["bench", "gpu", "--quick"])
    assert done.exit_code == 1 and "the GPU cannot be used" in str(done.exception) + done.output


def test_the_estimator_is_measured_beside_scikit_learns(tmp_path):
    done = CliRunner().invoke(cli, ["bench", "estimator", "--epochs", "2", "--rounds", "2", "--out", str(tmp_path)])
    assert done.exit_code == 0 and "| DFAClassifier, dfa |" in done.output and "| MLPClassifier |" in done.output
    (each,) = json.loads((tmp_path / "estimator.json").read_text())["measurements"]
    for found in each["found"].values():
        assert all(0.3 < accuracy <= 1 for accuracy in found["test_accuracies"])
        assert len(found["seconds"]) == len(set(found["test_accuracies"])) == 2


def test_small_data_sets_are_measured_with_paired_seeds():
    from dfanp_bench import small_data

    found = {name: small_data.measure(name, 2, max_iter=2) for name in ("wine", "diabetes")}
    for each in found.values():
        assert list(each) == ["bp", "fa", "dfa", small_data.PEER]
        assert all(len(of["scores"]) == len(of["seconds"]) == 2 and of["epochs"] == [2, 2] for of in each.values())
        assert each["fa"]["scores"] == each["dfa"]["scores"] != each["bp"]["scores"]  # one hidden layer
    lines = small_data.markdown({"found": found, "seeds": 2}).splitlines()
    assert len(lines) == 10 and lines[2].startswith("| wine (accuracy) | bp |") and "R²" in lines[-1]
