/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_FUSE_H
#define WEIR_TEST_FUSE_H

/*
 * The fuse: fails the first operation, then the second, ... until a run meets none that is left.
 *
 *      weir_fuse_init --> weir_fuse_next --true--> run the scenario
 *                               |  ^                      |
 *                             false '---------------------'
 *                               v
 *                              over
 *
 * Whatever can fail is a point: before it does anything it asks weir_fuse_blow(), and fails if that
 * gives an error. Scripted streams and weir_fuse_memory ask; a tool of your own may, too. In the
 * n-th run the n-th point fails and no other, so what a scenario does after a failure is tried as
 * well. The last run is the one in which nothing failed.
 *
 * A scenario does the same in each run up to the point that fails: it begins with the same state.
 *
 * Source: core/test/fuse.c. Tests: tests/stage_one/test_kit_fuse.c.
 */

#include <stdbool.h>
#include <stddef.h>

#include <weir/export.h>

WEIR_C_BEGIN

/** More points than this in a run are a scenario that does not end. */
enum { WEIR_FUSE_POINTS_MAX = 10000 };

/** Caller's memory. Fields are private. */
typedef struct weir_fuse {
    int error;     /* What the point fails with. */
    size_t target; /* The point that fails in this run, from 1; 0: no run has begun. */
    size_t points; /* Met in this run. */
} weir_fuse;

/** @error  what each point fails with: a negative errno or a weir code */
WEIR_PUBLIC void weir_fuse_init(weir_fuse *fuse, int error);

/**
 * Begin the next run. Returns false when there is none: the run before met no failure.
 *
 * A scenario without points has one run. See weir_fuse_points, to know that yours has some.
 */
WEIR_PUBLIC bool weir_fuse_next(weir_fuse *fuse);

/** A point: 0, or the error to fail with. Without a fuse, or before its first run, 0. */
WEIR_PUBLIC int weir_fuse_blow(weir_fuse *fuse);

/** Whether a point has failed in this run. */
static inline bool weir_fuse_is_blown(const weir_fuse *fuse)
{
    return fuse->target > 0 && fuse->points >= fuse->target;
}

/** How many points this run has met; after the last run: how many the scenario has. */
static inline size_t weir_fuse_points(const weir_fuse *fuse)
{
    return fuse->points;
}

WEIR_C_END

#endif
