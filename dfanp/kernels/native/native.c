/* The native tier: products with stacked digits, the optimizers' updates, and whole passes over a network, for float and double.
 *
 * Called through ctypes, by several threads of Python at once; see __init__.py for the contracts. Work is split over threads by
 * output (columns, rows), never by summand, so the results do not depend on the number of threads, which each call says.
 * Nothing here allocates what it does not free, or keeps anything from call to call. */

#include <math.h>
#include <omp.h>
#ifndef _WIN32
#include <pthread.h>
#include <unistd.h>
#endif
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FN static inline __attribute__((always_inline))
#if defined(__GNUC__)
#define ONCE static __attribute__((noinline)) /* large, and called for much work: one copy is enough */
#else
#define ONCE static
#endif
#define EXPORT __attribute__((visibility("default")))

/* glibc 2.29 brought versions of exp and log that set errno in another way. Those before compute the same, and a library that asks
 * for them, wherever it was built, loads with an older glibc too. */
#if defined(__x86_64__) && defined(__LP64__) && defined(__GLIBC__)
__asm__(".symver exp, exp@GLIBC_2.2.5");
__asm__(".symver log, log@GLIBC_2.2.5");
#endif

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

enum { AHEAD = 8 };  /* examples */
enum { CHUNK = 16 }; /* rows of a gradient that are finished before they are applied */
enum { DENSE_ROWS = 64 };       /* rows of a block of a dense layer */
enum { WORTH_A_TEAM = 1 << 19, WORTH_WAKING = 1 << 23 }; /* multiply-adds of a step, of a call, from which on more threads take part */
enum { SAMPLE = 64 };           /* examples by which it is decided whether the columns of an array are mostly one value */
enum { SHARED_OUTPUTS = 4096 }; /* logits of a batch from which on the threads share them */

/* A bank of images as the list of their non-zero pixels, image by image, and in an image block of `block` pixels by block:
 * the pixel's place in its block times 256, plus its raw value. Block b of an image begins at start[image * blocks + b]. */
typedef struct {
    int64_t pixels, blocks, block, widest; /* widest: the most non-zero pixels of any block */
    const int64_t *start;
    const uint16_t *nonzero;
} bank;

/* The non-zero pixels of a batch of n examples of k images, twice. By block c (of k * blocks), example by example, those of
 * example i from by_block[c * (n + 1) + i], as in the bank. By pixel j (of D = k * pixels) from by_pixel[j], each the number of
 * its example times 256, plus its raw value. */
typedef struct {
    int64_t n, k;
    int32_t *by_block, *by_pixel;
    uint16_t *in_block;
    uint32_t *in_pixel;
} batch;

/* Copy block c (of k * blocks) of the examples in picks (n, k) to `entries`, from place `base` on; at[i] is where example i begins. */
static void list_by_example(const bank *from, const int64_t *picks, int64_t n, int64_t k, int64_t c, int32_t base, int32_t *at,
                            uint16_t *entries) {
    const int64_t place = c % from->blocks, digit = c / from->blocks;
    for (int64_t i = 0; i < n; i++) {
        const int64_t *s = from->start + picks[i * k + digit] * from->blocks + place;
        if (i + AHEAD < n) /* images are drawn from all over a bank that no cache holds */
            __builtin_prefetch(from->nonzero + from->start[picks[(i + AHEAD) * k + digit] * from->blocks + place]);
        at[i] = base;
        memcpy(entries + base, from->nonzero + s[0], sizeof *entries * (size_t)(s[1] - s[0]));
        base += (int32_t)(s[1] - s[0]);
    }
    at[n] = base;
}

