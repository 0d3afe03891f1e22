/* SPDX-License-Identifier: MIT */
#ifndef WEIR_LAT_SCHEDULE_H
#define WEIR_LAT_SCHEDULE_H

/*
 * When requests are due in an open loop.
 *
 * The whole run has one ladder of due times, 1 / rate apart. Its steps are dealt to the connections
 * in turn, so that every connection sends at rate / connections and no two at the same moment.
 * Due times are computed from the step's number, never added up: they do not drift.
 *
 * What a server does has no influence on when a request is due. A latency is counted from then, and
 * a late request is sent at once, so a stall shows in every request that was due during it.
 *
 * One schedule belongs to one connection.
 *
 * Source: perf/latency/schedule.c. Tests: tests/unit/test_lat_schedule.c.
 */

#include <stdint.h>

/** Fields are private. */
typedef struct weir_lat_schedule {
    int64_t start_ns;   /* When the ladder's first request is due. */
    double interval_ns; /* From one step of the ladder to the next. */
    uint64_t step;      /* The connection's next one. */
    uint64_t stride;    /* Steps between two of a connection: the number of connections. */
} weir_lat_schedule;

/**
 * Begin at a connection's first step.
 *
 * @start_ns         on the clock that latencies are taken on
 * @rate_per_second  of all connections together; above 0
 * @connection       below connections
 */
void weir_lat_schedule_init(weir_lat_schedule *schedule, int64_t start_ns, double rate_per_second,
                            unsigned connection, unsigned connections);

/** When the connection's next request is due. */
int64_t weir_lat_schedule_due(const weir_lat_schedule *schedule);

/** Go on to the request after that. */
void weir_lat_schedule_advance(weir_lat_schedule *schedule);

/** How many requests of the connection, the next one included, are due before that time. */
uint64_t weir_lat_schedule_owed(const weir_lat_schedule *schedule, int64_t until_ns);

#endif
