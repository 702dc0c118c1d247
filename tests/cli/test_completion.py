"""Completion: what click's protocol answers, in this process; the scripts, in the shells that are here."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from dfanp_cli.main import run

RUN = "import sys\nfrom dfanp_cli.main import run\ntry:\n run([])\nexcept SystemExit as end:\n print(end.code, 'numpy' in sys.modules)"


@pytest.fixture
def complete(monkeypatch, capfd):
    """Return the values that are offered for the last word of a line."""

    def call(line, shell="bash"):
        words = line.split(" ")
        monkeypatch.setenv("_DFANP_COMPLETE", f"{shell}_complete")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", words[-1] if shell == "fish" else str(len(words) - 1))
        with pytest.raises(SystemExit) as end:
            run([])
        printed = capfd.readouterr()
        assert end.value.code == 0 and printed.err == ""
        return printed.out.split()

    return call


LINES = (
    ("dfanp pari", "plain,parity"),
    ("dfanp tune s", "plain,synthetic"),
    ("dfanp parity --metho", "plain,--method"),
    ("dfanp parity --method nt", "plain,ntk plain,ntk-step"),
    ("dfanp parity --method bp --opt ad", "plain,adagrad plain,adadelta plain,adam"),
    ("dfanp parity --opt adam:count=steps:be", "plain,adam:count=steps:beta1= plain,adam:count=steps:beta2="),
    ("dfanp parity --opt sgd:", ""),
    ("dfanp parity --opt nothing:", ""),
    ("dfanp tune parity --opt sgd,ad", "plain,sgd,adagrad plain,sgd,adadelta plain,sgd,adam"),
    ("dfanp tune parity --opt adam,ada", "plain,adam,adagrad plain,adam,adadelta"),
    ("dfanp bench cpu --opt sgd,ad", "plain,sgd,adagrad plain,sgd,adadelta plain,sgd,adam"),
    ("dfanp bench cpu --tiers n", "plain,native plain,numba plain,numpy"),
    ("dfanp figure 2.1 3.", "plain,3.1 plain,3.2 plain,3.3 plain,3.4 plain,3.5 plain,3.7 plain,3.8"),
    ("dfanp data fetch ", "plain,mnist plain,fashion-mnist"),
    ("dfanp results tuned --where me", "plain,method="),
    ("dfanp results tuned --group-by method,op", "plain,method,opt"),
    ("dfanp completion z", "plain,zsh"),
    ("dfanp results ru", "dir,ru"),
    ("dfanp plot runs/bp ru", "dir,ru"),
    ("dfanp represent ru", "file,ru"),
    ("dfanp export ru", "file,ru"),
    ("dfanp parity --out ru", "dir,ru"),
    ("dfanp parity --data-dir ru", "dir,ru"),
    ("dfanp parity --plot cu", "file,cu"),
    # incomplete or invalid: no completions and no message
    ("dfanp party --metho", ""),
    ("dfanp party pa", "plain,parity"),
    ("dfanp parity --k many --lr -1 --metod x --kernels none --tf32 --dev", "plain,--device"),
    ("dfanp tune parity --opt sgd,,", None),
    ("dfanp parity --opt 'ada", "plain,adagrad plain,adadelta plain,adam"),
    ("dfanp tune 'par", "plain,parity"),
    ("dfanp figure 9.9 --mod", "plain,--mode"),
    ("dfanp -- parity \\", None),
)


@pytest.mark.parametrize("line, wanted", LINES, ids=[line for line, _ in LINES])
def test_what_is_offered(complete, line, wanted):
    replies = complete(line)
    assert wanted is None or replies == wanted.split()


@pytest.mark.parametrize(
    "line", ["dfanp ", "dfanp parity --me", "dfanp tune parity --hid", "dfanp bench cpu --method bp --o"]
)
def test_commands_and_options_need_no_numpy(line):
    variables = {"_DFANP_COMPLETE": "bash_complete", "COMP_WORDS": line}
    done = subprocess.run([sys.executable, "-c", RUN], env=os.environ | variables, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "0 False" and done.stderr == "" and len(done.stdout.splitlines()) > 1


def test_other_shells_have_the_help_beside_the_value(complete):
    assert complete("dfanp exp", "zsh")[:3] == ["plain", "export", "Export"]
    assert complete("dfanp parity --opt momentum:", "zsh")[1] == "momentum:momentum="
    assert complete("dfanp exp", "fish")[:2] == ["plain,export", "Export"]


def test_zsh_and_fish_put_the_answer_in_the_place_of_the_whole_word(complete):
    assert complete("dfanp parity --opt=sg", "zsh")[:2] == ["plain", "--opt=sgd"]
    assert complete("dfanp tune parity --opt=sgd,rms", "fish") == ["plain,--opt=sgd,rmsprop"]


def test_fish_does_not_cut_lists_at_their_comma(dfanp):
    script = dfanp("completion", "fish").out
    assert 'string split -m 1 "," $completion' in script and 'string split ","' not in script


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_what_its_shell_reads(dfanp, tmp_path, shell):
    result = dfanp("completion", shell)
    assert result.code == 0 and result.err == "" and f"_DFANP_COMPLETE={shell}_complete" in result.out
    if shutil.which(shell):
        (tmp_path / "script").write_text(result.out)
        assert subprocess.run([shell, "-n", tmp_path / "script"], capture_output=True).stderr == b""


IN_BASH = (
    ("dfanp pari", "parity"),
    ("dfanp parity --opt ad", "adagrad adadelta adam"),
    ("dfanp parity --opt=ad", "adagrad adadelta adam"),
    ("dfanp parity --opt adam:be", "beta1= beta2="),
    ("dfanp parity --opt=adam:eps=1e-8:be", "beta1= beta2="),
    ("dfanp tune parity --opt sgd,ad", "sgd,adagrad sgd,adadelta sgd,adam"),
    ("dfanp results tuned --where me", "method="),
    ("dfanp party --me", ""),
)


def test_in_bash(tmp_path):
    """Bash parts words at : and =; the reply that replaces the last part is that part, completed."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not here")
    asked = "".join(f"ask '{line}'\n" for line, _ in IN_BASH)
    script = f"""
        source <(dfanp completion bash)
        compopt() {{ :; }}  # bash has it within a completion alone
        ask() {{ COMP_LINE=$1 COMP_POINT=${{#1}}; _dfanp_completion dfanp; echo "${{COMPREPLY[*]}}"; }}
        {asked}
        complete -p dfanp
    """
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    done = subprocess.run(
        [bash, "--norc", "-c", script], env=os.environ | {"PATH": path}, capture_output=True, text=True
    )
    assert done.stderr == ""
    *replies, last = done.stdout.splitlines()
    assert replies == [wanted for _, wanted in IN_BASH] and last == "complete -F _dfanp_completion dfanp"