/* Turn the list of a block of `rows` pixels around: from start[r] on stand those of pixel r. */
static void list_by_pixel(int64_t n, int64_t rows, const int32_t *at, const uint16_t *entries, int32_t *start, uint32_t *turned) {
    int32_t next[256] = {0}, sum = at[0];
    for (int32_t e = at[0]; e < at[n]; e++) next[entries[e] >> 8]++;
    for (int64_t r = 0; r < rows; r++) {
        start[r] = sum;
        sum += next[r];
        next[r] = start[r];
    }
    for (int64_t i = 0; i < n; i++)
        for (int32_t e = at[i]; e < at[i + 1]; e++)
            turned[next[entries[e] >> 8]++] = (uint32_t)i << 8 | (entries[e] & 255);
}

/* Return how many threads OpenMP would take, by its variables and what was set in the calling thread. */
EXPORT int64_t dfanp_most_threads(void) { return MIN(omp_get_max_threads(), omp_get_thread_limit()); }

/* GCC's libgomp keeps the threads of a parallel region for the next one. A child of fork would wait for them for good, since it has
 * none of them; so they are sent home before the fork, and on either side the next region starts new ones. Where that cannot
 * be done, the child computes on one thread. Other OpenMP libraries see to a fork themselves. */
static int alone;
#define TEAM(threads) num_threads(alone ? 1 : (int)(threads))
#if defined(__GNUC__) && !defined(__clang__) && !defined(_WIN32)
static int kept;
static void before_fork(void) {
#if __GNUC__ >= 9
    kept = omp_pause_resource_all(omp_pause_hard) != 0;
#else
    kept = 1;
#endif
}
static void in_child(void) { alone |= kept; }
__attribute__((constructor)) static void watch_forks(void) { pthread_atfork(before_fork, NULL, in_child); }
#endif

/* Fill by_block and in_block of `out` for the examples in picks (n, k). */
EXPORT void dfanp_gather(int64_t threads, const bank *from, const int64_t *picks, const batch *out) {
    const int64_t n = out->n, k = out->k, blocks = from->blocks, all = k * blocks;
    int32_t *begin = malloc(sizeof *begin * (size_t)(all + 1));
    if (!begin) abort();
#pragma omp parallel TEAM(threads)
    {
#pragma omp for schedule(static)
        for (int64_t c = 0; c < all; c++) {
            begin[c + 1] = 0;
            for (int64_t i = 0; i < n; i++) {
                const int64_t *s = from->start + picks[i * k + c / blocks] * blocks + c % blocks;
                begin[c + 1] += (int32_t)(s[1] - s[0]);
            }
        }
#pragma omp single
        {
            begin[0] = 0;
            for (int64_t c = 0; c < all; c++) begin[c + 1] += begin[c];
        }
#pragma omp for schedule(static)
        for (int64_t c = 0; c < all; c++)
            list_by_example(from, picks, n, k, c, begin[c], out->by_block + c * (n + 1), out->in_block);
    }
    free(begin);
}

/* Fill by_pixel and in_pixel of `out` from its by_block and in_block. */
EXPORT void dfanp_transpose(int64_t threads, const bank *from, const batch *out) {
    const int64_t n = out->n, all = out->k * from->blocks;
    out->by_pixel[out->k * from->pixels] = out->by_block[all * (n + 1) - 1];
#pragma omp parallel for schedule(static) TEAM(threads)
    for (int64_t c = 0; c < all; c++) {
        const int64_t first = (c % from->blocks) * from->block, rows = MIN(from->block, from->pixels - first);
        list_by_pixel(n, rows, out->by_block + c * (n + 1), out->in_block,
                      out->by_pixel + (c / from->blocks) * from->pixels + first, out->in_pixel);
    }
}

/* The lists of one block alone, as a pass keeps them. Where they are of an array, its numbers stand beside in_example and in_pixel,
 * which then have places and examples alone. */
typedef struct {
    int32_t *by_example, *by_pixel;
    uint16_t *in_example;
    uint32_t *in_pixel;
    void *of_example, *of_pixel;
} block_list;

