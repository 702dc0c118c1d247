/* A pass over the examples of a network with one hidden layer, one output, no biases and the loss "bce", in one launch: all steps of
 * an epoch, or its test.
 *
 * The weights W (D, H) never leave the multiprocessors. A team of blocks trains a replica: GROUPS groups of COLUMNS columns of W, each
 * cut by rows (inputs) into RANKS blocks, WORDS words of four inputs each. A block keeps its part of W in shared memory and of the
 * optimizer's state in registers, from the first step to the last, and reads its part of a batch once.
 *
 *   X            a block's inputs of the batch, copied while the blocks wait for each other
 *   a            its part of X @ W, exchanged with the other ranks of the group           (barrier of the group)
 *   z            the group's part of h @ W1, exchanged with the other groups              (barrier of the team)
 *   e, delta     in each block, of its columns; then X.T @ delta, and the step of W and its state
 *
 * All sums are taken in an order that depends on the sizes alone. Blocks wait for each other, so all must be on the card at once: the
 * launch is cooperative. Inputs are bytes of images, (raw - mean) / std = scale * raw + shift, or with DENSE floats.
 *
 * Compiled for one shape (cuda.py): WORDS, COLUMNS (a multiple of 8), GAP, RANKS, GROUPS, THREADS (a multiple of 32), N (the most examples
 * of a batch), K and IMAGE_WORDS (images of an example, words of an image; with DENSE 1 and those of an example), PIXELS (inputs that
 * these words hold), BUFFERS (1, or 2: the next batch is copied while this one is read), ACTIVATION, KIND (the optimizer), STATES
 * (arrays of its state), LEARN (0: a test), LEARN_W0 (0: the output layer alone), TENSOR (1: the products are of tensor cores; inputs
 * are bytes then). */

#include "cuda.h"

#ifndef PATIENCE
#define PATIENCE (1LL << 33) /* cycles */
#endif

enum {
    QUADS = COLUMNS / 4,              /* four columns are read at once */
    EIGHTS = COLUMNS / 8,             /* a thread's tile of sums is eight columns wide */
    /* Words from one example to the next: such that the threads of a warp meet different banks, one or four to an example. */
    STRIDE = TENSOR ? (WORDS + 3) / 8 * 8 + 4 : WORDS | 1,
    PITCH = COLUMNS + GAP,            /* floats from one example of a to the next: see shapes.py */
    LONG = 4 * COLUMNS + (TENSOR ? 8 : 4), /* floats of W for a word: four rows and a gap, against bank conflicts */
    WARPS = THREADS / 32,
    FOLD = (N + 31) / 32 < 4 ? (N + 31) / 32 : 4, /* examples of a thread in X @ W */
    SETS = (N + 32 * FOLD - 1) / (32 * FOLD),     /* of 32 * FOLD examples */
    ROWS = SETS * 32 * FOLD,                      /* N, rounded up */
    UNITS = SETS * EIGHTS,
    SLICES = WARPS / UNITS > 0 ? WARPS / UNITS : 1, /* of the words, each for a warp */
    NT = EIGHTS < 2 ? 1 : 2,              /* eights of columns that a warp multiplies at once by tensor cores */
    PAIRS = EIGHTS / NT,
    BLOCKS = (WORDS + 15) / 16 * PAIRS,   /* of W, 16 words x NT eights, each for a warp */
    TILES = TENSOR ? (BLOCKS + WARPS - 1) / WARPS : (WORDS * EIGHTS + THREADS - 1) / THREADS, /* of W (4 x 8) for each thread */
    PARTS = THREADS / ROWS > 0 ? THREADS / ROWS : 1,  /* threads that add up one z */
    ADDED = (GROUPS + PARTS - 1) / PARTS,             /* numbers that each of them adds up */
    SCRATCH0 = ROWS * QUADS > WORDS * COLUMNS ? ROWS * QUADS : WORDS * COLUMNS,
    SCRATCH1 = SCRATCH0 > PARTS * ROWS ? SCRATCH0 : PARTS * ROWS,
    SCRATCH = SCRATCH1 > 2 * THREADS ? SCRATCH1 : 2 * THREADS,
    ROOM = SCRATCH / (2 * COLUMNS),                      /* pairs of rows of COLUMNS that scratch holds */
    LINES = THREADS / QUADS < ROOM ? THREADS / QUADS : ROOM, /* threads that add up one column */
};

