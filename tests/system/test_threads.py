"""What trains at once, in threads or processes, has the bytes that each training has alone; and the process is left as it was."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from textwrap import dedent
from threading import Barrier, Event, Thread

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import dfanp
from dfanp import kernels
from dfanp.system import threads
from dfanp.system.threads import ProcessSetting, blas_on, cpu_quota, default_threads, first_number

ON_CPU = ("native", "numba", "numpy")
THREADS = 8


def backend_of(tier, count=2):
    if kernels.why_not(tier):
        pytest.skip(kernels.why_not(tier))
    return dfanp.Backend("cpu", threads=count, kernels=tier)


def problem_of(inputs, backend):
    if inputs == "stacked":
        return dfanp.Parity(dfanp.load("digits"), k=3, train_size=1500, test_size=300, backend=backend)
    rng = np.random.default_rng(0)
    return dfanp.Arrays(rng.normal(size=(1500, 200)), rng.integers(0, 2, 1500), backend=backend)


def trained(problem, hidden, seed, batch_size=50, epochs=2):
    """Return the bytes of all that a training changes."""
    network = dfanp.MLP([problem.features, *hidden, 1], seed=seed, backend=problem.backend)
    training = dfanp.Training(network, problem, "dfa", dfanp.RMSProp(0.001), batch_size=batch_size)
    records = [(r.train_loss, r.test_loss) for r in training.epochs(epochs)]
    assert np.isfinite(records).all() and len(records) == epochs
    return repr(records), {name: array.tobytes() for name, array in training.arrays().items()}


def at_once(job, arguments):
    """Return ``job(argument)`` for each of the arguments, each from a thread of its own, which begin together and often take turns."""
    start, interval = Barrier(len(arguments)), sys.getswitchinterval()

    def begin(argument):
        start.wait(30)
        return job(argument)

    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(len(arguments)) as pool:
            return list(pool.map(begin, arguments))
    finally:
        sys.setswitchinterval(interval)


@pytest.mark.parametrize("inputs", ["stacked", "arrays"])
@pytest.mark.parametrize("hidden", [(64,), (64, 32)], ids=["one", "two"])
@pytest.mark.parametrize("tier", ON_CPU)
def test_threads_that_share_a_backend_and_a_problem(tier, hidden, inputs):
    problem = problem_of(inputs, backend_of(tier))
    run = lambda seed: trained(problem, hidden, seed)
    found = at_once(run, range(THREADS))  # first, so that they also meet where things are made once
    assert found == [run(seed) for seed in range(THREADS)]


@pytest.mark.parametrize("tier", ON_CPU)
def test_threads_that_share_a_network(tier):
    backend = backend_of(tier)
    problem = problem_of("stacked", backend)
    network = dfanp.MLP([problem.features, 64, 1], backend=backend)
    batches = [problem.test(seed, 1)[0] for seed in range(THREADS)]
    run = lambda X: [network.forward(X)[-1].tobytes() for _ in range(20)]
    assert at_once(run, batches) == [run(X) for X in batches]


@pytest.mark.parametrize("kind", ["ntk", "gaussian"])
def test_threads_that_share_a_baseline(kind):
    """Its table of projections, and its gate, belong to the examples that a call is about."""
    from dfanp.baselines import NTK, Features

    backend = dfanp.Backend("cpu", threads=1, kernels="numpy")
    problem = problem_of("stacked", backend)
    sizes = (problem.features, 64, 1)
    network = NTK(sizes, backend=backend) if kind == "ntk" else Features(sizes, kind, backend=backend)
    batches = [problem.test(seed, 1)[0] for seed in range(THREADS)]
    run = lambda X: [network.forward(X)[-1].tobytes() for _ in range(20)]
    assert at_once(run, batches) == [run(X) for X in batches]


def test_a_gate_is_that_of_the_examples_of_the_call():
    """Whatever another thread has kept in the meantime: here, after every look."""
    from dfanp.baselines import NTK

    class Shared(NTK):
        kept, of_another = (None, None), (None, None)

        @property
        def _gated(self):
            found, self.kept = self.kept, self.of_another
            return found

        @_gated.setter
        def _gated(self, value):
            self.kept = value

    network = Shared((5, 4, 1), dtype="float64")
    X, others = np.random.default_rng(0).normal(size=(2, 3, 5))
    gate = network.slope([X], 1)
    network.of_another = others, network.slope([others], 1)
    assert np.array_equal(network.slope([X], 1), gate)
    network.kept = X, gate
    assert np.array_equal(network.slope([X], 1), gate) and not np.array_equal(network.slope([others], 1), gate)


@pytest.mark.parametrize("numbers", [(1, 1, 1, 1), (1, 2, 1, 2)], ids=str)
def test_backends_with_blas_threads_of_their_own(numbers):
    """BLAS has one number for the process. Bits of products of this size depend on it."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(1500, 513)), rng.integers(0, 2, 1500)

    def run(seed):
        problem = dfanp.Arrays(X, y, backend=dfanp.Backend("cpu", threads=numbers[seed], kernels="numpy"))
        return trained(problem, (301, 203), seed, batch_size=500, epochs=3)

    before = threads.blas().shared.outside()
    assert at_once(run, range(4)) == [run(seed) for seed in range(4)]
    assert threads.blas().shared.get() == before


