"""Who handles SIGTERM and SIGHUP, for how long, and what is left alone."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from dfanp.settings import ParitySettings
from dfanp.sweeps import grids
from dfanp.sweeps.sweep import Sweep
from dfanp.system import signals

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
SETTINGS = ParitySettings(lr=0.1, k=1, hidden=(4,), epochs=1, data="digits", opt="sgd", train_size=200, test_size=50)
SENT = (signal.SIGTERM, signal.SIGHUP)


@pytest.fixture
def sweep(tmp_path):
    with Sweep(grids.product(SETTINGS, k=[1, 2]), tmp_path / "sweep") as sweep:
        yield sweep


@pytest.fixture(autouse=True)
def restored():
    """Handlers as they are in a process of Python, and afterwards as they were."""
    before = {each: signal.getsignal(each) for each in signals.STOPS}
    for each in signals.STOPS:
        signal.signal(each, signal.default_int_handler if each == signal.SIGINT else signal.SIG_DFL)
    yield
    for each, handler in before.items():
        signal.signal(each, handler)


@pytest.mark.parametrize("sent", SENT)
def test_they_act_as_ctrl_c_while_a_sweep_runs_and_not_afterwards(sweep, sent):
    outcomes = sweep.outcomes()
    assert signal.getsignal(sent) == signal.SIG_DFL  # nothing runs yet
    next(outcomes)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(sent)
    assert len(list(outcomes)) == 1
    assert all(signal.getsignal(each) == signal.SIG_DFL for each in SENT)


@pytest.mark.parametrize("sent", SENT)
def test_outcomes_that_nobody_wants_any_more_leave_no_handler(sweep, sent):
    for _ in sweep.outcomes():
        assert signal.getsignal(sent) is signal.default_int_handler
        break
    assert signal.getsignal(sent) == signal.SIG_DFL


@pytest.mark.parametrize("sent", SENT)
@pytest.mark.parametrize("own", [signal.SIG_IGN, lambda *_: None], ids=["ignored", "handled"])
def test_what_somebody_handles_or_ignores_stays_so(sweep, sent, own):
    signal.signal(sent, own)
    for _ in sweep.outcomes():
        assert signal.getsignal(sent) is own
        signal.raise_signal(sent)
    assert signal.getsignal(sent) is own and not sweep.pending


def test_a_handler_that_is_set_meanwhile_stays(sweep):
    own = lambda *_: None
    for _ in sweep.outcomes():
        signal.signal(signal.SIGTERM, own)
    assert signal.getsignal(signal.SIGTERM) is own


def test_in_another_thread_nothing_changes(sweep):
    found = []
    thread = threading.Thread(target=lambda: found.extend(sweep.outcomes()))
    thread.start()
    thread.join()
    assert [each.state for each in found] == ["done", "done"]


def test_what_is_held_back_is_handled_afterwards():
    got = []
    with signals.handled(lambda signum, frame: got.append(signum)):
        with signals.held_back():
            for each in signals.STOPS:
                signal.pthread_kill(threading.get_ident(), each)
            assert not got
            code = "import signal; print(*sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())))"
            child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert sorted(got) == sorted(signals.STOPS)
    assert child.stdout.split() == [f"{each:d}" for each in sorted(signals.STOPS)]
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())
