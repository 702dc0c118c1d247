/* What optimizers.py and activations.py define, one number at a time.
 *
 * C and CUDA compile this file; it includes nothing. Before including it, define
 *   REAL                       the floating-point type
 *   SQRT EXP TANH_OF            its functions
 *   FN                         how functions are declared ("static inline", "static __device__")
 *   NAME(x)                    x with a suffix for the type
 * The optimizers change the parameter w and its state u, v in place. g is the gradient of the mean loss. */

#ifndef DFANP_ARITHMETIC_KINDS
#define DFANP_ARITHMETIC_KINDS
enum { SGD, MOMENTUM, NESTEROV, ADAGRAD, ADADELTA, RMSPROP, ADAM };
enum { IDENTITY, RELU, LEAKY_RELU, TANH, SIGMOID };
#endif

typedef struct {
    int kind, outside, unscaled; /* an optimizer; eps outside the root; Adadelta's accumulator without lr */
    REAL weight_decay, rho, beta1, beta2, eps;
    REAL one_rho, one_beta1, one_beta2; /* 1 - rho …, rounded once, on the host */
    REAL correction1, correction2;      /* Adam: 1 / (1 - beta1^t) and 1 / (1 - beta2^t): to divide takes a kernel longer */
} NAME(rule);

FN REAL NAME(root)(REAL v, REAL eps, int outside) { return outside ? SQRT(v) + eps : SQRT(v + eps); }

FN void NAME(sgd)(REAL lr, REAL g, REAL *w) { *w -= lr * g; }

FN void NAME(momentum)(NAME(rule) o, REAL lr, REAL g, REAL *w, REAL *v) {
    *v = o.rho * *v + lr * g;
    *w -= *v;
}

FN void NAME(nesterov)(NAME(rule) o, REAL lr, REAL g, REAL *w, REAL *v) {
    *v = o.rho * *v + lr * g;
    *w -= o.rho * *v + lr * g;
}

FN void NAME(adagrad)(NAME(rule) o, REAL lr, REAL g, REAL *w, REAL *v) {
    *v += g * g;
    *w -= lr * g / NAME(root)(*v, o.eps, o.outside);
}

FN void NAME(rmsprop)(NAME(rule) o, REAL lr, REAL g, REAL *w, REAL *v) {
    *v = o.rho * *v + o.one_rho * (g * g);
    *w -= lr * g / NAME(root)(*v, o.eps, o.outside);
}

FN void NAME(adadelta)(NAME(rule) o, REAL lr, REAL g, REAL *w, REAL *v, REAL *u) {
    *v = o.rho * *v + o.one_rho * (g * g);
    REAL unscaled = SQRT((*u + o.eps) / (*v + o.eps)) * g, scaled = lr * unscaled;
    REAL d = o.unscaled ? unscaled : scaled;
    *u = o.rho * *u + o.one_rho * (d * d);
    *w -= scaled;
}

FN void NAME(adam)(NAME(rule) o, REAL lr, REAL g, REAL *w, REAL *m, REAL *v) {
    *m = o.beta1 * *m + o.one_beta1 * g;
    *v = o.beta2 * *v + o.one_beta2 * (g * g);
    *w -= lr * (*m * o.correction1) / NAME(root)(*v * o.correction2, o.eps, o.outside);
}

/* f and f' of a pre-activation, the latter from the output h = f(a): activations.py, in the order of the enum. */
FN REAL NAME(f)(int activation, REAL a) {
    switch (activation) {
    case RELU: return a > 0 ? a : a != a ? a : 0; /* NaN stays NaN */
    case LEAKY_RELU: return a > 0 ? a : (REAL)0.01 * a;
    case TANH: return TANH_OF(a);
    case SIGMOID: return a >= 0 ? 1 / (1 + EXP(-a)) : EXP(a) / (1 + EXP(a));
    default: return a;
    }
}

FN REAL NAME(df)(int activation, REAL h) {
    switch (activation) {
    case RELU: return h > 0 ? 1 : h != h ? h : 0;
    case LEAKY_RELU: return h > 0 ? 1 : (REAL)0.01;
    case TANH: return 1 - h * h;
    case SIGMOID: return h * (1 - h);
    default: return 1;
    }
}