@pytest.mark.parametrize("tier", ON_CPU)
def test_the_process_is_left_as_it_was(tier):
    environment = dict(os.environ)
    problem = problem_of("stacked", backend_of(tier))
    settings = [threads.blas().shared.get, problem.backend.kernels.tier.most_threads]
    if tier == "numba":
        import numba

        settings.append(lambda: numba.config.CACHE_DIR)
    with numba_on(1) if tier == "numba" else nullcontext(), threadpool_limits(1):
        before = [get() for get in settings]
        trained(problem, (64,), 0)
        assert [get() for get in settings] == before and dict(os.environ) == environment


@contextmanager
def numba_on(count):
    """A context in which Numba has so many threads, and a check that it has as many at the end."""
    import numba

    before = numba.get_num_threads()
    numba.set_num_threads(count)
    yield
    assert numba.get_num_threads() == count
    numba.set_num_threads(before)


@pytest.mark.skipif(kernels.why_not("native") is not None, reason="no native tier")
def test_libgomp_alone_sees_the_setting_made_for_it():
    from dfanp.kernels.compiled import awake_shortly

    with awake_shortly():
        assert {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys()
    code = "import os, dfanp; dfanp.Backend('cpu', kernels='native'); print('GOMP_SPINCOUNT' in os.environ)"
    environment = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    assert python(code, environment) == "False"


def python(code, environment=None, timeout=120, **more):
    """Return what a new process prints; a failure shows what it said."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", dedent(code)],
        env=environment,
        timeout=timeout,
        capture_output=True,
        text=True,
        **more,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# Of a process of its own, where what is forked has no more threads than the case says.
JOB = """
    import multiprocessing, threading
    from concurrent.futures import ThreadPoolExecutor
    import dfanp
    TIER, HIDDEN = {tier!r}, {hidden!r}
    def problem_on(backend):
        return dfanp.Parity(dfanp.load("digits"), k=3, train_size=1500, test_size=300, backend=backend)
    def trained(problem, seed):
        network = dfanp.MLP([problem.features, *HIDDEN, 1], seed=seed, backend=problem.backend)
        training = dfanp.Training(network, problem, "dfa", dfanp.RMSProp(0.001), batch_size=50)
        assert len(list(training.epochs(2))) == 2
        return {{name: array.tobytes() for name, array in training.arrays().items()}}
    def anew(seed):
        return trained(problem_on(dfanp.Backend("cpu", threads=2, kernels=TIER)), seed)
    shared = problem_on(dfanp.Backend("cpu", threads=2, kernels=TIER))
    def job(seed):
        return trained(shared, seed)
"""
FORKED = """
    fork = multiprocessing.get_context("fork")
    def in_children(job):
        with fork.Pool(4) as pool:
            return pool.map_async(job, range(4)).get(60)
    def in_grandchildren(seed):
        with fork.Pool(1) as pool:
            return pool.map_async(job, [seed]).get(60)
    alone = [job(seed) for seed in range(4)]
    assert in_children(job) == alone, "with the Backend of the parent"
    assert in_children(anew) == alone, "with a Backend of their own"
    assert [job(seed) for seed in range(4)] == alone, "the parent, afterwards"
    def grandchild(answers):
        answers.put(in_grandchildren(1)[0] == alone[1])
    answers = fork.SimpleQueue()
    child = fork.Process(target=grandchild, args=(answers,))
    child.start(); child.join(60)
    assert child.exitcode == 0 and answers.get(), "a child of a child"
    busy, stop = threading.Event(), threading.Event()
    def train_on():
        while not stop.is_set():
            assert job(0) == alone[0], "a thread of the parent"
            busy.set()
    others = [threading.Thread(target=train_on) for _ in range(2)]
    for thread in others: thread.start()
    busy.wait(60)
    assert in_children(job) == alone, "while threads of the parent train"
    stop.set()
    for thread in others: thread.join(60)
    print("equal")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("hidden", [(64,), (64, 32)], ids=["one", "two"])
@pytest.mark.parametrize("tier", ON_CPU)
def test_children_of_fork(tier, hidden):
    backend_of(tier)
    assert python(dedent(JOB).format(tier=tier, hidden=hidden) + dedent(FORKED)) == "equal"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.slow
def test_a_fork_waits_for_numba_to_compile():
    """Else the child would wait for good for the lock of a compiler that is not there."""
    backend_of("numba")
    code = """
        import multiprocessing, sys, threading, traceback
        import numba, numpy
        import dfanp.kernels.numba.loops
        def compile():
            assert numba.njit(lambda x: x + 1)(1) == 2
        def compile_long():
            numba.njit(lambda x: numpy.sort(x) @ numpy.sort(x[::-1]))(numpy.ones(3))
        thread = threading.Thread(target=compile_long)
        thread.start()
        compiling = lambda: "compiler_lock" in str(traceback.extract_stack(sys._current_frames()[thread.ident]))
        while not compiling(): pass
        child = multiprocessing.get_context("fork").Process(target=compile)
        child.start(); child.join(30); print(child.exitcode)
        thread.join()
    """
    assert python(dedent(code)) == "0"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.slow
def test_numbas_own_threads():
    """Without OpenMP Numba brings threads that only one thread of Python may use at a time."""
    backend_of("numba")
    more = """
        import numba
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(job, range(4)))
        assert found == [job(seed) for seed in range(4)]
        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert pool.map_async(job, range(4)).get(60) == found
        print(numba.threading_layer())
    """
    environment = os.environ | {"NUMBA_THREADING_LAYER": "workqueue"}
    assert python(dedent(JOB).format(tier="numba", hidden=(64,)) + dedent(more), environment) == "workqueue"


def test_workers_of_joblib():
    more = """
        import joblib
        def here(tier, seed):
            return trained(problem_on(dfanp.Backend("cpu", threads=2, kernels=tier)), seed)
        def there(tier, seed):
            return dfanp.Backend("cpu", kernels=tier).threads, here(tier, seed)
        share = max(1, joblib.cpu_count() // 2)
        for tier in {tiers!r}:
            found = joblib.Parallel(2)(joblib.delayed(there)(tier, seed) for seed in range(2))
            assert [answer for _, answer in found] == [here(tier, seed) for seed in range(2)]
            print([threads <= share for threads, _ in found])
    """
    tiers = [tier for tier in ON_CPU if kernels.why_not(tier) is None]
    printed = python(dedent(JOB).format(tier="numpy", hidden=(64,)) + dedent(more).format(tiers=tiers))
    assert printed.splitlines() == ["[True, True]"] * len(tiers)


@pytest.mark.slow
@pytest.mark.parametrize("tier", ON_CPU)
def test_threads_beside_pytorch(tier):
    """Which has threads of its own, on an OpenMP of its own that the kernels may have to share."""
    pytest.importorskip("torch")
    backend_of(tier)
    script = """
        def network(steps):
            torch.manual_seed(0)
            net, X = torch.nn.Linear(300, 200), torch.ones(400, 300)
            for _ in range(steps):
                net(X).square().mean().backward()
        def both(seed):
            return network(60) if seed < 0 else job(seed)
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(both, [-1, 0, 1, 2]))
        assert found == [both(seed) for seed in [-1, 0, 1, 2]]
        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert pool.map_async(job, range(3)).get(60) == found[1:]
        print("equal")
    """
    assert python("import torch\n" + dedent(JOB).format(tier=tier, hidden=(64,)) + dedent(script)) == "equal"


def test_the_default_number_of_threads_heeds_the_surroundings(monkeypatch):
    for name in threads.LIMITS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(threads, "usable_cores", lambda: 6)
    monkeypatch.setattr(threads.blas().shared, "get", lambda: (5,))
    assert default_threads() == 5 and default_threads(3) == 3 and default_threads(9) == 5
    monkeypatch.setattr(threads.blas().shared, "get", lambda: (threads.MOST_OF_BLAS,))
    assert default_threads() == 6
    for text, wanted in (("4", 4), ("2,1", 2), (" 3 ", 3), ("0", 6), ("", 6), ("many", 6), ("-1", 6), ("12", 6)):
        monkeypatch.setenv("OMP_NUM_THREADS", text)
        assert default_threads() == wanted, text
    monkeypatch.setenv("OMP_THREAD_LIMIT", "1")
    assert default_threads() == 1 and first_number(None) is None


@pytest.mark.parametrize("tier", ON_CPU)
def test_a_backend_takes_the_present_limits_and_no_less(tier):
    backend_of(tier)
    free = dfanp.Backend("cpu", kernels=tier).threads
    with threadpool_limits(1):
        assert dfanp.Backend("cpu", kernels=tier).threads == 1
        assert dfanp.Backend("cpu", threads=2, kernels=tier).threads == 2
    with dfanp.Backend("cpu", threads=1, kernels="numpy").pinned():  # a limit of dfanp's own
        assert dfanp.Backend("cpu", kernels=tier).threads == free
    assert dfanp.Backend("cpu", kernels=tier).threads == free


@pytest.mark.parametrize("tier", ["native", "numba"])
def test_threads_are_at_most_those_of_the_tier(tier):
    backend = backend_of(tier)
    assert 1 <= dfanp.Backend("cpu", kernels=tier).threads <= backend.kernels.tier.most_threads()


def test_a_sweep_divides_the_cores_within_the_limits(tmp_path, monkeypatch):
    from dfanp.settings import ParitySettings
    from dfanp.sweeps.sweep import Sweep

    run = ParitySettings(lr=0.01, hidden=(8,), data="digits")
    monkeypatch.setattr("dfanp.sweeps.sweep.usable_cores", lambda: 6)
    for limit, workers, wanted in ((4, 1, 4), (4, 2, 3), (1, 2, 1), (9, 12, 1)):
        monkeypatch.setattr("dfanp.sweeps.sweep.default_threads", lambda limit=limit: limit)
        with Sweep([run], tmp_path / f"{limit} {workers}", workers) as sweep:
            assert sweep.threads == wanted


V1 = {"cpu.cfs_quota_us": "{}", "cpu.cfs_period_us": "100000"}
GROUPS = {  # /proc/self/cgroup, files of groups, the quota in processors
    "v2": ("0::/", {"cpu.max": "150000 100000"}, 1.5),
    "v2, none": ("0::/", {"cpu.max": "max 100000"}, None),
    "v2, around": (
        "0::/a/b",
        {"a/b/cpu.max": "max 100000", "a/cpu.max": "50000 100000", "cpu.max": "max 100000"},
        0.5,
    ),
    "v2, the tightest": ("0::/a/b", {"a/b/cpu.max": "300000 100000", "a/cpu.max": "200000 100000"}, 2.0),
    "v2, seen from inside": ("0::/system/container", {"cpu.max": "100000 100000"}, 1.0),
    "v1": (
        "4:cpu,cpuacct:/docker/x\n1:name=systemd:/",
        {f"cpu,cpuacct/{n}": t.format(250000) for n, t in V1.items()},
        2.5,
    ),
    "v1, none": ("4:cpu:/", {f"cpu/{n}": t.format(-1) for n, t in V1.items()}, None),
    "v1, another controller": ("4:cpuset:/", {f"cpuset/{n}": t.format(250000) for n, t in V1.items()}, None),
    "both": ("4:cpu:/\n0::/", {f"cpu/{n}": t.format(200000) for n, t in V1.items()}, 2.0),
    "broken": ("0::/", {"cpu.max": "\x00"}, None),
    "none": ("", {}, None),
}


@pytest.mark.parametrize("groups, files, quota", GROUPS.values(), ids=GROUPS)
def test_the_quota_of_a_container(tmp_path, groups, files, quota, monkeypatch):
    files = {"proc/self/cgroup": groups} | {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert cpu_quota(tmp_path) == quota
    monkeypatch.setattr(threads, "cpu_quota", lambda: quota)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(4), raising=False)
    assert threads.usable_cores() == (4 if quota is None else max(1, int(np.ceil(quota))))
    assert cpu_quota(tmp_path / "absent") is None


class Knob:
    """A setting, and what was done to it."""

    def __init__(self, **more):
        self.history = [7]
        self.setting = ProcessSetting(lambda: self.history[-1], self.history.append, **more)


def background(work):
    """Return a started thread."""
    thread = Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_a_setting_is_held_together_and_restored_by_the_last():
    knob, inside, leave = Knob(), Barrier(3), [Event(), Event()]

    def hold(event):
        with knob.setting.held(1):
            inside.wait(30)
            event.wait(30)

    first, second = (background(lambda event=event: hold(event)) for event in leave)
    inside.wait(30)
    leave[0].set()
    first.join(30)
    assert knob.history == [7, 1] and knob.setting.outside() == 7
    leave[1].set()
    second.join(30)
    assert knob.history == [7, 1, 7] == [*knob.history[:2], knob.setting.outside()]


def test_one_that_wants_another_value_waits_and_is_not_passed_by():
    knob, order = Knob(), []

    def hold(value):
        with knob.setting.held(value):
            order.append(value)

    with knob.setting.held(1):
        waiting = []
        for value in (2, 1, 2):
            waiting.append(background(lambda value=value: hold(value)))
            while len(knob.setting.queue) < len(waiting):
                assert waiting[-1].is_alive()
        assert order == []
    for thread in waiting:
        thread.join(30)
    assert order == [2, 1, 2] and knob.history == [7, 1, 7, 2, 7, 1, 7, 2, 7]


def test_a_thread_holds_one_value_at_a_time():
    """So two threads that hold one and want another do not wait for each other."""
    knob, both = Knob(), Barrier(2)

    def nested():
        with knob.setting.held(1):
            both.wait(30)
            with knob.setting.held(2):
                assert knob.setting.get() == 2
                with knob.setting.held(2):
                    pass
            assert knob.setting.get() == 1

    for thread in [background(nested), background(nested)]:
        thread.join(30)
        assert not thread.is_alive()
    assert knob.history[-1] == 7


def test_an_interrupted_wait_leaves_the_queue():
    knob = Knob()

    class Interrupt(BaseException):
        pass

    def interrupted(*_):
        raise Interrupt

    def want():
        knob.setting.turn.wait_for = interrupted
        with pytest.raises(Interrupt), knob.setting.held(2):
            raise AssertionError("it was not waited for")
        del knob.setting.turn.wait_for

    with knob.setting.held(1):
        background(want).join(30)
    assert not knob.setting.queue and knob.history == [7, 1, 7]
    with knob.setting.held(2):
        assert knob.history == [7, 1, 7, 2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_forks_and_settings():
    """A child has what its own thread holds; a fork waits where a setting asks for it."""
    code = """
        import os, time
        from threading import Event, Thread
        from dfanp.system.threads import ProcessSetting
        history = [7]
        setting = ProcessSetting(lambda: history[-1], history.append, delays_fork=lambda value: value > 1)
        def answer(ask):
            pid = os.fork()
            if pid:
                return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            os._exit(ask())
        def others(value, leave, inside):
            with setting.held(value):
                inside.set(); leave.wait(30)
        def use():
            with setting.held(3):
                pass
            return 10 * setting.outside() + history[-1]
        leave, inside = Event(), Event()
        thread = Thread(target=others, args=(1, leave, inside)); thread.start(); inside.wait(30)
        assert answer(lambda: setting.outside()) == 7 and answer(use) == 77
        leave.set(); thread.join()
        def hold():
            with setting.held(2):
                return answer(lambda: setting.holders)
        assert hold() == 1 and history[-1] == 7
        leave, inside = Event(), Event()
        thread = Thread(target=others, args=(2, leave, inside)); thread.start(); inside.wait(30)
        Thread(target=lambda: (time.sleep(0.3), leave.set())).start()
        print(answer(lambda: 10 * leave.is_set() + setting.holders))
    """
    assert python(code) == "10"


class Library:
    """A BLAS as threadpoolctl shows it: with one number for the process, or one for each thread."""

    check_symbols, threading_layer, internal_api = (), "pthreads", "openblas"

    def __init__(self, number, of_each_thread=False):
        from threading import local

        self.number, self.numbers = number, local() if of_each_thread else None
        if of_each_thread:
            self.check_symbols = ("MKL_Set_Num_Threads_Local",)

    def get_num_threads(self):
        return self.number if self.numbers is None else getattr(self.numbers, "own", self.number)

    def set_num_threads(self, number):
        if self.numbers is None:
            self.number = number
        else:
            self.numbers.own = number


@contextmanager
def blas_of(monkeypatch, *libraries):
    """Let NumPy's BLAS be these libraries."""
    from types import SimpleNamespace

    with monkeypatch.context() as patch:
        patch.setattr(threads, "blas_pools", lambda: SimpleNamespace(lib_controllers=list(libraries)))
        found = threads.blas.__wrapped__()
        patch.setattr(threads, "blas", lambda: found)
        yield


def test_a_blas_with_a_number_for_each_thread(monkeypatch):
    """Each thread that trains sets its own; one that it shares is set by the first, and by the last restored."""
    shared, own = Library(4), Library(5, of_each_thread=True)
    first, second = Event(), Event()

    def inside(wait_for):
        with blas_on(1):
            assert (shared.get_num_threads(), own.get_num_threads()) == (1, 1)
            first.set()
            wait_for.wait(30)
        return shared.get_num_threads(), own.get_num_threads()

    with blas_of(monkeypatch, shared, own), ThreadPoolExecutor(2) as pool:
        late, early = pool.submit(inside, second), pool.submit(inside, first)
        assert early.result(30)[1] == 5
        second.set()
        assert late.result(30) == (4, 5)
        assert default_threads(9) <= 4


def test_a_number_that_another_thread_controls():
    """From threadpoolctl 3.8 on, one thread alone sets the number of OpenBLAS; a training has the one it was asked for all the same."""
    controlled, leave = Event(), Event()

    def control():
        with threadpool_limits(1, "blas"):
            controlled.set()
            leave.wait(30)

    thread = background(control)
    controlled.wait(30)
    with blas_on(2):
        assert set(threads.blas().shared.get()) == {2}
    leave.set()
    thread.join(30)


def test_overlapping_precisions_of_a_gpu():
    """What cuBLAS rounds is a setting of the process, too: those who want it and those who do not take turns."""
    import threading
    from types import SimpleNamespace

    from dfanp.kernels.cupy import products

    kinds = {"f": "full"}
    linalg = SimpleNamespace(get_compute_type=kinds.get, set_compute_type=kinds.__setitem__, COMPUTE_TYPE_TF32="tf32")
    modes = {}  # of cuBLAS, by the handle of each thread
    cublas = SimpleNamespace(getMathMode=lambda handle: modes.get(handle, 0), setMathMode=modes.__setitem__)
    cuda = SimpleNamespace(cublas=cublas, device=SimpleNamespace(get_cublas_handle=threading.get_ident))
    cupy = type("CuPy", (), {"_core": SimpleNamespace(_routines_linalg=linalg), "cuda": cuda})
    found = []

    def train(tf32):
        for _ in range(50):
            with products(cupy, tf32):
                found.append((tf32, kinds["f"], cublas.getMathMode(threading.get_ident())))

    at_once(train, [False, True, False, True])
    assert set(found) == {(False, "full", 0), (True, "tf32", 3)}
    assert kinds["f"] == "full" and set(modes.values()) == {0}
    with products(np):  # not CuPy
        pass