#if DENSE
typedef float4 word;
FN void unpack(const word &w, float *x) { x[0] = w.x, x[1] = w.y, x[2] = w.z, x[3] = w.w; }
#else
typedef unsigned word;
FN void unpack(const word &w, float *x) {
    for (int r = 0; r < 4; r++) x[r] = (float)(w >> 8 * r & 255);
}
#endif

struct pass {
    const unsigned *bank; /* (images, IMAGE_WORDS) */
    const float *X;       /* DENSE: (total, PIXELS), for each replica if own_X */
    const i64 *picks;     /* (total, K), for each replica if own_X */
    const float *y;       /* (total), for each replica if own_y */
    const float *M;       /* (replicas, H): what carries e back; null: W1 */
    float *W0, *W0_s0, *W0_s1;  /* (replicas, D, H) */
    float *W1, *W1_s0, *W1_s1;  /* (replicas, H) */
    const float *lr;      /* (replicas) */
    const float *corrections; /* (steps, 2) of Adam, or null */
    double *totals;       /* (2, replicas): loss and right answers are added */
    float *sums, *outputs; /* working memory: (teams, GROUPS, RANKS, ROWS, COLUMNS) and (teams, 2, GROUPS, ROWS) */
    unsigned *barriers;   /* (teams, GROUPS + 1), zero */
    i64 replicas, total, first, examples, batch, H; /* examples from `first` on, of `total` */
    i64 own_X, own_y;
    float scale, shift;
    hyperparameters o;
};
CHECK_SIZE(pass, SIZE_OF_PASS)

/* Count up, after all that this block wrote; and look, before all that it reads. */
FN void count(unsigned *counter) {
#ifdef __CUDA_ARCH__
    asm volatile("red.release.gpu.global.add.u32 [%0], 1;" ::"l"(__cvta_generic_to_global(counter)) : "memory");
#else
    __atomic_fetch_add(counter, 1u, __ATOMIC_RELEASE);
#endif
}

FN unsigned counted(const unsigned *counter) {
#ifdef __CUDA_ARCH__
    unsigned now;
    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(now) : "l"(__cvta_generic_to_global(counter)) : "memory");
    return now;
#else
    return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
#endif
}

/* Wait until all blocks that share a counter have come here `times` times. What they wrote before is then to be read by __ldcg.
 * A block that waits for longer than PATIENCE cycles, some seconds, ends the launch with an error: nothing may hang. */
FN void arrive(unsigned *counter) {
    __syncthreads();
    if (threadIdx.x == 0) count(counter);
}

FN void wait_for(const unsigned *counter, unsigned all) {
    if (threadIdx.x == 0) {
        const long long began = clock64();
        while (counted(counter) < all) {
            PAUSE();
            if (clock64() - began > PATIENCE) __trap();
        }
    }
    __syncthreads();
}

/* Copies that go on while the thread does; older cards, and the emulator, copy at once. */
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
#define COPIES_ASIDE
#endif

FN void copy_word(unsigned *to, const unsigned *from) {
#ifdef COPIES_ASIDE
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"((unsigned)__cvta_generic_to_shared(to)), "l"(from));
#else
    *to = *from;
#endif
}

FN void copied() {
#ifdef COPIES_ASIDE
    asm volatile("cp.async.wait_all;" ::: "memory");
#endif
}

/* Begin to copy this block's words of the batch from example `from` on; rows beyond its n are zero. */
FN void copy_batch(const pass &p, i64 r, i64 from, int n, int rank, word *X) {
    const i64 first = (p.own_X ? r * p.total : 0) + from;
#if DENSE
    for (int at = threadIdx.x; at < ROWS * WORDS; at += THREADS) {
        const int i = at / WORDS, t = at % WORDS, all = rank * WORDS + t;
        float x[4];
        for (int q = 0; q < 4; q++) {
            const int j = 4 * all + q;
            x[q] = i < n && j < PIXELS ? p.X[(first + i) * PIXELS + j] : 0.0f;
        }
        X[i * STRIDE + t] = make_float4(x[0], x[1], x[2], x[3]);
    }
#else
    /* A lane keeps its word, and a warp goes from example to example: what depends on the word is computed once. */
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    for (int t = lane; t < WORDS; t += 32) {
        const int all = rank * WORDS + t;
        const bool there = all < K * IMAGE_WORDS;
        const unsigned *image = p.bank + all % IMAGE_WORDS;
        const i64 *pick = p.picks + first * K + (there ? all / IMAGE_WORDS : 0);
#pragma unroll 4
        for (int i = warp; i < ROWS; i += WARPS) {
            word *to = X + i * STRIDE + t;
            if (there && i < n)
                copy_word(to, image + (unsigned)pick[i * K] * (unsigned)IMAGE_WORDS); /* a bank has fewer than 2^32 words */
            else
                *to = 0;
        }
    }
#endif
}

