/* SPDX-License-Identifier: MIT */
#ifndef WEIR_WAITER_H
#define WEIR_WAITER_H

/*
 * What the objects here have in common: tasks of one executor that wait in a row, and the arrival
 * of couriers from other threads.
 *
 * Thread: that executor's.
 */

#include <weir/list.h>
#include <weir/task.h>

/** The record of a wait, in the scratch of the waiting task. */
typedef struct weir_waiter {
    weir_wait wait;
    weir_list_node link; /* The object's waiters. */
} weir_waiter;

/** A stop takes the record off its list. For the objects' tables. */
weir_wait_stop_fn weir_waiter_stop;

/** Suspend the task at the end of the list; returns NULL, for the starter. */
WEIR_MUST_USE weir_task *weir_waiter_suspend(weir_task *task, weir_list *waiters,
                                             const struct weir_wait_ops *ops);

/** Complete the first wait with {0, 0}; returns whose it was, or NULL: nobody waits. */
weir_task *weir_waiter_serve(weir_list *waiters);

/**
 * Complete a WAITING task from a courier that has arrived on its thread: return the task, and it
 * goes on in the courier's place.
 */
WEIR_MUST_USE static inline weir_task *weir_waiter_arrive(weir_task *task, int error, size_t count)
{
    WEIR_ASSERT(task->state == WEIR_TASK_WAITING, "a wait completes its task exactly once");

    task->error = error;
    task->count = count;
    task->state = WEIR_TASK_RUNNING;
    return task;
}

/** Whose executor an object is: the first task's that asks. Every other must be its. */
static inline void weir_waiter_assert_executor(struct weir_executor **executor,
                                               const weir_task *task, const char *rule)
{
    if (!*executor)
        *executor = task->environment->executor;
    WEIR_ASSERT(*executor == task->environment->executor, rule);
}

#endif
