"""Resources shared by the threads of a process: its processors, their limits, and process-wide settings."""

import os
import re
from collections import deque
from contextlib import contextmanager
from functools import cache, wraps
from math import ceil
from pathlib import Path, PurePosixPath
from threading import Condition, RLock, local
from typing import NamedTuple

LIMITS = ("OMP_NUM_THREADS", "OMP_THREAD_LIMIT")  # variables that batch systems, joblib and Dask set
# The maximum of NumPy's own OpenBLAS on any machine: this number is not a limit set by the user.
MOST_OF_BLAS = 64
FORK_WAITS = 60  # seconds to wait for trainings in other threads to finish their epoch


def default_threads(most=None):
    """Return the default number of threads: one per core, within all limits of this process.

    The limits are its processors (``usable_cores``), OMP_NUM_THREADS, the current limit of NumPy's BLAS (set by
    threadpoolctl or a variable such as OPENBLAS_NUM_THREADS), and `most`, that of the kernels, unless it is None.
    """
    limits = [usable_cores(), most, *(first_number(os.environ.get(name)) for name in LIMITS)]
    limits += [threads for threads in (*blas().shared.outside(), *numbers_of(blas().own)) if threads < MOST_OF_BLAS]
    return max(1, min(limit for limit in limits if limit is not None))


def first_number(text):
    """Return the first of the comma-separated numbers in OMP_NUM_THREADS.

    None unless it is a whole number above 0.
    """
    found = re.match(r"\s*\+?(\d+)\s*(,|$)", text or "")
    return int(found[1]) or None if found else None


def usable_cores():
    """Return the number of processors of this process: those it may run on, within the quota of its container."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    quota = cpu_quota()
    return cores if quota is None else max(1, min(cores, ceil(quota)))


@cache
def cpu_quota(root="/"):
    """Return the CPU quota of this process by Linux's control groups, in processors, such as 1.5.

    None without a quota.

    Both versions of control groups are read, for the group of the process and its parents. A container may see its
    own group as the root.
    """
    root, quotas = Path(root), []
    try:
        groups = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    for _, controllers, path in (line.split(":", 2) for line in groups):
        if controllers and "cpu" not in controllers.split(","):
            continue
        own = PurePosixPath(path.lstrip("/"))
        around = (root / "sys/fs/cgroup" / controllers / each for each in (own, *own.parents))
        quotas += [quota for folder in around if (quota := quota_of(folder)) is not None]
    return min(quotas, default=None)


def quota_of(group):
    """Return the quota of the control group in a folder, in processors; None without one."""
    for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        try:
            quota, period = map(int, " ".join((group / name).read_text(encoding="utf-8") for name in names).split())
            if quota > 0 and period > 0:
                return quota / period
        except (OSError, ValueError):  # the other version; or "max", which means no quota
            continue
    return None


def free_in_children(lock):
    """Return a lock that is free in a forked child, because the fork waits for the thread that holds it."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return lock


def once(make):
    """Return `make` with a cache: one thread computes a result, and others wait for it."""
    cached, lock = cache(make), free_in_children(RLock())

    @wraps(make)
    def get(*arguments):
        with lock:
            return cached(*arguments)

    return get


