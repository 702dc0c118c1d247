/* CUDA on the CPU, for tests: a block is a thread of the system, its threads are fibers that take turns at __syncthreads.
 *
 * Included before a .cu file that g++ compiles as C++. Shared memory is full of NaN at first, and what lies beyond the bytes that a
 * launch asked for must stay as it was: a launch returns how many bytes did not, -1 after a __trap, or -2 if the threads of a block
 * were at different barriers at once. With `descending` the fibers of a block take their turns from the last to the first: a result
 * that then differs wants a barrier. */

#include <math.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define PAUSE() sched_yield()

struct float4 {
    float x, y, z, w;
} __attribute__((aligned(16)));
static inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

enum { SHARED = 227 * 1024, FIBER = 64 * 1024 };
static __thread float4 *shared_memory; /* of the block: emulated.py puts it in the place of the array that a kernel declares */
struct place { unsigned x; };
static __thread place threadIdx, blockIdx, blockDim, gridDim;

template <class T> static inline T __ldcg(const T *p) { return *(const volatile T *)p; }
template <> inline float4 __ldcg(const float4 *p) { return *p; }
template <class T> static inline void __stcg(T *p, T value) { *p = value; }
static inline unsigned __float_as_uint(float x) { unsigned bits; memcpy(&bits, &x, 4); return bits; }
static inline float __uint_as_float(unsigned bits) { float x; memcpy(&x, &bits, 4); return x; }
static inline unsigned __byte_perm(unsigned x, unsigned y, unsigned which) {
    unsigned found = 0;
    for (int i = 0; i < 4; i++) {
        const unsigned from = which >> 4 * i & 7;
        found |= ((from < 4 ? x >> 8 * from : y >> 8 * (from - 4)) & 255) << 8 * i;
    }
    return found;
}
static inline long long clock64() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

/* To ThreadSanitizer each thread of a block is a thread: switches and barriers are announced to it, and the code here is hidden from it.
 * What it then reports is a race between threads or blocks that no barrier and no counter orders. */
#ifdef __SANITIZE_THREAD__
extern "C" {
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned);
void __tsan_destroy_fiber(void *);
void __tsan_switch_to_fiber(void *, unsigned);
void __tsan_acquire(void *);
void __tsan_release(void *);
}
#define HIDDEN __attribute__((no_sanitize("thread"), noinline))
#else
static inline void *__tsan_get_current_fiber(void) { return nullptr; }
static inline void *__tsan_create_fiber(unsigned) { return nullptr; }
static inline void __tsan_destroy_fiber(void *) {}
static inline void __tsan_switch_to_fiber(void *, unsigned) {}
static inline void __tsan_acquire(void *) {}
static inline void __tsan_release(void *) {}
#define HIDDEN
#endif

/* Where a fiber is while others run. swapcontext asks the system for the mask of signals at every switch, which takes most of the time
 * of a launch: where the registers are known and ThreadSanitizer does not look, they are changed here. */
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
typedef void *context;
__attribute__((naked, noinline)) static void switch_to(context *, context) {
    __asm__ volatile("pushq %rbp\n pushq %rbx\n pushq %r12\n pushq %r13\n pushq %r14\n pushq %r15\n"
                     "movq %rsp, (%rdi)\n movq %rsi, %rsp\n"
                     "popq %r15\n popq %r14\n popq %r13\n popq %r12\n popq %rbx\n popq %rbp\n ret");
}
static void begin(context *fresh, char *stack, void (*function)()) {
    void **top = (void **)(((uintptr_t)stack + FIBER) / 16 * 16) - 1;
    *--top = (void *)function;
    for (int i = 0; i < 6; i++) *--top = nullptr;
    *fresh = top;
}
#define SWITCH(from, to) switch_to(&(from), to)
#else
typedef ucontext_t context;
static void begin(context *fresh, char *stack, void (*function)()) {
    getcontext(fresh);
    fresh->uc_stack.ss_sp = stack;
    fresh->uc_stack.ss_size = FIBER;
    fresh->uc_link = 0;
    makecontext(fresh, function, 0);
}
#define SWITCH(from, to) swapcontext(&(from), &(to))
#endif

