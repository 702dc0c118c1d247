import pickle

from dfanp import DataError, errors


def test_a_message_is_one_line_whatever_a_file_put_into_it():
    error = DataError("a\nname\r\nof three lines")
    assert str(error) == "a name of three lines" and str(pickle.loads(pickle.dumps(error))) == str(error)
    assert errors.first_line(ValueError("\n one\n two")) == "one" and errors.first_line(KeyError()) == "KeyError"
