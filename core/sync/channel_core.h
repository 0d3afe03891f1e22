/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CHANNEL_CORE_H
#define WEIR_CHANNEL_CORE_H

/*
 * The rules of channels, apart from how a task is woken: a ring of items, and those who wait.
 *
 * Nothing here knows a task. What one call does for another party is returned, and the caller wakes
 * that party when and how it may: a shared channel after it has given up its lock.
 */

#include <weir/channel.h>

/** @see weir_channel_init */
void weir_channel_core_init(weir_channel_core *core, void *storage, size_t capacity,
                            size_t item_size);

/** Assert that nobody waits. */
void weir_channel_core_fini(weir_channel_core *core);

/**
 * Send without waiting. Returns 0, WEIR_CLOSED, or -EAGAIN: then one may wait as a sender.
 *
 * @ret_served  the receiver that has the item and is off the list, or NULL
 */
int weir_channel_core_send(weir_channel_core *core, const void *item,
                           weir_channel_waiter **ret_served);

/**
 * Receive without waiting. Returns 0, WEIR_EOF, or -EAGAIN: then one may wait as a receiver.
 *
 * @ret_served  the sender whose item was taken and who is off the list, or NULL
 */
int weir_channel_core_receive(weir_channel_core *core, void *ret_item,
                              weir_channel_waiter **ret_served);

/** Wait as the last sender. */
void weir_channel_core_push_sender(weir_channel_core *core, weir_channel_waiter *waiter,
                                   const void *item);

/** Wait as the last receiver. */
void weir_channel_core_push_receiver(weir_channel_core *core, weir_channel_waiter *waiter,
                                     void *ret_item);

/** Leave. False: already off the list, served or closed. */
bool weir_channel_core_leave(weir_channel_waiter *waiter);

/**
 * Close. Returns what those who waited are told.
 *
 * @ret_waiters  they, by next; NULL: nobody waited
 */
int weir_channel_core_close(weir_channel_core *core, weir_channel_waiter **ret_waiters);

#endif
