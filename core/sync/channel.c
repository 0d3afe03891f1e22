/* SPDX-License-Identifier: MIT */
/* Channels between the tasks of one executor: who is served is woken at once. */
#include <weir/channel.h>

#include <errno.h>

#include "channel_core.h"
#include "waiter.h"

/* The record of a wait, in the scratch of the waiting task. */
struct channel_wait {
    weir_wait wait;
    weir_channel_waiter waiter;
};

_Static_assert(sizeof(struct channel_wait) <= sizeof(((weir_task *)0)->scratch), "fits");

static struct channel_wait *record_of(weir_task *task)
{
    return (struct channel_wait *)(void *)task->scratch;
}

static weir_task *task_of(weir_channel_waiter *waiter)
{
    struct channel_wait *record = WEIR_CONTAINER_OF(waiter, struct channel_wait, waiter);

    return WEIR_CONTAINER_OF(record, weir_task, scratch);
}

static void wait_stop(weir_wait *wait, weir_task *task, unsigned bits)
{
    (void)bits;
    (void)weir_channel_core_leave(&WEIR_CONTAINER_OF(wait, struct channel_wait, wait)->waiter);
    weir_task_wake(task, weir_task_stop_error(task), 0);
}

static const struct weir_wait_ops send_ops = {
    .name = "room in a channel",
    .stop = wait_stop,
    .dump = weir_wait_dump_nothing,
};

static const struct weir_wait_ops receive_ops = {
    .name = "an item of a channel",
    .stop = wait_stop,
    .dump = weir_wait_dump_nothing,
};

static weir_task *suspend(weir_task *task, const struct weir_wait_ops *ops)
{
    record_of(task)->wait.ops = ops;
    return weir_task_suspend(task, &record_of(task)->wait);
}

/* The other side's item has moved. */
static void wake_served(weir_channel_waiter *served)
{
    if (served)
        weir_task_wake(task_of(served), 0, 1);
}

static void assert_executor(weir_channel *channel, const weir_task *task)
{
    weir_waiter_assert_executor(&channel->executor, task,
                                "a local channel is awaited by the tasks of one executor");
}

void weir_channel_init(weir_channel *channel, void *storage, size_t capacity, size_t item_size)
{
    weir_channel_core_init(&channel->core, storage, capacity, item_size);
    channel->executor = NULL;
}

void weir_channel_fini(weir_channel *channel)
{
    weir_channel_core_fini(&channel->core);
}

void weir_channel_close(weir_channel *channel)
{
    weir_channel_waiter *waiter;
    int error = weir_channel_core_close(&channel->core, &waiter);

    while (waiter) {
        weir_channel_waiter *next = waiter->next;

        weir_task_wake(task_of(waiter), error, 0);
        waiter = next;
    }
}

int weir_channel_try_send(weir_channel *channel, const void *item)
{
    weir_channel_waiter *receiver = NULL;
    int error = weir_channel_core_send(&channel->core, item, &receiver);

    wake_served(receiver);
    return error;
}

int weir_channel_try_receive(weir_channel *channel, void *ret_item)
{
    weir_channel_waiter *sender = NULL;
    int error = weir_channel_core_receive(&channel->core, ret_item, &sender);

    wake_served(sender);
    return error;
}

weir_task *weir_channel_send(weir_task *task, weir_channel *channel, const void *item)
{
    int error = weir_task_stop_error(task);

    assert_executor(channel, task);
    if (!error)
        error = weir_channel_try_send(channel, item);
    if (error != -EAGAIN)
        return weir_task_complete(task, error, error ? 0 : 1);
    weir_channel_core_push_sender(&channel->core, &record_of(task)->waiter, item);
    return suspend(task, &send_ops);
}

weir_task *weir_channel_receive(weir_task *task, weir_channel *channel, void *ret_item)
{
    int error = weir_task_stop_error(task);

    assert_executor(channel, task);
    if (!error)
        error = weir_channel_try_receive(channel, ret_item);
    if (error != -EAGAIN)
        return weir_task_complete(task, error, error ? 0 : 1);
    weir_channel_core_push_receiver(&channel->core, &record_of(task)->waiter, ret_item);
    return suspend(task, &receive_ops);
}
