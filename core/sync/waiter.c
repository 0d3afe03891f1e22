/* SPDX-License-Identifier: MIT */
/* Tasks of one executor that wait in a row. A served task is made ready, never resumed here, so a
 * list does not change under whoever walks it. */
#include "waiter.h"

_Static_assert(sizeof(weir_waiter) <= sizeof(((weir_task *)0)->scratch), "fits");

void weir_waiter_stop(weir_wait *wait, weir_task *task, unsigned bits)
{
    weir_waiter *waiter = WEIR_CONTAINER_OF(wait, weir_waiter, wait);

    (void)bits;
    weir_list_remove(&waiter->link);
    weir_task_wake(task, weir_task_stop_error(task), 0);
}

weir_task *weir_waiter_suspend(weir_task *task, weir_list *waiters, const struct weir_wait_ops *ops)
{
    weir_waiter *waiter = (weir_waiter *)(void *)task->scratch;

    waiter->wait.ops = ops;
    waiter->link.next = NULL;
    waiter->link.prev = NULL;
    weir_list_push(waiters, &waiter->link);
    return weir_task_suspend(task, &waiter->wait);
}

weir_task *weir_waiter_serve(weir_list *waiters)
{
    weir_list_node *node = weir_list_pop(waiters);
    weir_task *task;

    if (!node)
        return NULL;
    task = WEIR_CONTAINER_OF(WEIR_CONTAINER_OF(node, weir_waiter, link), weir_task, scratch);
    weir_task_wake(task, 0, 0);
    return task;
}
