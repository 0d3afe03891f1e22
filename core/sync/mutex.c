/* SPDX-License-Identifier: MIT */
/*
 * Mutexes. One that is handed over is never free in between, so a task that asks while the next
 * holder is ready, but does not run yet, finds it held and queues.
 */
#include <weir/mutex.h>

#include "waiter.h"

static const struct weir_wait_ops lock_ops = {
    .name = "a mutex",
    .stop = weir_waiter_stop,
    .dump = weir_wait_dump_nothing,
};

void weir_mutex_init(weir_mutex *mutex)
{
    weir_list_init(&mutex->waiters);
    mutex->executor = NULL;
    mutex->holder = NULL;
}

void weir_mutex_fini(weir_mutex *mutex)
{
    WEIR_ASSERT(!mutex->holder, "a mutex ends when nobody holds it");
}

static void assert_may_lock(weir_mutex *mutex, const weir_task *task)
{
    weir_waiter_assert_executor(&mutex->executor, task,
                                "a local mutex is locked by the tasks of one executor");
    WEIR_ASSERT(mutex->holder != task, "a task locks a mutex once, then unlocks it");
}

weir_task *weir_mutex_lock(weir_task *task, weir_mutex *mutex)
{
    int error = weir_task_stop_error(task);

    assert_may_lock(mutex, task);
    if (error)
        return weir_task_complete(task, error, 0);
    if (mutex->holder)
        return weir_waiter_suspend(task, &mutex->waiters, &lock_ops);
    mutex->holder = task;
    return weir_task_complete(task, 0, 0);
}

bool weir_mutex_try_lock(weir_task *task, weir_mutex *mutex)
{
    assert_may_lock(mutex, task);
    if (mutex->holder)
        return false;
    mutex->holder = task;
    return true;
}

void weir_mutex_unlock(weir_task *task, weir_mutex *mutex)
{
    WEIR_ASSERT(mutex->holder == task, "the task that locked a mutex unlocks it");

    mutex->holder = weir_waiter_serve(&mutex->waiters);
}
