/* exp and tanh in arithmetic alone, so that loops over them become vector instructions; within a few units in the last place.
 * Included by native_real.h, once for each type.
 *
 * exp(x) = 2^k · exp(r) with r = x - k ln 2, |r| <= ln 2 / 2, whose series is cut where it no longer counts. k is found by adding
 * MAGIC, after which the last bits of a number are its whole part. */

#define MANTISSA (sizeof(REAL) == 4 ? 23 : 52)
#define MAGIC (sizeof(REAL) == 4 ? (REAL)12582912.0 : (REAL)6755399441055744.0)   /* 1.5 · 2^MANTISSA */
#define LN2_HIGH (sizeof(REAL) == 4 ? (REAL)0.693359375 : (REAL)0.693147180369123816490) /* k times it is exact */
#define LN2_LOW (sizeof(REAL) == 4 ? (REAL)-2.12194440e-4 : (REAL)1.90821492927058770002e-10)

/* Return exp(x) - 1, as series · 2^k + (2^k - 1); *scale is 2^k and *series is exp(r) - 1. x must not be far out. */
FN void NAME(exp_parts)(REAL x, REAL *scale, REAL *series) {
    union {
        REAL real;
        INTEGER bits;
    } moved, magic, power;
    magic.real = MAGIC;
    moved.real = x * (REAL)1.44269504088896340736 + magic.real;
    const REAL k = moved.real - magic.real, r = (x - k * LN2_HIGH) - k * LN2_LOW;
    power.bits = (INTEGER)((UNSIGNED)(moved.bits - magic.bits + (sizeof(REAL) == 4 ? 127 : 1023)) << MANTISSA);
    REAL p = 1;
    if (sizeof(REAL) == 8) {
        p = 1 + r / 13;
        p = 1 + r * ((REAL)(1.0 / 12) * p);
        p = 1 + r * ((REAL)(1.0 / 11) * p);
        p = 1 + r * ((REAL)(1.0 / 10) * p);
        p = 1 + r * ((REAL)(1.0 / 9) * p);
        p = 1 + r * ((REAL)(1.0 / 8) * p);
    }
    p = 1 + r * ((REAL)(1.0 / 7) * p);
    p = 1 + r * ((REAL)(1.0 / 6) * p);
    p = 1 + r * ((REAL)(1.0 / 5) * p);
    p = 1 + r * ((REAL)(1.0 / 4) * p);
    p = 1 + r * ((REAL)(1.0 / 3) * p);
    p = 1 + r * ((REAL)0.5 * p);
    *scale = power.real;
    *series = r * p;
}

/* exp(x) for x of at most 80, and 0 or nearly so where it is less than the smallest normal number. */
FN REAL NAME(exp_of)(REAL x) {
    const REAL least = sizeof(REAL) == 4 ? -87 : -708;
    REAL scale, series;
    NAME(exp_parts)(x < least ? least : x, &scale, &series);
    return scale + scale * series;
}

FN REAL NAME(tanh_of)(REAL x) {
    const REAL most = sizeof(REAL) == 4 ? 10 : 20; /* from where on it is 1 */
    REAL a = x < 0 ? -x : x, scale, series;
    a = a > most ? most : a;
    NAME(exp_parts)(2 * a, &scale, &series);
    const REAL t = scale * series + (scale - 1), y = t / (t + 2);
    return x < 0 ? -y : y;
}

#undef MANTISSA
#undef MAGIC
#undef LN2_HIGH
#undef LN2_LOW
