/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CLOCK_H
#define WEIR_CLOCK_H

/* The clock of a task's context, and time that does not overflow. */

#include "wheel.h"

#include <weir/task.h>

static inline weir_clock *weir_task_clock(const weir_task *task)
{
    WEIR_ASSERT(task->environment->clock,
                "deadlines and sleeps need a clock: that of a loop or of a manual executor");
    return task->environment->clock;
}

/** A time and a duration after it. */
static inline int64_t weir_time_after_ns(int64_t time_ns, int64_t duration_ns)
{
    return duration_ns < INT64_MAX - time_ns ? time_ns + duration_ns : INT64_MAX;
}

/** now + duration. */
static inline int64_t weir_clock_after_ns(weir_clock *clock, int64_t duration_ns)
{
    return weir_time_after_ns(clock->now_ns(clock), duration_ns);
}

#endif
