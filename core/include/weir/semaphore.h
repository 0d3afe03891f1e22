/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SEMAPHORE_H
#define WEIR_SEMAPHORE_H

/*
 * Semaphores: at most so many at once.
 *
 * A semaphore counts permits. Whoever asks first is served first: a permit that comes back goes to
 * the task that has waited longest, and nobody overtakes it. Permits have no owner: one task may
 * acquire and another release, also more than were there at the beginning.
 *
 * Thread: everything here belongs to the tasks of one executor, of one tree or of several; the
 * first acquire decides which.
 *
 * Source: core/sync/semaphore.c. Tests: tests/stage_one/test_semaphore.c,
 * tests/misuse/test_misuse_sync.c.
 */

#include <weir/list.h>
#include <weir/task.h>

WEIR_C_BEGIN

/** Embed; it stays in place from init to fini. Fields are private. */
typedef struct weir_semaphore {
    weir_list waiters;              /* First in, first out; empty while a permit is available. */
    struct weir_executor *executor; /* Of the first task that acquired; NULL: none yet. */
    size_t available;               /* Permits. */
} weir_semaphore;

/** Prepare a semaphore with so many permits. */
WEIR_PUBLIC void weir_semaphore_init(weir_semaphore *semaphore, size_t permits);

/** Assert that nobody waits. */
WEIR_PUBLIC void weir_semaphore_fini(weir_semaphore *semaphore);

/** How many permits could be acquired at once. */
static inline size_t weir_semaphore_available(const weir_semaphore *semaphore)
{
    return semaphore->available;
}

/**
 * Acquire a permit.
 *
 * Completes  when the task has it; at once when one is available
 * Result     {0, 0}: acquired. Else not acquired: as a stop or a deadline of the task wants it
 * Borrows    semaphore until then
 * Overlap    any number of tasks; they acquire in the order they asked
 * Cancel     the task leaves the queue. A task that is stopped already does not acquire even a
 *            permit that is available. When the permit was handed over before the stop came, the
 *            acquire succeeds: a permit is never lost
 */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_semaphore_acquire(weir_task *task,
                                                            weir_semaphore *semaphore);

/** Acquire a permit if one is available. Waits for nothing, and so looks at no stop. */
WEIR_PUBLIC WEIR_MUST_USE bool weir_semaphore_try_acquire(weir_semaphore *semaphore);

/** Give back, or add, so many permits: to those who wait, in order; the rest becomes available. */
WEIR_PUBLIC void weir_semaphore_release(weir_semaphore *semaphore, size_t permits);

WEIR_C_END

#endif
