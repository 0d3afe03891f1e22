/* SPDX-License-Identifier: MIT */
/*
 * Shared channels: the rules of channels under a lock, and couriers.
 *
 * Under the lock an operation either happens, or leaves a record on a list. Who takes a record off
 * the list owns it: a stop, on the waiter's own thread, completes the waiter there and then;
 * anybody else has copied the item and sends the record's courier home, which completes the waiter.
 * So the item has moved exactly if the courier is on its way, and a waiter never completes while
 * another thread may still touch its record.
 *
 * The lock's release is the last touch of the channel, and the post the last touch of the record:
 * once either can be seen, the memory may go.
 */
#include <weir/shared_channel.h>

#include <errno.h>

#include <weir/executor.h>

#include "channel_core.h"
#include "sys.h"
#include "waiter.h"

static void take_lock(weir_shared_channel *channel)
{
    weir_sys_lock_take(WEIR_CONTAINER_OF(&channel->lock, weir_sys_lock, taken));
}

static void give_lock(weir_shared_channel *channel)
{
    weir_interleave();
    weir_sys_lock_give(WEIR_CONTAINER_OF(&channel->lock, weir_sys_lock, taken));
}

/* Waking. */

/* Arrive on the waiter's thread, which goes on in the courier's place. */
static weir_task *courier_resume(weir_task *task)
{
    weir_shared_channel_wait *wait = WEIR_CONTAINER_OF(task, weir_shared_channel_wait, courier);

    return weir_waiter_arrive(wait->task, wait->error, wait->error ? 0 : 1);
}

/* Without the lock, by who took the waiter off its list. The post publishes the error and the item;
 * nothing of the waiter is touched after it. */
static void send_courier(weir_channel_waiter *waiter, int error)
{
    weir_shared_channel_wait *wait = WEIR_CONTAINER_OF(waiter, weir_shared_channel_wait, waiter);

    wait->error = error;
    weir_executor_post(wait->courier.environment->executor, &wait->courier);
}

static void wake_served(weir_channel_waiter *served)
{
    if (served)
        send_courier(served, 0);
}

/* Waiting. */

static void wait_stop(weir_wait *base, weir_task *task, unsigned bits)
{
    weir_shared_channel_wait *wait = WEIR_CONTAINER_OF(base, weir_shared_channel_wait, wait);
    bool left;

    (void)bits;
    take_lock(wait->channel);
    left = weir_channel_core_leave(&wait->waiter);
    give_lock(wait->channel);
    if (left) /* Else the courier is on its way. */
        weir_task_wake(task, weir_task_stop_error(task), 0);
}

static const struct weir_wait_ops send_ops = {
    .name = "room in a shared channel",
    .stop = wait_stop,
    .dump = weir_wait_dump_nothing,
};

static const struct weir_wait_ops receive_ops = {
    .name = "an item of a shared channel",
    .stop = wait_stop,
    .dump = weir_wait_dump_nothing,
};

/* Suspend under the lock, before any other thread can find the record. */
static void suspend(weir_task *task, weir_shared_channel *channel, weir_shared_channel_wait *wait,
                    const struct weir_wait_ops *ops)
{
    weir_task_init(&wait->courier, courier_resume);
    wait->courier.environment = task->environment;
    wait->wait.ops = ops;
    wait->channel = channel;
    wait->task = task;
    (void)weir_task_suspend(task, &wait->wait);
}

/* Life. */

void weir_shared_channel_init(weir_shared_channel *channel, void *storage, size_t capacity,
                              size_t item_size)
{
    weir_channel_core_init(&channel->core, storage, capacity, item_size);
    channel->lock = 0;
}

void weir_shared_channel_fini(weir_shared_channel *channel)
{
    weir_channel_core_fini(&channel->core);
}

/* All waiters leave under one lock: one that stayed could be stopped, and as the last let the
 * channel go, before the others are told. */
void weir_shared_channel_close(weir_shared_channel *channel)
{
    weir_channel_waiter *waiter;
    int error;

    take_lock(channel);
    error = weir_channel_core_close(&channel->core, &waiter);
    give_lock(channel);
    while (waiter) {
        weir_channel_waiter *next = waiter->next;

        send_courier(waiter, error);
        waiter = next;
    }
}

/* Moving items. */

int weir_shared_channel_try_send(weir_shared_channel *channel, const void *item)
{
    weir_channel_waiter *receiver = NULL;
    int error;

    take_lock(channel);
    error = weir_channel_core_send(&channel->core, item, &receiver);
    give_lock(channel);
    wake_served(receiver);
    return error;
}

int weir_shared_channel_try_receive(weir_shared_channel *channel, void *ret_item)
{
    weir_channel_waiter *sender = NULL;
    int error;

    take_lock(channel);
    error = weir_channel_core_receive(&channel->core, ret_item, &sender);
    give_lock(channel);
    wake_served(sender);
    return error;
}

weir_task *weir_shared_channel_send(weir_task *task, weir_shared_channel *channel,
                                    weir_shared_channel_wait *wait, const void *item)
{
    weir_channel_waiter *receiver = NULL;
    int error = weir_task_stop_error(task);

    if (error)
        return weir_task_complete(task, error, 0);
    take_lock(channel);
    error = weir_channel_core_send(&channel->core, item, &receiver);
    if (error == -EAGAIN) {
        suspend(task, channel, wait, &send_ops);
        weir_channel_core_push_sender(&channel->core, &wait->waiter, item);
    }
    give_lock(channel);
    wake_served(receiver);
    return error == -EAGAIN ? NULL : weir_task_complete(task, error, error ? 0 : 1);
}

weir_task *weir_shared_channel_receive(weir_task *task, weir_shared_channel *channel,
                                       weir_shared_channel_wait *wait, void *ret_item)
{
    weir_channel_waiter *sender = NULL;
    int error = weir_task_stop_error(task);

    if (error)
        return weir_task_complete(task, error, 0);
    take_lock(channel);
    error = weir_channel_core_receive(&channel->core, ret_item, &sender);
    if (error == -EAGAIN) {
        suspend(task, channel, wait, &receive_ops);
        weir_channel_core_push_receiver(&channel->core, &wait->waiter, ret_item);
    }
    give_lock(channel);
    wake_served(sender);
    return error == -EAGAIN ? NULL : weir_task_complete(task, error, error ? 0 : 1);
}
