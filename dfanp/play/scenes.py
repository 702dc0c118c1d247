"""The scenes of the page: a question, what to run, and an answer whose numbers the library measures.

``scenes.json`` has them in order. A scene has a title, question, text and answer; `dials`, those that differ from the defaults
of ``drawn.Learner``; the `rules` that it shows, how many `steps` it runs, and the hidden `layer` that its charts show. Each of
its `claims` is a measure of a rule after these steps: mean and half-width of the 95 % interval over the seeds of the page.
"""

import json
from pathlib import Path

import numpy as np

import dfanp

from .. import alignment
from ..analysis.intervals import mean_interval
from .drawn import SEEDS, Learner

FILE = Path(__file__).with_name("scenes.json")


def scenes() -> list[dict]:
    """Return the scenes."""
    return json.loads(FILE.read_text(encoding="utf-8"))


def measured(scene: dict, seeds: tuple = SEEDS) -> list[dict]:
    """Return the claims of a scene as the library measures them now, over `seeds`, with ``values``, one of each seed."""
    rules = dict.fromkeys(claim["rule"] for claim in scene["claims"])
    trained = {rule: run(Learner(rule=rule, seed=seeds, **scene["dials"]), scene["steps"]) for rule in rules}
    found = []
    for claim in scene["claims"]:
        training, record = trained[claim["rule"]]
        values = measure(claim["measure"], claim.get("layer"), training, record)
        mean, interval = mean_interval(np.asarray(values, float))
        found.append(claim | {"mean": float(mean), "interval": float(interval), "values": np.asarray(values).tolist()})
    return found


def run(learner, steps):
    """Return a Training after so many steps of the page, and its last Record."""
    training = learner.training()
    *_, last = training.epochs(steps)
    return training, last


def measure(name, layer, training, record):
    """Return a measure of a claim, one value of each replica."""
    if name == "accuracy":
        return record.test_accuracy
    if name == "loss":
        X, y = training.problem.train(training.seed, 1)
        return training.loss.per_example(np, training.network.forward(X)[-1], y).mean(axis=-1)
    if name == "weights":
        return degrees(alignment.feedback_alignment(training.rule, training.network, training.B)[layer - 1])
    return degrees(signal_cosines(training)[layer - 1])


def signal_cosines(training: "dfanp.Training") -> list:
    """Return the cosine of the signal of each hidden layer with that of BP, on the training points, lowest layer first."""
    X, y = training.problem.train(training.seed, 1)
    h = training.network.forward(X)
    e = training.loss.error(np, h[-1], y)
    own, bp = (received(rule, training, h, e) for rule in (training.rule, dfanp.rules.bp))
    return [alignment.cosine(np, own[l], bp[l]) for l in sorted(own)]


def received(rule, training, h, e):
    """Return l -> the signal of hidden layer l."""
    found = {}

    def signal(at):
        found[at.l] = rule.signal(at)
        return found[at.l]

    dfanp.rules.gradients(rule._replace(signal=signal), training.network, training.B, h, e)
    return found


def degrees(cosines):
    """Return the angles of cosines."""
    return np.degrees(np.arccos(np.clip(cosines, -1, 1)))
