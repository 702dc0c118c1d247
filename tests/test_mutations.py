"""Each line that defines a rule, an activation, a loss, an optimizer or a step is changed in turn, in a copy of the package: 0 mutants.

Whatever a line became is what must run then. On every tier ``auto`` has to give the results of the changed definition, and a tier that
is asked for by name the same, or an error. A mutant that changes no result would prove nothing, so that is a failure too.

Run as a program, this file is what tries mutants: ``test_mutations.py FOLDER`` for a FOLDER with a copy of dfanp, their numbers on stdin.
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
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

TIERS = ("native", "numba")
# How far results may be apart, as a share of the largest number, and how far those of a mutant must be from the original's.
SAME = {"float32": 1e-3, "float64": 1e-8}
CHANGED = 0.01
# Shapes of a network: one hidden layer and one output, on digits or on arrays with replicas, which kernels take an epoch of at once;
# two hidden layers with biases and three outputs, which they take step by step; random features.
ONE, JOINT, DEEP, LAZY = "one", "joint", "deep", "lazy"
RATES = {"sgd": 0.5, "momentum": 0.2, "nesterov": 0.2, "adagrad": 0.1, "adadelta": 1.0, "rmsprop": 0.05, "adam": 0.05}


def mutants():
    """Yield (file, old, new, shapes, setting): `old`, found once in the file, is changed to `new`; what sees it are networks of the shapes."""

    def each(file, old, *news, shapes=(ONE, JOINT, DEEP), **setting):
        return [(file, old, new, shapes, setting) for new in news]

    yield from of_rules(each)
    yield from of_activations(each)
    yield from of_losses(each)
    yield from of_optimizers(each)
    yield from of_steps(each)


def of_rules(each):
    file = "rules.py"
    bp = 'bp = Rule("bp", lambda at: at.delta @ at.W.mT)'
    yield from each(
        file,
        bp,
        'bp = Rule("bp", lambda at: at.delta @ at.xp.sign(at.W.mT))',
        'bp = Rule("bp", lambda at: at.delta @ at.B, next_layer)',
        'bp = Rule("bp", lambda at: at.delta @ at.W.mT + 0.1 * at.rng.normal(size=at.h.shape[-2:]))',
        rule="bp",
    )
    fa = 'fa = Rule("fa", lambda at: at.delta @ at.B, next_layer)'
    yield from each(
        file,
        fa,
        'fa = Rule("fa", lambda at: at.delta @ at.xp.abs(at.B), next_layer)',
        'fa = Rule("fa", lambda at: at.delta @ at.B, next_layer, lambda at: at.delta.mT @ at.h)',
        'fa = Rule("fa", lambda at: at.delta @ at.B, next_layer, after_step=lambda after: after.B[0].__imul__(0.5))',
        rule="fa",
    )
    yield from each(file, fa, 'fa = Rule("fa", lambda at: at.e @ at.B, output)', shapes=(DEEP,), rule="fa")
    dfa = 'dfa = Rule("dfa", lambda at: at.e @ at.B, output)'
    yield from each(
        file,
        dfa,
        'dfa = Rule("dfa", lambda at: at.xp.sign(at.e) @ at.B / at.n, output)',
        'dfa = Rule("dfa", lambda at: at.y @ at.B / at.n, output)',
        'dfa = Rule("dfa", lambda at: at.e @ at.B, output, after_step=lambda after: after.W[0].__imul__(0.5))',
    )
    yield from each(file, dfa, 'dfa = Rule("dfa", lambda at: at.delta @ at.B, next_layer)', shapes=(DEEP,))
    yield from each(file, 'found[f"W{l}"] = h[l].mT @ delta', 'found[f"W{l}"] = h[l].mT @ (2 * delta)')
    yield from each(file, "xp.sum(delta, axis=-2)", "xp.mean(delta, axis=-2)", shapes=(DEEP,))
    yield from each(file, "found, delta = {}, e\n", "found, delta = {}, 2 * e\n")
    yield from each(file, " * network.slope(h, l)\n", "\n", " * network.slope(h, l) ** 2\n")
    at = "at = At(xp, W[l], B[l - 1] if B else None, h[l], delta, e, y, l, draws)"
    yield from each(file, at, at.replace("W[l]", "-W[l]"), rule="bp")
    yield from each(file, at, at.replace("B[l - 1] if", "2 * B[l - 1] if"), at.replace(" e,", " 2 * e,"))
    yield from each(file, at, at.replace(" delta,", " 2 * delta,"), rule="fa")
    yield from each(file, at, at.replace(" h[l],", " 2 * h[l],"), rule="kolen-pollack")
    yield from each(file, at, at.replace(" y,", " 2 * y,"), rule="target-projection")
    yield from each(file, "rule.feedback_gradient(at),", "2 * rule.feedback_gradient(at),", rule="kolen-pollack")


def of_activations(each):
    file = "activations.py"
    yield from each(file, "LEAK = 0.01", "LEAK = 0.3", activation="leaky-relu")
    relu = 'Activation("relu", lambda xp, a: xp.maximum(a, 0.0), lambda xp, h: xp.sign(h))'
    yield from each(
        file, relu, relu.replace("0.0", "0.2"), relu.replace("xp.sign(h)", "0.5 * xp.sign(h)"), activation="relu"
    )
    yield from each(
        file, relu, relu.replace("xp.maximum(a, 0.0)", "xp.clip(a, 0.0, 6.0)"), activation="relu", scale=20
    )
    f, df = "xp.where(a > 0, a, LEAK * a)", "xp.where(h > 0, xp.ones_like(h), LEAK)"
    yield from each(file, f, f.replace("LEAK", "20 * LEAK"), f.replace(" a,", " 2 * a,"), activation="leaky-relu")
    yield from each(file, df, df.replace("LEAK", "0.5"), df.replace("h > 0", "h < 0"), activation="leaky-relu")
    tanh = 'Activation("tanh", lambda xp, a: xp.tanh(a), lambda xp, h: 1 - h * h)'
    yield from each(
        file,
        tanh,
        tanh.replace("xp.tanh(a)", "xp.tanh(2 * a)"),
        tanh.replace("xp.tanh(a)", "xp.clip(a, -1.0, 1.0)"),
        tanh.replace("h * h", "h * h / 2"),
    )
    yield from each(file, "small = xp.exp(-xp.abs(a))", "small = xp.exp(-2 * xp.abs(a))")
    yield from each(
        file, "small = xp.exp(-xp.abs(a))", "small = xp.exp(-xp.minimum(xp.abs(a), 4.0))", scale=20, activation="relu"
    )
    branches = "1 / (1 + small), small / (1 + small)"
    yield from each(
        file,
        branches,
        "1 / (1.1 + small), small / (1 + small)",
        "1 / (1 + small), small / (1.1 + small)",
        activation="sigmoid",
    )
    logistic = 'logistic = Activation("sigmoid", sigmoid, lambda xp, h: h * (1 - h))'
    yield from each(
        file,
        logistic,
        logistic.replace("sigmoid, ", "lambda xp, a: 2 * sigmoid(xp, a), "),
        logistic.replace("h * (1 - h)", "h * h"),
        activation="sigmoid",
    )
    identity = 'Activation("identity", lambda xp, a: a, lambda xp, h: xp.ones_like(h))'
    yield from each(
        file,
        identity,
        identity.replace("a: a", "a: 2 * a"),
        identity.replace("xp.ones", "2 * xp.ones"),
        activation="identity",
    )


def of_losses(each):
    file = "losses.py"
    one = "xp.maximum(z, 0.0) - z * y + xp.log1p(xp.exp(-xp.abs(z)))"
    yield from each(
        file, one, one.replace("0.0", "0.1"), one.replace("- z", "- 2 * z"), one.replace("(xp.exp", "(2 * xp.exp")
    )
    error = "error=lambda xp, z, y: (sigmoid(xp, z) - y) / z.shape[-2]"
    yield from each(
        file, error, error.replace("- y", "- 0.8 * y"), error.replace("/ z.shape[-2]", "/ (z.shape[-2] + 1)")
    )
    correct = "return xp.all((z > 0) == (y > 0.5), axis=-1)"
    yield from each(file, correct, correct.replace("==", "!="), correct.replace("z > 0", "z > 0.05"))
    yield from each(file, correct, correct.replace("all", "any"), shapes=(DEEP,))
    yield from each(
        file, correct, correct.replace("0.5", "0.2"), correct.replace(">", ">=").replace("z >=", "z >"), soft=True
    )
    deep = dict(shapes=(DEEP,), loss="cross-entropy")
    yield from each(file, "exps = xp.exp(z - ", "exps = xp.exp(0.5 * z - ", **deep)
    yield from each(file, "return exps / xp.sum(", "return exps / (1 + 0 * z) / xp.max(", **deep)
    yield from each(file, "shifted = z - ", "shifted = 0.5 * z - ", **deep)
    yield from each(
        file, "log_sum = xp.log(xp.sum(xp.exp(shifted)", "log_sum = xp.log(xp.sum(xp.exp(2 * shifted)", **deep
    )
    yield from each(
        file, "xp.sum(y * (log_sum - shifted), axis=-1)", "xp.sum(y * (log_sum - 2 * shifted), axis=-1)", **deep
    )
    yield from each(file, "(softmax(xp, z) - y) / z.shape[-2]", "(softmax(xp, z) - 0.8 * y) / z.shape[-2]", **deep)
    yield from each(file, "xp.argmax(z, axis=-1) == xp", "xp.argmin(z, axis=-1) == xp", **deep)
    yield from each(file, "xp.sum((z - y) ** 2, axis=-1) / 2", "xp.sum((z - y) ** 2, axis=-1)", loss="mse")
    yield from each(file, "error=lambda xp, z, y: (z - y) /", "error=lambda xp, z, y: 2 * (z - y) /", loss="mse")
    file = "kernels/tier.py"
    yield from each(file, "each = loss.per_example(xp, z, y)", "each = 2 * loss.per_example(xp, z, y)")
    yield from each(file, "else loss.correct(xp, z, y)", "else ~loss.correct(xp, z, y)")
    yield from each(file, "return loss.error(xp, z, y) if", "return 2 * loss.error(xp, z, y) if")


def of_optimizers(each):
    file = "optimizers.py"
    sgd = "        theta -= lr * g\n"
    yield from each(file, sgd, sgd.replace("lr", "2 * lr"), sgd.replace("lr", "lr / (1 + (t > 3))"))
    yield from each(
        file,
        sgd,
        sgd.replace("g", "xp.clip(g, -5.0, 5.0)"),
        scale=300,
        shapes=(ONE, JOINT),
        lr=0.01,
        activation="relu",
    )
    v = "s.v[...] = self.momentum * s.v + lr * g\n        "
    step = v + "theta -= s.v\n"
    momentum = [
        step.replace("lr", "2 * lr"),
        step.replace("-= s.v", "-= 2 * s.v"),
        step.replace("momentum", "momentum / 2 "),
    ]
    yield from each(file, step, *momentum, optimizer="momentum")
    yield from each(file, step, momentum[-1], optimizer="momentum", first=dict(momentum=0.0))
    step = v + "theta -= self.momentum * s.v + lr * g\n"
    nesterov = [
        step.replace("= self.momentum", "= 0.5 * self.momentum", 1),
        step.replace("-= self", "-= 0.5 * self"),
        step.replace(" lr * g\n", " 0.5 * lr * g\n"),
    ]
    yield from each(file, step, *nesterov, optimizer="nesterov")
    step = "s.v[...] = s.v + g**2\n"
    yield from each(
        file, step, step.replace("g**2", "2 * g**2"), step.replace("g**2", "xp.abs(g)"), optimizer="adagrad"
    )
    theta = "\n        theta -= lr * g / root(xp, s.v, self.eps, self.eps_placement)\n"
    yield from each(file, step[:-1] + theta, step[:-1] + theta.replace("lr", "2 * lr"), optimizer="adagrad")
    v = "s.v[...] = self.rho * s.v + (1 - self.rho) * g**2"
    rmsprop = v + theta
    yield from each(
        file,
        rmsprop,
        rmsprop.replace("g**2", "xp.abs(g)"),
        rmsprop.replace("= self.rho", "= 0.5 * self.rho"),
        rmsprop.replace("lr", "2 * lr"),
        optimizer="rmsprop",
    )
    adadelta = v + "\n        unscaled ="
    yield from each(
        file,
        adadelta,
        adadelta.replace("g**2", "2 * g**2"),
        adadelta.replace("= self.rho", "= 0.5 * self.rho"),
        optimizer="adadelta",
    )
    lines = [
        ("unscaled = xp.sqrt(s.u + self.eps)", "unscaled = xp.sqrt(s.u + 4 * self.eps)"),
        (" / xp.sqrt(s.v + self.eps) * g", " / xp.sqrt(s.v + 90 * self.eps) * g"),
        ("scaled = lr * unscaled", "scaled = 2 * lr * unscaled"),
        ("d = scaled if self", "d = 3 * scaled if self"),
        ("s.u[...] = self.rho * s.u", "s.u[...] = 0.1 * self.rho * s.u"),
        ("(1 - self.rho) * d**2", "9 * (1 - self.rho) * d**2"),
        ("theta -= scaled\n", "theta -= 2 * scaled\n"),
    ]
    for old, new in lines:
        yield from each(file, old, new, optimizer="adadelta")
    yield from each(file, "else unscaled\n", "else 3 * unscaled\n", optimizer="adadelta", accumulate="unscaled")
    lines = [
        ("s.m[...] = self.beta1 * s.m + ", "s.m[...] = 0.5 * self.beta1 * s.m + "),
        ("(1 - self.beta1) * g\n", "2 * (1 - self.beta1) * g\n"),
        ("s.v[...] = self.beta2 * s.v + ", "s.v[...] = 0.5 * self.beta2 * s.v + "),
        ("(1 - self.beta2) * g**2", "2 * (1 - self.beta2) * g**2"),
        ("m_hat = s.m / (1 - self.beta1**t)", "m_hat = s.m / (1 - self.beta1 ** (t + 2))"),
        ("v_hat = s.v / (1 - self.beta2**t)", "v_hat = s.v / (1 - self.beta2 ** (t + 2))"),
        ("theta -= lr * m_hat", "theta -= 2 * lr * m_hat"),
    ]
    for old, new in lines:
        yield from each(file, old, new, optimizer="adam")
    yield from each(file, "        return step\n", "        return step + 3\n", optimizer="adam")
    yield from each(file, "self.clock(state.step, epoch)", "self.clock(state.step, epoch) + 3", optimizer="adam")
    yield from each(file, "state.step += 1\n", "state.step += 2\n", optimizer="adam")
    yield from each(file, "backend.xp.zeros_like(theta)", "backend.xp.ones_like(theta)", optimizer="rmsprop")
    root = 'return xp.sqrt(v + eps) if placement == "inside" else xp.sqrt(v) + eps'
    inside, outside = (
        root.replace("xp.sqrt(v + eps)", "xp.sqrt(v) + eps"),
        root.replace("xp.sqrt(v) + eps", "xp.sqrt(v + eps)"),
    )
    for optimizer in ("adagrad", "rmsprop", "adam"):
        yield from each(file, root, inside, optimizer=optimizer)
        yield from each(file, root, outside, optimizer=optimizer, eps_placement="outside")
    small = dict(optimizer="rmsprop", eps=1e-8, scale=1e-4, shapes=(JOINT, DEEP))  # gradients below sqrt(eps)
    yield from each(file, root, inside, **small)
    yield from each(file, root, outside, eps_placement="outside", **small)
    file, decay = "kernels/numpy.py", "g_part = g_part + optimizer.weight_decay * theta_part"
    against = decay.replace("+", "-")
    for optimizer in RATES:
        yield from each(file, decay, against, optimizer=optimizer, weight_decay=0.3)
    yield from each(file, decay, against, weight_decay=0.3, first=dict(weight_decay=1e-6))


def of_steps(each):
    file = "inputs.py"
    yield from each(
        file, "return dense(self.X).mT @ self.delta", "return dense(self.X).mT @ (2 * self.delta)", shapes=(ONE,)
    )
    yield from each(
        file, "return WeightGradient(self.X, delta)", "return WeightGradient(self.X, 2 * delta)", shapes=(ONE,)
    )
    line = "(xp.astype(raw, getattr(xp, self.dtype)) - bank.mean) / bank.std"
    yield from each(
        file,
        line,
        line.replace("-", "+"),
        line.replace("/", "/ 2 /"),
        line.replace(")) -", ")) ** 2 / 99 -"),
        shapes=(ONE,),
    )
    yield from each(file, "raw = xp.take(", "raw = 255 - xp.take(", shapes=(ONE,))
    yield from each("kernels/numpy.py", "return dense(X) @ W", "return dense(X) @ (2 * W)", shapes=(ONE,))
    file = "network.py"
    product = 'a = self.backend.kernels.product(h, self.parameters[f"W{layer}"])'
    yield from each(file, product, product.replace("= self", "= 2 * self"), product.replace('"])', '"]) + 0.2'))
    yield from each(
        file, 'return a + self.parameters[f"b{layer}"]', 'return a - self.parameters[f"b{layer}"]', shapes=(DEEP,)
    )
    yield from each(file, "return self.activation.f(", "return 2 * self.activation.f(")
    yield from each(file, "return self.activation.df(", "return 2 * self.activation.df(")
    yield from each(file, "self.hidden(layer, h[layer]) if", "2 * self.hidden(layer, h[layer]) if")
    yield from each(file, "else self.preactivation(layer, h[layer])", "else 2 * self.preactivation(layer, h[layer])")
    yield from each(
        file, 'return [self.parameters[f"W{layer}"]', 'return [2 * self.parameters[f"W{layer}"]', rule="bp"
    )
    file = "training.py"
    yield from each(
        file,
        "learning=False, built_in=built_in(self.loss))[1]",
        "learning=False, built_in=built_in(self.loss))[1] * 2",
    )
    yield from each(
        file, "self.B, h, e, y, self.first, self.draws)\n", "self.B, h, 2 * e, y, self.first, self.draws)\n"
    )
    yield from each(file, "        return totals\n\n    def draws", "        return 2 * totals\n\n    def draws")
    yield from each(file, "totals = totals + (self.evaluate", "totals = totals + 2 * (self.evaluate")
    yield from each(
        file, "if learning_in is None else self.batch_size\n", "if learning_in is None else self.batch_size // 2\n"
    )
    yield from each(
        "baselines.py", "a = self.projection(h)\n", "a = 2 * self.projection(h)\n", shapes=(LAZY,), network="relu"
    )
    gated = 'return self.backend.kernels.product(h, self.parameters["W0"])'
    yield from each("baselines.py", gated, gated + " ** 2", shapes=(LAZY,), network="ntk")


MUTANTS = list(mutants())


# What a worker does with them


def fresh():
    """Import dfanp anew, as its files are now."""
    for name in [each for each in sys.modules if each.split(".")[0] == "dfanp" and each != "dfanp.kernels.loops"]:
        del sys.modules[name]
    importlib.invalidate_caches()
    return importlib.import_module("dfanp")


def backend_of(dfanp, tier, by_name):
    """Return a Backend with a tier, as if asked for by its name or as ``auto`` chose it."""
    backend = dfanp.Backend("cpu", threads=1, kernels=tier)
    backend.kernels.by_name = by_name
    return backend


def outcome(dfanp, backend, shape, dtype, rule="dfa", activation="tanh", loss="bce", optimizer="sgd", network=None, scale=1,
            soft=False, first=None, lr=None, **hyper):  # fmt: skip
    """Return name -> array of what two epochs make of a small network.

    Args:
        scale: of the inputs. soft: whether targets lie between 0 and 1. first: hyperparameters of another run before this one.
    """
    if first is not None:
        outcome(
            dfanp,
            backend,
            shape,
            dtype,
            rule,
            activation,
            loss,
            optimizer,
            network,
            scale,
            soft,
            lr=lr,
            **hyper | first,
        )
    rng, outputs, n = np.random.default_rng(2), 3 if shape == DEEP else 1, 30
    if shape == ONE:
        images = rng.integers(0, 256, (9, 12), dtype=np.uint8) * rng.integers(0, 2, (9, 12), dtype=np.uint8)
        bank = dfanp.inputs.Bank(images, 60.0, 90.0 / scale, dtype, backend)
        X = dfanp.inputs.StackedDigits(bank, backend.asarray(rng.integers(0, 9, (n, 2))))
    else:
        X = backend.asarray(scale * rng.standard_normal((n, 6)), dtype)
    kinds = rng.integers(0, outputs + (outputs == 1), n)
    y = np.eye(outputs)[kinds] if outputs > 1 else kinds[:, None].astype(float)
    if soft:
        y = np.round(0.2 + 0.5 * rng.random(y.shape), 1)
    y = backend.asarray(y, dtype)
    examples = lambda seed, epoch=1: (X, y)
    problem = SimpleNamespace(
        features=X.shape[-1], outputs=outputs, loss=loss, dtype=dtype, backend=backend, train_size=n,
        train=examples, test=examples, probe=examples,
    )  # fmt: skip
    sizes, seed = (X.shape[-1], *((5, 4) if shape == DEEP else (5,)), outputs), (3, 8) if shape == JOINT else 3
    if network is None:
        network = dfanp.MLP(sizes, activation, shape == DEEP, dtype, seed, backend)
    else:
        from dfanp import baselines

        network, rule = baselines.get(network).network(sizes, dtype, seed, backend, 1.0, 0.0), "bp"
    own = {
        "kolen-pollack": dfanp.Rule(
            "kp", lambda at: at.delta @ at.B, dfanp.rules.next_layer, lambda at: at.delta.mT @ at.h
        ),
        "target-projection": dfanp.Rule("drtp", lambda at: at.y @ at.B / at.n, dfanp.rules.output),
    }
    kind, rate = dfanp.optimizers.get(optimizer), lr or RATES[optimizer]
    if hasattr(kind, "eps"):
        hyper = {"eps": 1e-3} | hyper
    optimizer = kind((rate, 1.5 * rate) if shape == JOINT else rate, **hyper)
    run = dfanp.Training(network, problem, own.get(rule, rule), optimizer, batch_size=10)
    records = list(run.epochs(2))
    found = {name: array for name, array in run.arrays().items() if array.dtype.kind == "f"}
    for name in ("train_loss", "test_loss", "train_accuracy", "test_accuracy"):
        found[name] = np.array([np.nan if (value := getattr(record, name)) is None else value for record in records])
    return found


def apart(mine, theirs):
    """Return how far two outcomes are apart, as a share of the largest number of an array: the most of all arrays."""
    if {name: array.shape for name, array in mine.items()} != {name: array.shape for name, array in theirs.items()}:
        return np.inf
    most = 0.0
    for name, wanted in theirs.items():
        if not np.array_equal(mine[name], wanted, equal_nan=True):
            most = max(most, np.abs(mine[name] - wanted).max() / max(np.abs(wanted).max(), 1e-12))
    return float(most)


def tried(dfanp, shape, dtype, setting, original):
    """Return what a mutant does: how far it is from the `original`, and how far each tier is then from the mutant."""
    numpy = outcome(dfanp, backend_of(dfanp, "numpy", True), shape, dtype, **setting)
    found = {"changed": apart(numpy, original)}
    for tier in TIERS:
        if dfanp.kernels.why_not(tier) is not None:
            continue
        backend = backend_of(dfanp, tier, by_name=False)
        found[tier] = {
            "auto": apart(outcome(dfanp, backend, shape, dtype, **setting), numpy),
            "notes": backend.kernels.notes,
        }
        try:
            found[tier]["by name"] = apart(
                outcome(dfanp, backend_of(dfanp, tier, True), shape, dtype, **setting), numpy
            )
        except dfanp.BackendError as error:
            found[tier]["by name"] = str(error)
    return found


def work(folder):
    """Try the mutants whose numbers are on stdin, in the copy of dfanp in `folder`: one JSON line on stdout for each."""
    from dfanp.kernels import numba

    if numba.Numba.why_not() is None:
        numba.loops()  # of the package that is tested: its compiled functions are kept, since no mutant is in them
    sys.path.insert(0, folder)
    warnings.simplefilter("ignore")
    dfanp, originals = fresh(), {}
    assert Path(dfanp.__file__).parent == Path(folder) / "dfanp"
    numbers = json.load(sys.stdin)
    cases = lambda number: [(shape, dtype, MUTANTS[number][4]) for shape in MUTANTS[number][3] for dtype in SAME]
    for case in [case for number in numbers for case in cases(number)]:
        if repr(case) not in originals:
            shape, dtype, setting = case
            originals[repr(case)] = outcome(dfanp, backend_of(dfanp, "numpy", True), shape, dtype, **setting)
    for number in numbers:
        file, old, new, *_ = MUTANTS[number]
        path = Path(folder) / "dfanp" / file
        text = path.read_text()
        if text.count(old) != 1:
            print(json.dumps([number, f"{file} has {text.count(old)} times {old!r}"]), flush=True)
            continue
        path.write_text(text.replace(old, new))
        try:
            results = []
            for shape, dtype, setting in cases(number):
                with np.errstate(all="ignore"):
                    result = tried(fresh(), shape, dtype, setting, originals[repr((shape, dtype, setting))])
                results.append({"shape": shape, "dtype": dtype} | result)
        finally:
            path.write_text(text)
        print(json.dumps([number, results]), flush=True)


# The tests

pytestmark = pytest.mark.slow
WORKERS = 2


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Number of a mutant -> what it did, by two processes, each with a copy of the package."""
    package = Path(importlib.import_module("dfanp").__file__).parent
    folders = [tmp_path_factory.mktemp("mutants") for _ in range(WORKERS)]
    for folder in folders:
        shutil.copytree(package, folder / "dfanp", ignore=shutil.ignore_patterns("__pycache__"))
        # By what they hold, since a file is changed several times in a second.
        compileall.compile_dir(
            folder / "dfanp", quiet=1, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH
        )

    def try_some(first):
        numbers = json.dumps(list(range(first, len(MUTANTS), WORKERS)))
        environment = os.environ | {"PYTHONPATH": str(package.parent), "OPENBLAS_NUM_THREADS": "1"}
        command = [sys.executable, __file__, str(folders[first])]
        done = subprocess.run(command, input=numbers, env=environment, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    with ThreadPoolExecutor(WORKERS) as pool:
        return dict(result for some in pool.map(try_some, range(WORKERS)) for result in some)


def name_of(number):
    file, old, new, _, setting = MUTANTS[number]
    return f"{number}-{Path(file).stem}-{setting.get('optimizer') or setting.get('activation') or setting.get('rule', '')}"


@pytest.mark.parametrize("number", range(len(MUTANTS)), ids=name_of)
def test_a_changed_line_is_what_runs(results, number):
    file, old, new, shapes, setting = MUTANTS[number]
    assert not isinstance(results[number], str), results[number]
    assert len(results[number]) == len(shapes) * len(SAME)
    for result in results[number]:
        case, limit = (file, new, setting, result), SAME[result["dtype"]]
        assert result["changed"] > CHANGED, f"it changes nothing: {case}"
        for tier in set(TIERS) & set(result):
            auto, by_name = result[tier]["auto"], result[tier]["by name"]
            assert auto < limit, f"{tier} computes something else: {case}"
            refused = isinstance(by_name, str)
            assert refused or by_name < limit, f"{tier}, by name, computes something else: {case}"
            # Whatever is refused by name, auto says.
            assert refused == bool(result[tier]["notes"]), case


def test_every_mutant_is_counted():
    assert f"in turn, in a copy of the package: {len(MUTANTS)} mutants." in __doc__
    assert len(set((file, old, new, repr(setting)) for file, old, new, _, setting in MUTANTS)) == len(MUTANTS)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    work(sys.argv[1])
