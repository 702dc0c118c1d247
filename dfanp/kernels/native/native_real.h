/* The part of native.c that depends on the floating-point type REAL and on the level of the processor: see native_level.h. */

#define SQRT LIBM(sqrt)
#define EXP NAME(exp_of)
#define TANH_OF NAME(tanh_of)
#include "native_math.h"
#include "../arithmetic.h"

/* A panel is as many columns as four or eight vector registers hold: they are named one by one, since an array of them would live
 * in memory. */
typedef REAL NAME(vector) __attribute__((vector_size(VECTOR), aligned(sizeof(REAL)), may_alias));
#define LANES (int64_t)(VECTOR / sizeof(REAL))
#define PANEL (VECTORS * LANES)
#if VECTORS == 8
#define EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#else
#define EACH(X) X(0) X(1) X(2) X(3)
#endif
#define AT(p, q) (*(NAME(vector) *)((p) + (q) * LANES))

/* What is summed along the columns of a panel is summed strip by strip, the same on all levels. */
typedef REAL NAME(narrow) __attribute__((vector_size(32), aligned(sizeof(REAL)), may_alias));
#define NARROW (int64_t)(32 / sizeof(REAL))
#define STRIP (8 * NARROW)
#define EIGHT(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#define NARROW_AT(p, q) (*(NAME(narrow) *)((p) + (q) * NARROW))

#define LOAD(q) NAME(vector) s##q = AT(out, q);
#define ADD(q) s##q += x * AT(row, q);
#define STORE(q) AT(out, q) = s##q;
#define START(q) NAME(vector) s##q = AT(sums, q);
#define SCALE(q) NAME(vector) s##q = c * AT(total, q);

/* out (n, PANEL) += the pixels of a block of n examples @ tile (block, PANEL). */
FN void NAME(add)(const int32_t *at, const uint16_t *entries, int64_t n, const REAL *table, const REAL *tile, REAL *out) {
    for (int64_t i = 0; i < n; i++, out += PANEL) {
        EACH(LOAD)
        for (int32_t e = at[i]; e < at[i + 1]; e++) {
            const uint32_t entry = entries[e];
            const REAL *row = tile + (entry >> 8) * PANEL, x = table[entry & 255];
            EACH(ADD)
        }
        EACH(STORE)
    }
}

/* out (rows, PANEL) = sums + the transposed pixels, some rows of them, @ delta (n, PANEL). */
FN void NAME(gradient)(const int32_t *at, const uint32_t *entries, int64_t rows, const REAL *table, const REAL *delta,
                       const REAL *sums, REAL *out) {
    for (int64_t r = 0; r < rows; r++, out += PANEL) {
        EACH(START)
        for (int32_t e = at[r]; e < at[r + 1]; e++) {
            const uint32_t entry = entries[e];
            const REAL *row = delta + (int64_t)(entry >> 8) * PANEL, x = table[entry & 255];
            EACH(ADD)
        }
        EACH(STORE)
    }
}

/* The same for the lists of a block of an array, row r of whose gradient begins as constants[r] * total. */
FN void NAME(add_values)(const block_list *list, int64_t n, const REAL *tile, REAL *out) {
    const REAL *values = list->of_example;
    for (int64_t i = 0; i < n; i++, out += PANEL) {
        EACH(LOAD)
        for (int32_t e = list->by_example[i]; e < list->by_example[i + 1]; e++) {
            const REAL *row = tile + list->in_example[e] * PANEL, x = values[e];
            EACH(ADD)
        }
        EACH(STORE)
    }
}

FN void NAME(gradient_of_values)(const block_list *list, int64_t first, int64_t rows, const REAL *constants, const REAL *delta,
                                 const REAL *total, REAL *out) {
    const REAL *values = list->of_pixel;
    for (int64_t r = first; r < first + rows; r++, out += PANEL) {
        const REAL c = constants[r];
        EACH(SCALE)
        for (int32_t e = list->by_pixel[r]; e < list->by_pixel[r + 1]; e++) {
            const REAL *row = delta + list->in_pixel[e] * PANEL, x = values[e];
            EACH(ADD)
        }
        EACH(STORE)
    }
}

