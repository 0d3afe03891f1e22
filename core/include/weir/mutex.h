/* SPDX-License-Identifier: MIT */
#ifndef WEIR_MUTEX_H
#define WEIR_MUTEX_H

/*
 * Mutexes: one task at a time, across its awaits.
 *
 * Tasks of one executor never run at once, so what happens between two awaits needs no mutex. One
 * is needed for what must not be interleaved although it awaits: two messages on one stream, say.
 * Whoever asks first locks first: an unlock hands the mutex to the task that has waited longest,
 * and nobody overtakes it. The holder is a task, not its tree: who locked it, unlocks it.
 *
 *      weir_mutex_init --> FREE --lock--> HELD --unlock, nobody waits--> FREE
 *                                         |  ^
 *                                         '--' unlock: the first waiter holds it
 *
 * Thread: everything here belongs to the tasks of one executor, of one tree or of several; the
 * first lock decides which.
 *
 * Source: core/sync/mutex.c. Tests: tests/stage_one/test_mutex.c, tests/misuse/test_misuse_sync.c.
 */

#include <weir/list.h>
#include <weir/task.h>

WEIR_C_BEGIN

/** Embed; it stays in place from init to fini. Fields are private. */
typedef struct weir_mutex {
    weir_list waiters;              /* First in, first out; empty while free. */
    struct weir_executor *executor; /* Of the first task that locked; NULL: none yet. */
    const weir_task *holder;        /* NULL: free. */
} weir_mutex;

/** Prepare a mutex that is free. */
WEIR_PUBLIC void weir_mutex_init(weir_mutex *mutex);

/** Assert that nobody holds the mutex. */
WEIR_PUBLIC void weir_mutex_fini(weir_mutex *mutex);

/**
 * Lock the mutex for this task.
 *
 * Completes  when the task holds it; at once when it is free
 * Result     {0, 0}: held. Else not held: as a stop or a deadline of the task wants it
 * Borrows    mutex until it is unlocked
 * Overlap    any number of tasks; they lock in the order they asked. A task that holds it does not
 *            ask again
 * Cancel     the task leaves the queue. A task that is stopped already does not lock even a free
 *            mutex: clean-up that needs it shields itself. When the mutex was handed over before
 *            the stop came, the lock succeeds and the task must unlock
 */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_mutex_lock(weir_task *task, weir_mutex *mutex);

/** Lock the mutex for this task if it is free. Waits for nothing, and so looks at no stop. */
WEIR_PUBLIC WEIR_MUST_USE bool weir_mutex_try_lock(weir_task *task, weir_mutex *mutex);

/** Unlock the mutex that this task holds: the first that waits holds it from now on. */
WEIR_PUBLIC void weir_mutex_unlock(weir_task *task, weir_mutex *mutex);

WEIR_C_END

#endif
