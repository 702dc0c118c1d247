"""Each line that defines a rule, an activation, a loss, an optimizer or a step is changed in turn, in a copy of the package: 140 mutants.

Whatever a line became is what must run then. On every tier ``auto`` has to give the results of the changed definition, and a tier that
is asked for by name the same, or an error. A mutant that changes no result would prove nothing, so that is a failure too.

A process of this file, run as a program, tries them: ``python -m tests.test_mutations FOLDER`` for a FOLDER with a copy of dfanp, their
numbers on stdin.
"""

import compileall
import importlib
import json
import os
import py_compile
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from .mutants import DEEP, JOINT, MUTANTS, ONE

pytestmark = pytest.mark.slow
TIERS = ("native", "numba")
# How far results may be apart, as a share of the largest number, and how far those of a mutant must be from the original's.
SAME = {"float32": 1e-3, "float64": 1e-8}
CHANGED = 0.01
RATES = {"sgd": 0.5, "momentum": 0.2, "nesterov": 0.2, "adagrad": 0.1, "adadelta": 1.0, "rmsprop": 0.05, "adam": 0.05}


# What a worker does with them


def fresh():
    """Import dfanp anew, as its files are now."""
    for name in [
        each for each in sys.modules if each.split(".")[0] == "dfanp" and each != "dfanp.kernels.numba.loops"
    ]:
        del sys.modules[name]
    importlib.invalidate_caches()
    return importlib.import_module("dfanp")


def backend_of(dfanp, tier, by_name):
    """Return a Backend with a tier, as if asked for by its name or as ``auto`` chose it."""
    backend = dfanp.Backend("cpu", threads=1, kernels=tier)
    backend.kernels.by_name = by_name
    return backend


def outcome(dfanp, backend, shape, dtype, first=None, **setting):
    """Return name -> array of what two epochs make of a small network.

    Args:
        first: hyperparameters of another run that goes before this one. setting: as ``training`` takes it.
    """
    if first is not None:
        outcome(dfanp, backend, shape, dtype, **setting | first)
    run = training(dfanp, backend, shape, dtype, **setting)
    records = list(run.epochs(2))
    found = {name: array for name, array in run.arrays().items() if array.dtype.kind == "f"}
    for name in ("train_loss", "test_loss", "train_accuracy", "test_accuracy"):
        found[name] = np.array([np.nan if (value := getattr(record, name)) is None else value for record in records])
    return found


def training(
    dfanp, backend, shape, dtype, rule="dfa", activation="tanh", network=None, optimizer="sgd", lr=None, **more
):
    """Return the Training of a small network of a shape.

    Args:
        network: the name of a baseline, or None. more: what ``examples`` takes, and hyperparameters of the optimizer.
    """
    from dfanp import baselines

    problem = examples(dfanp, backend, shape, dtype, **{name: more.pop(name) for name in EXAMPLES & more.keys()})
    sizes = problem.features, *((5, 4) if shape == DEEP else (5,)), problem.outputs
    seed, rate, kind = (3, 8) if shape == JOINT else 3, lr or RATES[optimizer], dfanp.optimizers.get(optimizer)
    if network is None:
        network = dfanp.MLP(sizes, activation, shape == DEEP, dtype, seed, backend)
    else:
        network, rule = baselines.get(network).network(sizes, dtype, seed, backend, 1.0, 0.0), "bp"
    if hasattr(kind, "eps"):
        more = {"eps": 1e-3} | more
    kp = dfanp.Rule("kp", lambda at: at.delta @ at.B, dfanp.rules.next_layer, lambda at: at.delta.mT @ at.h)
    drtp = dfanp.Rule("drtp", lambda at: at.y @ at.B / at.n, dfanp.rules.output)
    rule = {"kolen-pollack": kp, "target-projection": drtp}.get(rule, rule)
    optimizer = kind((rate, 1.5 * rate) if shape == JOINT else rate, **more)
    return dfanp.Training(network, problem, rule, optimizer, batch_size=10)


EXAMPLES = {"loss", "scale", "soft"}


def examples(dfanp, backend, shape, dtype, loss="bce", scale=1, soft=False):
    """Return a problem of 30 examples for a shape of network.

    Args:
        scale: of the inputs. soft: whether targets lie between 0 and 1.
    """
    rng, outputs, n = np.random.default_rng(2), 3 if shape == DEEP else 1, 30
    if shape == ONE:
        images = rng.integers(0, 256, (9, 12), dtype=np.uint8) * rng.integers(0, 2, (9, 12), dtype=np.uint8)
        bank = dfanp.inputs.Bank(images, 60.0, 90.0 / scale, dtype, backend)
        X = dfanp.inputs.StackedDigits(bank, backend.asarray(rng.integers(0, 9, (n, 2))))
    else:
        X = backend.asarray(scale * rng.standard_normal((n, 6)), dtype)
    kinds = rng.integers(0, outputs + (outputs == 1), n)
    y = np.eye(outputs)[kinds] if outputs > 1 else kinds[:, None].astype(float)
    y = backend.asarray(np.round(0.2 + 0.5 * rng.random(y.shape), 1) if soft else y, dtype)
    drawn = lambda seed, epoch=1: (X, y)
    sizes = dict(features=X.shape[-1], outputs=outputs, train_size=n, dtype=dtype)
    return SimpleNamespace(loss=loss, backend=backend, train=drawn, test=drawn, probe=drawn, **sizes)


