import pytest

from dfanp.analysis.intervals import mean_interval


def test_student_t():
    # 95 % of t with two degrees of freedom lies within 4.302653; the standard error of 1, 2, 3 is 1/sqrt(3)
    mean, half = mean_interval([1, 2, 3])
    assert mean == 2 and half == pytest.approx(4.302653 / 3**0.5, rel=1e-6)


def test_one_value_has_no_interval():
    assert mean_interval([0.5]) == (0.5, None)
