"""The synthetic problem: nine disks in a plane, labelled 0 or 1, among uninformative dimensions.

Chizat & Bach 2020 (implicit bias of wide two-layer networks), as in Demirbilek 2021, section 2.2: c² disks of radius
1/(3c-1) on a grid with step 3/(3c-1), which fills [-1/2, 1/2]²; every further coordinate is uniform in [-1/2, 1/2].
An input is (1, x_1, x_2, s_1 … s_{d-3}): the leading 1 replaces a bias and counts in d.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import dfanp

from ..checks import MOST
from ..errors import shown
from ..system.lazy import lazy
from .arrays import Arrays
from .fields import setting, settings_of
from .rates import Rate
from .settings import TrainingSettings

if TYPE_CHECKING:
    from ..backend import Backend

np = lazy("numpy")
THESIS = (0, 1, 1, 1, 1, 0, 1, 0, 0)  # of the disks 1 … 9; Demirbilek 2021 at c = 3
PARTS = {"train": 0, "test": 1}
MOST_BALANCED = 4  # maximal number of disks along a side for all balanced labelings


class SyntheticSettings(TrainingSettings):
    """Train a network to classify points by the label of the disk that they lie in.

    Points are drawn on c × c disks in a plane, and hidden among uninformative dimensions (Chizat & Bach 2020). In a
    sweep, `--labels balanced` means every labeling with as many 0s as 1s (one more or less, if the number of disks is
    odd), and `dfanp results DIR --group-by method,opt,lr` averages over them.
    """

    lr: float = setting(unset="0.5")
    epochs: int = setting(500, "Number of epochs (passes over the points), each with a test.")
    batch_size: int | None = setting(None, unset="all points")  # type: ignore[assignment]
    opt: str = "sgd"
    n: int = setting(256, "Number of training points.", least=1, most=MOST)
    d: int = setting(
        15, "Number of columns of an input: a 1, two coordinates in the plane, noise.", least=3, most=10**6
    )
    c: int = setting(3, "Number of disks along each side of the grid.", least=1, most=100)
    labels: str | tuple = setting(
        "thesis",
        "Labels of the c² disks, such as 011110100; random (as many 0s as 1s), or coins (each by itself).",
        unset="those of the thesis for c = 3, else random",
        metavar="TEXT",
    )
    test_points: int = setting(4000, "Number of test points.", least=1, most=MOST)
    points_seed: int = setting(0, "Seed of the points, and of random labels.", least=0)

    name = "synthetic"
    about = "disks in a plane"
    chance = 0.5
    examples = (
        "dfanp synthetic --method bp --layers output  # a lazy network: only the output layer learns",
        "dfanp synthetic --method bp                  # all layers learn",
        "dfanp synthetic --n 512 --d 25 --labels random --points-seed 3 --repeats 3 --plot curves.png",
        "dfanp tune synthetic --method bp,dfa --opt sgd,rmsprop --lr log:0.01:1:5 --d 5:25:5 --repeats 3 --out disks",
        "dfanp tune synthetic --method bp --labels balanced --lr 0.5 --epochs 50 --out labels",
    )

    @property
    def title(self):
        return f"{self.c}² disks, n = {self.n}, d = {self.d}"

    @classmethod
    def decided(cls, given, data_dir=None):
        found = super().decided(given, data_dir)
        sides = found.get("c", [cls.c])
        if "labels" in found:
            found["labels"] = [one for each in found["labels"] for one in assignments(each, sides)]
        elif set(sides) != {3}:  # the thesis labels nine disks
            found["labels"] = ["random"]
        return found

    def starting_rate(self):
        return Rate(0.5, "Demirbilek 2021, for every optimizer")  # and Chizat & Bach 2020

    def problem(self, dataset, backend):
        return Synthetic(self.n, self.d, self.c, self.labels, self.test_points, self.points_seed, self.dtype, backend)

    def features(self, dataset):
        return self.d

    def bytes_of_examples(self, features):
        return (self.n + self.test_points) * 8 * (features + 1)


SETTINGS = settings_of(SyntheticSettings)


class Synthetic(Arrays):
    """A fixed data set of points in disks; the label of a point is that of its disk.

    The first rows and columns do not depend on n and d: a smaller set is a part of a larger one.

    Args:
        n, d, c, test_points: as in ``SyntheticSettings``.
        labels: of the c² disks, 0 or 1 each, counted along the first coordinate first; or ``"thesis"`` (c = 3); or drawn by
            `seed`: ``"random"``, as many 0s as 1s (one more or less, if c² is odd), as Chizat & Bach and the thesis have
            them; ``"coins"``, each disk by itself.
        seed: of the points, and of random labels. The seed of a run does not change them.
        dtype, backend: as in ``Arrays``.

    Attributes:
        labels: the labels of the disks, a tuple.
        test_disks: the number of each test point's disk.

    Raises:
        ValueError: a size or the labels are invalid.
    """

    def __init__(
        self,
        n: int = SyntheticSettings.n,
        d: int = SyntheticSettings.d,
        c: int = SyntheticSettings.c,
        labels: str | Sequence[int] = SyntheticSettings.labels,
        test_points: int = SyntheticSettings.test_points,
        seed: int = SyntheticSettings.points_seed,
        dtype: str = SyntheticSettings.dtype,
        backend: "Backend | None" = None,
    ) -> None:
        sizes = {"n": n, "d": d, "c": c, "test_points": test_points}
        n, d, c, test_points = (SETTINGS[name].checked(value) for name, value in sizes.items())
        self.labels = checked_labels(labels, c, seed)
        X, disk = points(n, d, c, seed, "train")
        X_test, test_disk = points(test_points, d, c, seed, "test")
        of, self.test_disks = np.array(self.labels), test_disk
        super().__init__(X, of[disk], X_test, of[test_disk], "bce", dtype, backend)

    def groups(self, X: Any) -> dict[str, Any]:
        """Return the groups of test examples X: the number of each point's disk, (n,)."""
        return {"disks": self.test_disks}


