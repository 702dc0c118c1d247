/* What optimizers.py and activations.py define, one number at a time.
 *
 * C and CUDA compile this file, and mirror.py reads its lists of names: the order of the optimizers, the activations, the losses
 * and the hyperparameters stands here alone. It includes nothing. Before including it, define
 *   REAL                       the floating-point type
 *   SQRT EXP TANH_OF            its functions
 *   FN                         how functions are declared ("static inline", "static __device__")
 *   NAME(x)                    x with a suffix for the type
 * The optimizers change the parameter w and its state in place. g is the gradient of the mean loss. */

#ifndef DFANP_ARITHMETIC_NAMES
#define DFANP_ARITHMETIC_NAMES
#define OPTIMIZERS(X) X(SGD) X(MOMENTUM) X(NESTEROV) X(ADAGRAD) X(ADADELTA) X(RMSPROP) X(ADAM)
#define LOSSES(X) X(BCE) X(CROSS_ENTROPY) X(MSE)
#define ACTIVATIONS(X) X(IDENTITY) X(RELU) X(LEAKY_RELU) X(TANH) X(SIGMOID)
/* An optimizer; eps outside the root; Adadelta's accumulator without lr. */
#define FLAGS(X) X(kind) X(outside) X(unscaled)
/* one_rho is 1 - rho, and so on, rounded once, on the host. correction1 and 2, of Adam, are 1 / (1 - beta1^t) and
 * 1 / (1 - beta2^t): to divide takes a kernel longer. */
#define NUMBERS(X) X(weight_decay) X(rho) X(beta1) X(beta2) X(eps) X(one_rho) X(one_beta1) X(one_beta2) X(correction1) X(correction2)
#define LISTED(x) x,
enum { OPTIMIZERS(LISTED) };
enum { ACTIVATIONS(LISTED) };
enum { LOSSES(LISTED) };
#endif

#define INT_FIELD(x) int x;
#define REAL_FIELD(x) REAL x;
typedef struct {
    FLAGS(INT_FIELD)
    NUMBERS(REAL_FIELD)
} NAME(hyperparameters);
#undef INT_FIELD
#undef REAL_FIELD

FN REAL NAME(root)(REAL v, REAL eps, int outside) { return outside ? SQRT(v) + eps : SQRT(v + eps); }

FN void NAME(sgd)(REAL lr, REAL g, REAL *w) { *w -= lr * g; }

FN void NAME(momentum)(NAME(hyperparameters) o, REAL lr, REAL g, REAL *w, REAL *v) {
    *v = o.rho * *v + lr * g;
    *w -= *v;
}

FN void NAME(nesterov)(NAME(hyperparameters) o, REAL lr, REAL g, REAL *w, REAL *v) {
    *v = o.rho * *v + lr * g;
    *w -= o.rho * *v + lr * g;
}

FN void NAME(adagrad)(NAME(hyperparameters) o, REAL lr, REAL g, REAL *w, REAL *v) {
    *v += g * g;
    *w -= lr * g / NAME(root)(*v, o.eps, o.outside);
}

FN void NAME(rmsprop)(NAME(hyperparameters) o, REAL lr, REAL g, REAL *w, REAL *v) {
    *v = o.rho * *v + o.one_rho * (g * g);
    *w -= lr * g / NAME(root)(*v, o.eps, o.outside);
}

FN void NAME(adadelta)(NAME(hyperparameters) o, REAL lr, REAL g, REAL *w, REAL *v, REAL *u) {
    *v = o.rho * *v + o.one_rho * (g * g);
    REAL unscaled = SQRT((*u + o.eps) / (*v + o.eps)) * g, scaled = lr * unscaled;
    REAL d = o.unscaled ? unscaled : scaled;
    *u = o.rho * *u + o.one_rho * (d * d);
    *w -= scaled;
}

FN void NAME(adam)(NAME(hyperparameters) o, REAL lr, REAL g, REAL *w, REAL *m, REAL *v) {
    *m = o.beta1 * *m + o.one_beta1 * g;
    *v = o.beta2 * *v + o.one_beta2 * (g * g);
    *w -= lr * (*m * o.correction1) / NAME(root)(*v * o.correction2, o.eps, o.outside);
}

/* f and f' of a pre-activation, the latter from the output h = f(a): activations.py. leak is its LEAK. */
FN REAL NAME(f)(int activation, REAL leak, REAL a) {
    switch (activation) {
    case RELU: return a > 0 ? a : a != a ? a : 0; /* NaN stays NaN */
    case LEAKY_RELU: return a > 0 ? a : leak * a;
    case TANH: return TANH_OF(a);
    case SIGMOID: return a >= 0 ? 1 / (1 + EXP(-a)) : EXP(a) / (1 + EXP(a));
    default: return a;
    }
}

FN REAL NAME(df)(int activation, REAL leak, REAL h) {
    switch (activation) {
    case RELU: return h > 0 ? 1 : h != h ? h : 0;
    case LEAKY_RELU: return h > 0 ? 1 : leak;
    case TANH: return 1 - h * h;
    case SIGMOID: return h * (1 - h);
    default: return 1;
    }
}
