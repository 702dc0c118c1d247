import json
import os
import re
import signal
import stat
import subprocess
import sys

import numpy as np
import pytest

QUICK = ("parity", "--hidden", "8", "--epochs", "2", "--batch-size", "2000", "--threads", "1", "--device", "cpu")


def test_table_and_progress(dfanp):
    result = dfanp(*QUICK, "--repeats", "2", "--align")
    assert result.code == 0
    assert "parity of k = 3, digits: DFA, uniform B, rmsprop at lr" in result.out
    lines = result.out.splitlines()
    assert [line.split()[0] for line in lines[2:4]] == ["0", "1"] and "mean of 2 seeds, 95 % interval" in lines[4]
    assert "weight alignment" in result.out
    for text in ("embedded in scikit-learn", "dfanp data fetch mnist", "lr  ", "tuned", "epoch   1/2", "s left"):
        assert text in result.err


def test_quiet_and_json(dfanp):
    result = dfanp(
        *QUICK,
        "--kernels",
        "numpy",
        "--quiet",
        "--json",
        "--repeats",
        "2",
        "--lr",
        "0.001",
        "--method",
        "bp",
        "--opt",
        "sgd",
    )
    printed = json.loads(result.out)
    assert result.err == "" and result.code == 0
    assert printed.keys() == {"config", "environment", "runs", "summary"}
    assert (
        printed["config"]["lr"] == 0.001
        and printed["config"]["kernels"] == "numpy"
        and printed["config"]["device"] == "cpu"
    )
    assert len(printed["config"]["data_sha256"]) == 64
    assert [(run["seed"], run["status"], len(run["epochs"])) for run in printed["runs"]] == [
        (0, "done", 2),
        (1, "done", 2),
    ]
    names = {"epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "seconds"}
    assert all(epoch.keys() == names for run in printed["runs"] for epoch in run["epochs"])
    finals = [run["epochs"][-1]["test_accuracy"] for run in printed["runs"]]
    summary = printed["summary"]["test_accuracy"]
    assert summary["mean"] == pytest.approx(np.mean(finals))
    # with two values the interval is 12.706 standard errors, each half their distance
    assert summary["ci95"] == pytest.approx(12.7062 * abs(finals[0] - finals[1]) / 2, rel=1e-4)


def test_a_cosine_that_overflows_is_null(dfanp):
    args = ("--k", "1", "--opt", "sgd", "--activation", "tanh", "--hidden", "8,8,8", "--lr", "1e18", "--align")
    result = dfanp(*QUICK, *args, "--quiet", "--json")
    assert result.code in (0, 1) and json.loads(result.out)["runs"]
    assert dfanp(*QUICK, *args).code == result.code


def test_every_name_is_accepted(dfanp):
    for more in (
        ("--method", "fa", "--hidden", "8,6", "--opt", "nesterov", "--activation", "leaky-relu", "--bias"),
        ("--feedback", "orthogonal", "--opt", "momentum", "--dtype", "float64", "--k", "1", "--layers", "output"),
        ("--method", "bp", "--opt", "adam", "--activation", "tanh", "--weight-decay", "1e-4", "--seed", "7"),
    ):
        assert dfanp(*QUICK, *more, "--epochs", "1").code == 0


def test_the_default_lr_is_printed_with_its_source(dfanp, mnist_folder):
    result = dfanp(*QUICK, "--data-dir", mnist_folder, "--epochs", "1")
    assert "lr        0.00022 (Demirbilek 2021, MNIST at k = 3; " in result.err and "mnist: DFA" in result.out


def test_out_resumes_and_refuses(dfanp, tmp_path):
    out = ("--out", tmp_path / "run")
    first, again = dfanp(*QUICK, *out), dfanp(*QUICK, *out)
    assert first.code == again.code == 0 and first.out == again.out
    assert f"resuming  {tmp_path / 'run'} after epoch 2" in again.err
    other = dfanp(*QUICK, *out, "--seed", "1")
    assert other.code == 1 and other.out == ""
    assert other.err.splitlines()[-1].startswith(f"dfanp: {tmp_path / 'run'}: holds a run with seed 0, not 1;")


@pytest.mark.parametrize("more", [(), ("--repeats", "2"), ("--method", "bp", "--opt", "sgd", "--lr", "1e30")])
def test_out_takes_more_epochs_and_no_fewer(dfanp, tmp_path, more):
    parts, whole = ("--out", tmp_path / "parts"), ("--out", tmp_path / "whole")
    first = dfanp(*QUICK, *more, *parts)
    extended = dfanp(*QUICK, *more, *parts, "--epochs", "3")
    assert dfanp(*QUICK, *more, *whole, "--epochs", "3").out == extended.out
    assert extended.code == first.code == (1 if "1e30" in more else 0) and "resuming" in extended.err
    for name in ("config.json", "log.jsonl", "checkpoint.npz"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    fewer = dfanp(*QUICK, *more, *parts, "--quiet")
    assert failed(fewer) and "holds a run of 3 epochs already, more than 2; give at least as many" in fewer.err


def test_plot(dfanp, tmp_path):
    assert dfanp(*QUICK, "--align", "--plot", tmp_path / "a.svg").code == 0
    assert (tmp_path / "a.svg").read_text().rstrip().endswith("</svg>")
    assert not list(tmp_path.glob("*.partial"))


def test_a_picture_that_cannot_be_drawn_loses_no_result(dfanp, tmp_path, monkeypatch):
    from dfanp.reports import plots

    for error in (OSError(28, "No space left on device"), ValueError("no such backend")):

        def fails(rows, title, path, error=error):
            raise error

        monkeypatch.setattr(plots, "draw_run", fails)
        result = dfanp(*QUICK, "--quiet", "--plot", tmp_path / "a.svg")
        assert result.code == 1 and "done" in result.out
        assert (
            result.err.startswith(f"dfanp: {tmp_path / 'a.svg'}: cannot be drawn (") and result.err.count("\n") == 1
        )


def test_a_diverged_run_is_reported_and_fails(dfanp):
    result = dfanp(*QUICK, "--method", "bp", "--opt", "sgd", "--lr", "1e30", "--repeats", "2", "--json")
    assert result.code == 1
    printed = json.loads(result.out)
    assert [run["status"] for run in printed["runs"]] == ["diverged", "diverged"]
    assert printed["summary"] == {"test_accuracy": {"mean": None, "ci95": None}}
    table = dfanp(*QUICK, "--method", "bp", "--opt", "sgd", "--lr", "1e30")
    assert table.code == 1 and "diverged" in table.out


@pytest.mark.parametrize(
    "args, message",
    [
        (("--k", "0"), "0 is not in the range 1<=x<=10"),
        (("--k", "-1"), "-1 is not in the range"),
        (("--k", "11"), "11 is not in the range"),
        (("--k", "three"), "'three' is not a valid integer"),
        *((("--lr", lr), f"{lr!r} is not a finite number above 0") for lr in ("0", "-1", "nan", "inf", "fast")),
        (("--hidden", "0"), "'0' is not a list of widths from 1"),
        (("--hidden", ""), "'' is not a list of widths"),
        (("--hidden", "8,"), "'8,' is not a list of widths"),
        (("--batch-size", "60001"), "batch_size must be at most the 60000 examples"),
        (("--batch-size", "0"), "0 is not in the range"),
        (("--epochs", "0"), "0 is not in the range"),
        (("--weight-decay", "nan"), "weight_decay must be at least 0"),
        (("--method", "dfaa"), "did you mean 'dfa'?"),
        (("--opt", "rmspop"), "did you mean 'rmsprop'?"),
        (("--activation", "rleu"), "did you mean 'relu'?"),
        (("--feedback", "unifrom"), "did you mean 'uniform'?"),
        (("--data", "mnits"), "did you mean 'mnist'?"),
        (("--device", "gup"), "did you mean 'gpu'?"),
        (("--kernels", "natve"), "did you mean 'native'?"),
        (("--tf32", "--kernels", "native"), "--tf32 is for products on a GPU"),
        (("--dtype", "float16"), "'float16' is not one of float32, float64"),
        (("--plot", "curve.jpg2"), "must end in .png"),
        (("--plot", "nowhere/curve.png"), "there is no folder nowhere"),
        (("--repeats", "100000000000000000000"), "is not in the range"),
        (("--threads", "4294967296"), "is not in the range"),
        (("--methd", "dfa"), "--methd"),
        (("surplus",), "surplus"),
    ],
)
def test_bad_usage_is_one_line_and_exit_2(dfanp, tmp_path, args, message):
    result = dfanp(*QUICK, "--quiet", "--out", tmp_path / "run", *args)
    assert result.code == 2 and result.out == "" and message in result.err
    assert result.err.startswith("dfanp: ") and result.err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def failed(result):
    return result.code == 1 and result.out == "" and result.err.startswith("dfanp: ") and result.err.count("\n") == 1


def test_data_that_are_not_there(dfanp, tmp_path):
    for args, message in (
        (("--data", "mnist"), "mnist is not here"),
        (("--data-dir", tmp_path / "nowhere"), "the data folder is absent"),
        (("--data", "fashion-mnist", "--data-dir", tmp_path), "fashion-mnist is not here"),
    ):
        result = dfanp(*QUICK, "--quiet", *args)
        assert failed(result) and message in result.err


def test_broken_data_are_reported(dfanp, tmp_path, monkeypatch):
    for content, message in (
        (b"\x1f\x8b broken", "the gzip file ends too early"),
        (b"\0\0\x08\x03\x80\0\0\0\0\0\0\x1c\0\0\0\x1c", "more than the file can hold"),
        (b"\x89PNG", "not an IDX file"),
    ):
        (tmp_path / "train-images-idx3-ubyte").write_bytes(content)
        monkeypatch.setenv("DFANP_DATA", str(tmp_path))
        result = dfanp(*QUICK, "--quiet")
        assert failed(result) and message in result.err and "train-images" in result.err


def test_absent_gpu(dfanp, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    result = dfanp(*QUICK, "--quiet", "--device", "gpu")
    assert failed(result) and "--device cpu" in result.err
    result = dfanp(*QUICK, "--quiet", "--tf32")
    assert failed(result) and "'cuda-tf32' run on a GPU only" in result.err


def test_corrupt_checkpoint(dfanp, tmp_path):
    out = ("--out", tmp_path / "run")
    dfanp(*QUICK, *out)
    path = tmp_path / "run" / "checkpoint.npz"
    path.write_bytes(path.read_bytes()[:-100])
    result = dfanp(*QUICK, *out, "--quiet")
    assert failed(result) and "the checkpoint is corrupt" in result.err and "another folder" in result.err


def test_a_folder_that_cannot_be_written(dfanp, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    assert failed(dfanp(*QUICK, "--quiet", "--out", tmp_path / "file" / "run"))
    result = dfanp(*QUICK, "--quiet", "--out", "/proc/dfanp")  # even the superuser makes no folder there
    assert failed(result) and "/proc/dfanp: the run cannot be opened" in result.err


@pytest.mark.skipif(sys.platform == "win32", reason="no file-size limit there")
def test_full_disk_keeps_the_last_checkpoint(process, dfanp, tmp_path):
    """A file-size limit stands for the full disk: the checkpoint of a wider network does not fit."""

    def limit():
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    args = ("parity", "--hidden", "64", "--epochs", "2", "--batch-size", "2000", "--out", tmp_path / "run", "--quiet")
    running = process(*args, preexec_fn=limit)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 1 and err.count("\n") == 1 and "the run cannot be written (File too large)" in err
    assert sorted(each.name for each in (tmp_path / "run").iterdir()) == ["config.json", "log.jsonl", "timings.jsonl"]
    assert dfanp(*args).code == 0


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_in_mid_epoch_keeps_the_run_and_it_resumes_to_the_same_bytes(process, dfanp, tmp_path, sent):
    args = ("parity", "--hidden", "64", "--epochs", "12", "--device", "cpu", "--threads", "1")
    running = process(*args, "--out", tmp_path / "parts")
    for line in running.stderr:
        if line.startswith("epoch   2/12"):
            running.send_signal(sent)
            break
    err = running.stderr.read()
    assert running.wait(60) == 130
    kept = re.search(r"interrupted; (\d+) epochs are in", err.splitlines()[-1])
    assert 2 <= int(kept[1]) < 12 and "Traceback" not in err  # a busy machine may be epochs ahead of us
    assert dfanp(*args, "--out", tmp_path / "parts").code == 0
    assert dfanp(*args, "--out", tmp_path / "whole").code == 0
    for name in ("config.json", "log.jsonl", "checkpoint.npz"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
def test_closed_streams_and_narrow_encodings():
    def shell(line, **variables):
        command = f"{sys.executable} -m dfanp_cli {line}"
        return subprocess.run(["sh", "-c", command], capture_output=True, env=os.environ | variables, timeout=60)

    quick = " ".join(QUICK)
    assert shell("info >&-").returncode == 0
    closed = shell(f"{quick} 2>&-")
    assert closed.returncode == 0 and b"done" in closed.stdout
    narrow = shell(f"{quick} --repeats 2", PYTHONIOENCODING="koi8-r")
    assert narrow.returncode == 0 and b"95 % interval" in narrow.stdout


def test_stdout_closed_early(process):
    running = process(*QUICK, "--quiet")
    running.stdout.close()
    err = running.stderr.read()
    assert running.wait(60) == 1 and err == ""


@pytest.mark.skipif(not stat.S_ISCHR(os.stat("/dev/null").st_mode), reason="needs /dev/full")
def test_stdout_on_a_full_disk(process):
    with open("/dev/full", "w") as full:
        running = process(*QUICK, "--quiet", stdout=full)
        err = running.stderr.read()
    assert running.wait(60) == 1 and err.count("\n") == 1 and "No space left on device" in err
