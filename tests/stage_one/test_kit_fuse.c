/* SPDX-License-Identifier: MIT */
/* The fuse of the test kit: which point fails, and when it is over. */
#include <errno.h>

#include <weir/test/fuse.h>

#include "test.h"

enum { POINTS = 5 };

WEIR_TEST(kit_fuse, each_point_fails_once_and_then_none)
{
    int failures[POINTS] = {0};
    size_t runs = 0;
    weir_fuse fuse;

    weir_fuse_init(&fuse, -EIO);
    while (weir_fuse_next(&fuse)) {
        runs++;
        for (int i = 0; i < POINTS; i++) {
            int error = weir_fuse_blow(&fuse);

            CHECK(error == 0 || error == -EIO);
            failures[i] += error == -EIO;
        }
        CHECK_EQ(weir_fuse_is_blown(&fuse), runs <= POINTS);
    }
    CHECK_EQ(runs, POINTS + 1);
    CHECK_EQ(weir_fuse_points(&fuse), POINTS);
    for (int i = 0; i < POINTS; i++)
        CHECK_EQ(failures[i], 1);
}

WEIR_TEST(kit_fuse, a_scenario_that_gives_up_meets_each_point_too)
{
    int furthest = 0;
    weir_fuse fuse;

    weir_fuse_init(&fuse, -ENOMEM);
    while (weir_fuse_next(&fuse)) {
        int i = 0;

        while (i < POINTS && !weir_fuse_blow(&fuse))
            i++;
        CHECK(i == furthest);
        furthest++;
    }
    CHECK_EQ(furthest, POINTS + 1);
}

WEIR_TEST(kit_fuse, points_that_only_come_after_a_failure_fail_as_well)
{
    size_t runs = 0;
    weir_fuse fuse;

    weir_fuse_init(&fuse, -EIO);
    while (weir_fuse_next(&fuse)) {
        runs++;
        if (weir_fuse_blow(&fuse))
            CHECK_EQ(weir_fuse_blow(&fuse), 0); /* Cleaning up. */
    }
    CHECK_EQ(runs, 2);
}

WEIR_TEST(kit_fuse, without_points_there_is_one_run)
{
    size_t runs = 0;
    weir_fuse fuse;

    weir_fuse_init(&fuse, -EIO);
    while (weir_fuse_next(&fuse))
        runs++;
    CHECK_EQ(runs, 1);
    CHECK_EQ(weir_fuse_points(&fuse), 0);
}

WEIR_TEST(kit_fuse, nothing_fails_without_a_fuse_or_before_its_first_run)
{
    weir_fuse fuse;

    CHECK_EQ(weir_fuse_blow(NULL), 0);
    weir_fuse_init(&fuse, -EIO);
    for (int i = 0; i < POINTS; i++)
        CHECK_EQ(weir_fuse_blow(&fuse), 0);
    CHECK(!weir_fuse_is_blown(&fuse));
}

WEIR_ABORT_TEST(kit_fuse, a_scenario_that_does_not_end_is_told)
{
    weir_fuse fuse;

    weir_fuse_init(&fuse, -EIO);
    CHECK(weir_fuse_next(&fuse));
    for (;;)
        (void)weir_fuse_blow(&fuse);
}

WEIR_ABORT_TEST(kit_fuse, success_is_no_failure)
{
    weir_fuse fuse;

    weir_fuse_init(&fuse, 0);
}
