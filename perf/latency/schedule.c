/* SPDX-License-Identifier: MIT */
/* The ladder of due times of an open loop. */
#include "schedule.h"

#include <weir/assert.h>

/* A double holds the step's offset to a nanosecond for 104 days. */
static int64_t due_at(const weir_lat_schedule *schedule, uint64_t step)
{
    return schedule->start_ns + (int64_t)((double)step * schedule->interval_ns);
}

void weir_lat_schedule_init(weir_lat_schedule *schedule, int64_t start_ns, double rate_per_second,
                            unsigned connection, unsigned connections)
{
    WEIR_ASSERT(rate_per_second > 0, "an open loop has a rate");
    WEIR_ASSERT(connection < connections, "a connection is one of the run's");

    schedule->start_ns = start_ns;
    schedule->interval_ns = 1e9 / rate_per_second;
    schedule->step = connection;
    schedule->stride = connections;
}

int64_t weir_lat_schedule_due(const weir_lat_schedule *schedule)
{
    return due_at(schedule, schedule->step);
}

void weir_lat_schedule_advance(weir_lat_schedule *schedule)
{
    schedule->step += schedule->stride;
}

/* The first step at or after a time, off by at most one for rounding, which the caller mends. */
static uint64_t step_near(const weir_lat_schedule *schedule, int64_t time_ns)
{
    double steps = (double)(time_ns - schedule->start_ns) / schedule->interval_ns;

    return steps > 0 ? (uint64_t)steps : 0;
}

uint64_t weir_lat_schedule_owed(const weir_lat_schedule *schedule, int64_t until_ns)
{
    uint64_t owed = 0;
    uint64_t step = schedule->step;
    uint64_t near = step_near(schedule, until_ns);

    if (near > step) {
        owed = (near - step) / schedule->stride;
        step += owed * schedule->stride;
    }
    for (; due_at(schedule, step) < until_ns; step += schedule->stride)
        owed++;
    return owed;
}
