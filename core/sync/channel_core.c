/* SPDX-License-Identifier: MIT */
/*
 * The rules of channels.
 *
 * Between calls this holds: senders wait only while the ring is full, receivers only while it is
 * empty and no sender waits. So of the two lists one is empty, also when the capacity is 0, and
 * nobody who comes can overtake one who waits. A closed channel has nobody waiting.
 */
#include "channel_core.h"

#include <errno.h>
#include <string.h>

void weir_channel_core_init(weir_channel_core *core, void *storage, size_t capacity,
                            size_t item_size)
{
    WEIR_ASSERT(item_size > 0, "the items of a channel have a size");
    WEIR_ASSERT(storage || capacity == 0, "a channel with a capacity has storage");

    core->storage = storage;
    core->item_size = item_size;
    core->capacity = capacity;
    core->first = 0;
    core->count = 0;
    weir_list_init(&core->senders);
    weir_list_init(&core->receivers);
    core->closed = false;
}

void weir_channel_core_fini(weir_channel_core *core)
{
    WEIR_ASSERT(weir_list_is_empty(&core->senders) && weir_list_is_empty(&core->receivers),
                "a channel ends when nobody waits for it");
}

/* The ring. */

static void ring_push(weir_channel_core *core, const void *item)
{
    size_t before_end = core->capacity - core->first;
    size_t index = core->count < before_end ? core->first + core->count : core->count - before_end;

    memcpy(core->storage + index * core->item_size, item, core->item_size);
    core->count++;
}

static void ring_pop(weir_channel_core *core, void *ret_item)
{
    memcpy(ret_item, core->storage + core->first * core->item_size, core->item_size);
    core->first = core->first + 1 < core->capacity ? core->first + 1 : 0;
    core->count--;
}

/* Those who wait. */

static weir_channel_waiter *waiter_pop(weir_list *list)
{
    weir_list_node *node = weir_list_pop(list);

    return node ? WEIR_CONTAINER_OF(node, weir_channel_waiter, link) : NULL;
}

static void waiter_push(weir_list *list, weir_channel_waiter *waiter)
{
    waiter->link.next = NULL;
    waiter->link.prev = NULL;
    weir_list_push(list, &waiter->link);
}

void weir_channel_core_push_sender(weir_channel_core *core, weir_channel_waiter *waiter,
                                   const void *item)
{
    waiter->item.sent = item;
    waiter_push(&core->senders, waiter);
}

void weir_channel_core_push_receiver(weir_channel_core *core, weir_channel_waiter *waiter,
                                     void *ret_item)
{
    waiter->item.ret_received = ret_item;
    waiter_push(&core->receivers, waiter);
}

bool weir_channel_core_leave(weir_channel_waiter *waiter)
{
    if (!weir_list_is_linked(&waiter->link))
        return false;
    weir_list_remove(&waiter->link);
    return true;
}

/* Moving items. */

int weir_channel_core_send(weir_channel_core *core, const void *item,
                           weir_channel_waiter **ret_served)
{
    weir_channel_waiter *receiver;

    if (core->closed)
        return WEIR_CLOSED;
    receiver = waiter_pop(&core->receivers);
    if (receiver)
        memcpy(receiver->item.ret_received, item, core->item_size);
    else if (core->count < core->capacity)
        ring_push(core, item);
    else
        return -EAGAIN;
    *ret_served = receiver;
    return 0;
}

int weir_channel_core_receive(weir_channel_core *core, void *ret_item,
                              weir_channel_waiter **ret_served)
{
    weir_channel_waiter *sender = waiter_pop(&core->senders);

    if (core->count > 0) {
        ring_pop(core, ret_item);
        if (sender)
            ring_push(core, sender->item.sent);
    } else if (sender) {
        memcpy(ret_item, sender->item.sent, core->item_size);
    } else {
        return core->closed ? WEIR_EOF : -EAGAIN;
    }
    *ret_served = sender;
    return 0;
}

int weir_channel_core_close(weir_channel_core *core, weir_channel_waiter **ret_waiters)
{
    bool senders = !weir_list_is_empty(&core->senders);
    weir_list *list = senders ? &core->senders : &core->receivers;
    weir_channel_waiter **end = ret_waiters;

    core->closed = true;
    while ((*end = waiter_pop(list)))
        end = &(*end)->next;
    return senders ? WEIR_CLOSED : WEIR_EOF;
}
