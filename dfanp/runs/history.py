"""The lines of a run's log: what a good one is, and which of them belong to the epochs of a checkpoint."""

from ..checks import is_number
from ..errors import RecordError
from ..files.lines import parse_lines

MOST_COSINE = 1.001  # a cosine of float32 arrays, rounded


def parse_log(path, seeds, epoch):
    """Return the rows of epochs 1 to `epoch` and the bytes they take.

    Raises:
        RecordError: they are not a line for each epoch and seed (a seed that has diverged has none after that), or lines
            follow that no single epoch cut off could have left.
    """
    remedy = "restore the log, or start anew in another folder"
    rows, end = parse_lines(path)
    layers = next((layers_of(row) for row in rows if is_measured(row) and layers_of(row)), None)
    alive, place, keep = list(seeds), 0, 0
    for number in range(1, epoch + 1):
        for seed in list(alive):
            row = rows[place] if place < len(rows) else {}
            fits = is_measured(row) and layers_of(row) in (None, layers)
            if row.get("epoch") != number or row.get("seed") != seed or not fits:
                raise RecordError(
                    f"{path}: has no good line for epoch {number}, seed {seed}, but a checkpoint; {remedy}"
                )
            if row.get("status") == "diverged":
                alive.remove(seed)
            place += 1
    beyond = [row.get("epoch") for row in rows[place:]]
    if any(each != epoch + 1 for each in beyond) or len(beyond) > len(alive):
        raise RecordError(f"{path}: goes beyond the checkpoint beside it, which is at epoch {epoch}; {remedy}")
    content = path.read_bytes() if path.exists() else b""
    keep = sum(len(line) for line in content.splitlines(keepends=True)[:place])
    if len(content[end:].splitlines()) > 1:
        raise RecordError(f"{path}: line {len(rows) + 1} is not JSON; {remedy}")
    return rows[:place], keep


def is_measured(row):
    """Whether a log line tells that its seed diverged, or numbers of all four measures (and cosines, where it has any)."""
    if row.get("status") == "diverged":
        return True
    losses, accuracies = ([row.get(f"{part}_{what}") for part in ("train", "test")] for what in ("loss", "accuracy"))
    good = all(map(is_number, losses + accuracies))
    return good and all(0 <= value <= 1 for value in accuracies) and is_alignment(row.get("alignment"))


def is_alignment(told):
    """Whether this is None, or two lists of cosines (None for one that overflowed) as ``Record`` has them."""
    kinds = ("feedback", "gradient")
    return told is None or (
        isinstance(told, dict)
        and told.keys() == set(kinds)
        and all(isinstance(told[kind], list) for kind in kinds)
        and all(c is None or (is_number(c) and abs(c) <= MOST_COSINE) for kind in kinds for c in told[kind])
    )


def layers_of(row):
    """Return how many cosines of each kind a measured log line has, None without any."""
    return tuple(map(len, row["alignment"].values())) if row.get("alignment") else None