class ProcessSetting:
    """A process-wide setting, such as the number of BLAS threads, that threads hold for some time and then restore.

    Threads that need the same value hold it together. A thread that needs another value waits until they release it,
    and later threads queue behind it. The last to release it restores the original value.

    Args:
        get, put: ``get()`` returns the value, ``put(value)`` sets it.
        restore: ``restore(value)`` restores the original value, if that takes more than ``put``.
        delays_fork: ``delays_fork(value)``: whether a fork should wait for the threads that hold a value.
    """

    def __init__(self, get, put, restore=None, delays_fork=lambda value: False):
        self.get, self.put, self.restore, self.delays_fork = get, put, restore or put, delays_fork
        self.before, self.value, self.holders = None, None, 0
        self.own, self.turn, self.queue = local(), Condition(RLock()), deque()
        if hasattr(os, "register_at_fork"):
            parent = dict(before=self._before_fork, after_in_parent=self.turn.release)
            os.register_at_fork(**parent, after_in_child=self._in_child)

    def outside(self):
        """Return the original value, even while another one is held."""
        with self.turn:
            return self.get() if self.before is None else self.before

    def held(self, value):
        """Return a context in which the setting is `value`.

        Afterwards the calling thread holds its previous value again.
        """
        return Holding(self, value)

    def change(self, value):
        """Make the calling thread hold `value` (None: nothing); return its previous value.

        It holds one value at a time, so there can be no deadlock.
        """
        held = getattr(self.own, "value", None)
        if held != value:
            with self.turn:
                if held is not None:
                    self._release()
                if value is not None:
                    self._take(value)
        return held

    def _release(self):
        self.own.value, self.holders = None, self.holders - 1
        if not self.holders:
            self.restore(self.before)
            self.before = None
            if self.queue:
                self.turn.notify_all()

    def _take(self, value):
        if self.queue or (self.holders and self.value != value):
            self._wait(lambda: not self.holders or self.value == value)
        if not self.holders:
            if self.before is None:
                self.before = self.get()
            self.put(value)
        self.value, self.own.value, self.holders = value, value, self.holders + 1

    def _wait(self, ready, seconds=None):
        ticket = object()
        self.queue.append(ticket)
        try:
            self.turn.wait_for(lambda: self.queue[0] is ticket and ready(), seconds)
        finally:
            self.queue.remove(ticket)
            self.turn.notify_all()

    def _before_fork(self):
        self.turn.acquire()
        mine = getattr(self.own, "value", None) is not None
        if self.holders > mine and self.delays_fork(self.value):
            self._wait(lambda: self.holders <= mine, FORK_WAITS)

    def _in_child(self):
        # The value of other threads stays set until the next release restores it: the locks of BLAS may not be free
        # now.
        self.holders = int(getattr(self.own, "value", None) is not None)
        self.queue.clear()
        self.turn.release()


class Holding:
    """The context of ``ProcessSetting.held``; a class, because a generator would take longer than the setting."""

    __slots__ = ("setting", "value", "outer")

    def __init__(self, setting, value):
        self.setting, self.value = setting, value

    def __enter__(self):
        self.outer = self.setting.change(self.value)

    def __exit__(self, *exception):
        self.setting.change(self.outer)


class Blas(NamedTuple):
    """NumPy's BLAS, as threadpoolctl controls it: usually one library, more if SciPy or others have their own.

    Attributes:
        shared: the ProcessSetting of the libraries with one number of threads for the whole process, a tuple of
            numbers.
        own: controllers of the libraries with a separate number for each thread.
        of_shared: length of the tuple in ``shared``.
    """

    shared: ProcessSetting
    own: list
    of_shared: int


@once
def blas_pools():
    """Return the controller of NumPy's BLAS; cached, because finding it takes a millisecond."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


@once
def blas():
    """Return the process's Blas."""
    shared, own = [], []
    for library in blas_pools().lib_controllers:
        (own if has_number_of_each_thread(library) else shared).append(library)

    def put(numbers):
        for library, threads in zip(shared, numbers, strict=True):
            library.set_num_threads(threads)
            if library.get_num_threads() != threads:
                give_up_control(shared, force=True)
                library.set_num_threads(threads)

    def restore(numbers):
        put(numbers)
        give_up_control(shared)

    # A fork during a multithreaded product of OpenBLAS may hang, in parent or child.
    setting = ProcessSetting(lambda: numbers_of(shared), put, restore, lambda numbers: max(numbers, default=1) > 1)
    return Blas(setting, own, len(shared))


def give_up_control(libraries, force=False):
    """Allow any thread to set the number of OpenBLAS: threadpoolctl 3.8 permits only the first that does so."""
    for library in libraries:
        if hasattr(library, "clear_controlling_thread"):
            library.clear_controlling_thread(force)


def has_number_of_each_thread(library):
    """Whether threadpoolctl sets the number for the calling thread only: MKL, and since 3.8 OpenBLAS with OpenMP."""
    openmp = getattr(library, "threading_layer", None) == "openmp" and hasattr(library, "clear_controlling_thread")
    return openmp or "MKL_Set_Num_Threads_Local" in library.check_symbols


def numbers_of(libraries):
    """Return a tuple with the number of threads of each library, in the calling thread."""
    return tuple(library.get_num_threads() for library in libraries)


def blas_on(threads):
    """Return a context in which BLAS has this many threads; Python threads that need different numbers take turns."""
    shared, own, of_shared = blas()
    held = shared.held((threads,) * of_shared)
    return with_own(held, own, threads) if own else held


@contextmanager
def with_own(held, libraries, threads):
    """Enter the context `held`, and set the number for the calling thread in `libraries`."""
    with held:
        before = numbers_of(libraries)
        try:
            for library in libraries:
                library.set_num_threads(threads)
            yield
        finally:
            for library, number in zip(libraries, before, strict=True):
                library.set_num_threads(number)