/* The row of W of input q of a word, or -1 for one that is not there. */
FN i64 row_of(int rank, int t, int q) {
    const int all = rank * WORDS + t, j = all % IMAGE_WORDS * 4 + q;
    return all < K * IMAGE_WORDS && j < PIXELS ? (i64)(all / IMAGE_WORDS) * PIXELS + j : -1;
}

/* The sums over the words of a column of W in shared memory, for raw pixels that are zero: in `columns`. */
FN void sum_columns(const float *W, float *scratch, float *columns) {
#if !DENSE
    for (int at = threadIdx.x; at < WORDS * QUADS; at += THREADS) {
        const int t = at / QUADS, q = at % QUADS;
        float4 s = make_float4(0, 0, 0, 0);
        for (int j = 0; j < 4; j++) {
            const float4 w = *(const float4 *)(W + t * LONG + j * COLUMNS + 4 * q);
            s.x += w.x, s.y += w.y, s.z += w.z, s.w += w.w;
        }
        *(float4 *)(scratch + t * COLUMNS + 4 * q) = s;
    }
    __syncthreads();
    const int column = threadIdx.x % COLUMNS, part = threadIdx.x / COLUMNS, parts = THREADS / COLUMNS;
    float s = 0;
    if (part < parts)
        for (int t = part; t < WORDS; t += parts) s += scratch[t * COLUMNS + column];
    __syncthreads();
    if (part < parts) scratch[part * COLUMNS + column] = s;
    __syncthreads();
    if (threadIdx.x < COLUMNS) {
        s = 0;
        for (int q = 0; q < parts; q++) s += scratch[q * COLUMNS + threadIdx.x];
        columns[threadIdx.x] = s;
    }
    __syncthreads();
#endif
}

/* Where float4 number `at` of (ROWS, QUADS) is in an array whose rows are PITCH floats apart. */
FN int spread(int at) { return at / QUADS * (PITCH / 4) + at % QUADS; }

#if TENSOR
/* Tensor cores multiply factors of 11 bits and add in float32. A byte has 8; a weight or delta is the sum of two such numbers, but for
 * its last two or three bits, and is multiplied twice. */

/* c (16, 8) += A (16, 8) @ B (8, 8): of a thread of the warp, group g = lane / 4 and k = lane % 4, a are A[g][k], A[g + 8][k],
 * A[g][k + 4], A[g + 8][k + 4]; b are B[k][g], B[k + 4][g]; and c are C[g][2 k], C[g][2 k + 1], C[g + 8][2 k], C[g + 8][2 k + 1]. */
FN void mma(float *c, const float *a, const float *b) {
#ifdef __CUDA_ARCH__
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(__float_as_uint(a[0])), "r"(__float_as_uint(a[1])), "r"(__float_as_uint(a[2])), "r"(__float_as_uint(a[3])),
                   "r"(__float_as_uint(b[0])), "r"(__float_as_uint(b[1])));
#else
    emulated_mma(c, a, b);
#endif
}

/* The number of 11 bits below x, and the rest. */
FN void split(float x, float *high, float *low) {
    *high = __uint_as_float(__float_as_uint(x) & 0xffffe000u);
    *low = x - *high;
}

/* Byte j of a word, as a number: it becomes the last bits of 2^23. */
FN float byte_of(unsigned word, int j) { return __uint_as_float(__byte_perm(word, 0x4b000000u, 0x7650u | j)) - 8388608.0f; }

/* The same by tensor cores: a warp takes 16 examples and NT eights of columns, 32 inputs at once; the order of inputs in a product of
 * eight is free, so that a thread reads words, of which byte j is an input of the j-th product. */
