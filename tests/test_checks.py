from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfanp import checks


@given(st.integers(-5, 15), st.integers(-3, 3), st.integers(4, 12))
def test_whole_numbers_within_their_limits_pass_and_others_do_not(value, least, most):
    if least <= value <= most:
        assert checks.whole("n", np.int64(value), least, most) == value
        assert type(checks.whole("n", np.int64(value), least, most)) is int
    else:
        with pytest.raises(ValueError, match=f"^n must be a whole number from {least} to {most}, got {value}$"):
            checks.whole("n", value, least, most)


@pytest.mark.parametrize("value", [True, 1.0, "1", None, np.float64(1), [1], 1j])
def test_what_is_no_whole_number(value):
    with pytest.raises(ValueError, match="^n must be a whole number of at least 1 or None, got "):
        checks.whole("n", value, other=" or None")


@pytest.mark.parametrize(
    "value, limits, message",
    [
        (0, dict(above=0), "a finite number above 0, got 0"),
        (float("inf"), dict(above=0), "a finite number above 0, got inf"),
        (10**400, {}, "a finite number, got 1000"),
        (float("nan"), dict(least=0, most=1e6), "at least 0 and at most 10.6, got nan"),
        (True, dict(least=0), "at least 0, got True"),
        (1, dict(above=0, below=1), "a finite number above 0 and below 1, got 1"),
        ("1", {}, "a finite number, got '1'"),
    ],
)
def test_what_is_no_number_in_a_range(value, limits, message):
    with pytest.raises(ValueError, match=f"^x must be {message}"):
        checks.number("x", value, **limits)


def test_numbers_are_pythons_own():
    for given_, wanted in (
        (1, int),
        (0.5, float),
        (np.float32(0.5), float),
        (np.int8(3), float),
        (Fraction(1, 2), float),
    ):
        found = checks.number("x", given_)
        assert found == given_ and type(found) is wanted


def test_limits_are_written_as_people_do():
    assert [checks.limit(each) for each in (10, 1024, 60_000, 10**6, 10**9, 1e6, 0.5, 0)] == [
        "10", "1024", "60000", "10^6", "10^9", "10^6", "0.5", "0",
    ]  # fmt: skip


def test_truth_choices_and_seeds():
    assert checks.truth("bias", np.True_) is True and checks.choice("layers", "all", ("all", "output")) == "all"
    assert checks.seed(np.uint8(3)) == 3
    for call, message in (
        (lambda: checks.truth("bias", 0), "bias must be True or False, got 0"),
        (lambda: checks.choice("layers", "outpt", ("all", "output")), "got 'outpt'; did you mean 'output'"),
        (lambda: checks.choice("k", [], ("a", "b", "c")), r"k must be 'a', 'b' or 'c', got \[\]"),
        (lambda: checks.seed(-1), "a seed must be a whole number of at least 0, got -1"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
