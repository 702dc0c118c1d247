/* The kernels of a step: gather the batch, the output layer's loss and error, the update of all parameters. */

#include "cuda.h"

/* out (rows, k * pixels) = the images picks (rows, k) of a bank, side by side, normalised. In picks, replica by replica, `rows`
 * examples stand `stride` numbers apart. Launched with any number of threads. */
struct gather {
    const unsigned char *raw;
    const i64 *picks;
    REAL *out;
    i64 replicas, rows, stride, k, pixels;
    REAL mean, std;
};
CHECK_SIZE(gather, SIZE_OF_GATHER)

extern "C" __global__ void dfanp_gather(gather p) {
    const i64 D = p.k * p.pixels, all = p.replicas * p.rows * D;
    for (i64 at = blockIdx.x * (i64)blockDim.x + threadIdx.x; at < all; at += gridDim.x * (i64)blockDim.x) {
        const i64 row = at / D, j = at % D;
        const i64 image = p.picks[row / p.rows * p.stride + row % p.rows * p.k + j / p.pixels];
        p.out[at] = ((REAL)p.raw[image * p.pixels + j % p.pixels] - p.mean) / p.std;
    }
}

/* For logits z (replicas, n, outputs) and targets y: totals (2, replicas) = the losses of the examples and the number of those that
 * are right, summed in double; e = (y_hat - y) / n, unless e is null. y_stride: numbers from one replica's targets to the next
 * one's, 0 where they share them. A block a replica. */
struct output {
    const REAL *z, *y;
    REAL *e;
    double *totals;
    i64 replicas, n, outputs, y_stride;
    int loss; /* losses.py */
};
CHECK_SIZE(output, SIZE_OF_OUTPUT)

enum { OUTPUT_THREADS = 256 };

extern "C" __global__ void __launch_bounds__(OUTPUT_THREADS) dfanp_output(output p) {
    extern __shared__ float4 shared[];
    double(*sums)[OUTPUT_THREADS] = (double(*)[OUTPUT_THREADS])shared; /* 2 of them */
    const i64 r = blockIdx.x, m = p.outputs;
    double loss = 0, right = 0;
    for (i64 i = threadIdx.x; i < p.n; i += OUTPUT_THREADS) {
        const REAL *z = p.z + (r * p.n + i) * m, *y = p.y + r * p.y_stride + i * m;
        REAL *e = p.e ? p.e + (r * p.n + i) * m : 0, one = 0, largest = z[0], sum = 0;
        i64 top = 0, is = 0;
        int same = 1;
        for (i64 j = 0; j < m; j++) { /* the first of the largest, as argmax has it; NaN is larger than any number */
            if (!(z[j] <= z[top]) && z[top] == z[top]) top = j;
            if (y[j] > y[is]) is = j;
            largest = z[j] > largest || z[j] != z[j] ? z[j] : largest;
        }
        if (p.loss == CROSS_ENTROPY)
            for (i64 j = 0; j < m; j++) sum += EXP(z[j] - largest);
        for (i64 j = 0; j < m; j++) {
            REAL y_hat = z[j];
            if (p.loss == BCE) {
                y_hat = logistic(z[j]);
                one += cross_entropy_of(z[j], y[j]);
                same = same && (z[j] > 0) == (y[j] > (REAL)0.5);
            } else if (p.loss == CROSS_ENTROPY) {
                y_hat = EXP(z[j] - largest) / sum;
                one += y[j] * (LOG(sum) - (z[j] - largest));
            } else
                one += (z[j] - y[j]) * (z[j] - y[j]);
            if (e) e[j] = (y_hat - y[j]) / (REAL)p.n;
        }
        if (p.loss == MSE) one /= 2, same = 0; /* regression has no right answers */
        if (p.loss == CROSS_ENTROPY) same = top == is;
        loss += one;
        right += same;
    }
    sums[0][threadIdx.x] = loss;
    sums[1][threadIdx.x] = right;
    for (int half = OUTPUT_THREADS / 2; half; half /= 2) { /* always in the same order */
        __syncthreads();
        if (threadIdx.x < half)
            for (int s = 0; s < 2; s++) sums[s][threadIdx.x] += sums[s][threadIdx.x + half];
    }
    if (threadIdx.x < 2) p.totals[threadIdx.x * p.replicas + r] = sums[threadIdx.x][0];
}

/* One optimizer step of up to MOST parameters in one launch. Parameter t has size[t] numbers, as many for each replica. The learning
 * rate is lr, or of each replica its own, lrs (replicas). */
enum { MOST = 16 };
struct update {
    REAL *w[MOST], *s0[MOST], *s1[MOST];
    const REAL *g[MOST];
    i64 size[MOST];
    const REAL *lrs;
    i64 parameters, replicas;
    REAL lr;
    hyperparameters o;
};
CHECK_SIZE(update, SIZE_OF_UPDATE)

extern "C" __global__ void dfanp_update(update p) {
    for (i64 t = 0; t < p.parameters; t++) {
        const i64 own = p.size[t] / p.replicas;
        for (i64 at = blockIdx.x * (i64)blockDim.x + threadIdx.x; at < p.size[t]; at += gridDim.x * (i64)blockDim.x) {
            REAL w = p.w[t][at], s0 = p.s0[t] ? p.s0[t][at] : 0, s1 = p.s1[t] ? p.s1[t][at] : 0;
            step(p.o.kind, p.o, p.lrs ? p.lrs[at / own] : p.lr, p.g[t][at], &w, &s0, &s1);
            p.w[t][at] = w;
            if (p.s0[t]) p.s0[t][at] = s0;
            if (p.s1[t]) p.s1[t][at] = s1;
        }
    }
}
