/* SPDX-License-Identifier: MIT */
#ifndef WEIR_WHEEL_H
#define WEIR_WHEEL_H

/*
 * The timer wheel and its nodes, as far as structs embed them. Fields are private.
 *
 * Source: core/base/wheel.c, whose header describes the wheel. Tests: tests/unit/test_wheel.c.
 */

#include <stdint.h>

#include <weir/list.h>

WEIR_C_BEGIN

typedef struct weir_wheel_node weir_wheel_node;

/** Called when the deadline has passed, with the node off the wheel. It may arm nodes again. */
typedef void weir_wheel_fired_fn(weir_wheel_node *node);

/** Embed; zero-initialised: not armed. It must not move while armed. */
struct weir_wheel_node {
    weir_list_node link;        /* Of a slot of the wheel. */
    int64_t deadline_ns;        /* Absolute, on the wheel's clock. */
    weir_wheel_fired_fn *fired; /* Set when armed. */
};

static inline bool weir_wheel_node_is_armed(const weir_wheel_node *node)
{
    return weir_list_is_linked(&node->link);
}

enum {
    WEIR_WHEEL_TICK_BITS = 10, /* A tick is 1024 ns. */
    WEIR_WHEEL_SLOT_BITS = 6,  /* A digit of the tick; its 64 slots fill one word of bits. */
    WEIR_WHEEL_SLOTS = 1 << WEIR_WHEEL_SLOT_BITS,
    WEIR_WHEEL_LEVELS = 9, /* 10 + 9 * 6 bits cover every int64_t that is not negative. */

    /* The queues are two more slots, with a word of bits of their own behind those
     * of the levels. */
    WEIR_WHEEL_PASSED = WEIR_WHEEL_LEVELS * WEIR_WHEEL_SLOTS,
    WEIR_WHEEL_FIRING,
    WEIR_WHEEL_LISTS,
};

/** A wheel. Fields are private. It must not move once initialised. */
typedef struct weir_wheel {
    int64_t now_ns;                           /* The latest time it was advanced to. */
    bool is_advancing;                        /* Callbacks may be running. */
    uint32_t words;                           /* A bit for each word of occupied that is not 0. */
    uint64_t occupied[WEIR_WHEEL_LEVELS + 1]; /* A bit for each list that has a node. */
    weir_list lists[WEIR_WHEEL_LISTS];        /* Level by level, then the queues. */
} weir_wheel;

typedef struct weir_clock weir_clock;

/**
 * What deadlines and sleeps of a tree stand on: a wheel and what advances it. A loop's tells the
 * monotonic clock, a manual executor's the time that its owner lets pass.
 */
struct weir_clock {
    weir_wheel wheel;
    int64_t (*now_ns)(weir_clock *clock);
};

WEIR_C_END

#endif