#ifdef __SANITIZE_THREAD__
static char *take_memory(unsigned threads) { return (char *)aligned_alloc(64, SHARED + (size_t)threads * FIBER); }
static void give_back(unsigned, char *memory) { free(memory); } /* a lock would order blocks that nothing else orders */
#else
/* Memory of earlier blocks, with how many fibers each has room for: its pages are there already. All libraries share it. */
inline std::mutex idle_lock;
inline std::vector<std::pair<unsigned, char *>> idle;

/* Return memory for a block: first what its threads share, then their stacks. */
static char *take_memory(unsigned threads) {
    std::lock_guard<std::mutex> hold(idle_lock);
    for (size_t i = 0; i < idle.size(); i++)
        if (idle[i].first >= threads) {
            std::swap(idle[i], idle.back());
            char *found = idle.back().second;
            idle.pop_back();
            return found;
        }
    return (char *)aligned_alloc(64, SHARED + (size_t)threads * FIBER);
}

static void give_back(unsigned threads, char *memory) {
    std::lock_guard<std::mutex> hold(idle_lock);
    idle.push_back({threads, memory});
}
#endif

enum { OVER = -1, WARP = -2 }; /* where a thread is that has come to its end, or waits for its warp */

struct fibers {
    context *each, scheduler;
    void **known, *own;    /* what ThreadSanitizer calls them */
    int *at;               /* the line of the barrier at which each waits, or OVER */
    unsigned *passed, now; /* barriers that each has passed */
    char barrier[2][64], end[64];
    const std::function<void()> *kernel;
    struct fragments *products; /* of each thread, in turn */
};
static __thread fibers *block;
static std::atomic<bool> trapped, apart;

HIDDEN static void give_turn_away(fibers *b) {
    const unsigned me = b->now;
    __tsan_switch_to_fiber(b->own, 1);
    SWITCH(b->each[me], b->scheduler);
    threadIdx.x = me;
}

HIDDEN static void fiber() {
    fibers *b = block;
    (*b->kernel)();
    __tsan_release(b->end);
    b->at[b->now] = OVER;
    give_turn_away(b);
}

/* End the launch with an error. On a card all ends at once; here the thread alone, and the others run on for nothing. */
HIDDEN static void __trap() {
    trapped = true;
    block->at[block->now] = OVER;
    give_turn_away(block);
}

HIDDEN static void barrier_at(int line) {
    fibers *b = block;
    char *barrier = b->barrier[b->passed[b->now]++ % 2];
    b->at[b->now] = line;
    __tsan_release(barrier);
    give_turn_away(b);
    __tsan_acquire(barrier);
}
#define __syncthreads() barrier_at(__LINE__)

/* mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32: c (16, 8) += A (16, 8) @ B (8, 8), each a few numbers in each thread of a warp,
 * by the fragments that the PTX manual defines. Factors lose their last 13 bits. All threads of a warp must come here. */
struct fragments {
    float a[2][4], b[2][2];
    unsigned done;
};

static float of_tf32(float x) {
    unsigned bits;
    memcpy(&bits, &x, 4);
    bits &= ~0x1fffu;
    memcpy(&x, &bits, 4);
    return x;
}

HIDDEN static void emulated_mma(float *c, const float *a, const float *b) {
    fibers *all = block;
    const unsigned me = all->now, lane = me % 32, first = me - lane;
    fragments *own = all->products + me, *warp = all->products + first;
    const unsigned turn = own->done++ % 2;
    memcpy(own->a[turn], a, sizeof own->a[turn]);
    memcpy(own->b[turn], b, sizeof own->b[turn]);
    all->at[me] = WARP;
    give_turn_away(all);
    for (unsigned t = 0; t < 32; t++) /* one that comes later has not begun this one */
        if (warp[t].done - own->done > 1u) apart = true;
    for (int i = 0; i < 4; i++) {
        const unsigned row = lane / 4 + 8 * (i / 2), column = lane % 4 * 2 + i % 2;
        float sum = 0;
        /* A: row from lane / 4 (+ 8), k from lane % 4 (+ 4); B: k from lane % 4 (+ 4), column from lane / 4 */
        for (unsigned k = 0; k < 8; k++) {
            const float left = warp[row % 8 * 4 + k % 4].a[turn][row / 8 + 2 * (k / 4)];
            sum += of_tf32(left) * of_tf32(warp[column * 4 + k % 4].b[turn][k / 4]);
        }
        c[i] += sum;
    }
}

