/* The loops of the native tier for one level of a processor, for float and for double. Before including it, define
 *   LEVEL(x)   x with a suffix for the level
 *   VECTOR     the bytes of its vectors
 *   VECTORS    how many of them a panel has, 4 or 8 */

#define REAL float
#define SQRT sqrtf
#define EXP expf
#define LOG1P log1pf
#define TANH_OF tanhf
#define NAME(x) LEVEL(x##_f)
#include "native_real.h"
#undef REAL
#undef SQRT
#undef EXP
#undef LOG1P
#undef TANH_OF
#undef NAME
#define REAL double
#define SQRT sqrt
#define EXP exp
#define LOG1P log1p
#define TANH_OF tanh
#define NAME(x) LEVEL(x##_d)
#include "native_real.h"
#undef REAL
#undef SQRT
#undef EXP
#undef LOG1P
#undef TANH_OF
#undef NAME
#undef LEVEL
#undef VECTOR
#undef VECTORS
