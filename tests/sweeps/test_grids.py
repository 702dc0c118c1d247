from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfanp.sweeps import grids


@dataclass(frozen=True)
class Thing:
    lr: float = 1.0
    opt: str = "sgd"
    hidden: tuple = (512,)


def test_values_lists_and_ranges():
    assert grids.values("1,2, 3,2", int) == (1, 2, 3)
    assert grids.values("1e-4:4e-4:4", float) == (1e-4, 2e-4, 3e-4, 4e-4)
    assert grids.values("log:1e-4:1e-1:4,0.5", float) == (1e-4, 1e-3, 1e-2, 1e-1, 0.5)
    assert grids.values("1:5:5", int) == (1, 2, 3, 4, 5)
    assert grids.values("3:3:1", int) == (3,)


@pytest.mark.parametrize(
    "text", ["1:2", "1:2:0", "1:2:1.5", "log:0:1:3", "log:1:2", "a:b:3", "1:inf:3", "1:2:99999", ":::", "nan:1:2"]
)
def test_what_is_no_range_says_so(text):
    with pytest.raises(ValueError, match="is not a range: write start:stop:count"):
        grids.values(text, float)


@pytest.mark.parametrize("text", ["-1e308:1e308:3", "1:1.7976931348623157e308:2"])
def test_numbers_of_a_range_are_finite(text):
    """The distance of the ends overflows; or ten digits of an end do."""
    with pytest.raises(ValueError, match="has numbers that are not finite"):
        grids.values(text, str)


def test_ranges_are_as_long_together_as_one_may_be():
    assert len(grids.values("1:5000:5000,5001:10000:5000,0", float)) == 10_001
    with pytest.raises(ValueError, match="is too long: ranges have at most 10000 values, all of an option together"):
        grids.values(",".join(["0:1:10000"] * 1000), float)


@given(st.text(max_size=30))
def test_any_text_gives_values_or_a_value_error(text):
    try:
        found = grids.values(text, float)
    except ValueError:
        return
    assert len(found) == len(set(map(repr, found))) or any(map(np.isnan, found))


def test_product_varies_the_last_axis_fastest():
    made = grids.product(Thing(), opt=["sgd", "adam"], lr=np.array([0.1, 0.2]))
    assert [(each.opt, each.lr) for each in made] == [("sgd", 0.1), ("sgd", 0.2), ("adam", 0.1), ("adam", 0.2)]
    assert all(type(each.lr) is float for each in made)
    assert grids.product(Thing(), opt="adam", hidden=(64,)) == [Thing(opt="adam", hidden=(64,))]
    assert [each.hidden for each in grids.product(Thing(), hidden=[(64,), (64, 32)])] == [(64,), (64, 32)]
    assert [each.lr for each in grids.product(Thing(), lr=range(1, 3))] == [1, 2]
    with pytest.raises(ValueError, match="no setting 'lrr'"):
        grids.product(Thing(), lrr=[1])


def test_varied():
    assert grids.varied([{"a": 1, "b": [1]}, {"a": 1, "b": [2], "c": 3}]) == ["b", "c"]
    assert grids.varied([]) == []
