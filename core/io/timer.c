/* SPDX-License-Identifier: MIT */
/* Timers: waiting tasks on a node of the loop's wheel. */
#include <weir/timer.h>

#include "clock.h"
#include "loop.h"

/* The record of a wait, in the scratch of the waiting task. */
struct timer_waiter {
    weir_wait wait;
    weir_list_node link; /* weir_timer.waiters. */
};

_Static_assert(sizeof(struct timer_waiter) <= sizeof(((weir_task *)0)->scratch), "fits");

static weir_task *task_of(void *record)
{
    return WEIR_CONTAINER_OF(record, weir_task, scratch);
}

static weir_loop *loop_of(const weir_task *task)
{
    return task->environment->loop;
}

static void waiter_complete(struct timer_waiter *waiter, int error)
{
    weir_task *task = task_of(waiter);

    weir_list_remove(&waiter->link);
    weir_loop_wake_task(loop_of(task), task, error, 0);
}

static void waiter_stop(weir_wait *wait, weir_task *task, unsigned bits)
{
    (void)bits;
    waiter_complete((struct timer_waiter *)(void *)wait, weir_task_stop_error(task));
}

static const struct weir_wait_ops waiter_ops = {
    .name = "timer",
    .stop = waiter_stop,
    .dump = weir_wait_dump_nothing,
};

static size_t complete_all(weir_timer *timer, int error)
{
    weir_list_node *node;
    size_t count = 0;

    while ((node = weir_list_first(&timer->waiters))) {
        waiter_complete(WEIR_CONTAINER_OF(node, struct timer_waiter, link), error);
        count++;
    }
    return count;
}

static void timer_fired(weir_wheel_node *node)
{
    weir_timer *timer = WEIR_CONTAINER_OF(node, weir_timer, node);

    timer->expired = true;
    (void)complete_all(timer, 0);
}

void weir_timer_init(weir_timer *timer, weir_loop *loop)
{
    timer->node.link.next = NULL;
    timer->node.link.prev = NULL;
    timer->loop = loop;
    weir_list_init(&timer->waiters);
    timer->expired = false;
}

void weir_timer_fini(weir_timer *timer)
{
    WEIR_ASSERT(weir_list_is_empty(&timer->waiters), "a timer ends when nobody waits for it");
    (void)weir_timer_cancel(timer);
}

size_t weir_timer_cancel(weir_timer *timer)
{
    if (weir_wheel_node_is_armed(&timer->node))
        weir_wheel_cancel(&timer->loop->clock.wheel, &timer->node);
    timer->expired = false;
    return complete_all(timer, WEIR_CANCELLED);
}

size_t weir_timer_expires_at(weir_timer *timer, int64_t at_ns)
{
    size_t count = weir_timer_cancel(timer);

    weir_wheel_arm(&timer->loop->clock.wheel, &timer->node, at_ns, timer_fired);
    return count;
}

size_t weir_timer_expires_after(weir_timer *timer, int64_t duration_ns)
{
    return weir_timer_expires_at(timer, weir_clock_after_ns(&timer->loop->clock, duration_ns));
}

weir_task *weir_timer_wait(weir_task *task, weir_timer *timer)
{
    struct timer_waiter *waiter = (struct timer_waiter *)(void *)task->scratch;
    int error = weir_task_stop_error(task);

    weir_loop_assert_own(timer->loop, task);
    if (error || timer->expired)
        return weir_task_complete(task, error, 0);

    waiter->wait.ops = &waiter_ops;
    waiter->link.next = NULL;
    waiter->link.prev = NULL;
    weir_list_push(&timer->waiters, &waiter->link);
    return weir_task_suspend(task, &waiter->wait);
}
