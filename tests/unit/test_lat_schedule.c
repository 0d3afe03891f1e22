/* SPDX-License-Identifier: MIT */
/* The due times of an open loop. */
#include "schedule.h"

#include "test.h"

static weir_lat_schedule schedule_of(int64_t start_ns, double rate, unsigned connection,
                                     unsigned connections)
{
    weir_lat_schedule schedule;

    weir_lat_schedule_init(&schedule, start_ns, rate, connection, connections);
    return schedule;
}

WEIR_TEST(lat_schedule, one_connection_is_due_at_the_rate)
{
    weir_lat_schedule schedule = schedule_of(5000, 1000, 0, 1);

    for (int i = 0; i < 100; i++) {
        CHECK_EQ(weir_lat_schedule_due(&schedule), 5000 + i * 1000000);
        weir_lat_schedule_advance(&schedule);
    }
}

WEIR_TEST(lat_schedule, connections_take_turns)
{
    weir_lat_schedule first = schedule_of(0, 1000, 0, 4);
    weir_lat_schedule last = schedule_of(0, 1000, 3, 4);

    CHECK_EQ(weir_lat_schedule_due(&first), 0);
    CHECK_EQ(weir_lat_schedule_due(&last), 3000000);
    weir_lat_schedule_advance(&first);
    weir_lat_schedule_advance(&last);
    CHECK_EQ(weir_lat_schedule_due(&first), 4000000);
    CHECK_EQ(weir_lat_schedule_due(&last), 7000000);
}

WEIR_TEST(lat_schedule, a_rate_that_does_not_divide_a_second_does_not_drift)
{
    weir_lat_schedule schedule = schedule_of(0, 3, 0, 1);

    for (int i = 0; i < 3 * 86400; i++)
        weir_lat_schedule_advance(&schedule);
    CHECK_EQ(weir_lat_schedule_due(&schedule), INT64_C(86400000000000));
}

WEIR_TEST(lat_schedule, the_real_clock_is_a_good_start)
{
    weir_lat_schedule schedule = schedule_of(INT64_MAX / 2, 7, 1, 2);

    CHECK_EQ(weir_lat_schedule_due(&schedule), INT64_MAX / 2 + 142857142);
}

WEIR_TEST(lat_schedule, owed_counts_what_is_due_before_a_time)
{
    weir_lat_schedule schedule = schedule_of(100, 1000, 1, 2); /* At 1, 3, 5 ms past the start. */

    CHECK_EQ(weir_lat_schedule_owed(&schedule, 0), 0);
    CHECK_EQ(weir_lat_schedule_owed(&schedule, 100), 0);
    CHECK_EQ(weir_lat_schedule_owed(&schedule, 1000100), 0);
    CHECK_EQ(weir_lat_schedule_owed(&schedule, 1000101), 1);
    CHECK_EQ(weir_lat_schedule_owed(&schedule, 3000101), 2);
    CHECK_EQ(weir_lat_schedule_owed(&schedule, 10000100), 5);
    weir_lat_schedule_advance(&schedule);
    CHECK_EQ(weir_lat_schedule_owed(&schedule, 10000100), 4);
}

WEIR_TEST(lat_schedule, owed_agrees_with_walking)
{
    for (unsigned connections = 1; connections < 9; connections++) {
        for (unsigned connection = 0; connection < connections; connection++) {
            weir_lat_schedule walker = schedule_of(77, 123457.3, connection, connections);
            weir_lat_schedule fixed = walker;

            for (uint64_t i = 0; i < 2000; i++) {
                int64_t due_ns = weir_lat_schedule_due(&walker);

                CHECK_EQ(weir_lat_schedule_owed(&fixed, due_ns), i);
                CHECK_EQ(weir_lat_schedule_owed(&fixed, due_ns + 1), i + 1);
                weir_lat_schedule_advance(&walker);
            }
        }
    }
}

WEIR_TEST(lat_schedule, all_connections_together_make_the_rate)
{
    uint64_t owed = 0;

    for (unsigned connection = 0; connection < 64; connection++) {
        weir_lat_schedule schedule = schedule_of(0, 50000, connection, 64);

        owed += weir_lat_schedule_owed(&schedule, INT64_C(2000000000));
    }
    CHECK_EQ(owed, 100000);
}
