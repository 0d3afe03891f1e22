/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CHANNEL_H
#define WEIR_CHANNEL_H

/*
 * Channels: items go from task to task, in order, each exactly once.
 *
 * A channel copies items of a fixed size into room for so many, which the caller provides; senders
 * wait while it is full, receivers while it is empty. With room for none a send meets a receive
 * (rendezvous) and the item is copied from one task to the other. Any number may send and receive.
 *
 *      weir_channel_init --> OPEN --close--> CLOSED: what is buffered is received, then WEIR_EOF
 *
 * An item is either delivered or still its sender's, whatever is cancelled or closed meanwhile:
 * a send that fails has sent nothing, and a receive that fails has taken nothing.
 *
 * Thread: everything here belongs to the tasks of one executor, of one tree or of several; the
 * first await decides which. Across threads see <weir/shared_channel.h>.
 *
 * Source: core/sync/channel.c, core/sync/channel_core.c. Tests: tests/stage_one/test_channel.c,
 * tests/misuse/test_misuse_sync.c.
 */

#include <weir/list.h>
#include <weir/task.h>

WEIR_C_BEGIN

/** The rules that local and shared channels have in common. Fields are private. */
typedef struct weir_channel_core {
    unsigned char *storage; /* A ring of items; the caller's. */
    size_t item_size;       /* Bytes. */
    size_t capacity;        /* Items. */
    size_t first;           /* Index of the oldest item. */
    size_t count;           /* Items in the ring. */
    weir_list senders;      /* weir_channel_waiter.link, oldest first; empty unless full. */
    weir_list receivers;    /* Likewise; empty unless empty and no sender waits. */
    bool closed;
} weir_channel_core;

/** One who waits at a channel. Fields are private. */
typedef struct weir_channel_waiter {
    weir_list_node link;              /* weir_channel_core.senders or receivers. */
    struct weir_channel_waiter *next; /* Of those that one close took off the list. */
    union {
        const void *sent;   /* A sender's: the item. */
        void *ret_received; /* A receiver's: where the item goes. */
    } item;
} weir_channel_waiter;

/** Embed; it stays in place from init to fini. Fields are private. */
typedef struct weir_channel {
    weir_channel_core core;
    struct weir_executor *executor; /* Of the first task that awaited it; NULL: none yet. */
} weir_channel;

/**
 * Open a channel.
 *
 * Borrows    storage until weir_channel_fini
 *
 * @storage[capacity * item_size]  where items wait; any alignment; NULL when capacity is 0
 * @capacity   items; 0: every send meets a receive
 * @item_size  bytes, at least 1
 */
WEIR_PUBLIC void weir_channel_init(weir_channel *channel, void *storage, size_t capacity,
                                   size_t item_size);

/** Assert that nobody waits. What is still buffered is forgotten. */
WEIR_PUBLIC void weir_channel_fini(weir_channel *channel);

/**
 * Close the channel: it takes no more items. Either end may; harmless when repeated.
 *
 * Sends that wait complete with WEIR_CLOSED and keep their items; what is buffered can still be
 * received; receives that wait complete with WEIR_EOF.
 */
WEIR_PUBLIC void weir_channel_close(weir_channel *channel);

static inline bool weir_channel_is_closed(const weir_channel *channel)
{
    return channel->core.closed;
}

/** How many items are buffered. */
static inline size_t weir_channel_count(const weir_channel *channel)
{
    return channel->core.count;
}

/**
 * Send an item.
 *
 * Completes  when the item is buffered or a receiver has it; at once when there is
 *            room or a receiver
 * Result     {0, 1}; WEIR_CLOSED; as a stop or a deadline of the task wants it. Beside an error the
 *            count is 0: the item is still the caller's
 * Borrows    channel and item until then
 * Overlap    any number of sends; their items are received in the order the sends began
 * Cancel     the item is not sent. A task that is stopped already sends nothing, even if there is
 *            room. When the item was taken before the stop came, the send succeeds
 *
 * @item[item_size]  in; not in a local of the coroutine
 */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_channel_send(weir_task *task, weir_channel *channel,
                                                       const void *item);

/**
 * Receive the oldest item.
 *
 * Completes  when an item is there; at once when one is buffered or a sender waits
 * Result     {0, 1}; WEIR_EOF: closed, and empty; as a stop or a deadline of the task wants it.
 *            Beside an error the count is 0: nothing was taken
 * Borrows    channel and ret_item until then
 * Overlap    any number of receives; they are served in the order they began
 * Cancel     nothing is taken. A task that is stopped already takes nothing, even if an item is
 *            there. When an item was handed over before the stop came, the receive succeeds
 *
 * @ret_item[item_size]  out; not in a local of the coroutine
 */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_channel_receive(weir_task *task, weir_channel *channel,
                                                          void *ret_item);

/** Send an item if that needs no waiting: 0, -EAGAIN, or WEIR_CLOSED. Looks at no stop. */
WEIR_PUBLIC WEIR_MUST_USE int weir_channel_try_send(weir_channel *channel, const void *item);

/** Receive an item if that needs no waiting: 0, -EAGAIN, or WEIR_EOF. Looks at no stop. */
WEIR_PUBLIC WEIR_MUST_USE int weir_channel_try_receive(weir_channel *channel, void *ret_item);

WEIR_C_END

#endif
