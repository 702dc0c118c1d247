"""The loops of the numba tier. All compiled code is in this file, since Numba's cache notices no edit in another one.

Work is split over threads by output (columns, rows), never by summand, so the results do not depend on the number of threads.
Loops over `threads` are Numba's where that is more than 1, and plain ones on the calling thread where it is 1. An index of Numba's is
unsigned: as np.int64 it calls what the plain loop calls, and that is compiled once.
"""

import os
from contextlib import contextmanager, suppress
from threading import Lock

import numba
import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.core.compiler_lock import global_compiler_lock
from numba.extending import intrinsic

from ...system.threads import free_in_children
from ..compiled import awake_shortly
from ..mirror import NUMBERS, OPTIMIZERS

PANEL = 64  # columns of W at a time: with a block of its rows they stay in the first-level cache
ROWS = 32  # of the gradient at a time: they stay in the second-level cache
PIECE = 4096  # parameters at a time
# Unsigned, as what the lists hold: an index with a signed part costs a test for wrap-around.
EIGHT, BYTE, ONE, WIDE = map(np.uint64, (8, 255, 1, PANEL))
# What the kinds of optimizers and their hyperparameters are called in arithmetic.h, in its order.
SGD, MOMENTUM, NESTEROV, ADAGRAD, ADADELTA, RMSPROP, ADAM = (
    OPTIMIZERS.index(name) for name in ["SGD", "MOMENTUM", "NESTEROV", "ADAGRAD", "ADADELTA", "RMSPROP", "ADAM"]
)
DECAY, RHO, BETA1, BETA2, EPS, ONE_RHO, ONE_BETA1, ONE_BETA2, CORRECTION1, CORRECTION2 = (
    NUMBERS.index(name)
    for name in [
        "weight_decay",
        "rho",
        "beta1",
        "beta2",
        "eps",
        "one_rho",
        "one_beta1",
        "one_beta2",
        "correction1",
        "correction2",
    ]
)


def jit(parallel=False):
    """Return a decorator that compiles a function at its first call, and keeps it for later processes where it can."""
    # Not fastmath=True, which takes for granted that nothing is nan; with arcp alone roots become estimates.
    options = {"parallel": parallel, "fastmath": {"contract"}, "error_model": "numpy"}

    def decorate(function):
        try:
            return numba.njit(function, cache=True, **options)
        except RuntimeError:  # there is no folder that the cache could write to
            return numba.njit(function, **options)

    return decorate


# Whether this process was forked from one in which Numba had started threads on OpenMP. It has none of them, and Numba ends it
# when it asks for them.
forked = False
# Held while loops run in Numba's own layer of threads ("workqueue"), which ends a process that uses it twice at once.
busy = Lock()


@contextmanager
def team(threads):
    """Yield how many of Numba's threads loops may run on, at most `threads`; 1 stands for the calling thread, and none of Numba's."""
    one_at_a_time, threads = layer() == "workqueue", min(threads, numba.config.NUMBA_NUM_THREADS)
    if threads == 1 or forked or (one_at_a_time and not busy.acquire(blocking=False)):
        yield 1
        return
    before = numba.get_num_threads()
    numba.set_num_threads(threads)
    try:
        yield threads
    finally:
        numba.set_num_threads(before)
        if one_at_a_time:
            busy.release()


def layer():
    """Return the name of Numba's layer of threads, which is started if it was not yet."""
    with suppress(ValueError):
        return numba.threading_layer()
    with awake_shortly():
        numba.get_num_threads()
    return numba.threading_layer()


def note_fork():
    """Remember, in a child of fork, what the parent had started."""
    global forked
    with suppress(ValueError):  # nothing yet
        forked = forked or numba.threading_layer() == "omp"


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=note_fork)
free_in_children(global_compiler_lock)


@intrinsic
def add_rows(typing, sums, at, rows, entries, table, first, stop):
    """Add table[raw] · rows[row, t] to sums[at + t], t < PANEL, for each entry 256 · row + raw from `first` to `stop`.

    sums is a vector, rows (any, PANEL). Written in LLVM's instructions, since a Python loop over t leaves its sums in memory and
    tests, for every entry, whether they overlap what is read.
    """
    return types.void(sums, types.uint64, rows, entries, table, types.uint64, types.uint64), emit_add_rows


