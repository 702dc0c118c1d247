"""Names and structs that Python reads off the C sources, against what a compiler makes of them."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import dfanp
from dfanp import activations, losses, optimizers
from dfanp.experiments.published import EpochAdam
from dfanp.kernels import mirror
from dfanp.kernels.cuda.card import source
from dfanp.kernels.mirror import LOSSES

from .emulated import GCC, need_emulator, with_shared_memory, workshop

FOLDER = Path(mirror.__file__).parent
SHOWN = r"""
#include <stddef.h>
#include <stdio.h>
#define REAL %s
#define SQRT sqrt
#define EXP exp
#define TANH_OF tanh
#define FN static inline
#define NAME(x) x
#include <math.h>
#include "arithmetic.h"
#define SHOW(x) printf("%%s %%d\n", #x, (int)(x));
#define FIELD(x) printf("%%s %%d\n", #x, (int)offsetof(hyperparameters, x));
int main(void) {
    OPTIMIZERS(SHOW) puts("-");
    ACTIVATIONS(SHOW) puts("-");
    FLAGS(FIELD) NUMBERS(FIELD) puts("-");
    SHOW(sizeof(hyperparameters))
}
"""


def printed(text):
    """Return what a program printed: dicts name -> number, in its order, parted by dashes."""
    parts = [part.split() for part in text.split("-")]
    return [dict(zip(part[::2], map(int, part[1::2]), strict=True)) for part in parts]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_names_and_fields_are_those_of_c(tmp_path, dtype):
    """The number of each optimizer and activation, and where each hyperparameter is."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    real = {"float32": "float", "float64": "double"}[dtype]
    (tmp_path / "a.c").write_text(SHOWN % real)
    subprocess.run(["cc", "-w", f"-I{FOLDER}", tmp_path / "a.c", "-o", tmp_path / "a", "-lm"], check=True)
    answer = subprocess.run([tmp_path / "a"], capture_output=True, text=True, check=True).stdout
    kinds, functions, fields, size = printed(answer)
    assert list(kinds.items()) == [(name, number) for number, name in enumerate(mirror.OPTIMIZERS)]
    assert list(functions.items()) == [(name, number) for number, name in enumerate(mirror.ACTIVATIONS)]
    struct = mirror.HYPERPARAMETERS[np.dtype(dtype)]
    assert list(fields.items()) == [(name, getattr(struct, name).offset) for name, _ in struct._fields_]
    assert list(fields) == [*mirror.FLAGS, *mirror.NUMBERS] and [*size.values()] == [ctypes.sizeof(struct)]


@pytest.mark.slow
def test_losses_are_those_of_cuda(tmp_path):
    need_emulator()
    show = '#define SHOW(x) printf("%s %d\\n", #x, (int)(x));\nint main() { LOSSES(SHOW) return 0; }\n'
    (tmp_path / "losses.cc").write_text(f'#include "emulator.h"\n{with_shared_memory(source("cuda.cu"))}\n{show}')
    subprocess.run([*GCC, f"-I{workshop()}", "losses.cc", "-o", "a"], cwd=tmp_path, check=True)
    (found,) = printed(subprocess.run([tmp_path / "a"], capture_output=True, text=True, check=True).stdout)
    assert list(found.items()) == [(name, number) for number, name in enumerate(LOSSES)]


WITHOUT_KERNELS = ("erf",)  # the definition computes it, on every tier


def test_every_thing_of_dfanp_has_its_number():
    """And each number its thing: a name that is misspelt in C would turn its kernels off."""
    for names, registry in (
        (mirror.OPTIMIZERS, optimizers.OPTIMIZERS),
        (mirror.ACTIVATIONS, [name for name in activations.ACTIVATIONS if name not in WITHOUT_KERNELS]),
        (LOSSES, losses.LOSSES),
    ):
        assert sorted(mirror.number(names, name) for name in registry) == list(range(len(names)))
    assert all(mirror.number(mirror.ACTIVATIONS, name) is None for name in WITHOUT_KERNELS)
    assert mirror.number(mirror.OPTIMIZERS, None) is None and mirror.number(mirror.OPTIMIZERS, "lamb") is None


def test_numbers_of_an_optimizer():
    found = mirror.hyperparameters(dfanp.Adam(0.1, beta1=0.7, weight_decay=0.25, eps_placement="outside"), 3)
    assert list(found) == [*mirror.FLAGS, *mirror.NUMBERS]
    assert mirror.OPTIMIZERS[found["kind"]] == "ADAM" and found["outside"] and not found["unscaled"]
    assert found["one_beta1"] == 1 - 0.7 and found["weight_decay"] == 0.25
    assert found["correction1"] == 1 / (1 - 0.7**3) and found["correction2"] == 1 / (1 - 0.999**3)
    assert mirror.hyperparameters(EpochAdam(0.1), 3)["kind"] == found["kind"]
    assert mirror.hyperparameters(dfanp.Nesterov(0.1, momentum=0.8), 1)["rho"] == 0.8
    assert mirror.hyperparameters(dfanp.Adadelta(accumulate="unscaled", rho=0.6), 1)["unscaled"]