FN void multiply(const pass &p, const word *X, const float *W, const float *columns, float *a) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, group = lane / 4, k = lane % 4;
    for (int unit = warp; unit < ROWS / 16 * PAIRS; unit += WARPS) {
        const int row = unit / PAIRS * 16 + group, first = unit % PAIRS * NT * 8;
        const word *x0 = X + row * STRIDE, *x1 = x0 + 8 * STRIDE;
        float sums[NT][4] = {};
#pragma unroll 2
        for (int turn = 0; turn < (WORDS + 7) / 8; turn++) { /* as often in each thread: a product is of a whole warp */
            const int t = 8 * turn + k;
            const bool one = t < WORDS, two = t + 4 < WORDS;
            const unsigned x[4] = {one ? x0[t] : 0, one ? x1[t] : 0, two ? x0[t + 4] : 0, two ? x1[t + 4] : 0};
#pragma unroll
            for (int j = 0; j < 4; j++) {
                const float inputs[4] = {byte_of(x[0], j), byte_of(x[1], j), byte_of(x[2], j), byte_of(x[3], j)};
#pragma unroll
                for (int e = 0; e < NT; e++) {
                    const float *w = W + t * LONG + j * COLUMNS + first + 8 * e + group;
                    float high[2], low[2];
                    split(one ? w[0] : 0.0f, high, low);
                    split(two ? w[4 * LONG] : 0.0f, high + 1, low + 1);
                    mma(sums[e], inputs, high);
                    mma(sums[e], inputs, low);
                }
            }
        }
        for (int e = 0; e < NT; e++)
            for (int c = 0; c < 4; c++) {
                const int column = first + 8 * e + 2 * k + c % 2;
                a[(row + 8 * (c / 2)) * PITCH + column] = p.scale * sums[e][c] + p.shift * columns[column];
            }
    }
    __syncthreads();
}

#else
/* a (ROWS, PITCH) = this block's part of X @ W. The slices of the words take turns, in their order. */
FN void multiply(const pass &p, const word *X, const float *W, const float *columns, float *a) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    for (int first = 0; first < UNITS; first += WARPS) { /* once, unless there are more units than warps */
        const int unit = first + (SLICES > 1 ? warp % UNITS : warp), slice = SLICES > 1 ? warp / UNITS : 0;
        const int set = unit / EIGHTS, eight = unit % EIGHTS, works = unit < UNITS && slice < SLICES;
        float sums[FOLD][8] = {};
        if (works)
            for (int t = slice; t < WORDS; t += SLICES) {
                float x[FOLD][4];
                for (int f = 0; f < FOLD; f++) unpack(X[(set * 32 * FOLD + f * 32 + lane) * STRIDE + t], x[f]);
#pragma unroll
                for (int q = 0; q < 4; q++) {
                    const float4 *w = (const float4 *)(W + t * LONG + q * COLUMNS + 8 * eight), lo = w[0], hi = w[1];
#pragma unroll
                    for (int f = 0; f < FOLD; f++) {
                        sums[f][0] += x[f][q] * lo.x, sums[f][1] += x[f][q] * lo.y;
                        sums[f][2] += x[f][q] * lo.z, sums[f][3] += x[f][q] * lo.w;
                        sums[f][4] += x[f][q] * hi.x, sums[f][5] += x[f][q] * hi.y;
                        sums[f][6] += x[f][q] * hi.z, sums[f][7] += x[f][q] * hi.w;
                    }
                }
            }
        for (int turn = 0; turn < SLICES; turn++) {
            if (works && slice == turn)
                for (int f = 0; f < FOLD; f++)
                    for (int h = 0; h < 2; h++) {
                        float4 *to = (float4 *)(a + (set * 32 * FOLD + f * 32 + lane) * PITCH + 8 * eight) + h, s = *to;
                        const float *own = sums[f] + 4 * h;
                        if (turn == 0) s = make_float4(0, 0, 0, 0);
                        s.x += own[0], s.y += own[1], s.z += own[2], s.w += own[3];
#if !DENSE
                        if (turn == SLICES - 1) {
                            const float *of_zero = columns + 8 * eight + 4 * h;
                            s.x = p.scale * s.x + p.shift * of_zero[0], s.y = p.scale * s.y + p.shift * of_zero[1];
                            s.z = p.scale * s.z + p.shift * of_zero[2], s.w = p.scale * s.w + p.shift * of_zero[3];
                        }
#endif
                        *to = s;
                    }
            __syncthreads();
        }
    }
}
#endif

