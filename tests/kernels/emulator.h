/* CUDA on the CPU, for tests: a block is a thread of the system, its threads are fibers that take turns at __syncthreads.
 *
 * Included before a .cu file that g++ compiles as C++. Shared memory is full of NaN at first, and what lies beyond the bytes that a
 * launch asked for must stay as it was: a launch returns how many bytes did not, or -1 after a __trap. With `descending` the fibers
 * of a block take their turns from the last to the first: a result that then differs wants a barrier. */

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>
#include <vector>

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ __thread
#define PAUSE() sched_yield()

struct float4 {
    float x, y, z, w;
} __attribute__((aligned(16)));
static inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

enum { SHARED = 227 * 1024, FIBER = 64 * 1024 };
static __thread float4 shared[SHARED / sizeof(float4)];
struct place { unsigned x; };
static __thread place threadIdx, blockIdx, blockDim, gridDim;

template <class T> static inline T __ldcg(const T *p) { return *(const volatile T *)p; }
template <> inline float4 __ldcg(const float4 *p) { return *p; }
template <class T> static inline void __stcg(T *p, T value) { *p = value; }
static inline long long clock64() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

struct fibers {
    std::vector<ucontext_t> each;
    std::vector<char> over;
    ucontext_t scheduler;
    const std::function<void()> *kernel;
    unsigned now;
};
static __thread fibers *block;

static void fiber() {
    (*block->kernel)();
    block->over[block->now] = 1;
    swapcontext(&block->each[block->now], &block->scheduler);
}

/* End the launch with an error. On a card all ends at once; here the thread alone, and the others run on for nothing. */
static std::atomic<bool> trapped;
static void __trap() {
    trapped = true;
    block->over[block->now] = 1;
    swapcontext(&block->each[block->now], &block->scheduler);
}

static void __syncthreads() {
    const unsigned me = block->now;
    swapcontext(&block->each[me], &block->scheduler);
    threadIdx.x = me;
}

/* Run one block; the number of the bytes beyond its shared memory that it changed. */
static long run_block(const std::function<void()> &kernel, unsigned threads, long bytes, bool descending) {
    fibers own;
    block = &own;
    own.kernel = &kernel;
    own.each.resize(threads);
    own.over.assign(threads, 0);
    memset(shared, 0xff, SHARED);
    char *stacks = (char *)malloc((size_t)threads * FIBER);
    for (unsigned t = 0; t < threads; t++) {
        getcontext(&own.each[t]);
        own.each[t].uc_stack.ss_sp = stacks + (size_t)t * FIBER;
        own.each[t].uc_stack.ss_size = FIBER;
        own.each[t].uc_link = 0;
        makecontext(&own.each[t], fiber, 0);
    }
    for (unsigned left = threads; left;)
        for (unsigned turn = left = 0; turn < threads; turn++) {
            const unsigned t = descending ? threads - 1 - turn : turn;
            if (own.over[t]) continue;
            own.now = threadIdx.x = t;
            swapcontext(&own.scheduler, &own.each[t]);
            left += !own.over[t];
        }
    free(stacks);
    long changed = 0;
    for (long at = bytes; at < SHARED; at++) changed += ((unsigned char *)shared)[at] != 0xff;
    return changed;
}

static long launch(const std::function<void()> &kernel, unsigned grid, unsigned threads, long bytes, bool descending) {
    std::vector<std::thread> blocks;
    std::vector<long> changed(grid);
    trapped = false;
    for (unsigned b = 0; b < grid; b++)
        blocks.emplace_back([&, b] {
            blockIdx.x = b, blockDim.x = threads, gridDim.x = grid;
            changed[b] = run_block(kernel, threads, bytes, descending);
        });
    long all = 0;
    for (unsigned b = 0; b < grid; b++) blocks[b].join(), all += changed[b];
    return trapped ? -1 : all;
}

/* LAUNCHES(name): the function through which Python launches kernel dfanp_name, of one argument, a struct `name`. */
#define LAUNCHES(name)                                                                                                 \
    extern "C" long launch_##name(const void *arguments, unsigned grid, unsigned threads, long bytes, int descending) { \
        const struct name p = *(const struct name *)arguments;                                                         \
        return launch([&] { dfanp_##name(p); }, grid, threads, bytes, descending);                                     \
    }
