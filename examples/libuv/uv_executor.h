/* SPDX-License-Identifier: MIT */
#ifndef WEIR_UV_EXECUTOR_H
#define WEIR_UV_EXECUTOR_H

/*
 * libuv's loop as an executor: weir tasks and libuv callbacks take turns on one thread.
 *
 * It is a manual executor (<weir/manual.h>) and four handles that know when to poll it: whenever
 * something is ready, right behind the loop's I/O. While nothing is, it costs the loop nothing.
 * Trees keep the loop running as handles do: uv_run() returns when none lives and no handle is
 * active. Deadlines and sleeps stand on uv_hrtime(), with the milliseconds of libuv's timers: late
 * by one at most, never early.
 *
 *      weir_uv_open --> weir_run_async, ... uv_run --> weir_uv_close --> uv_run calls closed
 *
 * Thread: that of the loop, which is the one that opens; posting to the executor, weir_run_on and
 * weir_root_stop from any. The callbacks of libuv that run between the tasks may stop trees, open
 * gates and set events as a task could.
 *
 * Source: examples/libuv/uv_executor.c. Tests: tests/libuv/test_uv_executor.c.
 */

#include <uv.h>

#include <weir/manual.h>

typedef struct weir_uv weir_uv;

/** Called by the loop when nothing of the executor is left on it. Its memory may go. */
typedef void weir_uv_closed_fn(weir_uv *uv);

/** Caller's memory; in place from open until closed is called. Fields are private. */
struct weir_uv {
    weir_manual manual;
    uv_loop_t *loop;
    uv_thread_t thread; /* The loop's. */
    uv_async_t wake;    /* Other threads have posted. Refers the loop while trees live. */
    uv_timer_t timer;   /* The earliest deadline. */
    uv_idle_t hurry;    /* Active while something is ready: the loop does not block. */
    uv_check_t turn;    /* Active with it: runs the tasks. */
    int handles_open;
    weir_uv_closed_fn *closed;
    void *user; /* The caller's; nobody here looks at it. */
};

/** Returns 0 or an error of libuv's, which is a negative errno; then nothing is to be closed. */
int weir_uv_open(weir_uv *uv, uv_loop_t *loop);

/**
 * Take the executor off its loop. Asserts that no tree lives on it. Not from a task.
 *
 * @closed  called by a later turn of the loop; NULL: nobody is told, and all is over when uv_run()
 *          returns
 */
void weir_uv_close(weir_uv *uv, weir_uv_closed_fn *closed);

weir_executor *weir_uv_executor(weir_uv *uv);

/** Where the executor's trees are counted and dumped. */
weir_context *weir_uv_context(weir_uv *uv);

#endif