/* List what a block of `rows` columns of n examples has beside the constants of these columns; X has its rows D apart. */
ONCE void NAME(list_values)(const REAL *X, int64_t D, int64_t n, int64_t rows, const REAL *constants, const block_list *out) {
    REAL *of_example = out->of_example, *of_pixel = out->of_pixel;
    int32_t next[DENSE_ROWS] = {0}, e = 0, sum = 0;
    for (int64_t i = 0; i < n; i++) {
        out->by_example[i] = e;
        for (int64_t r = 0; r < rows; r++) { /* without a branch that nobody could foresee */
            const REAL x = X[i * D + r], c = constants[r];
            const int there = x != c;
            out->in_example[e] = (uint16_t)r;
            of_example[e] = x - c;
            next[r] += there;
            e += there;
        }
    }
    out->by_example[n] = e;
    for (int64_t r = 0; r < rows; r++) {
        out->by_pixel[r] = sum;
        sum += next[r];
        next[r] = out->by_pixel[r];
    }
    out->by_pixel[rows] = sum;
    for (int64_t i = 0; i < n; i++)
        for (e = out->by_example[i]; e < out->by_example[i + 1]; e++) {
            const int32_t to = next[out->in_example[e]]++;
            out->in_pixel[to] = (uint32_t)i;
            of_pixel[to] = of_example[e];
        }
}

/* a = X @ W for X the normalised pixels of a batch, table[raw] + shift each: a pixel that is zero adds shift * W alone, so
 * all zeros together add shift times the column sums of W. W (D, H) and a (n, H) are row-major. */
EXPORT void NAME(dfanp_product)(int64_t threads, const bank *from, const batch *X, const REAL *table, REAL shift,
                                       int64_t H, const REAL *W, REAL *a) {
    const int64_t n = X->n, panels = (H + PANEL - 1) / PANEL, all = X->k * from->blocks;
#pragma omp parallel TEAM(threads)
    {
        REAL *scratch = aligned_alloc(64, sizeof(REAL) * PANEL * (size_t)(n + from->block + 1));
        if (!scratch) abort();
        REAL *sums = scratch + n * PANEL, *tile = sums + PANEL;
#pragma omp for schedule(static)
        for (int64_t P = 0; P < panels; P++) {
            const int64_t width = MIN(PANEL, H - P * PANEL);
            memset(scratch, 0, sizeof(REAL) * PANEL * (size_t)(n + 1));
            if (width < PANEL) memset(tile, 0, sizeof(REAL) * PANEL * (size_t)from->block);
            for (int64_t c = 0; c < all; c++) {
                const int64_t first = (c % from->blocks) * from->block, rows = MIN(from->block, from->pixels - first);
                const REAL *w = W + ((c / from->blocks) * from->pixels + first) * H + P * PANEL;
                for (int64_t r = 0; r < rows; r++) /* the tile stays in the first-level cache for all examples */
                    for (int64_t t = 0; t < width; t++) {
                        tile[r * PANEL + t] = w[r * H + t];
                        sums[t] += w[r * H + t];
                    }
                NAME(add)(X->by_block + c * (n + 1), X->in_block, n, table, tile, scratch);
            }
            for (int64_t i = 0; i < n; i++)
                for (int64_t t = 0; t < width; t++)
                    a[i * H + P * PANEL + t] = scratch[i * PANEL + t] + shift * sums[t];
        }
        free(scratch);
    }
}

/* Update `count` parameters w with state s0, s1 by their gradients g. lr is the learning rate. */
FN void NAME(update_run)(NAME(hyperparameters) o, REAL lr, int64_t count, const REAL *restrict g, REAL *restrict w,
                         REAL *restrict s0, REAL *restrict s1) {
#define RUN(call)                                                                                                     \
    for (int64_t t = 0; t < count; t++) {                                                                              \
        const REAL G = g[t] + o.weight_decay * w[t];                                                                            \
        call;                                                                                                          \
    }                                                                                                                  \
    break;
    switch (o.kind) {
    case SGD: RUN(NAME(sgd)(lr, G, w + t))
    case MOMENTUM: RUN(NAME(momentum)(o, lr, G, w + t, s0 + t))
    case NESTEROV: RUN(NAME(nesterov)(o, lr, G, w + t, s0 + t))
    case ADAGRAD: RUN(NAME(adagrad)(o, lr, G, w + t, s0 + t))
    case RMSPROP: RUN(NAME(rmsprop)(o, lr, G, w + t, s0 + t))
    case ADADELTA: RUN(NAME(adadelta)(o, lr, G, w + t, s0 + t, s1 + t))
    case ADAM: RUN(NAME(adam)(o, lr, G, w + t, s0 + t, s1 + t))
    }
#undef RUN
}

