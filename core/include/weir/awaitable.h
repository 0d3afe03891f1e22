/* SPDX-License-Identifier: MIT */
#ifndef WEIR_AWAITABLE_H
#define WEIR_AWAITABLE_H

/*
 * How to write an awaitable: the whole protocol, for those who bring something new to wait for.
 *
 * An awaitable is a function, the starter, and a record of waiting, the weir_wait. The starter is
 * called by WEIR_AWAIT on the thread of the task's executor, with the resume point already stored.
 *
 *      starter --the result is there------------------> weir_task_complete() --> the task, or NULL
 *         |----a child does it------------------------> weir_call()          --> the child
 *         '----it will be there later--> weir_task_suspend() --> NULL
 *                                              |
 *                      completion: weir_task_wake(task, error, count), exactly once
 *
 * The rules:
 *
 *  1. A starter returns the task to run next and resumes nothing itself. What it returns goes
 *     straight back to WEIR_AWAIT.
 *  2. It looks at weir_task_stop_error() first: after a stop it completes with that error and does
 *     nothing. What must happen in spite of a stop belongs into a shield of the caller's.
 *  3. From weir_task_suspend() on, the task may be resumed as soon as its thread is free: the
 *     starter touches neither the task nor its frame any more, and returns NULL. Prepare everything
 *     before.
 *  4. The record lives in the task's scratch (WEIR_TASK_SCRATCH), at no cost, or in an object that
 *     outlives the wait. Until the completion it belongs to whoever will complete it.
 *  5. Completion is weir_task_wake(), once, on the thread of the task's executor. It makes the task
 *     ready; it does not run it. Another thread may not touch the header of a task: it posts a task
 *     of its own, a courier, to task->environment->executor, and the courier completes.
 *  6. weir_wait_ops.stop asks for an early end. It is called on the executor's thread while the
 *     task waits, perhaps more than once. Either it completes the wait, with
 *     weir_task_stop_error(); or it asks whoever will complete it to hurry; or it does nothing. It
 *     runs no task. When the completion has been decided already, it leaves it as it is: what was
 *     transferred is reported.
 *  7. The result counts what was transferred, also beside an error.
 *  8. What completes at once goes through weir_task_complete(), which spends the executor's budget,
 *     so that a task whose awaits never suspend does not starve the others. The count is taken for
 *     bytes: large ones spend more.
 *
 * A bell that one task waits for, and that its own thread rings, is complete with this:
 *
 *      struct bell { weir_task *waiter; };
 *      struct bell_wait { weir_wait wait; struct bell *bell; };
 *
 *      static void bell_ring(struct bell *bell, int error)
 *      {
 *          weir_task *waiter = bell->waiter;
 *
 *          bell->waiter = NULL;
 *          if (waiter)
 *              weir_task_wake(waiter, error, 0);
 *      }
 *
 *      static void bell_stop(weir_wait *wait, weir_task *task, unsigned bits)
 *      {
 *          (void)bits;
 *          bell_ring(((struct bell_wait *)wait)->bell, weir_task_stop_error(task));
 *      }
 *
 *      static const struct weir_wait_ops bell_ops = {"bell", bell_stop, weir_wait_dump_nothing};
 *
 *      weir_task *bell_wait(weir_task *task, struct bell *bell)
 *      {
 *          struct bell_wait *record = WEIR_TASK_SCRATCH(task, struct bell_wait);
 *          int error = weir_task_stop_error(task);
 *
 *          if (error)
 *              return weir_task_complete(task, error, 0);
 *          record->wait.ops = &bell_ops;
 *          record->bell = bell;
 *          bell->waiter = task;
 *          return weir_task_suspend(task, &record->wait);
 *      }
 *
 * Source: core/include/weir/task.h, core/task/task.c. Tests: tests/stage_one/test_awaitable.c.
 */

#include <weir/executor.h>
#include <weir/stop.h>
#include <weir/task.h>

WEIR_C_BEGIN

/** The scratch of a task as a record of waiting of this type, which is at most 64 bytes. */
#define WEIR_TASK_SCRATCH(task, type)   \
    ((type *)(void *)((task)->scratch + \
                      0 * sizeof(char[sizeof(type) <= sizeof((task)->scratch) ? 1 : -1])))

/** The task whose scratch holds the record. */
#define WEIR_TASK_OF_SCRATCH(record) WEIR_CONTAINER_OF(record, weir_task, scratch)

WEIR_C_END

#endif
