/* SPDX-License-Identifier: MIT */
/*
 * Fibers: made by makecontext, switched by _setjmp and _longjmp.
 *
 * swapcontext alone would do, but it saves and restores the mask of signals, a system call that
 * takes twenty times as long as the rest of a switch (250 ns against 12). All fibers of a thread
 * share its mask, so a context is only used to get onto a new stack, with the mask of that moment.
 *
 * Sanitizers intercept _longjmp and forget what they know of the stack that it leaves, and they
 * intercept swapcontext likewise. They leave getcontext and setcontext alone: their
 * builds use these.
 *
 * A stack is a mapping of its own, with a page below that faults. It is not kept for the next
 * fiber: that begins with zeros, whatever ran before it (a mapping with its faults takes 14 us).
 *
 * Thread: a fiber belongs to the thread that made it.
 */
#define _GNU_SOURCE
#undef _FORTIFY_SOURCE /* Its longjmp only goes up the stack that it is on. */

#include "sys.h"

#include <setjmp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <weir/assert.h>

#if defined(__SANITIZE_ADDRESS__)
#define WATCHES_ADDRESSES 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WATCHES_ADDRESSES 1
#endif
#endif

#if defined(__SANITIZE_THREAD__)
#define WATCHES_THREADS 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WATCHES_THREADS 1
#endif
#endif

#if defined(WATCHES_ADDRESSES)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(WATCHES_THREADS)
#include <sanitizer/tsan_interface.h>
#endif
#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif

#define UNWATCHED      __attribute__((always_inline, no_sanitize_address, no_sanitize_thread))
#define UNWATCHED_CALL __attribute__((noinline, no_sanitize_address, no_sanitize_thread))

/* REMEMBER returns twice, as setjmp: false, and true when somebody goes back there. */
#if defined(WATCHES_ADDRESSES) || defined(WATCHES_THREADS)
typedef ucontext_t fiber_place;
#define REMEMBER(fiber) \
    ((fiber)->is_back = false, (void)getcontext(&(fiber)->place), (fiber)->is_back)
#define GO_BACK(fiber) ((fiber)->is_back = true, (void)setcontext(&(fiber)->place))
#else
typedef jmp_buf fiber_place;
#define REMEMBER(fiber) (_setjmp((fiber)->place) != 0)
#define GO_BACK(fiber)  _longjmp((fiber)->place, 1)
#endif

struct weir_sys_fiber {
    fiber_place place;     /* Where it goes on, while another runs. */
    volatile bool is_back; /* Which return of REMEMBER it is. */
    bool has_begun;        /* Also of one that was adopted. */
    weir_sys_fiber_fn *function;
    void *argument;
    void *mapping; /* NULL: adopted. */
    size_t mapping_bytes;
    const void *stack; /* Of those that are adopted: known after the first switch. */
    size_t stack_bytes;
    void *fake_stack;    /* AddressSanitizer's. */
    void *watch;         /* ThreadSanitizer's. */
    unsigned stack_name; /* Valgrind's. */
};

/* The switch that is under way, or was the last one. */
static _Thread_local struct {
    weir_sys_fiber *from;
    weir_sys_fiber *to;
} route;

static void *stack_of(const weir_sys_fiber *fiber)
{
    return (char *)fiber->mapping + (fiber->mapping_bytes - fiber->stack_bytes);
}

/* Those who watch. */

static void watch_new(weir_sys_fiber *fiber)
{
#if defined(WATCHES_THREADS)
    fiber->watch = fiber->mapping ? __tsan_create_fiber(0) : __tsan_get_current_fiber();
#endif
#if defined(VALGRIND_STACK_REGISTER)
    if (fiber->mapping)
        fiber->stack_name = VALGRIND_STACK_REGISTER(fiber->stack, (const char *)fiber->stack +
                                                                      fiber->stack_bytes - 1);
#endif
    (void)fiber;
}

/* Whoever gets this memory next finds no marks of the frames that were left on it. */
static void watch_free(weir_sys_fiber *fiber)
{
#if defined(WATCHES_ADDRESSES)
    __asan_unpoison_memory_region(fiber->stack, fiber->stack_bytes);
#endif
#if defined(WATCHES_THREADS)
    __tsan_destroy_fiber(fiber->watch);
#endif
#if defined(VALGRIND_STACK_DEREGISTER)
    VALGRIND_STACK_DEREGISTER(fiber->stack_name);
#endif
    (void)fiber;
}

