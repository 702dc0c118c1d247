"""Checks of the exercises of the course: each compares an answer with a property that the right one has."""

from collections.abc import Callable
from typing import Any

from ..errors import by_name, first_line, shown
from ..system.lazy import lazy

np = lazy("numpy")


def check(exercise: str, answer: Any) -> None:
    """Print whether an answer to an exercise is right, and if not, what a right one does.

    Raises:
        ValueError: there is no such exercise.
    """
    wrong = by_name("exercise", exercise, EXERCISES)
    try:
        hint = wrong(answer)
    except Exception as error:  # of the answer
        hint = f"it raises {type(error).__name__}: {first_line(error)}"
    print("Right." if hint is None else f"Not yet: {hint}")


def near(found, wanted):
    """Whether an array has the shape and, but for rounding, the values of another."""
    found = np.asarray(found, float)
    return found.shape == np.shape(wanted) and np.allclose(found, wanted, rtol=1e-6, atol=1e-9)


def error(answer):
    """e = (sigmoid(z) - y) / n, by the change of the mean loss along e."""
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(20, 1)), rng.integers(0, 2, (20, 1))
    e = np.asarray(answer(z, y), float)
    if e.shape != z.shape:
        return f"e must have the shape of z, {z.shape}, not {e.shape}."
    mean = lambda z: (np.log1p(np.exp(z)) - y * z).mean()
    slope = lambda v: (mean(z + 1e-6 * v) - mean(z - 1e-6 * v)) / 2e-6
    if not np.isclose(slope(e), (e * e).sum(), rtol=1e-4):
        return "in a step of 1e-6 along e the mean loss does not change by 1e-6 times the squared length of e."
    if not all(np.isclose(slope(v), (e * v).sum(), rtol=1e-4, atol=1e-9) for v in rng.normal(size=(5, 20, 1))):
        return "along e the mean loss changes as it should, in other directions it does not."
    return None


def slope(answer):
    """f' of tanh is 1 - h²."""
    if not near(answer(np.array([[0.0]])), [[1.0]]):
        return "f'(a) of tanh at a = 0, where h = 0, is 1."
    a = np.random.default_rng(0).normal(size=(4, 3))
    if not near(answer(np.tanh(a)), (np.tanh(a + 1e-6) - np.tanh(a - 1e-6)) / 2e-6):
        return "it differs from (tanh(a + 1e-6) - tanh(a - 1e-6)) / 2e-6."
    return None


def signs(answer):
    """The signal delta @ sign(W).T, which neither reads e nor the sizes of the weights."""
    rng = np.random.default_rng(0)
    for l, width, above in ((1, 100, 100), (2, 100, 1)):
        delta, e = rng.normal(size=(5, above)), rng.normal(size=(5, 1))
        sums = np.broadcast_to(delta.sum(axis=1, keepdims=True), (5, width))
        if not near(answer(l, np.ones((width, above)), e, delta), sums):
            return "where all weights are 1, every unit of the layer must receive the sum of its row of delta."
        W = rng.normal(size=(width, above))
        small, large = (np.asarray(answer(l, size * W, e, delta), float) for size in (1, 2))
        if not near(small, large):
            return "weights twice as large must give the same signal."
        if not near(small, delta @ np.where(W > 0, 1.0, -1.0).T):
            return "a negative weight must turn the sign around."
    return None


def shapes(answer):
    """B of a hidden layer leads from the outputs straight to it: (10, 60) and (10, 40)."""
    each = [tuple(shape) for shape in answer]
    if len(each) != 2:
        return f"there are two hidden layers, so two shapes, not {shown(each)}."
    for name, width, shape in zip(("lower", "upper"), (60, 40), each, strict=True):
        if shape != (10, width):
            return f"e @ B of the {name} hidden layer, with e of shape (n, 10), must have the shape (n, {width})."
    return None


def cosine(answer):
    """The sum of the products of two matrices, divided by both lengths."""
    A, B = np.random.default_rng(0).normal(size=(2, 4, 3))
    if not near(answer(A, 2 * A), 1.0):
        return "the cosine of a matrix with twice itself must be 1."
    if not near(answer(A, -3 * A), -1.0):
        return "the cosine of a matrix with minus itself must be -1."
    if not near(answer(A, B), np.vdot(A, B) / np.linalg.norm(A) / np.linalg.norm(B)):
        return "of other matrices it is the sum of all products of entries, divided by the lengths of both."
    return None


EXERCISES: dict[str, Callable[[Any], str | None]] = {
    each.__name__: each for each in (error, slope, signs, shapes, cosine)
}
