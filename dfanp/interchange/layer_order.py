"""The order of the layers of a state dict: as they are stored, by the numbers in their names, or by their shapes.

A state dict has its layers as they were made. A file may have sorted their names, and numbers count within a part of
a network only: "encoder.2" and "classifier.0" say nothing about each other. What is left open is never guessed.
"""

import re
from itertools import pairwise

from ..errors import shown

STEPS = 100_000  # of a search, after which the order counts as undecided


def in_order(shapes, stored):
    """Return the names of layers, first to last.

    Args:
        shapes: name -> (d_out, d_in) of a layer's weight, in the order of the state dict or file.
        stored: whether that order means anything; it is then taken, unless names or shapes contradict it.

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
    """Return the names in lists: in each those that differ in nothing but numbers, in the order of these."""
    alike = {}
    for name in names:
        parts = re.split("([0-9]+)", name)
        digits = [part.lstrip("0") for part in parts[1::2]]  # compared as whole numbers, however long
        alike.setdefault(tuple(parts[::2]), []).append(([(len(each), each) for each in digits], name))
    return [[name for _, name in sorted(group, key=lambda numbered: numbered[0])] for group in alike.values()]


def chains(shapes, most=2):
    """Return orders in which each layer fits onto the one before, and the numbers ascend in each group.

    At most `most` of them; so many are returned, too, where the search takes too long: undecided.
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