/* What stands between this and watch_arrive would count for the wrong fiber. */
UNWATCHED static inline void watch_depart(weir_sys_fiber *from, weir_sys_fiber *to, bool for_good)
{
#if defined(WATCHES_ADDRESSES)
    __sanitizer_start_switch_fiber(for_good ? NULL : &from->fake_stack, to->stack, to->stack_bytes);
#endif
#if defined(WATCHES_THREADS)
    __tsan_switch_to_fiber(to->watch, 0);
#endif
    (void)from;
    (void)to;
    (void)for_good;
}

UNWATCHED static inline void watch_arrive(weir_sys_fiber *fiber)
{
#if defined(WATCHES_ADDRESSES)
    __sanitizer_finish_switch_fiber(fiber->fake_stack, &route.from->stack,
                                    &route.from->stack_bytes);
#endif
    (void)fiber;
}

/* Switching. */

static void begin(void)
{
    weir_sys_fiber *fiber = route.to;

    watch_arrive(fiber);
    fiber->function(fiber->argument);
    WEIR_UNREACHABLE("a fiber leaves, and does not return");
}

/* Only now: getcontext takes the mask of signals along, and that is the thread's. */
UNWATCHED_CALL static void enter(weir_sys_fiber *fiber)
{
    ucontext_t context;

    fiber->has_begun = true;
    (void)getcontext(&context);
    context.uc_stack.ss_sp = stack_of(fiber);
    context.uc_stack.ss_size = fiber->stack_bytes;
    context.uc_link = NULL;
    makecontext(&context, begin, 0);
    (void)setcontext(&context);
}

/* Returns when another goes back to from. */
UNWATCHED_CALL static void go(weir_sys_fiber *from, weir_sys_fiber *to, bool for_good)
{
    WEIR_ASSERT(from != to, "a fiber switches to another");
    route.from = from;
    route.to = to;
    watch_depart(from, to, for_good);
    if (REMEMBER(from)) {
        watch_arrive(from);
        return;
    }
    if (to->has_begun)
        GO_BACK(to);
    else
        enter(to);
}

void weir_sys_fiber_switch(weir_sys_fiber *from, weir_sys_fiber *to)
{
    go(from, to, false);
}

void weir_sys_fiber_leave(weir_sys_fiber *from, weir_sys_fiber *to)
{
    go(from, to, true);
    WEIR_UNREACHABLE("nobody goes back to a fiber that has left");
}

/* Life. */

/* With a page below that faults. */
static bool map_stack(weir_sys_fiber *fiber, size_t stack_bytes)
{
    const size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    void *mapping;

    fiber->stack_bytes = (stack_bytes + page_bytes - 1) & ~(page_bytes - 1);
    fiber->mapping_bytes = fiber->stack_bytes + page_bytes;
    mapping = mmap(NULL, fiber->mapping_bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (mapping == MAP_FAILED)
        return false;
    if (mprotect(mapping, page_bytes, PROT_NONE)) {
        (void)munmap(mapping, fiber->mapping_bytes);
        return false;
    }
    fiber->mapping = mapping;
    fiber->stack = stack_of(fiber);
    return true;
}

weir_sys_fiber *weir_sys_fiber_new(size_t stack_bytes, weir_sys_fiber_fn *function, void *argument)
{
    weir_sys_fiber *fiber = calloc(1, sizeof *fiber);

    if (!fiber)
        return NULL;
    if (!map_stack(fiber, stack_bytes)) {
        free(fiber);
        return NULL;
    }
    fiber->function = function;
    fiber->argument = argument;
    watch_new(fiber);
    return fiber;
}

weir_sys_fiber *weir_sys_fiber_adopt(void)
{
    weir_sys_fiber *fiber = calloc(1, sizeof *fiber);

    if (!fiber)
        return NULL;
    fiber->has_begun = true;
    watch_new(fiber);
    return fiber;
}

void weir_sys_fiber_free(weir_sys_fiber *fiber)
{
    if (!fiber)
        return;
    if (fiber->mapping) {
        WEIR_ASSERT(route.to != fiber, "a fiber does not free itself");
        watch_free(fiber);
        (void)munmap(fiber->mapping, fiber->mapping_bytes);
    }
    if (route.to == fiber)
        route.to = NULL;
    free(fiber);
}
