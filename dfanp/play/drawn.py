"""What the page starts from: points, initial weights and feedback matrices, drawn by the library in float64.

>>> learner = Learner(rule="dfa", depth=1, width=4)
>>> [B.shape for B in learner.training().B]
[(1, 4)]
>>> sorted(drawn(0, 1, 4))
['W', 'next', 'nextMask', 'output', 'outputMask']
"""

import base64
from dataclasses import dataclass

import numpy as np

import dfanp

POINTS, TEST_POINTS = 128, 256
SEEDS, DEPTHS, WIDTHS = (0, 1, 2, 3, 4), (1, 2, 3), (4, 8, 16)
DENSITY, ALIGNED = 0.25, 0.5  # of the structures "sparse" and "aligned"
STRUCTURES = {"full": "uniform", "sparse": f"uniform:density={DENSITY}", "aligned": f"uniform:aligned={ALIGNED}"}
NO_SIGNAL = "none"  # the last layer alone learns


@dataclass(frozen=True)
class Learner:
    """A network of the page: the values of its dials.

    Args:
        rule: of ``dfanp.rules``, or "none": the last layer alone learns.
        depth, width: of the hidden layers.
        activation, optimizer: their names.
        lr: learning rate.
        decay: the weight decay of the optimizer.
        start: factor of the initial weights.
        scale, structure: of B; the structure is one of STRUCTURES.
        labels: of the nine disks, nine 0s and 1s.
        seed: of the weights and of B; a sequence makes replicas.
        points: number of training points; each step uses all of them.
    """

    rule: str = "dfa"
    depth: int = 2
    width: int = 16
    activation: str = "tanh"
    optimizer: str = "momentum"
    lr: float = 0.1
    decay: float = 0.0
    start: float = 1.0
    scale: float = 1.0
    structure: str = "full"
    labels: str = "011110100"
    seed: int | tuple = 0
    points: int = POINTS

    def problem(self, test_points: int = TEST_POINTS) -> "dfanp.Synthetic":
        """Return the disks: inputs (1, x_1, x_2), in float64."""
        return dfanp.Synthetic(self.points, 3, labels=self.labels, test_points=test_points, dtype="float64")

    def training(self, test_points: int = TEST_POINTS) -> "dfanp.Training":
        """Return the library's training of this network: an epoch of it is a step of the page."""
        seed = self.seed if isinstance(self.seed, int) else tuple(self.seed)
        network = dfanp.MLP(sizes(self.depth, self.width), self.activation, dtype="float64", seed=seed)
        network.load({name: self.start * W for name, W in network.draw(seed).items()})
        optimizer = dfanp.optimizers.get(self.optimizer)(self.lr, weight_decay=self.decay)
        return dfanp.Training(
            network,
            self.problem(test_points),
            "bp" if self.rule == NO_SIGNAL else self.rule,
            optimizer,
            dfanp.Feedback(f"{STRUCTURES[self.structure]}:scale={self.scale}"),
            self.points,
            layers="output" if self.rule == NO_SIGNAL else "all",
        )


def sizes(depth: int, width: int) -> list[int]:
    """Return the sizes of a network: three inputs, one output."""
    return [3, *[width] * depth, 1]


def drawn(seed: int, depth: int, width: int) -> dict[str, str]:
    """Return the numbers of one network, as texts: all arrays of a kind one after the other, row by row.

    W: initial weights. next, output: the B of FA, and of DFA. nextMask, outputMask: which entries a sparse B keeps.
    """
    of = sizes(depth, width)
    found = {"W": numbers(dfanp.MLP(of, dtype="float64", seed=seed).W)}
    for name, rule in (("next", "fa"), ("output", "dfa")):
        shapes = dfanp.rules.feedback_shapes(dfanp.rules.get(rule), of)
        found[name] = numbers(dfanp.Feedback(STRUCTURES["full"]).draw(shapes, seed))
        kept = np.concatenate([B.ravel() != 0 for B in dfanp.Feedback(STRUCTURES["sparse"]).draw(shapes, seed)])
        found[f"{name}Mask"] = base64.b64encode(np.packbits(kept).tobytes()).decode()
    return found


def numbers(arrays) -> str:
    """Return arrays as one text: base64 of float64, little-endian, one after the other."""
    return base64.b64encode(np.concatenate([np.ravel(a) for a in arrays]).astype("<f8").tobytes()).decode()


def everything(seeds=SEEDS, depths=DEPTHS, widths=WIDTHS, points=POINTS, test_points=TEST_POINTS) -> dict:
    """Return what the page embeds, for JSON: points, and the numbers of each network that its dials offer.

    The key of a network is its seed, depth and width, such as "0-2-16".
    """
    parts = {}
    for part, n in (("train", points), ("test", test_points)):
        X, disks = dfanp.problems.synthetic.points(
            n, 3, 3, dfanp.problems.synthetic.SyntheticSettings.points_seed, part
        )
        parts[part] = {"X": numbers([X]), "disks": disks.tolist()}
    networks = {f"{s}-{d}-{w}": drawn(s, d, w) for s in seeds for d in depths for w in widths}
    dials = {"seeds": seeds, "depths": depths, "widths": widths, "structures": [*STRUCTURES], "aligned": ALIGNED}
    return {"points": parts, "networks": networks, "dials": dials, "defaults": defaults()}


def defaults() -> dict:
    """Return the values of the dials before one is moved."""
    return {name: getattr(Learner, name) for name in Learner.__dataclass_fields__ if name not in ("rule", "points")}
