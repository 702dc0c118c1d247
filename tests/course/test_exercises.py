"""The exercises: right answers pass, and each wrong one gets its own hint."""

import numpy as np
import pytest

from dfanp.course import check

sigmoid = lambda z: 1 / (1 + np.exp(-z))
RIGHT = {
    "error": [lambda z, y: (sigmoid(z) - y) / len(z)],
    "slope": [lambda h: 1 - h**2, lambda h: 1 - h * h],
    "signs": [lambda l, W, e, delta: delta @ np.sign(W).T, lambda l, W, e, delta: delta @ (W / abs(W)).T],
    "shapes": [[(10, 60), (10, 40)], ([10, 60], [10, 40])],
    "cosine": [lambda A, B: np.vdot(A, B) / np.linalg.norm(A) / np.linalg.norm(B)],
}
WRONG = {
    "error": [
        lambda z, y: z - y,
        lambda z, y: sigmoid(z) - y,  # a sum and no mean
        lambda z, y: (y - sigmoid(z)) / len(z),
        lambda z, y: ((sigmoid(z) - y) / len(z))[:, 0],
        lambda z: z,
    ],
    "slope": [lambda h: h > 0, lambda h: 1 - h, lambda h: 1 - np.tanh(h) ** 2, lambda h: 1.0, None],
    "signs": [
        lambda l, W, e, delta: delta @ W.T,
        lambda l, W, e, delta: delta @ np.abs(np.sign(W)).T,
        lambda l, W, e, delta: delta @ np.sign(W),
        lambda l, W, e, delta: e @ np.sign(W[:, :1]).T,
        lambda l, W, e, delta: np.sign(delta @ W.T),
    ],
    "shapes": [[(40, 60), (10, 40)], [(60, 10), (40, 10)], [(10, 60)], 3, [(10, 60), 40]],
    "cosine": [
        lambda A, B: (A * B).sum(),
        lambda A, B: (A * B).mean(),
        lambda A, B: abs((A * B).sum()) / np.linalg.norm(A) / np.linalg.norm(B),
        lambda A, B: np.sign((A * B).sum()),
    ],
}


def said(capsys, exercise, answer):
    check(exercise, answer)
    return capsys.readouterr().out


@pytest.mark.parametrize("exercise", RIGHT)
def test_right_answers_pass_and_wrong_ones_do_not(exercise, capsys):
    for answer in RIGHT[exercise]:
        assert said(capsys, exercise, answer) == "Right.\n"
    for answer in WRONG[exercise]:
        line = said(capsys, exercise, answer)
        assert line.startswith("Not yet: ") and line.count("\n") == 1 and len(line) > 20


def test_an_unknown_exercise_is_named():
    with pytest.raises(ValueError, match="did you mean 'cosine'"):
        check("cosin", None)