def points(n, d, c, seed, part):
    """Return n inputs (n, d), float64, and the numbers of their disks, 0 … c²-1.

    The angle is uniform, and so is the distance from the centre: the disk is not filled evenly by area.
    """
    draw = lambda column: dfanp.streams.streams(seed).points(PARTS[part], column)
    disk = draw(0).integers(0, c * c, n)
    radius, angle = draw(1).uniform(0, 1 / (3 * c - 1), n), draw(2).uniform(0, 2 * np.pi, n)
    plane = centres(c)[disk] + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    others = [draw(column).uniform(-0.5, 0.5, n) for column in range(3, d)]
    return np.column_stack([np.ones(n), plane, *others]), disk


def centres(c: int) -> Any:
    """Return the centres of the disks, (c², 2), counted along the first coordinate first."""
    along = -0.5 + (1 + 3 * np.arange(c)) / (3 * c - 1)
    second, first = np.meshgrid(along, along, indexing="ij")
    return np.stack([first.ravel(), second.ravel()], axis=1)


def balanced(c: int) -> list[tuple[int, ...]]:
    """Return every labeling of the c² disks with as many 0s as 1s (one more or less, if c² is odd), in order."""
    disks = c * c
    sizes = {disks // 2, disks - disks // 2}
    chosen = (set(ones) for size in sorted(sizes) for ones in combinations(range(disks), size))
    return [tuple(int(disk in ones) for disk in range(disks)) for ones in chosen]


def assignments(labels, sides):
    """Return the labelings that a text means: itself, or all balanced ones, for grids with these `sides`."""
    if labels != "balanced":
        return [labels]
    if len(sides) > 1 or sides[0] > MOST_BALANCED:
        raise ValueError(
            f"--labels balanced needs a single --c of at most {MOST_BALANCED}, otherwise there are too many"
        )
    return ["".join(map(str, one)) for one in balanced(sides[0])]


def checked_labels(labels, c, seed=0):
    """Return the labels of c² disks as a tuple of 0s and 1s; a ValueError says what is wrong with them."""
    if isinstance(labels, str) and labels in ("random", "coins"):
        rng, disks = dfanp.streams.streams(seed).labels, c * c
        if labels == "coins":
            return tuple(rng.integers(0, 2, disks).tolist())
        ones = disks // 2 + (rng.integers(0, 2) if disks % 2 else 0)
        return tuple(rng.permutation([1] * ones + [0] * (disks - ones)).tolist())
    if isinstance(labels, str) and labels == "thesis":
        if c != 3:
            raise ValueError(f"the thesis labels nine disks (c = 3): give {c * c} labels for c = {c}, or 'random'")
        return THESIS
    if isinstance(labels, str):
        labels = [int(label) if label in "01" else label for label in labels]
    wanted = f"labels must be 'thesis', 'random', 'coins', or {c * c} of 0 and 1 (c = {c})"
    if not hasattr(labels, "__len__") or len(labels) != c * c or any(label not in (0, 1) for label in labels):
        raise ValueError(f"{wanted}, got {shown(labels)}")
    return tuple(int(label) for label in labels)
