/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BASE_WHEEL_H
#define WEIR_BASE_WHEEL_H

/*
 * The hierarchical timing wheel: arm, cancel and fire in constant time, without allocation.
 *
 * Time is cut into ticks of 1024 ns, and a tick is written as nine digits of six bits. A node
 * stands on the level of the highest digit in which its tick differs from the present tick, in the
 * slot of that digit. When time enters a slot of a coarse level, the slot's nodes are dealt out to
 * the finer levels (a cascade), each at most once a level. All nodes of one tick therefore stand in
 * one slot at any time, in the order in which they were armed.
 *
 * Because a node's higher digits are the present ones, no slot lies behind the present one and
 * none wraps round: the lowest bit of the lowest level that has any is the earliest slot. Skipping
 * an hour costs what skipping a tick costs.
 *
 * Two queues stand beside the levels: the nodes whose deadline had passed when they were armed, and
 * those that the advance under way is about to fire. On all of them a node counts as armed and can
 * be cancelled.
 *
 * Not thread-safe: a wheel belongs to its loop's thread. What callers do wrong is asserted; nothing
 * here fails. Source: core/base/wheel.c. Tests: tests/unit/test_wheel.c.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/wheel.h>

/** Start empty, at a time from 0 to below INT64_MAX. An empty wheel holds nothing:
 * there is no fini. */
void weir_wheel_init(weir_wheel *wheel, int64_t now_ns);

/**
 * When to advance next.
 *
 * Never later than the end of the tick of the earliest deadline, and earlier when a coarse slot is
 * to be cascaded first; an advance to that time makes progress, whether or not it fires. The
 * present time if a deadline had passed when it was armed; INT64_MAX if the wheel is empty.
 */
int64_t weir_wheel_next_ns(const weir_wheel *wheel);

/**
 * Let time pass and fire every node whose deadline is at or before it; never one before.
 *
 * First come the nodes whose deadline had passed when they were armed, in order of arming; then the
 * others in order of their tick, and in order of arming within a tick. A callback may arm and
 * cancel any node, also one due in the same advance, and may free its own; it may not advance. What
 * it arms with a deadline that has passed fires at the next advance, so an advance always ends.
 *
 * @now_ns  A time before the present one counts as no time passed. A deadline of INT64_MAX never
 *          passes, not even at INT64_MAX.
 *
 * Returns the number of nodes fired.
 */
size_t weir_wheel_advance(weir_wheel *wheel, int64_t now_ns);

/** Whether no node is armed. */
static inline bool weir_wheel_is_empty(const weir_wheel *wheel)
{
    return wheel->words == 0;
}

/* The slot of a deadline in or after the present tick. */
static inline size_t weir_wheel_slot_of(const weir_wheel *wheel, int64_t deadline_ns)
{
    uint64_t now_tick = (uint64_t)wheel->now_ns >> WEIR_WHEEL_TICK_BITS;
    uint64_t tick = (uint64_t)deadline_ns >> WEIR_WHEEL_TICK_BITS;
    /* The highest bit that differs; bit 0 stands in for none, which is the same digit. */
    unsigned bit = 63u - (unsigned)__builtin_clzll((tick ^ now_tick) | 1u);
    unsigned level = bit / WEIR_WHEEL_SLOT_BITS;
    uint64_t digit = (tick >> level * WEIR_WHEEL_SLOT_BITS) % WEIR_WHEEL_SLOTS;

    return level * WEIR_WHEEL_SLOTS + (size_t)digit;
}

/* Append a node to one of the lists. */
static inline void weir_wheel_push(weir_wheel *wheel, size_t list, weir_wheel_node *node)
{
    weir_list_push(&wheel->lists[list], &node->link);
    wheel->occupied[list / WEIR_WHEEL_SLOTS] |= UINT64_C(1) << list % WEIR_WHEEL_SLOTS;
    wheel->words |= UINT32_C(1) << list / WEIR_WHEEL_SLOTS;
}

/* One of the lists has no node any more. */
static inline void weir_wheel_vacate(weir_wheel *wheel, size_t list)
{
    uint64_t *word = &wheel->occupied[list / WEIR_WHEEL_SLOTS];

    *word &= ~(UINT64_C(1) << list % WEIR_WHEEL_SLOTS);
    if (*word == 0)
        wheel->words &= ~(UINT32_C(1) << list / WEIR_WHEEL_SLOTS);
}

/**
 * Have a callback called by the first advance to the deadline or beyond.
 *
 * @node         Not armed; it stays in place until it has fired or is cancelled.
 * @deadline_ns  Any; one that has passed fires at the next advance, INT64_MAX never.
 * @fired        Called with the node no longer armed.
 */
static inline void weir_wheel_arm(weir_wheel *wheel, weir_wheel_node *node, int64_t deadline_ns,
                                  weir_wheel_fired_fn *fired)
{
    bool passed = deadline_ns <= wheel->now_ns;

    WEIR_ASSERT(!weir_wheel_node_is_armed(node), "a node is armed once at a time");

    node->deadline_ns = deadline_ns;
    node->fired = fired;
    weir_wheel_push(wheel, passed ? WEIR_WHEEL_PASSED : weir_wheel_slot_of(wheel, deadline_ns),
                    node);
}

/** Disarm a node that is armed on this wheel: its callback will not be called. */
static inline void weir_wheel_cancel(weir_wheel *wheel, weir_wheel_node *node)
{
    weir_list_node *neighbour = node->link.next;
    bool was_alone = neighbour == node->link.prev;

    WEIR_ASSERT(weir_wheel_node_is_armed(node), "only an armed node can be cancelled");

    weir_list_remove(&node->link);
    if (was_alone) {
        /* The one neighbour of a node on both sides is the head of its list. */
        weir_list *list = WEIR_CONTAINER_OF(neighbour, weir_list, head);
        size_t index = (size_t)(list - wheel->lists);

        WEIR_ASSERT(index < WEIR_WHEEL_LISTS, "a node is cancelled on the wheel it is armed on");
        weir_wheel_vacate(wheel, index);
    }
}

#endif