/* Run one block; the number of the bytes beyond its shared memory that it changed. */
HIDDEN static long run_block(const std::function<void()> &kernel, unsigned threads, long bytes, bool descending) {
    fibers own = {};
    block = &own;
    own.kernel = &kernel;
    own.each = (context *)calloc(threads, sizeof(context));
    own.known = (void **)calloc(threads, sizeof(void *));
    own.at = (int *)calloc(threads, sizeof(int));
    own.products = (fragments *)calloc(threads, sizeof(fragments));
    own.passed = (unsigned *)calloc(threads, sizeof(unsigned));
    own.own = __tsan_get_current_fiber();
    char *memory = take_memory(threads), *stacks = memory + SHARED;
    shared_memory = (float4 *)memory;
    memset(memory, 0xff, SHARED);
    for (unsigned t = 0; t < threads; t++) {
        begin(&own.each[t], stacks + (size_t)t * FIBER, fiber);
        own.known[t] = __tsan_create_fiber(0);
    }
    for (unsigned left = threads, apart_warps = 0; left;) {
        for (unsigned turn = left = 0; turn < threads; turn++) {
            const unsigned t = descending ? threads - 1 - turn : turn;
            if (own.at[t] == OVER) continue;
            if (apart_warps && own.at[t] != WARP) { /* its block is not at the barrier yet */
                left++;
                continue;
            }
            own.now = threadIdx.x = t;
            __tsan_switch_to_fiber(own.known[t], 1);
            SWITCH(own.scheduler, own.each[t]);
            left += own.at[t] != OVER;
        }
        apart_warps = 0;
        for (unsigned t = 0; t < threads; t++) apart_warps += own.at[t] == WARP;
        for (unsigned t = 1; t < threads && !apart_warps; t++)
            if (own.at[t] != own.at[0] && !trapped) apart = true;
    }
    __tsan_acquire(own.end);
    for (unsigned t = 0; t < threads; t++) __tsan_destroy_fiber(own.known[t]);
    free(own.each), free(own.known), free(own.at), free(own.passed), free(own.products);
    long changed = 0;
    const unsigned char *all = (const unsigned char *)memory;
    for (long at = bytes; at < SHARED; at++) {
        uint64_t eight;
        while (at % 8 == 0 && at < SHARED && (memcpy(&eight, all + at, 8), eight == ~0ull)) at += 8;
        changed += at < SHARED && all[at] != 0xff;
    }
    give_back(threads, memory);
    return changed;
}

static long launch(const std::function<void()> &kernel, unsigned grid, unsigned threads, long bytes, bool descending) {
    std::vector<std::thread> blocks;
    std::vector<long> changed(grid);
    trapped = apart = false;
    for (unsigned b = 0; b < grid; b++)
        blocks.emplace_back([&, b] {
            blockIdx.x = b, blockDim.x = threads, gridDim.x = grid;
            changed[b] = run_block(kernel, threads, bytes, descending);
        });
    long all = 0;
    for (unsigned b = 0; b < grid; b++) blocks[b].join(), all += changed[b];
    return trapped ? -1 : apart ? -2 : all;
}

/* LAUNCHES(name): the function through which Python launches kernel dfanp_name, of one argument, a struct `name`. */
#define LAUNCHES(name)                                                                                                 \
    extern "C" long launch_##name(const void *arguments, unsigned grid, unsigned threads, long bytes, int descending) { \
        const struct name p = *(const struct name *)arguments;                                                         \
        return launch([&] { dfanp_##name(p); }, grid, threads, bytes, descending);                                     \
    }
