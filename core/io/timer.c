/* SPDX-License-Identifier: MIT */
/* Timers: waiting tasks on a node of the loop's wheel. */
#include <weir/timer.h>

#include "loop.h"

/* The record of a wait, in the scratch of the waiting task. */
struct timer_waiter {
    weir_wait wait;
    weir_list_node link; /* weir_timer.waiters. */
};

/* The record of a sleep, likewise. */
struct sleeper {
    weir_wait wait;
    weir_wheel_node node;
};

_Static_assert(sizeof(struct timer_waiter) <= sizeof(((weir_task *)0)->scratch), "fits");
_Static_assert(sizeof(struct sleeper) <= sizeof(((weir_task *)0)->scratch), "fits");

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
        weir_wheel_cancel(&timer->loop->wheel, &timer->node);
    timer->expired = false;
    return complete_all(timer, WEIR_CANCELLED);
}

size_t weir_timer_expires_at(weir_timer *timer, int64_t at_ns)
{
    size_t count = weir_timer_cancel(timer);

    weir_wheel_arm(&timer->loop->wheel, &timer->node, at_ns, timer_fired);
    return count;
}

static int64_t after(int64_t duration_ns)
{
    int64_t now_ns = weir_now_ns();

    return duration_ns < INT64_MAX - now_ns ? now_ns + duration_ns : INT64_MAX;
}

size_t weir_timer_expires_after(weir_timer *timer, int64_t duration_ns)
{
    return weir_timer_expires_at(timer, after(duration_ns));
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

/* Sleeping. */

static void sleeper_stop(weir_wait *wait, weir_task *task, unsigned bits)
{
    struct sleeper *sleeper = (struct sleeper *)(void *)wait;
    weir_loop *loop = loop_of(task);

    (void)bits;
    weir_wheel_cancel(&loop->wheel, &sleeper->node);
    weir_loop_wake_task(loop, task, weir_task_stop_error(task), 0);
}

static const struct weir_wait_ops sleeper_ops = {
    .name = "sleep",
    .stop = sleeper_stop,
    .dump = weir_wait_dump_nothing,
};

static void sleeper_fired(weir_wheel_node *node)
{
    weir_task *task = task_of(WEIR_CONTAINER_OF(node, struct sleeper, node));

    weir_loop_wake_task(loop_of(task), task, 0, 0);
}

weir_task *weir_sleep_until(weir_task *task, int64_t at_ns)
{
    struct sleeper *sleeper = (struct sleeper *)(void *)task->scratch;
    weir_loop *loop = weir_task_loop(task);
    int error = weir_task_stop_error(task);

    if (error)
        return weir_task_complete(task, error, 0);
    sleeper->wait.ops = &sleeper_ops;
    sleeper->node.link.next = NULL;
    sleeper->node.link.prev = NULL;
    weir_wheel_arm(&loop->wheel, &sleeper->node, at_ns, sleeper_fired);
    return weir_task_suspend(task, &sleeper->wait);
}

weir_task *weir_sleep_for(weir_task *task, int64_t duration_ns)
{
    return weir_sleep_until(task, after(duration_ns));
}
