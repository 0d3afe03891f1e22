/* SPDX-License-Identifier: MIT */
#ifndef WEIR_READY_H
#define WEIR_READY_H

/*
 * What an executor of one thread is made of: the queue of tasks that are ready, the inbox through
 * which other threads post, and the turn that runs them. Loops and manual executors share it.
 *
 * A queue belongs to its thread. An inbox is a stack that any thread pushes to and the owner takes
 * whole, so it has no ABA; both are linked by down.next of READY tasks.
 */

#include <weir/executor.h>

#include "sys.h"

/** What one task may complete at once before the others get their turn. */
enum { WEIR_READY_SLICE = 32 };

/** Append a task. */
static inline void weir_ready_push(weir_ready *ready, weir_task *task)
{
    task->state = WEIR_TASK_READY;
    task->down.next = NULL;
    if (ready->first)
        ready->last->down.next = task;
    else
        ready->first = task;
    ready->last = task;
}

/** Push to an inbox. Returns whether it was empty. Order: publishes the task to
 * weir_inbox_drain. */
static inline bool weir_inbox_push(weir_task **inbox, weir_task *task)
{
    weir_task *top = __atomic_load_n(inbox, __ATOMIC_RELAXED);

    task->state = WEIR_TASK_READY;
    do {
        task->down.next = top;
    } while (
        !__atomic_compare_exchange_n(inbox, &top, task, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
    return top == NULL;
}

static inline bool weir_inbox_is_empty(weir_task *const *inbox)
{
    return __atomic_load_n(inbox, __ATOMIC_SEQ_CST) == NULL;
}

/** Move what was posted to the queue, oldest first. */
void weir_inbox_drain(weir_task **inbox, weir_ready *ready);

/** Run a task, and those that it hands over to, to the next suspension. */
static inline void weir_ready_run_task(weir_task *task)
{
    task->state = WEIR_TASK_RUNNING;
    do {
        weir_sys_scribble_stack();
        task = task->resume(task);
    } while (task);
}

/**
 * One turn: run tasks until the queue is empty or the budget is spent. Returns how
 * many were resumed.
 *
 * Resumptions and inline completions are budgeted apart; when either is spent the turn is over.
 * Inline completions are dealt out in slices, so that however many tasks never suspend, each waits
 * for a slice of every other only. Inline: a loop does it once for each message.
 *
 * @budget  above 0: how many tasks to resume, and what operations that complete without waiting
 *          may spend
 */
static inline int weir_ready_run(weir_ready *ready, weir_executor *executor, int budget)
{
    int slice = budget < WEIR_READY_SLICE ? budget : WEIR_READY_SLICE;
    int resumptions = budget;
    int completions = budget;

    executor->budget = slice;
    if (!ready->first)
        return 0;
    do {
        weir_task *task = ready->first;

        ready->first = task->down.next;
        weir_ready_run_task(task);
        if (executor->budget < slice) {
            completions -= slice - executor->budget;
            executor->budget = slice;
            if (completions <= 0)
                return budget - resumptions + 1;
        }
    } while (--resumptions != 0 && ready->first);
    return budget - resumptions;
}

#endif
