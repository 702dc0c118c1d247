import pickle

import numpy as np
import pytest

from dfanp import DataError, errors


def test_a_message_is_one_line_whatever_a_file_put_into_it():
    error = DataError("a\nname\r\nof three lines")
    assert str(error) == "a name of three lines" and str(pickle.loads(pickle.dumps(error))) == str(error)
    assert errors.first_line(ValueError("\n one\n two")) == "one" and errors.first_line(KeyError()) == "KeyError"


def test_short_names_are_suggested_too_and_a_message_stays_short_whatever_was_given():
    table = {"bp": 1, "fa": 2}
    with pytest.raises(ValueError, match="unknown rule 'bq': expected one of bp, fa; did you mean 'bp'"):
        errors.by_name("rule", "bq", table)
    for given in (np.zeros((3, 3)), "x" * 10_000, None):
        with pytest.raises(ValueError, match="unknown rule .*: expected one of bp, fa$") as caught:
            errors.by_name("rule", given, table)
        assert len(str(caught.value)) < 200 and "\n" not in str(caught.value)
