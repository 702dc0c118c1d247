"""The scenes of the page: a question, what to run, and an answer whose numbers the library measures.

``scenes.json`` has them in order. A scene has a title, question, text and answer; `dials`, those that differ from the defaults
of ``drawn.Learner``; the `rules` that it shows, how many `steps` it runs, and the hidden `layer` that its charts show. Each of
its `claims` is a measure of a rule after these steps: mean and half-width of the 95 % interval over the seeds of the page.
"""

import json
from collections import deque
from functools import cache, partial
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


def measured(all_scenes: list[dict], seeds: tuple = SEEDS) -> list[list[dict]]:
    """Return the claims of each scene as the library measures them now, over `seeds`, with ``values``, one of each seed.

    Scenes that share a network share its training.
    """
    trained = cache(partial(trained_text, seeds=seeds))
    found = []
    for scene in all_scenes:
        of = lambda claim, scene=scene: trained(json.dumps({"rule": claim["rule"], **scene["dials"]}), scene["steps"])
        found.append(
            [
                claim | over_seeds(measure(claim["measure"], claim.get("layer"), of(claim)))
                for claim in scene["claims"]
            ]
        )
    return found


def trained_text(dials, steps, seeds):
    """Return a Training of the network whose dials are in a JSON text, after so many steps of the page."""
    training = Learner(seed=seeds, **json.loads(dials)).training(test_points=1)
    deque(training.epochs(steps), maxlen=0)
    return training


def over_seeds(values):
    """Return mean, half-width of the interval, and the values, one of each seed."""
    mean, interval = mean_interval(np.asarray(values, float))
    return {"mean": mean, "interval": interval, "values": np.asarray(values, float).tolist()}


def measure(name, layer, training):
    """Return a measure of a claim, one value of each replica."""
    network, loss = training.network, training.loss
    if name == "accuracy":
        X, y = Learner(labels="".join(map(str, training.problem.labels))).problem().test(0, 1)
        return loss.correct(np, network.forward(X)[-1], y).mean(axis=-1)
    if name == "loss":
        X, y = training.problem.train(training.seed, 1)
        return loss.per_example(np, network.forward(X)[-1], y).mean(axis=-1)
    if name == "weights":
        return degrees(alignment.feedback_alignment(training.rule, network, training.B)[layer - 1])
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
