/* SPDX-License-Identifier: MIT */
/* Semaphores. While somebody waits no permit is available, so nobody can overtake. */
#include <weir/semaphore.h>

#include "waiter.h"

static const struct weir_wait_ops acquire_ops = {
    .name = "a semaphore",
    .stop = weir_waiter_stop,
    .dump = weir_wait_dump_nothing,
};

void weir_semaphore_init(weir_semaphore *semaphore, size_t permits)
{
    weir_list_init(&semaphore->waiters);
    semaphore->executor = NULL;
    semaphore->available = permits;
}

void weir_semaphore_fini(weir_semaphore *semaphore)
{
    WEIR_ASSERT(weir_list_is_empty(&semaphore->waiters),
                "a semaphore ends when nobody waits for it");
}

bool weir_semaphore_try_acquire(weir_semaphore *semaphore)
{
    if (semaphore->available == 0)
        return false;
    semaphore->available--;
    return true;
}

weir_task *weir_semaphore_acquire(weir_task *task, weir_semaphore *semaphore)
{
    int error = weir_task_stop_error(task);

    weir_waiter_assert_executor(&semaphore->executor, task,
                                "a local semaphore is awaited by the tasks of one executor");
    if (error || weir_semaphore_try_acquire(semaphore))
        return weir_task_complete(task, error, 0);
    return weir_waiter_suspend(task, &semaphore->waiters, &acquire_ops);
}

void weir_semaphore_release(weir_semaphore *semaphore, size_t permits)
{
    while (permits > 0 && weir_waiter_serve(&semaphore->waiters))
        permits--;
    WEIR_ASSERT(permits <= SIZE_MAX - semaphore->available,
                "the permits of a semaphore fit a size_t");
    semaphore->available += permits;
}
