import pytest

from dfanp.files import lines


@pytest.mark.parametrize("text", ["1e999", "-1e999", "NaN", "Infinity", "1" + "0" * 400, "1" * 5000, "[1, {", ""])
def test_what_no_finite_number_can_be_is_no_json_here(text):
    with pytest.raises(ValueError):
        lines.loads(text)
    assert lines.parsed(f'{{"lr": {text}}}') == {}


def test_numbers_are_read_as_json_reads_them():
    assert lines.loads('{"a": [1, -2, 0.1, 1e308, 123456789012345678901]}') == {
        "a": [1, -2, 0.1, 1e308, 123456789012345678901]
    }
    assert isinstance(lines.loads("3"), int) and isinstance(lines.loads("3.0"), float)
