/* The kernels of a step: gather the batch, the output layer's loss and error, the update of all parameters. */

#include "cuda.h"

/* Where the kernels of a recorded step find what differs from step to step: numbers and addresses in memory of the card. A struct
 * without a cell has them itself. */
enum { NEXT, NOW, INPUTS, TARGETS, TOTALS, CORRECTIONS }; /* steps.py */

/* out (replicas, rows, k * pixels) = the images picks (rows, k) of a bank, side by side, normalised; or without a bank the rows of an
 * array X, k = 1. In picks or X, replica by replica, examples stand `stride` numbers apart. With a cell picks and X are INPUTS from
 * replica `first` on, at the batch NEXT, which becomes NOW. A block a row. */
struct gather {
    const unsigned char *raw;
    const i64 *picks;
    REAL *out;
    i64 *cell;
    i64 replicas, rows, stride, k, pixels, first, batch;
    REAL mean, std;
};
CHECK_SIZE(gather, SIZE_OF_GATHER)

extern "C" __global__ void dfanp_gather(gather p) {
    const i64 step = p.cell ? p.cell[NEXT] : 0, before = p.first * p.stride + step * p.batch * (p.raw ? p.k : p.pixels);
    const i64 *picks = (p.cell ? (const i64 *)p.cell[INPUTS] : p.picks) + (p.raw ? before : 0);
    const REAL *X = p.raw ? 0 : (const REAL *)p.cell[INPUTS] + before;
    const int pixels = (int)p.pixels, D = (int)p.k * pixels;
    if (p.cell && blockIdx.x == 0 && threadIdx.x == 0) p.cell[NOW] = step;
    for (i64 row = blockIdx.x; row < p.replicas * p.rows; row += gridDim.x) {
        const i64 from = row / p.rows * p.stride + row % p.rows * (p.raw ? p.k : pixels);
        for (int j = threadIdx.x; j < D; j += blockDim.x)
            p.out[row * D + j] = p.raw ? ((REAL)p.raw[picks[from + j / pixels] * pixels + j % pixels] - p.mean) / p.std : X[from + j];
    }
}

/* a (replicas, rows, width) = f(a + b), with biases b (replicas, width) or none. A block a row. */
struct activate {
    REAL *a;
    const REAL *b;
    i64 replicas, rows, width;
    int activation;
    REAL leak;
};
CHECK_SIZE(activate, SIZE_OF_ACTIVATE)

extern "C" __global__ void dfanp_activate(activate p) {
    for (i64 row = blockIdx.x; row < p.replicas * p.rows; row += gridDim.x) {
        const REAL *b = p.b + row / p.rows * p.width;
        for (i64 j = threadIdx.x; j < p.width; j += blockDim.x) {
            REAL *a = p.a + row * p.width + j;
            *a = f(p.activation, p.leak, p.b ? *a + b[j] : *a);
        }
    }
}

/* delta (size) = signal * f', from the output h of the layer; in place. */
struct slope {
    REAL *signal;
    const REAL *h;
    i64 size;
    int activation;
    REAL leak;
};
CHECK_SIZE(slope, SIZE_OF_SLOPE)

extern "C" __global__ void dfanp_slope(slope p) {
    for (i64 at = blockIdx.x * (i64)blockDim.x + threadIdx.x; at < p.size; at += gridDim.x * (i64)blockDim.x)
        p.signal[at] *= df(p.activation, p.leak, p.h[at]);
}

/* For logits z (replicas, n, outputs) and targets y: totals (2, replicas) = the losses of the examples and the number of those that
 * are right, summed in double; e = (y_hat - y) / n, unless e is null. y_stride: numbers from one replica's targets to the next
 * one's, 0 where they share them. A block a replica.
 *
 * With biases b (replicas, outputs) these are added to z first, in place. carried (shape of z), unless it is null, is what a rule sends
 * back in place of e. With a cell y is TARGETS from replica `first` on, at the batch NOW; the totals of these replicas among `all` are
 * added to TOTALS; and `last`, the batch is done. */
enum { SIGN = 1, LABEL };
struct output {
    REAL *z;
    const REAL *y, *b;
    REAL *e, *carried;
    double *totals;
    i64 *cell;
    i64 replicas, n, outputs, y_stride, first, all, batch;
    int loss, carry, last; /* losses.py; SIGN or LABEL: sdfa and drtp of rules.py */
};
CHECK_SIZE(output, SIZE_OF_OUTPUT)