/* Where number (q, c) of tile `tile` of a thread's part of W is: its word t, whose input is q, and its column; t < 0 beyond W. */
struct spot {
    int t, column;
};

FN spot spot_of(int tile, int c) {
#if TENSOR
    const int lane = threadIdx.x % 32, unit = threadIdx.x / 32 + tile * WARPS;
    const int t = unit / PAIRS * 16 + lane / 4 + 8 * (c / 2 % 2), column = (unit % PAIRS * NT + c / 4) * 8 + 2 * (lane % 4) + c % 2;
    return {unit < BLOCKS && t < WORDS && c < 4 * NT ? t : -1, column};
#else
    const int at = threadIdx.x + tile * THREADS;
    return {at / WORDS < EIGHTS ? at % WORDS : -1, 8 * (at / WORDS) + c};
#endif
}

#if TENSOR
/* g = this thread's numbers of X.T @ delta in a tile, raw inputs; all threads of a warp come here together. */
FN void gradient(const word *X, const float *delta, int n, int tile, float g[4][8]) {
    const int lane = threadIdx.x % 32, unit = threadIdx.x / 32 + tile * WARPS, group = lane / 4, k = lane % 4;
    if (unit >= BLOCKS) return;
    const int t = unit / PAIRS * 16 + group, first = unit % PAIRS * NT * 8 + group;
    const bool one = t < WORDS, two = t + 8 < WORDS;
    for (int turn = 0; turn < (n + 7) / 8; turn++) {
        const int i = 8 * turn + k;
        const word *x0 = X + i * STRIDE + t, *x1 = x0 + 4 * STRIDE;
        const unsigned x[4] = {one ? x0[0] : 0, two ? x0[8] : 0, one ? x1[0] : 0, two ? x1[8] : 0};
        float high[NT][2], low[NT][2];
#pragma unroll
        for (int e = 0; e < NT; e++) {
            split(i < n ? delta[i * PITCH + first + 8 * e] : 0.0f, high[e], low[e]);
            split(i + 4 < n ? delta[(i + 4) * PITCH + first + 8 * e] : 0.0f, high[e] + 1, low[e] + 1);
        }
#pragma unroll
        for (int j = 0; j < 4; j++) {
            const float inputs[4] = {byte_of(x[0], j), byte_of(x[1], j), byte_of(x[2], j), byte_of(x[3], j)};
#pragma unroll
            for (int e = 0; e < NT; e++) {
                mma(g[j] + 4 * e, inputs, high[e]);
                mma(g[j] + 4 * e, inputs, low[e]);
            }
        }
    }
}
#endif

