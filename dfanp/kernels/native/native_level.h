/* The loops of the native tier for one level of a processor, for float and for double. Before including it, define
 *   LEVEL(x)   x with a suffix for the level
 *   VECTOR     the bytes of its vectors
 *   VECTORS    how many of them a panel has, 4 or 8
 *   GROUP      how many of them a tile of six rows has, 1, 2 or 4: six times as many fit into the registers */

#define REAL float
#define INTEGER int32_t
#define UNSIGNED uint32_t
#define LIBM(x) x##f
#define NAME(x) LEVEL(x##_f)
#include "native_real.h"
#undef REAL
#undef INTEGER
#undef UNSIGNED
#undef LIBM
#undef NAME
#define REAL double
#define INTEGER int64_t
#define UNSIGNED uint64_t
#define LIBM(x) x
#define NAME(x) LEVEL(x##_d)
#include "native_real.h"
#undef REAL
#undef INTEGER
#undef UNSIGNED
#undef LIBM
#undef NAME
#undef LEVEL
#undef VECTOR
#undef VECTORS
#undef GROUP