def emit_add_rows(context, builder, signature, args):
    """Emit add_rows: a loop over the entries with the sums in eight vectors of 32 bytes; as often as PANEL needs."""
    sums, at, rows, entries, table, first, stop = (
        context.make_array(type_)(context, builder, arg).data if isinstance(type_, types.Array) else arg
        for type_, arg in zip(signature.args, args, strict=True)
    )
    dtype, word = signature.args[0].dtype, ir.IntType(64)
    real, size = context.get_data_type(dtype), dtype.bitwidth // 8
    lanes = 32 // size
    vector, splat = ir.VectorType(real, lanes), ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
    undefined = ir.Constant(vector, ir.Undefined)

    def vectors(start, place):
        """Return where the eight vectors begin that follow start[place]."""
        places = [builder.add(place, word(q * lanes)) for q in range(8)]
        return [builder.bitcast(builder.gep(start, [each]), vector.as_pointer()) for each in places]

    for column in range(0, PANEL, 8 * lanes):
        held = vectors(sums, builder.add(at, word(column)))
        before, loaded = builder.block, [builder.load(each, align=size) for each in held]
        head, body, after = (builder.append_basic_block(name) for name in ("head", "body", "after"))
        builder.branch(head)
        builder.position_at_end(head)
        e, totals = builder.phi(word), [builder.phi(vector) for _ in held]
        builder.cbranch(builder.icmp_unsigned("<", e, stop), body, after)
        builder.position_at_end(body)
        entry = builder.zext(builder.load(builder.gep(entries, [e])), word)
        x = builder.load(builder.gep(table, [builder.and_(entry, word(255))]))
        x = builder.shuffle_vector(builder.insert_element(undefined, x, ir.IntType(32)(0)), undefined, splat)
        row = builder.add(builder.mul(builder.lshr(entry, word(8)), word(PANEL)), word(column))
        terms = [builder.fmul(x, builder.load(each, align=size), flags=("contract",)) for each in vectors(rows, row)]
        added = [builder.fadd(s, term, flags=("contract",)) for s, term in zip(totals, terms, strict=True)]
        following = builder.add(e, word(1))
        builder.branch(head)
        for phi, start, turn in zip([e, *totals], [first, *loaded], [following, *added], strict=True):
            phi.add_incoming(start, before)
            phi.add_incoming(turn, body)
        builder.position_at_end(after)
        for s, each in zip(totals, held, strict=True):
            builder.store(s, each, align=size)
    return context.get_dummy_value()