def apart(mine, theirs):
    """Return how far two outcomes are apart, as a share of the largest number of an array: the most of all arrays."""
    if {name: array.shape for name, array in mine.items()} != {name: array.shape for name, array in theirs.items()}:
        return np.inf
    most = 0.0
    for name, wanted in theirs.items():
        if not np.array_equal(mine[name], wanted, equal_nan=True):
            most = max(most, np.abs(mine[name] - wanted).max() / max(np.abs(wanted).max(), 1e-12))
    return float(most)


def tried(dfanp, case, original):
    """Return what a mutant does: how far it is from the `original`, and how far each tier is then from the mutant."""
    shape, dtype, setting = case
    run = lambda tier, by_name: outcome(dfanp, backend_of(dfanp, tier, by_name), shape, dtype, **setting)
    numpy = run("numpy", True)
    found = {"case": case, "changed": apart(numpy, original)}
    for tier in TIERS:
        if dfanp.kernels.why_not(tier) is not None:
            continue
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always", dfanp.KernelWarning)
            found[tier] = {"auto": apart(run(tier, False), numpy), "said": len(warned)}
        try:
            found[tier]["by name"] = apart(run(tier, True), numpy)
        except dfanp.BackendError as error:
            found[tier]["by name"] = str(error)
    return found


def cases_of(mutant):
    """Return (shape, dtype, setting) for each shape of a mutant and each dtype."""
    return [(shape, dtype, mutant.setting) for shape in mutant.shapes for dtype in SAME]


def work(folder):
    """Try the mutants whose numbers are on stdin, in the copy of dfanp in `folder`: one JSON line on stdout for each."""
    from dfanp.kernels import numba

    if numba.Numba.why_not() is None:
        numba.compiled_loops()  # of the package that is tested: its compiled functions are kept, since no mutant is in them
    sys.path.insert(0, folder)
    np.seterr(all="ignore")
    numbers, dfanp = json.load(sys.stdin), fresh()
    assert Path(dfanp.__file__).parent == Path(folder) / "dfanp"
    cases = {n: cases_of(MUTANTS[n]) for n in numbers}
    originals, numpy = {}, backend_of(dfanp, "numpy", True)
    for shape, dtype, setting in {repr(case): case for some in cases.values() for case in some}.values():
        originals[repr((shape, dtype, setting))] = outcome(dfanp, numpy, shape, dtype, **setting)
    for number in numbers:
        mutant = MUTANTS[number]
        path = Path(folder) / "dfanp" / mutant.file
        text = path.read_text()
        try:
            path.write_text(text.replace(mutant.line, mutant.changed))
            dfanp = fresh()
            results = [tried(dfanp, case, originals[repr(case)]) for case in cases[number]]
        finally:
            path.write_text(text)
        print(json.dumps([number, results]), flush=True)


# The tests


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Number of a mutant -> what it did, by a process with a copy of the package."""
    package = Path(importlib.import_module("dfanp").__file__).parent
    folder, here = tmp_path_factory.mktemp("mutants"), Path(__file__).parent.parent
    shutil.copytree(package, folder / "dfanp", ignore=shutil.ignore_patterns("__pycache__"))
    # By what they hold, since a file is changed several times in a second.
    by_hash = py_compile.PycInvalidationMode.CHECKED_HASH
    compileall.compile_dir(folder / "dfanp", quiet=1, invalidation_mode=by_hash)
    environment = os.environ | {"PYTHONPATH": str(package.parent), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-B", "-m", "tests.test_mutations", str(folder)]
    pipes = dict(input=json.dumps(list(range(len(MUTANTS)))), capture_output=True, text=True)
    done = subprocess.run(command, cwd=here, env=environment, timeout=600, **pipes)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(line) for line in done.stdout.splitlines())


def name_of(number):
    file, _, _, _, setting = MUTANTS[number]
    of = setting.get("optimizer") or setting.get("activation") or setting.get("loss") or setting.get("rule") or "dfa"
    return f"{number}-{Path(file).stem}-{of}"


@pytest.mark.parametrize("number", range(len(MUTANTS)), ids=name_of)
def test_a_changed_line_is_what_runs(results, number):
    mutant = MUTANTS[number]
    assert len(results[number]) == len(cases_of(mutant))
    for result in results[number]:
        what, limit = (mutant.file, mutant.changed, result), SAME[result["case"][1]]
        assert result["changed"] > CHANGED, f"it changes nothing: {what}"
        for tier in set(TIERS) & set(result):
            by_name = result[tier]["by name"]
            refused = isinstance(by_name, str)
            assert result[tier]["auto"] < limit, f"{tier} computes something else: {what}"
            assert refused or by_name < limit, f"{tier}, by name, computes something else: {what}"
            # Whatever is refused by name, auto says.
            assert refused == bool(result[tier]["said"]), what


def test_every_mutant_is_counted_and_another_line():
    assert f"in turn, in a copy of the package: {len(MUTANTS)} mutants." in __doc__
    assert len({repr(mutant) for mutant in MUTANTS}) == len(MUTANTS)
    package = Path(importlib.import_module("dfanp").__file__).parent
    texts = {mutant.file: (package / mutant.file).read_text() for mutant in MUTANTS}
    assert [mutant for mutant in MUTANTS if texts[mutant.file].count(mutant.line) != 1] == []
    assert [mutant for mutant in MUTANTS if mutant.line == mutant.changed] == []


if __name__ == "__main__":
    work(sys.argv[1])
