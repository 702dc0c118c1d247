"""The order of the layers of a state dict: as stored, by the numbers in their names, or by their shapes.

A state dict has its layers in their order of creation. A file may have sorted their names, and numbers order layers
only within a part of a network ("encoder.2" and "classifier.0" are not ordered). An ambiguous order is never guessed.
"""

import re
from itertools import pairwise

from ..errors import shown

STEPS = 100_000  # of a search, after which the order counts as ambiguous


def in_order(shapes, stored):
    """Return the names of layers, first to last.

    Args:
        shapes: name -> (d_out, d_in) of a layer's weight, in the order of the state dict or file.
        stored: whether that order is meaningful; it is then used, unless names or shapes contradict it.

    Raises:
        ValueError: no order fits the shapes and the numbers, or several do.
    """
    names, alike = list(shapes), groups(shapes)
    place = {name: number for number, name in enumerate(names)}
    fits = all(shapes[below][0] == shapes[above][1] for below, above in pairwise(names))
    as_numbered = all(place[below] < place[above] for group in alike for below, above in pairwise(group))
    if stored and fits and as_numbered:
        return names
    found = chains(shapes)
    if stored and fits and not found:
        return names
    if len(found) == 1 and not (stored and fits):
        return found[0]
    if not found:
        raise ValueError(f"the layers do not fit onto each other: {shown(shapes)} (layers=(…) gives another order)")
    how = (
        "contradicts the numbers in their names" if stored and fits else "does not follow from their names and shapes"
    )
    numbered = tuple(name for group in alike for name in group)
    raise ValueError(f"the order of the layers {how}: give it, first to last, as layers={shown(numbered)}")


def groups(names):
    """Return lists of names: each has the names that differ only in their numbers, ordered by these."""
    alike = {}
    for name in names:
        parts = re.split("([0-9]+)", name)
        digits = [part.lstrip("0") for part in parts[1::2]]  # compared as whole numbers, however long
        alike.setdefault(tuple(parts[::2]), []).append(([(len(each), each) for each in digits], name))
    return [[name for _, name in sorted(group, key=lambda numbered: numbered[0])] for group in alike.values()]


def chains(shapes, most=2):
    """Return at most `most` orders in which each layer fits the previous one and the numbers ascend in each group.

    If the search takes too long, `most` orders are returned, too: the order is ambiguous.
    """
    alike = groups(shapes)
    place, path, taken, found, steps = [0] * len(alike), [], [], [], 0
    open_choices = [iter(range(len(alike)))]
    while open_choices and len(found) < most:
        for group in open_choices[-1]:
            steps += 1
            if steps > STEPS:
                return [list(shapes)] * most
            if place[group] == len(alike[group]):
                continue
            name = alike[group][place[group]]
            if path and shapes[path[-1]][0] != shapes[name][1]:
                continue
            if len(path) + 1 == len(shapes):
                found.append([*path, name])
                continue
            path.append(name)
            taken.append(group)
            place[group] += 1
            open_choices.append(iter(range(len(alike))))
            break
        else:
            open_choices.pop()
            if taken:
                path.pop()
                place[taken.pop()] -= 1
    return found
