"""Misspelt names: one line, bad usage, and the nearest name that there is."""

import pytest

MISSPELT = (
    ("parti --k 3", "'parity'"),
    ("tune partiy --out tuned", "'parity'"),
    ("bench cpuu", "'cpu'"),
    ("data lst", "'list'"),
    ("parity --metod bp", "'--method'"),
    ("parity -k 3", "'--k'"),
    ("parity --no-bais", "'--no-bias'"),
    ("tune parity --worker 2 --out tuned", "'--workers'"),
    ("parity --method dfaa", "'dfa'"),
    ("parity --opt rmsporp", "'rmsprop'"),
    ("parity --opt momentum:momentm=0.9", "'momentum'"),
    ("tune parity --opt sgd,addam --out tuned", "'adam'"),
    ("tune parity --method bp,dffa --out tuned", "'dfa'"),
    ("tune parity --score heldout --out tuned", "'held-out'"),
    ("parity --activation rellu", "'relu'"),
    ("parity --feedback unifrom", "'uniform'"),
    ("parity --layers outptu", "'output'"),
    ("parity --align publshed", "'published'"),
    ("parity --data minst", "'mnist'"),
    ("parity --device gpuu", "'gpu'"),
    ("parity --kernels nativ", "'native'"),
    ("parity --dtype float23", "'float32'"),
    ("parity --plot curves.pgn", "'.png'"),
    ("bench cpu --tiers native,numppy", "'numpy'"),
    ("bench gpu --only ceiling", "'ceilings'"),
    ("bench estimator --data digit", "'digits'"),
    ("data fetch fashion-minst", "'fashion-mnist'"),
    ("figure 3.44", "'3.4'"),
    ("figure tranfer", "'transfer'"),
    ("figure 3.4 --mode correct", "'corrected'"),
    ("represent run --map tnse", "'tsne'"),
    ("plot run --out curves.svgg", "'.svg'"),
    ("plot run --measure test_los --out curves.svg", "'test_loss'"),
    ("train mine.npz --task regresion", "'regression'"),
    ("export run --out weights.safetensor", "'.safetensors'"),
    ("completion bsh", "'bash'"),
)


@pytest.mark.parametrize("line, meant", MISSPELT, ids=[line for line, _ in MISSPELT])
def test_the_nearest_is_suggested(dfanp, tmp_path, monkeypatch, line, meant):
    monkeypatch.chdir(tmp_path)
    result = dfanp(*line.split())
    assert result.code == 2 and result.out == "" and result.err.startswith("dfanp: ")
    assert result.err.count("\n") == 1 and f"did you mean {meant}?" in result.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("line", ["", "tune", "bench", "data"])
def test_a_group_alone_shows_its_help(dfanp, line):
    result = dfanp(*line.split())
    assert result.code == 0 and result.err == "" and result.out == dfanp(*line.split(), "--help").out


@pytest.mark.parametrize("line", ["qqqq", "foo", "parity --learning-rate 3", "parity --foo", "parity --method xyz"])
def test_what_is_not_near_is_not_suggested(dfanp, line):
    result = dfanp(*line.split())
    assert result.code == 2 and "did you mean" not in result.err


def test_the_beginning_of_a_name_and_two_letters_in_the_wrong_order_are_near():
    from dfanp.errors import nearest

    assert "'rmsprop'" in nearest("rms", ["sgd", "rmsprop"]) and "'sgd'" in nearest("sdg", ["sgd", "rmsprop"])
    assert "'--method'" in nearest("--metod", ["--method", "--bias"]) and nearest("-", ["--method"]) == ""


@pytest.fixture
def tuned(dfanp, tmp_path):
    sizes = ("--data", "digits", "--hidden", "8", "--epochs", "1", "--train-size", "200", "--test-size", "50")
    lists = ("--method", "bp,dfa", "--lr", "0.01", "--quiet", "--device", "cpu")
    assert dfanp("tune", "parity", *sizes, *lists, "--out", tmp_path / "tuned").code == 0
    return tmp_path / "tuned"


def test_settings_and_values_of_a_sweep(dfanp, tuned):
    for args, meant in ((("--where", "metod=bp"), "'method'"), (("--group-by", "method,acitvation"), "'activation'")):
        result = dfanp("results", tuned, *args)
        assert result.code == 2 and f"did you mean {meant}?" in result.err and result.err.count("\n") == 1
    result = dfanp("results", tuned, "--where", "method=dfaa")
    assert (
        result.code == 0
        and result.err == "no run has method=dfaa; existing values are bp, dfa; did you mean 'dfa'?\n"
    )
    assert dfanp("results", tuned, "--where", "method=dfaa", "--json").out == "[]\n"
    assert dfanp("results", tuned, "--where", "method=dfa", "--where", "lr=0.01").err == ""
