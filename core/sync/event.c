/* SPDX-License-Identifier: MIT */
/* Events: a flag, and those who wait for it. */
#include <weir/event.h>

#include "waiter.h"

static const struct weir_wait_ops wait_ops = {
    .name = "an event",
    .stop = weir_waiter_stop,
    .dump = weir_wait_dump_nothing,
};

void weir_event_init(weir_event *event)
{
    weir_list_init(&event->waiters);
    event->executor = NULL;
    event->is_set = false;
}

void weir_event_fini(weir_event *event)
{
    WEIR_ASSERT(weir_list_is_empty(&event->waiters), "an event ends when nobody waits for it");
}

void weir_event_set(weir_event *event)
{
    weir_list waiters;

    event->is_set = true;
    weir_list_take(&waiters, &event->waiters); /* Those who wait now, whoever comes meanwhile. */
    while (weir_waiter_serve(&waiters))
        ;
}

void weir_event_clear(weir_event *event)
{
    event->is_set = false;
}

weir_task *weir_event_wait(weir_task *task, weir_event *event)
{
    int error = weir_task_stop_error(task);

    weir_waiter_assert_executor(&event->executor, task,
                                "a local event is awaited by the tasks of one executor");
    if (error || event->is_set)
        return weir_task_complete(task, error, 0);
    return weir_waiter_suspend(task, &event->waiters, &wait_ops);
}