EXPORT void NAME(dfanp_update)(int64_t threads, const NAME(hyperparameters) *o, REAL lr, int64_t count, const REAL *g,
                                      REAL *w, REAL *s0, REAL *s1) {
    const int64_t piece = 4096, pieces = (count + piece - 1) / piece;
#pragma omp parallel for schedule(static) if (pieces > 8) TEAM(threads)
    for (int64_t p = 0; p < pieces; p++) {
        const int64_t from = p * piece, here = MIN(piece, count - from);
        NAME(update_run)(*o, lr, here, g + from, w + from, s0 ? s0 + from : s0, s1 ? s1 + from : s1);
    }
}

/* The gradient X.T @ delta, some rows at a time, each applied to W and its state while it is in the second-level cache:
 * the gradient never exists whole. delta (n, H) is row-major, like W and its state s0, s1 (D, H). */
EXPORT void NAME(dfanp_fused_update)(int64_t threads, const bank *from, const batch *X, const REAL *table, REAL shift,
                                            int64_t H, const REAL *delta, const NAME(hyperparameters) *o, REAL lr, REAL *W,
                                            REAL *s0, REAL *s1) {
    const int64_t n = X->n, D = X->k * from->pixels, panels = (H + PANEL - 1) / PANEL, wide = panels * PANEL;
    const int64_t chunks = (D + CHUNK - 1) / CHUNK;
    REAL *packed = aligned_alloc(64, sizeof(REAL) * wide * (size_t)(n + 1)), *sums = packed + n * wide;
    if (!packed) abort();
#pragma omp parallel TEAM(threads)
    {
        REAL *g = aligned_alloc(64, sizeof(REAL) * CHUNK * PANEL);
        if (!g) abort();
#pragma omp for schedule(static)
        for (int64_t P = 0; P < panels; P++) { /* panel P of delta, its rows side by side, and shift times its column sums */
            const int64_t width = MIN(PANEL, H - P * PANEL);
            REAL *to = packed + P * n * PANEL, *sum = sums + P * PANEL;
            memset(sum, 0, sizeof(REAL) * PANEL);
            if (width < PANEL) memset(to, 0, sizeof(REAL) * PANEL * (size_t)n);
            for (int64_t i = 0; i < n; i++)
                for (int64_t t = 0; t < width; t++) {
                    to[i * PANEL + t] = delta[i * H + P * PANEL + t];
                    sum[t] += shift * delta[i * H + P * PANEL + t];
                }
        }
#pragma omp for schedule(static)
        for (int64_t task = 0; task < chunks; task++) {
            const int64_t first = task * CHUNK, rows = MIN(CHUNK, D - first);
            for (int64_t P = 0; P < panels; P++) {
                NAME(gradient)(X->by_pixel + first, X->in_pixel, rows, table, packed + P * n * PANEL, sums + P * PANEL, g);
                for (int64_t r = 0; r < rows; r++) {
                    const int64_t place = (first + r) * H + P * PANEL;
                    NAME(update_run)(*o, lr, MIN(PANEL, H - P * PANEL), g + r * PANEL, W + place, s0 ? s0 + place : s0,
                                     s1 ? s1 + place : s1);
                }
            }
        }
        free(g);
    }
    free(packed);
}

#include "native_dense.h"
#include "native_pass.h"

#undef LANES
#undef NARROW
#undef STRIP
#undef NARROW_AT
#undef EIGHT
#undef PANEL
#undef EACH
#undef AT
#undef LOAD
#undef ADD
#undef STORE
#undef START
#undef SCALE
#undef SQRT
#undef EXP
#undef TANH_OF
