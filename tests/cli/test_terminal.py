"""Colours, tables, bars and help in terminals of several widths, real ones (pty)."""

import re

import click
import pytest
from dfanp_cli import tables
from dfanp_cli import terminal as terminals
from dfanp_cli.main import cli, run
from dfanp_cli.reference import leaves

SMALL = ["parity", "--data", "digits", "--hidden", "8", "--epochs", "3", "--train-size", "200", "--test-size", "50"]
RUN = [*SMALL, *["--device", "cpu", "--kernels", "numpy", "--lr", "0.001"]]
DIVERGING = [*SMALL, *["--opt", "sgd", "--lr", "1e30", "--hidden", "8,8"]]
ANSI = re.compile(r"\x1b\[[0-9;]*m")
COLOUR = "\x1b[31m"  # red
NARROW, USUAL, WIDE = 40, 80, 200


def drawn(text):
    """Return the lines that a terminal is left to show, whatever was drawn over (and without colours)."""
    text = ANSI.sub("", text).replace("\x1b[?25l", "").replace("\x1b[?25h", "")
    return text.replace("\r", "\n").split("\n")


class Stream:
    def __init__(self, tty):
        self.isatty = lambda: tty


@pytest.mark.parametrize(
    "tty, environment, wanted",
    [
        (True, {}, True),
        (False, {}, False),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"NO_COLOR": ""}, True),  # as no-color.org has it: not empty
        (True, {"TERM": "dumb"}, False),
        (False, {"FORCE_COLOR": "1"}, True),
        (False, {"FORCE_COLOR": ""}, False),
        (True, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_when_there_are_colours(monkeypatch, tty, environment, wanted):
    for name, value in ({"NO_COLOR": "", "FORCE_COLOR": "", "TERM": "xterm"} | environment).items():
        monkeypatch.setenv(name, value)
    assert terminals.colours(Stream(tty)) is wanted


def test_errors_are_red_in_a_terminal_and_plain_elsewhere(terminal, dfanp):
    assert terminal("parity", "--k", "30")[1].startswith(f"{COLOUR}dfanp:\x1b[0m Invalid value")
    for plain in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        code, shown = terminal("parity", "--k", "30", **plain)
        assert code == 2 and shown.startswith("dfanp: Invalid value")
    assert dfanp("parity", "--k", "30").err.startswith("dfanp: Invalid value")


def test_no_colour_in_json_and_files(dfanp, monkeypatch, tmp_path):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert COLOUR in dfanp(*DIVERGING, "--out", tmp_path / "run").out
    json = dfanp(*DIVERGING, "--json")
    assert '"diverged"' in json.out and "\x1b" not in json.out
    assert all(b"\x1b[" not in each.read_bytes() for each in (tmp_path / "run").glob("*.json*"))
    monkeypatch.delenv("FORCE_COLOR")
    assert "\x1b" not in dfanp(*DIVERGING).out


@pytest.mark.parametrize("columns", [NARROW, USUAL, WIDE])
def test_a_run_stays_within_its_terminal(terminal, columns):
    code, shown = terminal(*RUN, columns=columns)
    lines = drawn(shown)
    bars = [line for line in lines if line.startswith("epoch") and "/3" in line]
    assert code == 0 and "3/3" in bars[-1] and all(len(line.rstrip()) < columns for line in bars)
    assert ("#" in bars[-1]) is (columns > NARROW)
    table = [line for line in lines if line.startswith(("seed", "0 ", "   0", "test acc", "parity of"))]
    assert all(len(line) <= columns for line in table)
    assert any(line.startswith("seed: 0") for line in lines) is (columns == NARROW)


def test_the_bar_of_a_resumed_run_counts_all_epochs(terminal, tmp_path):
    longer = [*RUN, "--out", tmp_path / "run"]
    assert terminal(*longer)[0] == 0
    longer[longer.index("--epochs") + 1] = "5"
    code, shown = terminal(*longer)
    bars = [line for line in drawn(shown) if line.startswith("epoch  ")]
    assert code == 0 and "3/5" in bars[0] and "5/5" in bars[-1] and "mean of last 5" in shown


def test_a_dumb_terminal_has_lines(terminal):
    code, shown = terminal(*RUN, TERM="dumb")
    assert code == 0 and "\x1b" not in shown and "\r" not in shown and "epoch   2/3  test accuracy" in shown


def test_no_color_has_bars_all_the_same(terminal):
    shown = terminal(*RUN, NO_COLOR="1")[1]
    assert not ANSI.search(shown) and "\r" in shown and "[####" in shown


def test_a_sweep_in_terminals(terminal, dfanp, tmp_path):
    sizes = "--data digits --hidden 8 --epochs 1 --train-size 200 --test-size 50 --device cpu --method bp,dfa --lr 0.01,0.1"
    code, shown = terminal("tune", "parity", *sizes.split(), "--out", tmp_path / "tuned")
    assert code == 0 and "4/4" in shown and "\x1b[1m" in shown  # the best rates stand out
    _, narrow = terminal("results", tmp_path / "tuned", columns=NARROW)
    assert "lr: 0.01\nmethod: bp\nepochs done: 1\n" in narrow and narrow.count("\n\n") == 3
    head, *rows = terminal("results", tmp_path / "tuned", columns=USUAL)[1].splitlines()
    assert head.split()[:2] == ["lr", "method"] and len(rows) == 4
    # in a pipe it is a table, however narrow the terminal beside it
    assert dfanp("results", tmp_path / "tuned").out.splitlines() == [head, *rows]


def test_styles_take_no_room_in_tables():
    plain = tables.columns(["a", "status"], [[1, "diverged"], [22, "done"]])
    styled = tables.columns(["a", "status"], [[1, click.style("diverged", fg="red")], [22, "done"]])
    assert [click.unstyle(line) for line in styled] == plain
    assert tables.columns(["n", "x"], [[click.style("7", bold=True), "y"], [10, "z"]])[1].startswith(" ")
    assert tables.entries(["a", "b", ""], [[1, "", "odd"], [2, 3, ""]]) == ["a: 1", "odd", "", "a: 2", "b: 3"]


@pytest.mark.parametrize("columns", [NARROW, USUAL, WIDE])
def test_help_fits_its_terminal(dfanp, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    for path, _ in leaves(cli):
        result = dfanp(*path, "--help")
        lines = result.out.splitlines()
        long = [
            line for line in lines if len(line) > min(columns, 100) and len(line.split()) > 1
        ]  # a word is left whole
        assert result.code == 0 and not long, path
        assert not any(line.endswith("-") for line in lines), path  # a name broken at its hyphen
        cut = [line for line in lines[2:] if line.endswith("...") and "[ARGS]" not in line]
        assert not cut, path
        assert "[bp|" not in result.out and "RANGE" not in result.out


def test_an_example_that_goes_on_can_be_pasted(dfanp, monkeypatch):
    """In a narrow terminal, too, the lines of an example make the command that they are in a wide one."""
    printed = {}
    for columns in (NARROW, WIDE):
        monkeypatch.setenv("COLUMNS", str(columns))
        text = dfanp("tune", "parity", "--help").out.partition("Examples:")[2].partition("\n\n")[0]
        printed[columns] = [" ".join(line.split()) for line in text.replace("\\\n", " ").strip().splitlines()]
    assert printed[NARROW] == printed[WIDE] and len(printed[WIDE]) == 2


@pytest.mark.parametrize("columns", [1, 5, 20, 33])
def test_the_narrowest_terminals_are_no_failure(monkeypatch, capsys, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    assert run(["parity", "--help"]) == 0
    with terminals.bar(1000, "epoch", "test accuracy 0.0000") as bar:
        bar.update(1, "test accuracy 0.5000")
