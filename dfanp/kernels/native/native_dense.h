/* Products of dense matrices by tiles of the output that stay in registers. Included by native_real.h, once for each type.
 *
 * A tile has up to six rows and GROUP vectors; each of its vectors has a name, since an array of them would live in memory. */

#define R1(F) F(0)
#define R2(F) F(0) F(1)
#define R6(F) F(0) F(1) F(2) F(3) F(4) F(5)
#define V1(F, r) F(r, 0)
#define V2(F, r) F(r, 0) F(r, 1)
#define V4(F, r) F(r, 0) F(r, 1) F(r, 2) F(r, 3)
#define OPEN(r, v) NAME(vector) a##r##v = fresh ? nothing : AT(out + r * across, v);
#define LOAD_T(r, v) const NAME(vector) t##v = AT(T, v);
#define MULTIPLY(r, v) a##r##v += x##r * t##v;
#define CLOSE(r, v) AT(out + r * across, v) = a##r##v;
/* out (rows, V vectors) += A @ T, or = if `fresh`: A has its rows `row` apart and its columns `next`; the rows of T and of out are
 * `down` and `across` apart. */
#define TILE(name, ROWS, V)                                                                                            \
    FN void NAME(name)(int64_t K, const REAL *A, int64_t row, int64_t next, const REAL *T, int64_t down, REAL *out,    \
                       int64_t across, int fresh) {                                                                    \
        const NAME(vector) nothing = {0};                                                                              \
        ROWS(OPEN_##V)                                                                                                 \
        for (int64_t k = 0; k < K; k++, A += next, T += down) {                                                        \
            V(LOAD_T, 0)                                                                                               \
            ROWS(MULTIPLY_##V)                                                                                         \
        }                                                                                                              \
        ROWS(CLOSE_##V)                                                                                                \
    }
#define SCALAR(r) const REAL x##r = A[r * row];
#define OPEN_V1(r) V1(OPEN, r)
#define OPEN_V2(r) V2(OPEN, r)
#define OPEN_V4(r) V4(OPEN, r)
#define MULTIPLY_V1(r) SCALAR(r) V1(MULTIPLY, r)
#define MULTIPLY_V2(r) SCALAR(r) V2(MULTIPLY, r)
#define MULTIPLY_V4(r) SCALAR(r) V4(MULTIPLY, r)
#define CLOSE_V1(r) V1(CLOSE, r)
#define CLOSE_V2(r) V2(CLOSE, r)
#define CLOSE_V4(r) V4(CLOSE, r)

TILE(tile_1_1, R1, V1)
TILE(tile_2_1, R2, V1)
TILE(tile_6_1, R6, V1)
#if GROUP == 4
TILE(tile_1_g, R1, V4)
TILE(tile_2_g, R2, V4)
TILE(tile_6_g, R6, V4)
#elif GROUP == 2
TILE(tile_1_g, R1, V2)
TILE(tile_2_g, R2, V2)
TILE(tile_6_g, R6, V2)
#endif

/* out (n, vectors) += A (n, K) @ T (K, vectors), or = if `fresh`. Each number is summed from k = 0 on, whatever the tiles are. */
ONCE void NAME(multiply)(int64_t n, int64_t K, int64_t vectors, const REAL *A, int64_t row, int64_t next, const REAL *T,
                           int64_t down, REAL *out, int64_t across, int fresh) {
#define ALL_ROWS(v)                                                                                                    \
    int64_t i = 0;                                                                                                     \
    for (; i + 6 <= n; i += 6) NAME(tile_6_##v)(K, A + i * row, row, next, T, down, out + i * across, across, fresh);         \
    for (; i + 2 <= n; i += 2) NAME(tile_2_##v)(K, A + i * row, row, next, T, down, out + i * across, across, fresh);         \
    if (i < n) NAME(tile_1_##v)(K, A + i * row, row, next, T, down, out + i * across, across, fresh);
    int64_t done = 0;
#if GROUP > 1
    for (; done + GROUP <= vectors; done += GROUP, T += GROUP * LANES, out += GROUP * LANES) {
        ALL_ROWS(g)
    }
#endif
    for (; done < vectors; done++, T += LANES, out += LANES) {
        ALL_ROWS(1)
    }
#undef ALL_ROWS
}

#undef R1
#undef R2
#undef R6
#undef V1
#undef V2
#undef V4
#undef OPEN
#undef LOAD_T
#undef MULTIPLY
#undef CLOSE
#undef TILE
#undef SCALAR
#undef OPEN_V1
#undef OPEN_V2
#undef OPEN_V4
#undef MULTIPLY_V1
#undef MULTIPLY_V2
#undef MULTIPLY_V4
#undef CLOSE_V1
#undef CLOSE_V2
#undef CLOSE_V4
