/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SHARED_CHANNEL_H
#define WEIR_SHARED_CHANNEL_H

/*
 * Shared channels: items go from thread to thread, in order, each exactly once.
 *
 * What <weir/channel.h> says of items, order, closing and cancelling holds here word for word; but
 * the tasks at the two ends may live on different executors and threads, and threads without any
 * may try_send and try_receive. Each await brings a record: the item is copied under the channel's
 * lock, held for that long, and the record then travels to the waiting task's executor.
 *
 * Thread: any, for everything but init and fini. A call does not touch the channel any more once
 * another thread can see what it did. So it is free to go (weir_shared_channel_fini, or just let
 * go) as soon as all awaits on it have completed and nobody will call it again: the one who
 * received the only answer there will be may do it.
 *
 * Source: core/sync/shared_channel.c, core/sync/channel_core.c.
 * Tests: tests/stage_one/test_shared_channel.c, tests/misuse/test_misuse_sync.c.
 */

#include <weir/channel.h>

WEIR_C_BEGIN

/** Embed, or share otherwise; it stays in place. Fields are private. */
typedef struct weir_shared_channel {
    weir_channel_core core; /* Under the lock. */
    uint32_t lock;          /* weir_sys_lock.taken: its holder is alone with the core, and with the
                               links of all records that wait. */
} weir_shared_channel;

/** The record of one send or receive. Embed one in the frame for each that may wait at once. */
typedef struct weir_shared_channel_wait {
    weir_wait wait;
    weir_channel_waiter waiter;   /* Its link: under the channel's lock. */
    weir_shared_channel *channel; /* Where it waits. */
    weir_task *task;              /* Who waits. Its executor's thread. */
    weir_task courier;            /* Posted to the task's executor by who took the record off. */
    int error;                    /* What the courier brings. */
} weir_shared_channel_wait;

/** Open a channel: see weir_channel_init. */
WEIR_PUBLIC void weir_shared_channel_init(weir_shared_channel *channel, void *storage,
                                          size_t capacity, size_t item_size);

/** Assert that nobody waits. What is still buffered is forgotten. Nobody else is inside a call. */
WEIR_PUBLIC void weir_shared_channel_fini(weir_shared_channel *channel);

/** Close the channel: see weir_channel_close. */
WEIR_PUBLIC void weir_shared_channel_close(weir_shared_channel *channel);

/**
 * Send an item: see weir_channel_send, whose Completes, Result, Overlap and Cancel hold.
 *
 * Borrows    channel, wait and item until it completes; then no thread touches wait or item
 *
 * @wait  of this await alone; needs no initialisation
 */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_shared_channel_send(weir_task *task,
                                                              weir_shared_channel *channel,
                                                              weir_shared_channel_wait *wait,
                                                              const void *item);

/**
 * Receive the oldest item: see weir_channel_receive, whose Completes, Result, Overlap
 * and Cancel hold.
 *
 * Borrows    channel, wait and ret_item until it completes; then no thread touches wait or ret_item
 *
 * @wait  of this await alone; needs no initialisation
 */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_shared_channel_receive(weir_task *task,
                                                                 weir_shared_channel *channel,
                                                                 weir_shared_channel_wait *wait,
                                                                 void *ret_item);

/** Send an item if that needs no waiting: 0, -EAGAIN, or WEIR_CLOSED. Looks at no stop. */
WEIR_PUBLIC WEIR_MUST_USE int weir_shared_channel_try_send(weir_shared_channel *channel,
                                                           const void *item);

/** Receive an item if that needs no waiting: 0, -EAGAIN, or WEIR_EOF. Looks at no stop. */
WEIR_PUBLIC WEIR_MUST_USE int weir_shared_channel_try_receive(weir_shared_channel *channel,
                                                              void *ret_item);

WEIR_C_END

#endif