@jit(parallel=True)
def gather(threads, start, entries, blocks, picks, by_block, in_block):
    """Fill by_block (k · blocks, n + 1) and in_block for the examples in picks (n, k)."""
    n, total = len(picks), 0
    for c in range(len(by_block)):
        for i in range(n):
            at = picks[i, c // blocks] * blocks + c % blocks
            by_block[c, i] = total
            total += start[at + 1] - start[at]
        by_block[c, n] = total
    if threads == 1:
        for c in range(len(by_block)):
            gather_block(c, start, entries, blocks, picks, by_block, in_block)
    else:
        for c in prange(len(by_block)):
            gather_block(np.int64(c), start, entries, blocks, picks, by_block, in_block)


@jit()
def gather_block(c, start, entries, blocks, picks, by_block, in_block):
    """Copy the entries of block c, example by example, to their places in in_block."""
    for i in range(len(picks)):
        first = np.uint64(start[picks[i, c // blocks] * blocks + c % blocks])
        begin = np.uint64(by_block[c, i])
        for e in range(np.uint64(by_block[c, i + 1]) - begin):
            in_block[begin + e] = entries[first + e]


@jit(parallel=True)
def transpose(threads, pixels, blocks, block, by_block, in_block, by_pixel, in_pixel):
    """Fill by_pixel (k · pixels + 1,) and in_pixel from by_block and in_block."""
    by_pixel[-1] = by_block[-1, -1]
    if threads == 1:
        for c in range(len(by_block)):
            sort_block(c, pixels, blocks, block, by_block, in_block, by_pixel, in_pixel)
    else:
        for c in prange(len(by_block)):
            sort_block(np.int64(c), pixels, blocks, block, by_block, in_block, by_pixel, in_pixel)


@jit()
def sort_block(c, pixels, blocks, block, by_block, in_block, by_pixel, in_pixel):
    """Sort the entries of block c by pixel, those of a pixel in the order of their examples."""
    place = c % blocks * block
    n, first, rows = by_block.shape[1] - 1, c // blocks * pixels + place, min(block, pixels - place)
    following = np.zeros(256, np.uint64)
    for e in range(np.uint64(by_block[c, 0]), np.uint64(by_block[c, n])):
        following[in_block[e] >> EIGHT] += ONE
    total = np.uint64(by_block[c, 0])
    for r in range(rows):
        by_pixel[first + r] = total
        count = following[r]
        following[r] = total
        total += count
    for i in range(n):
        example = np.uint64(i) << EIGHT
        for e in range(np.uint64(by_block[c, i]), np.uint64(by_block[c, i + 1])):
            pixel = in_block[e] >> EIGHT
            in_pixel[following[pixel]] = example | (in_block[e] & BYTE)
            following[pixel] += ONE


@jit(parallel=True)
def product(threads, pixels, blocks, block, by_block, in_block, table, shift, W, a):
    """a = X @ W for X the normalised pixels of a batch, table[raw] + shift each, W (D, H) and a (n, H).

    A pixel that is zero adds shift · W alone, so all zeros together add shift times the column sums of W.
    """
    panels = (W.shape[1] + PANEL - 1) // PANEL
    if threads == 1:
        for P in range(panels):
            product_panel(P * PANEL, pixels, blocks, block, by_block, in_block, table, shift, W, a)
    else:
        for P in prange(panels):
            product_panel(P * PANEL, pixels, blocks, block, by_block, in_block, table, shift, W, a)


@jit()
def product_panel(column, pixels, blocks, block, by_block, in_block, table, shift, W, a):
    """Fill at most PANEL columns of a (n, H), from `column`."""
    n, H = a.shape
    width, column = np.uint64(min(PANEL, H - column)), np.uint64(column)
    out, sums, tile = np.zeros(n * PANEL, W.dtype), np.zeros(PANEL, W.dtype), np.zeros((block, PANEL), W.dtype)
    for c in range(len(by_block)):
        place = c % blocks * block
        top = np.uint64(c // blocks * pixels + place)
        for r in range(np.uint64(min(block, pixels - place))):
            for t in range(width):
                x = W[top + r, column + t]
                tile[r, t] = x
                sums[t] += x
        for i in range(n):
            first, stop = np.uint64(by_block[c, i]), np.uint64(by_block[c, i + 1])
            add_rows(out, np.uint64(i * PANEL), tile, in_block, table, first, stop)
    for i in range(np.uint64(n)):
        for t in range(width):
            a[i, column + t] = out[i * WIDE + t] + shift * sums[t]


@jit(parallel=True)
def fused_update(threads, by_pixel, in_pixel, table, shift, delta, kind, outside, unscaled, numbers, lr, w, s0, s1):
    """Update w (D · H,) and its state s0, s1, in place, by X.T @ delta, for delta (n, H).

    Some rows at a time of the gradient are applied while they are in the second-level cache: it never exists whole.
    """
    (n, H), tasks = delta.shape, (len(by_pixel) - 1 + ROWS - 1) // ROWS
    panels = (H + PANEL - 1) // PANEL
    packed, sums = np.empty((panels, n, PANEL), delta.dtype), np.empty((panels, PANEL), delta.dtype)
    if threads == 1:
        for P in range(panels):
            pack(P, delta, shift, packed, sums)
        for task in range(tasks):
            update_rows(
                task, by_pixel, in_pixel, table, packed, sums, kind, outside, unscaled, numbers, lr, w, s0, s1
            )
    else:
        for P in prange(panels):
            pack(np.int64(P), delta, shift, packed, sums)
        for task in prange(tasks):
            number = np.int64(task)
            update_rows(
                number, by_pixel, in_pixel, table, packed, sums, kind, outside, unscaled, numbers, lr, w, s0, s1
            )


@jit()
def update_rows(task, by_pixel, in_pixel, table, packed, sums, kind, outside, unscaled, numbers, lr, w, s0, s1):
    """Update rows 32 task to 32 task + 31 of w and its state by their gradient."""
    D = len(by_pixel) - 1
    H = len(w) // D
    first, stop = task * ROWS, min(task * ROWS + ROWS, D)
    g = gradient_rows(first, stop, H, by_pixel, in_pixel, table, packed, sums)
    here = slice(first * H, stop * H)
    update_run(kind, outside, unscaled, numbers, lr, g, w[here], s0[here], s1[here])


@jit()
def pack(P, delta, shift, packed, sums):
    """Put columns 64 P to 64 P + 63 of delta, its rows side by side, into packed[P], and shift times their sums into sums[P]."""
    n, H = delta.shape
    P, width = np.uint64(P), np.uint64(min(PANEL, H - P * PANEL))
    total = np.zeros(PANEL, delta.dtype)
    for i in range(np.uint64(n)):
        for t in range(width):
            packed[P, i, t] = delta[i, P * WIDE + t]
            total[t] += shift * delta[i, P * WIDE + t]
        for t in range(width, WIDE):
            packed[P, i, t] = 0
    for t in range(WIDE):
        sums[P, t] = total[t]


@jit()
def gradient_rows(first, stop, H, by_pixel, in_pixel, table, packed, sums):
    """Return rows `first` to `stop` of the gradient X.T @ delta, as a vector."""
    g, total = np.empty((stop - first, H), packed.dtype), np.empty(PANEL, packed.dtype)
    for P in range(np.uint64(len(packed))):
        width = np.uint64(min(PANEL, H - np.int64(P) * PANEL))
        for j in range(np.uint64(first), np.uint64(stop)):
            for t in range(WIDE):
                total[t] = sums[P, t]
            begin, end = np.uint64(by_pixel[j]), np.uint64(by_pixel[j + ONE])
            add_rows(total, np.uint64(0), packed[P], in_pixel, table, begin, end)
            for t in range(width):
                g[j - np.uint64(first), P * WIDE + t] = total[t]
    return g.reshape(-1)


@jit(parallel=True)
def update(threads, kind, outside, unscaled, numbers, lr, g, w, s0, s1):
    """Update parameters w and their state s0, s1, in place, by their gradients g; all are vectors."""
    pieces = (len(w) + PIECE - 1) // PIECE
    if threads == 1 or pieces <= 8:  # few are not worth waking the threads
        update_run(kind, outside, unscaled, numbers, lr, g, w, s0, s1)
    else:
        for p in prange(pieces):
            here = slice(p * PIECE, min(p * PIECE + PIECE, len(w)))
            update_run(kind, outside, unscaled, numbers, lr, g[here], w[here], s0[here], s1[here])


@jit()
def update_run(kind, outside, unscaled, numbers, lr, g, w, s0, s1):
    """Update vectors w, s0, s1, in place, by g: what optimizers.py defines, and arithmetic.h does in C."""
    decay, rho, beta1, beta2, eps = numbers[DECAY], numbers[RHO], numbers[BETA1], numbers[BETA2], numbers[EPS]
    one_rho, one_beta1, one_beta2 = numbers[ONE_RHO], numbers[ONE_BETA1], numbers[ONE_BETA2]
    correction1, correction2 = numbers[CORRECTION1], numbers[CORRECTION2]
    none = eps - eps
    inside, outside_ = (
        (none, eps) if outside else (eps, none)
    )  # one of them is 0: root(x) = sqrt(x + inside) + outside_
    if kind == SGD:
        for t in range(len(w)):
            w[t] -= lr * (g[t] + decay * w[t])
    elif kind == MOMENTUM:
        for t in range(len(w)):
            s0[t] = rho * s0[t] + lr * (g[t] + decay * w[t])
            w[t] -= s0[t]
    elif kind == NESTEROV:
        for t in range(len(w)):
            G = g[t] + decay * w[t]
            s0[t] = rho * s0[t] + lr * G
            w[t] -= rho * s0[t] + lr * G
    elif kind == ADAGRAD:
        for t in range(len(w)):
            G = g[t] + decay * w[t]
            s0[t] += G * G
            w[t] -= lr * G / (np.sqrt(s0[t] + inside) + outside_)
    elif kind == RMSPROP:
        for t in range(len(w)):
            G = g[t] + decay * w[t]
            s0[t] = rho * s0[t] + one_rho * (G * G)
            w[t] -= lr * G / (np.sqrt(s0[t] + inside) + outside_)
    elif kind == ADADELTA:
        for t in range(len(w)):
            G = g[t] + decay * w[t]
            s0[t] = rho * s0[t] + one_rho * (G * G)
            step = np.sqrt((s1[t] + eps) / (s0[t] + eps)) * G
            d = step if unscaled else lr * step
            s1[t] = rho * s1[t] + one_rho * (d * d)
            w[t] -= lr * step
    elif kind == ADAM:
        for t in range(len(w)):
            G = g[t] + decay * w[t]
            s0[t] = beta1 * s0[t] + one_beta1 * G
            s1[t] = beta2 * s1[t] + one_beta2 * (G * G)
            w[t] -= lr * (s0[t] * correction1) / (np.sqrt(s1[t] * correction2 + inside) + outside_)