extern "C" __global__ void __launch_bounds__(THREADS, 1) dfanp_pass(pass p) {
    extern __shared__ float4 shared[];
    float *W = (float *)shared;            /* WORDS of LONG */
    float *h = W + WORDS * LONG;           /* (ROWS, PITCH): a, then h, then delta */
    float *scratch = h + ROWS * PITCH;     /* SCRATCH */
    float *columns = scratch + SCRATCH;    /* COLUMNS: the column sums of W */
    float *of_delta = columns + COLUMNS;   /* COLUMNS: those of delta */
    float *W1 = of_delta + COLUMNS;        /* COLUMNS */
    float *M = W1 + COLUMNS;               /* COLUMNS: what carries e back */
    float *e = M + COLUMNS;                /* ROWS */
    word *X = (word *)(e + ROWS);          /* BUFFERS of (ROWS, STRIDE) */

    const int me = threadIdx.x, team = blockIdx.x / (GROUPS * RANKS), teams = gridDim.x / (GROUPS * RANKS);
    const int group = blockIdx.x % (GROUPS * RANKS) / RANKS, rank = blockIdx.x % RANKS, leads = group == 0 && rank == 0;
    const i64 column0 = (i64)group * COLUMNS, D = (i64)K * PIXELS;
    float *sums = p.sums + (i64)(team * GROUPS + group) * RANKS * ROWS * COLUMNS;
    unsigned *of_group = p.barriers + team * (GROUPS + 1) + 1 + group, *of_team = p.barriers + team * (GROUPS + 1);
    unsigned met_group = 0, met_team = 0;
    const i64 steps = (p.examples + p.batch - 1) / p.batch;
    if (team >= teams) return; /* of a team that is not whole, whose blocks would wait for ever */

    for (i64 r = team; r < p.replicas; r += teams) {
        /* Fetch this block's part of the replica. */
        for (int at = me; at < WORDS * 4 * COLUMNS; at += THREADS) {
            const int t = at / (4 * COLUMNS), q = at / COLUMNS % 4, c = at % COLUMNS;
            const i64 row = row_of(rank, t, q);
            W[t * LONG + q * COLUMNS + c] = row >= 0 && column0 + c < p.H ? p.W0[(r * D + row) * p.H + column0 + c] : 0.0f;
        }
        float W1_s0 = 0, W1_s1 = 0;
        if (me < COLUMNS) {
            const i64 at = r * p.H + column0 + me;
            const bool there = column0 + me < p.H;
            W1[me] = there ? p.W1[at] : 0.0f;
            M[me] = there && p.M ? p.M[at] : 0.0f;
            W1_s0 = there && STATES > 0 && LEARN ? p.W1_s0[at] : 0.0f;
            W1_s1 = there && STATES > 1 && LEARN ? p.W1_s1[at] : 0.0f;
        }
#if LEARN_W0
        float s0[TILES][4][8], s1[TILES][4][8];
#pragma unroll
        for (int tile = 0; tile < TILES; tile++) {
            for (int q = 0; q < 4; q++)
                for (int c = 0; c < 8; c++) {
                    const spot at = spot_of(tile, c);
                    const i64 row = at.t >= 0 ? row_of(rank, at.t, q) : -1, column = column0 + at.column;
                    const bool there = row >= 0 && column < p.H;
                    s0[tile][q][c] = there && STATES > 0 ? p.W0_s0[(r * D + row) * p.H + column] : 0.0f;
                    s1[tile][q][c] = there && STATES > 1 ? p.W0_s1[(r * D + row) * p.H + column] : 0.0f;
                }
        }
#endif
        double loss = 0, right = 0;
        const float lr = LEARN ? p.lr[r] : 0.0f;
        hyperparameters o = p.o;
        __syncthreads();
        sum_columns(W, scratch, columns);
        copy_batch(p, r, p.first, (int)(p.batch < p.examples ? p.batch : p.examples), rank, X);

        for (i64 s = 0; s < steps; s++) {
            const i64 from = s * p.batch, next = from + p.batch;
            const int n = (int)(p.examples - from < p.batch ? p.examples - from : p.batch);
            const int n_next = (int)(p.examples - next < p.batch ? p.examples - next : p.batch);
            const word *batch = X + (BUFFERS == 2 ? s % 2 : 0) * ROWS * STRIDE;
            copied();
            __syncthreads();

            multiply(p, batch, W, columns, h);
            if (RANKS > 1) {
                for (int at = me; at < ROWS * QUADS; at += THREADS)
                    __stcg((float4 *)sums + rank * ROWS * QUADS + at, ((const float4 *)h)[spread(at)]);
                arrive(of_group);
            }
            if (BUFFERS == 2 && s + 1 < steps)
                copy_batch(p, r, p.first + next, n_next, rank, X + (s + 1) % 2 * ROWS * STRIDE);
            if (RANKS > 1) wait_for(of_group, RANKS * ++met_group);

            /* h = f(a), and the columns' part of z. */
            for (int at = me; at < ROWS * QUADS; at += THREADS) {
                float4 a = ((const float4 *)h)[spread(at)];
                if (RANKS > 1) {
                    a = __ldcg((const float4 *)sums + at);
                    for (int k = 1; k < RANKS; k++) {
                        const float4 more = __ldcg((const float4 *)sums + k * ROWS * QUADS + at);
                        a.x += more.x, a.y += more.y, a.z += more.z, a.w += more.w;
                    }
                }
                a = make_float4(f(ACTIVATION, LEAK, a.x), f(ACTIVATION, LEAK, a.y), f(ACTIVATION, LEAK, a.z), f(ACTIVATION, LEAK, a.w));
                const float4 w = ((const float4 *)W1)[at % QUADS];
                ((float4 *)h)[spread(at)] = a;
                scratch[at] = a.x * w.x + a.y * w.y + a.z * w.z + a.w * w.w;
            }
            __syncthreads();
            float *z_of = p.outputs + ((i64)team * 2 + met_team % 2) * GROUPS * ROWS;
            if (rank == 0)
                for (int i = me; i < ROWS; i += THREADS) {
                    float z = 0;
                    for (int q = 0; q < QUADS; q++) z += scratch[i * QUADS + q];
                    __stcg(z_of + group * ROWS + i, z);
                }
            arrive(of_team);
            if (p.corrections && LEARN) { /* fetched while the others come */
                o.correction1 = p.corrections[2 * s];
                o.correction2 = p.corrections[2 * s + 1];
            }
            wait_for(of_team, GROUPS * RANKS * ++met_team);

            /* z, the loss, and e. */
            for (int at = me; at < PARTS * ROWS; at += THREADS) {
                float z = 0;
#pragma unroll
                for (int k = 0; k < ADDED; k++) { /* the loads do not wait for each other */
                    const int g = at / ROWS + k * PARTS;
                    if (g < GROUPS) z += __ldcg(z_of + g * ROWS + at % ROWS);
                }
                scratch[at] = z;
            }
            __syncthreads();
            for (int i = me; i < ROWS; i += THREADS) {
                float z = 0;
                for (int part = 0; part < PARTS; part++) z += scratch[part * ROWS + i];
                e[i] = 0;
                if (i < n) {
                    const float y = p.y[(p.own_y ? r * p.total : 0) + p.first + from + i];
                    e[i] = (logistic(z) - y) / (float)n;
                    loss += cross_entropy_of(z, y);
                    right += (z > 0) == (y > 0.5f);
                }
            }
            __syncthreads();
#if LEARN
            /* delta, in the place of h; and by column h.T @ e and the sums of delta. */
            {
                const int quad = me % QUADS;
                const float4 m = ((const float4 *)(p.M ? M : W1))[quad];
                float4 g = make_float4(0, 0, 0, 0), all = g;
                if (me < LINES * QUADS)
                    for (int i = me / QUADS; i < ROWS; i += LINES) {
                        float4 *at = (float4 *)(h + i * PITCH) + quad, x = *at, d;
                        const float error = e[i];
                        if (i < n) g.x += x.x * error, g.y += x.y * error, g.z += x.z * error, g.w += x.w * error;
                        d.x = error * m.x * df(ACTIVATION, LEAK, x.x), d.y = error * m.y * df(ACTIVATION, LEAK, x.y);
                        d.z = error * m.z * df(ACTIVATION, LEAK, x.z), d.w = error * m.w * df(ACTIVATION, LEAK, x.w);
                        if (i < n) all.x += d.x, all.y += d.y, all.z += d.z, all.w += d.w;
                        *at = d;
                    }
                if (me < LINES * QUADS) {
                    ((float4 *)scratch)[me] = g;
                    ((float4 *)scratch)[LINES * QUADS + me] = all;
                }
            }
            __syncthreads();
            if (me < COLUMNS) {
                float g = 0, all = 0;
                for (int line = 0; line < LINES; line++) {
                    g += scratch[line * COLUMNS + me];
                    all += scratch[(LINES + line) * COLUMNS + me];
                }
                of_delta[me] = all;
                float w = W1[me];
                step(KIND, o, lr, g, &w, &W1_s0, &W1_s1);
                W1[me] = column0 + me < p.H ? w : 0.0f; /* a unit that is not there says f(0), and must not be heard */
            }
#endif
#if LEARN_W0
#pragma unroll
            for (int tile = 0; tile < TILES; tile++) {
                float g[4][8] = {};
#if TENSOR
                gradient(batch, h, n, tile, g);
                if (tile == 0) __syncthreads(); /* of_delta is there */
#pragma unroll
                for (int q = 0; q < 4; q++)
#pragma unroll
                    for (int c = 0; c < 4 * NT; c++) {
                        const spot at = spot_of(tile, c);
                        if (at.t < 0) continue;
                        float *w = W + at.t * LONG + q * COLUMNS + at.column, weight = *w;
                        const float G = p.scale * g[q][c] + p.shift * of_delta[at.column];
                        step(KIND, o, lr, row_of(rank, at.t, q) >= 0 ? G : 0.0f, &weight, &s0[tile][q][c], &s1[tile][q][c]);
                        *w = weight;
                    }
#else
                const int at = me + tile * THREADS, t = at % WORDS, eight = at / WORDS, works = eight < EIGHTS;
                if (works)
                    for (int i = 0; i < n; i++) {
                        float x[4];
                        unpack(batch[i * STRIDE + t], x);
                        const float4 *d = (const float4 *)(h + i * PITCH + 8 * eight), lo = d[0], hi = d[1];
#pragma unroll
                        for (int q = 0; q < 4; q++) {
                            g[q][0] += x[q] * lo.x, g[q][1] += x[q] * lo.y, g[q][2] += x[q] * lo.z, g[q][3] += x[q] * lo.w;
                            g[q][4] += x[q] * hi.x, g[q][5] += x[q] * hi.y, g[q][6] += x[q] * hi.z, g[q][7] += x[q] * hi.w;
                        }
                    }
                if (tile == 0) __syncthreads(); /* of_delta is there */
                float shifts[8] = {};
                if (works && !DENSE)
                    for (int c = 0; c < 8; c++) shifts[c] = p.shift * of_delta[8 * eight + c];
                if (works)
#pragma unroll
                    for (int q = 0; q < 4; q++) {
                        const bool there = row_of(rank, t, q) >= 0;
                        float4 *of_row = (float4 *)(W + t * LONG + q * COLUMNS + 8 * eight), lo = of_row[0], hi = of_row[1];
                        float w[8] = {lo.x, lo.y, lo.z, lo.w, hi.x, hi.y, hi.z, hi.w};
#pragma unroll
                        for (int c = 0; c < 8; c++) {
                            const float G = DENSE ? g[q][c] : p.scale * g[q][c] + shifts[c];
                            step(KIND, o, lr, there ? G : 0.0f, &w[c], &s0[tile][q][c], &s1[tile][q][c]);
                        }
                        of_row[0] = make_float4(w[0], w[1], w[2], w[3]);
                        of_row[1] = make_float4(w[4], w[5], w[6], w[7]);
                    }
#endif
            }
            __syncthreads();
            sum_columns(W, scratch, columns);
#else
            __syncthreads();
#endif
            if (BUFFERS == 1 && s + 1 < steps) copy_batch(p, r, p.first + next, n_next, rank, X);
        }

        /* Bring it back. */
        __syncthreads();
#if LEARN_W0
        for (int at = me; at < WORDS * 4 * COLUMNS; at += THREADS) {
            const int t = at / (4 * COLUMNS), q = at / COLUMNS % 4, c = at % COLUMNS;
            const i64 row = row_of(rank, t, q);
            if (row >= 0 && column0 + c < p.H) p.W0[(r * D + row) * p.H + column0 + c] = W[t * LONG + q * COLUMNS + c];
        }
#pragma unroll
        for (int tile = 0; tile < TILES; tile++) {
            for (int q = 0; q < 4; q++)
                for (int c = 0; c < 8; c++) {
                    const spot at = spot_of(tile, c);
                    const i64 row = at.t >= 0 ? row_of(rank, at.t, q) : -1, column = column0 + at.column;
                    if (row < 0 || column >= p.H) continue;
                    if (STATES > 0) p.W0_s0[(r * D + row) * p.H + column] = s0[tile][q][c];
                    if (STATES > 1) p.W0_s1[(r * D + row) * p.H + column] = s1[tile][q][c];
                }
        }
#endif
        if (LEARN && rank == 0 && me < COLUMNS && column0 + me < p.H) {
            const i64 at = r * p.H + column0 + me;
            p.W1[at] = W1[me];
            if (STATES > 0) p.W1_s0[at] = W1_s0;
            if (STATES > 1) p.W1_s1[at] = W1_s1;
        }
        if (leads) { /* the threads' sums, in their order */
            double *all = (double *)scratch;
            for (int turn = 0; turn < 2; turn++) {
                all[me] = turn ? right : loss;
                __syncthreads();
                if (me == 0) {
                    double sum = 0;
                    for (int t = 0; t < THREADS; t++) sum += all[t];
                    p.totals[turn * p.replicas + r] += sum;
                }
                __syncthreads();
            }
        }
        __syncthreads();
    }
}
