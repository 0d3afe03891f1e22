/* SPDX-License-Identifier: MIT */
#ifndef WEIR_WAKER_H
#define WEIR_WAKER_H

/*
 * Wakers: any thread wakes a task.
 *
 * A wake leaves a token, and wakes that meet become one: after a wait the task looks at everything
 * that may have changed. A wait takes the token, so none is missed, whichever came first. What a
 * thread wrote before it woke is visible to the task after its wait.
 *
 *      weir_waker_open --> OPEN --weir_waker_close--> closed: its memory may go
 *
 * A thread that wakes needs to know nothing of weir. It allocates nothing and takes no lock: only
 * when a task really waits is a courier posted to that task's executor, at most one at a time.
 *
 * Thread: that of the opening task's executor, but for weir_waker_wake. Not for signal handlers:
 * see <weir/signal.h>.
 *
 * Source: core/sync/waker.c. Tests: tests/stage_one/test_waker.c, tests/misuse/test_misuse_sync.c.
 */

#include <weir/task.h>

WEIR_C_BEGIN

/** Embed; it stays in place while open. Fields are private. */
typedef struct weir_waker {
    weir_task courier;              /* Posted by who wakes a task that waits. */
    struct weir_executor *executor; /* Of the task that opened it. */
    weir_wait wait;                 /* The waiter's, or the closer's. */
    weir_task *waiter;              /* In weir_waker_wait, or NULL. Executor's thread. */
    weir_task *closer;              /* In weir_waker_close, or NULL. Executor's thread. */
    uint32_t word; /* What core/sync/waker.c says: __atomic, acq_rel on both sides. */
} weir_waker;

/**
 * Open a waker, without a token, for the tasks of this task's executor.
 *
 * @task  of a tree that outlives the waker
 */
WEIR_PUBLIC void weir_waker_open(weir_waker *waker, const weir_task *task);

/**
 * Leave a token; the task that waits, or else the next one to, takes it.
 *
 * Does nothing once the waker is closed. Once the task can have seen the token, the waker is not
 * touched any more, so a task that knows of no other wake may close it and let its memory go.
 *
 * Thread     any, as long as the memory of the waker lives
 */
WEIR_PUBLIC void weir_waker_wake(weir_waker *waker);

/**
 * Wait for a token, and take it.
 *
 * Completes  when one is there; at once when it is already
 * Result     {0, 0}; WEIR_CLOSED: the waker was closed meanwhile; as a stop or a deadline of
 *            the task wants it
 * Borrows    waker until then
 * Overlap    one wait at a time
 * Cancel     the wait ends at once, and a token that is on its way stays for the next one. A task
 *            that is stopped already takes no token
 */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_waker_wait(weir_task *task, weir_waker *waker);

/**
 * Close a waker: no wake comes through it any more. A wait completes with WEIR_CLOSED.
 *
 * Completes  when a courier that is on its way has arrived; usually without suspending
 * Result     {0, 0}
 * Borrows    waker until then
 * Cancel     shielded
 */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_waker_close(weir_task *task, weir_waker *waker);

WEIR_C_END

#endif
