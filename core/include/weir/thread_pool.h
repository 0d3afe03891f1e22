/* SPDX-License-Identifier: MIT */
#ifndef WEIR_THREAD_POOL_H
#define WEIR_THREAD_POOL_H

/*
 * Thread pools: several threads that run trees side by side.
 *
 * Each tree launched on a pool is serial, on a strand of its own, and may change its thread at
 * every await; two trees run at the same time. What is posted is started first in, first out; a
 * thread takes one task at a time and sleeps when none is left. A pool knows no time and no I/O:
 * hop to a loop with weir_run_on for those. The threads are there from the start, named, and take
 * no signals.
 *
 *      weir_thread_pool_new --> run, run_async, ... --> weir_thread_pool_free (waits, then ends)
 *
 * Thread: launching and posting from any; the rest says so.
 *
 * Source: core/exec/thread_pool.c. Tests: tests/stage_one/test_thread_pool.c,
 * tests/misuse/test_misuse_exec.c.
 */

#include <weir/context.h>
#include <weir/executor.h>
#include <weir/memory.h>

WEIR_C_BEGIN

typedef struct weir_thread_pool weir_thread_pool;

/** Zero-initialised: the defaults. */
typedef struct weir_thread_pool_options {
    unsigned threads;    /* 0: as many as there are processors. */
    weir_memory *frames; /* Where child frames come from, on any of the threads; NULL: the heap. */
    const char *name;    /* Of the threads, copied, 15 bytes; NULL: "weir-pool". */
} weir_thread_pool_options;

/**
 * Make a pool and start its threads.
 *
 * Returns 0, -ENOMEM, or -EAGAIN: the system allows no more threads. Then none is left running.
 *
 * @options  NULL: the defaults
 */
WEIR_PUBLIC int weir_thread_pool_new(const weir_thread_pool_options *options,
                                     weir_thread_pool **ret_pool);

/**
 * Wait until no tree lives on the pool, no work keeps it and nothing is queued; then
 * end the threads.
 *
 * It stops nothing: weir_root_stop what should not be waited for. Nobody but the pool's own tasks,
 * and what they wait for, posts to it any more. Asserts that it is not called from one of the
 * threads.
 *
 * @pool  NULL: nothing happens
 */
WEIR_PUBLIC void weir_thread_pool_free(weir_thread_pool *pool);

/** Not serial: a tree launched on it gets a strand of its own. Its dispatch is a post. */
WEIR_PUBLIC weir_executor *weir_thread_pool_executor(weir_thread_pool *pool);

/** Its services are added before the first tree: finding one takes no lock. */
WEIR_PUBLIC weir_context *weir_thread_pool_context(weir_thread_pool *pool);

/**
 * Run a task as a tree of its own, and block the calling thread until it is done. Returns what the
 * task returned. Asserts that the caller is not one of the pool's threads: those never block.
 */
WEIR_PUBLIC weir_result weir_thread_pool_run(weir_thread_pool *pool, weir_task *main);

/** For weir_any_executor_target(). */
WEIR_PUBLIC extern const struct weir_executor_ops weir_thread_pool_executor_ops;

/**
 * The context of the process: a pool with a thread for each processor, made at first use.
 *
 * It is never ended, and never NULL. Where the system allows fewer threads it has one; where it
 * allows none, or has no memory, the process aborts, so call it early or make a pool whose failure
 * you can handle. Trees that live when the process exits do not finish.
 *
 * Thread     any
 */
WEIR_PUBLIC weir_context *weir_system_context(void);

/** The executor of weir_system_context(), likewise. */
WEIR_PUBLIC weir_executor *weir_system_executor(void);

WEIR_C_END

#endif