static void list_block(const bank *from, const int64_t *picks, int64_t n, int64_t k, int64_t c, const block_list *out) {
    const int64_t rows = MIN(from->block, from->pixels - c % from->blocks * from->block);
    list_by_example(from, picks, n, k, c, 0, out->by_example, out->in_example);
    list_by_pixel(n, rows, out->by_example, out->in_example, out->by_pixel, out->in_pixel);
    out->by_pixel[rows] = out->by_example[n];
}

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define GAP LINE
#define POISON(from, to) ASAN_POISON_MEMORY_REGION((void *)(from), (to) - (from))
#define UNPOISON(from, to) ASAN_UNPOISON_MEMORY_REGION((void *)(from), (to) - (from))
#else
#define GAP 0
#define POISON(from, to) ((void)(from), (void)(to))
#define UNPOISON POISON
#endif

enum { LINE = 64, SHARED_CACHE = 4 << 20 }; /* bytes of a cache line; what replicas trained side by side may take of a cache */

/* Return the next `bytes` of working memory, from a cache line's start on; with `there` unset it is only counted. Under
 * AddressSanitizer a line is left between two parts, and to touch it is an error. */
static void *take(uintptr_t *room, int there, int64_t bytes) {
    const uintptr_t here = *room;
    *room += (uintptr_t)((bytes + LINE - 1) / LINE * LINE) + GAP;
    if (there) POISON(here + (uintptr_t)bytes, *room);
    return (void *)here;
}

/* The loops are compiled once for each level of x86-64, with vectors that fill its registers. Panels of eight vectors of 64 bytes
 * are the fastest where the first-level cache holds what is done with one; where it has less than 48 kB, four are. The results are
 * the same wherever multiply-adds are. DFANP_NO_CLONES leaves out all but the plain one. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(DFANP_NO_CLONES)
#pragma GCC push_options
#pragma GCC target("arch=x86-64-v4")
#define LEVEL(x) x##_v4_wide
#define VECTOR 64
#define VECTORS 8
#define GROUP 4
#include "native_level.h"
#define LEVEL(x) x##_v4
#define VECTOR 64
#define VECTORS 4
#define GROUP 4
#include "native_level.h"
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("arch=x86-64-v3")
#define LEVEL(x) x##_v3
#define VECTOR 32
#define VECTORS 8
#define GROUP 2
#include "native_level.h"
#pragma GCC pop_options
/* Return the ending of the names of the functions of a level that this processor has: 0 for the one it should take, 1 for the
 * next best, … ; NULL after the last. */
EXPORT const char *dfanp_level(int64_t place) {
    static const char *const levels[][5] = {{"_v4_wide", "_v4", "_v3", ""}, {"_v4", "_v4_wide", "_v3", ""}};
    int wide = 0;
#ifdef _SC_LEVEL1_DCACHE_SIZE
    wide = sysconf(_SC_LEVEL1_DCACHE_SIZE) >= 48 << 10;
#endif
    __builtin_cpu_init();
    const int64_t first = __builtin_cpu_supports("x86-64-v4") ? 0 : __builtin_cpu_supports("x86-64-v3") ? 2 : 3;
    return levels[!wide][MIN(first + place, 4)];
}
#else
EXPORT const char *dfanp_level(int64_t place) { return place ? NULL : ""; }
#endif
#define LEVEL(x) x
#define VECTOR 32
#define VECTORS 8
#ifdef __x86_64__ /* SSE has sixteen registers of 16 bytes */
#define GROUP 1
#else
#define GROUP 2
#endif
#include "native_level.h"

/* Write the sizes of the structs that Python fills, in bytes: bank, batch, then hyperparameters, layer and pass of float and of double. */
EXPORT void dfanp_sizes(int64_t *out) {
    const size_t sizes[] = {sizeof(bank), sizeof(batch), sizeof(hyperparameters_f), sizeof(layer_f), sizeof(pass_f),
                            sizeof(hyperparameters_d), sizeof(layer_d), sizeof(pass_d)};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) out[i] = (int64_t)sizes[i];
}
