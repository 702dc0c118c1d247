/* What dfanp calls of cuBLAS, on the CPU, with the prototypes of cublas_api.h: matrices by columns, arguments checked as there. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <vector>

enum { SUCCESS = 0, INVALID_VALUE = 7, NOT_SUPPORTED = 15 };
enum { REAL_32F = 0, REAL_64F = 1 };
enum { COMPUTE_32F = 68, COMPUTE_64F = 70, COMPUTE_32F_FAST_TF32 = 77 };

struct handle {
    void *stream, *workspace;
    size_t bytes;
};

extern "C" int cublasCreate_v2(void **made) {
    *made = calloc(1, sizeof(handle));
    return SUCCESS;
}

extern "C" int cublasSetStream_v2(void *h, void *stream) {
    ((handle *)h)->stream = stream;
    ((handle *)h)->workspace = 0; /* a new stream has the default workspace */
    return SUCCESS;
}

extern "C" int cublasSetWorkspace_v2(void *h, void *workspace, size_t bytes) {
    ((handle *)h)->workspace = workspace, ((handle *)h)->bytes = bytes;
    return SUCCESS;
}

static float rounded(float x) { /* to the ten bits of TF32 */
    unsigned bits;
    memcpy(&bits, &x, 4);
    if (isfinite(x)) bits = (bits + 0x1000) & ~0x1fffu;
    memcpy(&x, &bits, 4);
    return x;
}
static double rounded(double x) { return x; }

template <class T>
static void multiply(bool ta, bool tb, int m, int n, int k, T alpha, const T *A, long lda, const T *B, long ldb, T beta, T *C, long ldc,
                     bool tf32) {
    std::vector<T> column(m);
    for (int j = 0; j < n; j++) {
        for (int i = 0; i < m; i++) column[i] = 0;
        for (int p = 0; p < k; p++) {
            T b = tb ? B[j + p * ldb] : B[p + j * ldb];
            if (tf32) b = rounded(b);
            for (int i = 0; i < m; i++) {
                T a = ta ? A[p + i * lda] : A[i + p * lda];
                column[i] += (tf32 ? rounded(a) : a) * b;
            }
        }
        for (int i = 0; i < m; i++) C[i + j * ldc] = alpha * column[i] + (beta == 0 ? 0 : beta * C[i + j * ldc]);
    }
}

extern "C" int cublasGemmStridedBatchedEx(void *h, int ta, int tb, int m, int n, int k, const void *alpha, const void *A, int of_A, int lda,
                                          long long stride_A, const void *B, int of_B, int ldb, long long stride_B,
                                          const void *beta, void *C, int of_C, int ldc, long long stride_C, int count,
                                          int compute, int algorithm) {
    const bool wide = of_A == REAL_64F;
    if (!((handle *)h)->workspace || ((handle *)h)->bytes < 1 << 20) return NOT_SUPPORTED; /* what a capture needs */
    if (m < 0 || n < 0 || k < 0 || count < 0 || algorithm != -1 || of_A != of_B || of_A != of_C) return INVALID_VALUE;
    if (lda < (ta ? k : m) || ldb < (tb ? n : k) || ldc < m || lda < 1 || ldb < 1 || ldc < 1) return INVALID_VALUE;
    if (stride_C < (long long)ldc * n && count > 1) return INVALID_VALUE;
    if (wide ? compute != COMPUTE_64F : compute != COMPUTE_32F && compute != COMPUTE_32F_FAST_TF32) return NOT_SUPPORTED;
    for (int r = 0; r < count; r++) {
        if (wide)
            multiply(ta, tb, m, n, k, *(const double *)alpha, (const double *)A + r * stride_A, lda, (const double *)B + r * stride_B, ldb,
                     *(const double *)beta, (double *)C + r * stride_C, ldc, false);
        else
            multiply(ta, tb, m, n, k, *(const float *)alpha, (const float *)A + r * stride_A, lda, (const float *)B + r * stride_B, ldb,
                     *(const float *)beta, (float *)C + r * stride_C, ldc, compute == COMPUTE_32F_FAST_TF32);
    }
    return SUCCESS;
}
