/* What both files of the CUDA tier begin with: REAL (float, or double if DOUBLE is defined) and the arithmetic of optimizers and
 * activations. Compiled at run time by NVRTC, so nothing is included but files of this folder. Each kernel takes one struct. */

#ifdef DOUBLE
#define REAL double
#define SQRT sqrt
#define EXP exp
#define LOG log
#define LOG1P log1p
#define TANH_OF tanh
#else
#define REAL float
#define SQRT sqrtf
#define EXP expf
#define LOG logf
#define LOG1P log1pf
#define TANH_OF tanhf
#endif
#define FN static __device__ __forceinline__
#define NAME(x) x
#include "../arithmetic.h"

typedef long long i64;

/* Python fills the structs, and defines the size that each has there; without that macro nothing is checked. */
#ifdef CHECK_SIZES
#define CHECK_SIZE(name, size) static_assert(sizeof(name) == size, "cuda.py has another struct " #name);
#else
#define CHECK_SIZE(name, size)
#endif

#ifndef PAUSE
#define PAUSE() /* what a thread does between two looks at a barrier */
#endif

/* One step of the parameter w with the state s0, s1 by its gradient g. */
FN void step(int kind, const hyperparameters &o, REAL lr, REAL g, REAL *w, REAL *s0, REAL *s1) {
    g += o.weight_decay * *w;
    switch (kind) {
    case SGD: sgd(lr, g, w); break;
    case MOMENTUM: momentum(o, lr, g, w, s0); break;
    case NESTEROV: nesterov(o, lr, g, w, s0); break;
    case ADAGRAD: adagrad(o, lr, g, w, s0); break;
    case RMSPROP: rmsprop(o, lr, g, w, s0); break;
    case ADADELTA: adadelta(o, lr, g, w, s0, s1); break;
    case ADAM: adam(o, lr, g, w, s0, s1); break;
    }
}

FN REAL logistic(REAL z) {
    const REAL small = EXP(z >= 0 ? -z : z);
    return (z >= 0 ? 1 : small) / (1 + small);
}

/* Binary cross-entropy of a logit z, without overflow or cancellation (losses.py). */
FN REAL cross_entropy_of(REAL z, REAL y) { return (z > 0 ? z : z != z ? z : 0) - z * y + LOG1P(EXP(z < 0 ? z : -z)); }
