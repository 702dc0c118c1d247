import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import dfanp
from dfanp import kernels


@pytest.fixture
def loops():
    if kernels.why_not("numba"):
        pytest.skip(kernels.why_not("numba"))
    from dfanp.kernels.numba import loops

    return loops


def test_absent_numba_is_one_clear_error():
    code = "import sys; sys.modules['numba'] = None; import dfanp; dfanp.Backend('cpu', kernels='numba')"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr
    assert "'numba' cannot be used: Numba is not installed (pip install numba); use --kernels auto" in printed


def test_broken_numba_is_one_line(monkeypatch):
    from dfanp.kernels import numba

    def broken():
        raise ImportError("Numba needs NumPy 2.4 or less\nand more lines")

    monkeypatch.setattr(numba, "compiled_loops", broken)
    assert kernels.why_not("numba") == "Numba does not import (Numba needs NumPy 2.4 or less)"


def test_no_folder_for_the_cache_is_no_error(loops, monkeypatch):
    njit = loops.numba.njit

    def homeless(function, cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return njit(function, **options)

    monkeypatch.setattr(loops.numba, "njit", homeless)
    assert loops.jit()(lambda x: x + 1)(2) == 3


def test_nothing_is_left_beside_the_code(loops, tmp_path):
    """Also by a process whose code is new to Numba: what it compiles goes to the user's cache."""
    code = "import dfanp, numba; dfanp.Backend('cpu', kernels='numba').kernels.tier.loops; print(numba.config.CACHE_DIR or 'unset')"
    script = code + "; from dfanp.kernels.numba import loops; print(loops.product._cache.cache_path)"
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
    environment.pop("NUMBA_CACHE_DIR", None)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    setting, place = done.stdout.split()
    assert setting == "unset" and place.startswith(str(tmp_path))


def test_threads_are_clipped_to_what_numba_has(loops, monkeypatch):
    """A tier that may have more takes all, for the time of a call: Numba would raise."""
    taken, update = [], loops.update
    spy = lambda threads, *arguments: (
        taken.append((threads, loops.numba.get_num_threads())) or update(threads, *arguments)
    )
    monkeypatch.setattr(loops, "update", spy)
    before, most = loops.numba.get_num_threads(), loops.numba.config.NUMBA_NUM_THREADS
    tier = dfanp.Backend("cpu", threads=1024, kernels="numba").kernels.tier
    theta = np.ones((3, 2))
    tier.update(dfanp.SGD(0.5), np.ones((3, 2)), theta, SimpleNamespace(), 0.5, 1)
    assert tier.threads == 1024 and taken == [(most, most)] and (theta == 0.5).all()
    assert loops.numba.get_num_threads() == before
