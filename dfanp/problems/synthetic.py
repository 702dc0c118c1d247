"""The synthetic problem: nine disks in a plane, labelled 0 or 1, among dimensions that tell nothing.

Chizat & Bach 2020 (implicit bias of wide two-layer networks), as in Demirbilek 2021, section 2.2: c² disks of radius
1/(3c-1) on a grid with step 3/(3c-1), which fills [-1/2, 1/2]²; every further coordinate is uniform in [-1/2, 1/2]. An input
is (1, x_1, x_2, s_1 … s_{d-3}): the leading 1 stands in for a bias and counts in d.
"""

from itertools import combinations
from numbers import Integral

import numpy as np

from ..errors import shown
from ..streams import streams
from .arrays import MOST, Arrays

THESIS = (0, 1, 1, 1, 1, 0, 1, 0, 0)  # of the disks 1 … 9; Demirbilek 2021 at c = 3
PARTS = {"train": 0, "test": 1}


class Synthetic(Arrays):
    """A fixed data set of points in disks; the label of a point is that of its disk.

    The first rows and columns are the same whatever n and d: a smaller set is a part of a larger one.

    Args:
        n: training points. d: columns of an input, at least 3 (two tell the disk).
        c: disks along each side of the grid, at least 1.
        labels: of the c² disks, 0 or 1 each, counted along the first coordinate first; or ``"thesis"`` (c = 3), or
            ``"random"``, drawn by `seed`.
        test_points: test points.
        seed: of the points, and of random labels. The seed of a run does not change them.
        dtype, backend: as in ``Arrays``.

    Attributes:
        labels: the labels of the disks, a tuple.
        test_disks: the number of each test point's disk.

    Raises:
        ValueError: a size or the labels are not as above.
    """

    def __init__(self, n=256, d=15, c=3, labels="thesis", test_points=4000, seed=0, dtype="float32", backend=None):
        for name, value, least in (("n", n, 1), ("d", d, 3), ("c", c, 1), ("test_points", test_points, 1)):
            if isinstance(value, bool) or not isinstance(value, Integral) or not least <= value <= MOST:
                raise ValueError(f"{name} must be a whole number from {least} to 10^9, got {shown(value)}")
        self.labels = checked_labels(labels, c, seed)
        X, disk = points(n, d, c, seed, "train")
        X_test, test_disk = points(test_points, d, c, seed, "test")
        of, self.test_disks = np.array(self.labels), test_disk
        super().__init__(X, of[disk], X_test, of[test_disk], "bce", dtype, backend)


def points(n, d, c, seed, part):
    """Return n inputs (n, d), float64, and the number of each one's disk, 0 … c²-1.

    The angle is uniform, and so is the distance from the centre: the disk is not filled evenly by area.
    """
    draw = lambda column: streams(seed).points(PARTS[part], column)
    disk = draw(0).integers(0, c * c, n)
    radius, angle = draw(1).uniform(0, 1 / (3 * c - 1), n), draw(2).uniform(0, 2 * np.pi, n)
    plane = centres(c)[disk] + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    others = [draw(column).uniform(-0.5, 0.5, n) for column in range(3, d)]
    return np.column_stack([np.ones(n), plane, *others]), disk


def centres(c):
    """Return the centres of the disks, (c², 2), counted along the first coordinate first."""
    along = -0.5 + (1 + 3 * np.arange(c)) / (3 * c - 1)
    second, first = np.meshgrid(along, along, indexing="ij")
    return np.stack([first.ravel(), second.ravel()], axis=1)


def balanced(c):
    """Return every assignment of labels to the c² disks with as many 0s as 1s (one more or less, where c² is odd), in order."""
    disks = c * c
    sizes = {disks // 2, disks - disks // 2}
    chosen = (set(ones) for size in sorted(sizes) for ones in combinations(range(disks), size))
    return [tuple(int(disk in ones) for disk in range(disks)) for ones in chosen]


def checked_labels(labels, c, seed=0):
    """Return the labels of c² disks as a tuple of 0s and 1s; a ValueError says what is wrong with them."""
    if isinstance(labels, str) and labels == "random":
        return tuple(streams(seed).labels.integers(0, 2, c * c).tolist())
    if isinstance(labels, str) and labels == "thesis":
        if c != 3:
            raise ValueError(f"the thesis labels nine disks (c = 3): give {c * c} labels for c = {c}, or 'random'")
        return THESIS
    if isinstance(labels, str):
        labels = [int(label) if label in "01" else label for label in labels]
    wanted = f"labels must be 'thesis', 'random', or {c * c} of 0 and 1 (c = {c})"
    if not hasattr(labels, "__len__") or len(labels) != c * c or any(label not in (0, 1) for label in labels):
        raise ValueError(f"{wanted}, got {shown(labels)}")
    return tuple(int(label) for label in labels)
