/* SPDX-License-Identifier: MIT */
/* Sleeping: the waiting task's scratch holds a node of its clock's wheel. */
#include <weir/sleep.h>

#include <weir/executor.h>
#include <weir/stop.h>

#include "clock.h"

struct sleeper {
    weir_wait wait;
    weir_wheel_node node;
};

_Static_assert(sizeof(struct sleeper) <= sizeof(((weir_task *)0)->scratch), "fits");

static void sleeper_stop(weir_wait *wait, weir_task *task, unsigned bits)
{
    struct sleeper *sleeper = (struct sleeper *)(void *)wait;

    (void)bits;
    weir_wheel_cancel(&task->environment->clock->wheel, &sleeper->node);
    weir_task_wake(task, weir_task_stop_error(task), 0);
}

static const struct weir_wait_ops sleeper_ops = {
    .name = "sleep",
    .stop = sleeper_stop,
    .dump = weir_wait_dump_nothing,
};

static void sleeper_fired(weir_wheel_node *node)
{
    struct sleeper *sleeper = WEIR_CONTAINER_OF(node, struct sleeper, node);

    weir_task_wake(WEIR_CONTAINER_OF(sleeper, weir_task, scratch), 0, 0);
}

int64_t weir_task_now_ns(const weir_task *task)
{
    weir_clock *clock = weir_task_clock(task);

    return clock->now_ns(clock);
}

static weir_task *sleep_from(weir_task *task, weir_clock *clock, int64_t now_ns, int64_t at_ns)
{
    struct sleeper *sleeper = (struct sleeper *)(void *)task->scratch;
    int error = weir_task_stop_error(task);

    if (error || at_ns <= now_ns)
        return weir_task_complete(task, error, 0);
    sleeper->wait.ops = &sleeper_ops;
    sleeper->node.link.next = NULL;
    sleeper->node.link.prev = NULL;
    weir_wheel_arm(&clock->wheel, &sleeper->node, at_ns, sleeper_fired);
    return weir_task_suspend(task, &sleeper->wait);
}

weir_task *weir_sleep_until(weir_task *task, int64_t at_ns)
{
    weir_clock *clock = weir_task_clock(task);

    return sleep_from(task, clock, clock->now_ns(clock), at_ns);
}

weir_task *weir_sleep_for(weir_task *task, int64_t duration_ns)
{
    weir_clock *clock = weir_task_clock(task);
    int64_t now_ns = clock->now_ns(clock);

    return sleep_from(task, clock, now_ns, weir_time_after_ns(now_ns, duration_ns));
}
