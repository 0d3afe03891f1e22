/* SPDX-License-Identifier: MIT */
/*
 * The passing of time on a timing wheel; wheel.h has the model and the threading.
 *
 * An advance first collects what is due, in order, on the firing queue and brings the levels to the
 * new time, and only then calls back. So callbacks always meet a wheel that is in order, and a node
 * that is due but has not fired is on a list from which it can be cancelled.
 */
#include "wheel.h"

static weir_wheel_node *node_of(weir_list_node *link)
{
    return WEIR_CONTAINER_OF(link, weir_wheel_node, link);
}

void weir_wheel_init(weir_wheel *wheel, int64_t now_ns)
{
    WEIR_ASSERT(now_ns >= 0 && now_ns < INT64_MAX, "a wheel starts between 0 and never");

    wheel->now_ns = now_ns;
    wheel->is_advancing = false;
    wheel->words = 0;
    for (size_t word = 0; word <= WEIR_WHEEL_LEVELS; word++)
        wheel->occupied[word] = 0;
    for (size_t list = 0; list < WEIR_WHEEL_LISTS; list++)
        weir_list_init(&wheel->lists[list]);
}

/* The earliest slot of the levels that has a node, or WEIR_WHEEL_PASSED if none has. */
static size_t earliest_slot(const weir_wheel *wheel)
{
    uint32_t levels = wheel->words & ((UINT32_C(1) << WEIR_WHEEL_LEVELS) - 1);
    size_t level;

    if (levels == 0)
        return WEIR_WHEEL_PASSED;
    level = (size_t)__builtin_ctz(levels);
    return level * WEIR_WHEEL_SLOTS + (size_t)__builtin_ctzll(wheel->occupied[level]);
}

/* When a slot is to be dealt with: one of level 0 when it is over, a coarse one when it begins. */
static int64_t slot_turn_ns(const weir_wheel *wheel, size_t slot)
{
    size_t level = slot / WEIR_WHEEL_SLOTS;
    size_t shift = WEIR_WHEEL_TICK_BITS + level * WEIR_WHEEL_SLOT_BITS;
    /* The higher digits are those of the present. */
    uint64_t digits = (uint64_t)wheel->now_ns >> shift >> WEIR_WHEEL_SLOT_BITS;
    uint64_t first_ns = (digits * WEIR_WHEEL_SLOTS + slot % WEIR_WHEEL_SLOTS) << shift;

    if (level > 0)
        return (int64_t)first_ns;
    return (int64_t)(first_ns + (1u << WEIR_WHEEL_TICK_BITS) - 1);
}

int64_t weir_wheel_next_ns(const weir_wheel *wheel)
{
    size_t slot = earliest_slot(wheel);

    if (wheel->occupied[WEIR_WHEEL_LEVELS])
        return wheel->now_ns;
    return slot == WEIR_WHEEL_PASSED ? INT64_MAX : slot_turn_ns(wheel, slot);
}

/* Move the nodes of a list that are due to the firing queue, in order. */
static void collect_list(weir_wheel *wheel, size_t list, int64_t now_ns)
{
    weir_list *from = &wheel->lists[list];
    weir_list_node *link = weir_list_first(from);

    while (link) {
        weir_wheel_node *node = node_of(link);

        link = weir_list_next(from, link);
        if (node->deadline_ns > now_ns)
            continue;
        weir_wheel_cancel(wheel, node);
        weir_wheel_push(wheel, WEIR_WHEEL_FIRING, node);
    }
}

/* Deal a coarse slot that time has just entered out to the finer levels. */
static void cascade(weir_wheel *wheel, size_t slot)
{
    weir_list *from = &wheel->lists[slot];

    while (!weir_list_is_empty(from)) {
        weir_wheel_node *node = node_of(weir_list_first(from));

        weir_wheel_cancel(wheel, node);
        weir_wheel_push(wheel, weir_wheel_slot_of(wheel, node->deadline_ns), node);
    }
}

/* Bring the wheel to a time at or after its own, and what is due by then to the firing queue. */
static void collect(weir_wheel *wheel, int64_t now_ns)
{
    size_t slot;

    collect_list(wheel, WEIR_WHEEL_PASSED, now_ns);
    while ((slot = earliest_slot(wheel)) != WEIR_WHEEL_PASSED) {
        int64_t turn_ns = slot_turn_ns(wheel, slot);

        if (turn_ns > now_ns)
            break;
        wheel->now_ns = turn_ns;
        if (slot < WEIR_WHEEL_SLOTS)
            collect_list(wheel, slot, turn_ns);
        else
            cascade(wheel, slot);
    }
    wheel->now_ns = now_ns;
    /* The present tick is not over, but some of its deadlines may have passed. */
    collect_list(wheel, weir_wheel_slot_of(wheel, now_ns), now_ns);
}

size_t weir_wheel_advance(weir_wheel *wheel, int64_t now_ns)
{
    weir_list *firing = &wheel->lists[WEIR_WHEEL_FIRING];
    size_t count = 0;

    WEIR_ASSERT(!wheel->is_advancing, "a callback of a wheel does not advance it");

    if (now_ns < wheel->now_ns)
        now_ns = wheel->now_ns;
    if (now_ns == INT64_MAX)
        now_ns = INT64_MAX - 1; /* INT64_MAX is never. */

    wheel->is_advancing = true;
    collect(wheel, now_ns);
    while (!weir_list_is_empty(firing)) {
        weir_wheel_node *node = node_of(weir_list_first(firing));

        weir_wheel_cancel(wheel, node);
        count++;
        node->fired(node);
    }
    wheel->is_advancing = false;
    return count;
}