enum { OUTPUT_THREADS = 256 };

extern "C" __global__ void __launch_bounds__(OUTPUT_THREADS) dfanp_output(output p) {
    extern __shared__ float4 shared[];
    double(*sums)[OUTPUT_THREADS] = (double(*)[OUTPUT_THREADS])shared; /* 2 of them */
    const i64 r = blockIdx.x, m = p.outputs, step = p.cell ? p.cell[NOW] : 0;
    const REAL *targets = p.cell ? (const REAL *)p.cell[TARGETS] + p.first * p.y_stride + step * p.batch * m : p.y;
    if (p.last && r == 0 && threadIdx.x == 0) p.cell[NEXT] = step + 1;
    double loss = 0, right = 0;
    for (i64 i = threadIdx.x; i < p.n; i += OUTPUT_THREADS) {
        REAL *z = p.z + (r * p.n + i) * m, *e = p.e ? p.e + (r * p.n + i) * m : 0;
        const REAL *y = targets + r * p.y_stride + i * m;
        if (p.b)
            for (i64 j = 0; j < m; j++) z[j] += p.b[r * m + j];
        REAL one = 0, largest = z[0], sum = 0;
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
            const REAL error = (y_hat - y[j]) / (REAL)p.n;
            if (e) e[j] = error;
            if (p.carry == SIGN) p.carried[e + j - p.e] = (error > 0 ? 1 : error < 0 ? -1 : error) / (REAL)p.n;
            if (p.carry == LABEL) p.carried[e + j - p.e] = -(m == 1 ? 2 * y[j] - 1 : y[j]) / (REAL)p.n;
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
    __syncthreads();
    if (threadIdx.x < 2) {
        if (p.cell)
            ((double *)p.cell[TOTALS])[threadIdx.x * p.all + p.first + r] += sums[threadIdx.x][0];
        else
            p.totals[threadIdx.x * p.replicas + r] = sums[threadIdx.x][0];
    }
}

/* One optimizer step of up to MOST parameters in one launch. Parameter t has size[t] numbers, as many for each replica. The learning
 * rate is lr, or of each replica its own, lrs (replicas), for parameter t `apart` numbers after that for t - 1. Where rows[t] is not
 * 0, g is the delta (replicas, rows, width) of a layer, and the gradient, of its biases, the sum over the rows. With a cell Adam's
 * corrections are those at NOW. */
enum { MOST = 16 };
struct update {
    REAL *w[MOST], *s0[MOST], *s1[MOST];
    const REAL *g[MOST];
    i64 size[MOST], rows[MOST];
    const REAL *lrs;
    const i64 *cell;
    i64 parameters, replicas, apart;
    REAL lr;
    hyperparameters o;
};
CHECK_SIZE(update, SIZE_OF_UPDATE)

extern "C" __global__ void dfanp_update(update p) {
    hyperparameters o = p.o;
    if (p.cell && p.cell[CORRECTIONS]) {
        const REAL *at = (const REAL *)p.cell[CORRECTIONS] + 2 * p.cell[NOW];
        o.correction1 = at[0], o.correction2 = at[1];
    }
    for (i64 t = 0; t < p.parameters; t++) {
        const i64 own = p.size[t] / p.replicas;
        for (i64 at = blockIdx.x * (i64)blockDim.x + threadIdx.x; at < p.size[t]; at += gridDim.x * (i64)blockDim.x) {
            REAL w = p.w[t][at], s0 = p.s0[t] ? p.s0[t][at] : 0, s1 = p.s1[t] ? p.s1[t][at] : 0;
            const i64 r = own == p.size[t] ? 0 : at / own;
            REAL g = 0;
            if (p.rows[t])
                for (i64 i = 0; i < p.rows[t]; i++) g += p.g[t][(r * p.rows[t] + i) * own + at - r * own];
            else
                g = p.g[t][at];
            step(o.kind, o, p.lrs ? p.lrs[t * p.apart + r] : p.lr, g, &w, &s0, &s1);
            p.w[t][at] = w;
            if (p.s0[t]) p.s0[t][at] = s0;
            if (p.s1[t]) p.s1[t][at] = s1;
        }
    }
}
