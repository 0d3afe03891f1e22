/* SPDX-License-Identifier: MIT */
#ifndef WEIR_WHEEL_H
#define WEIR_WHEEL_H

/*
 * The node by which an object stands on its loop's timer wheel. Fields are private.
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
    int64_t deadline_ns;        /* Absolute, on the loop's monotonic clock. */
    weir_wheel_fired_fn *fired; /* Set when armed. */
};

static inline bool weir_wheel_node_is_armed(const weir_wheel_node *node)
{
    return weir_list_is_linked(&node->link);
}

WEIR_C_END

#endif
