/* SPDX-License-Identifier: MIT */
/* The fuse: two counters, the point that fails and the points that were met. */
#include <weir/test/fuse.h>

#include <weir/assert.h>
#include <weir/test/fail.h>

void weir_fuse_init(weir_fuse *fuse, int error)
{
    WEIR_ASSERT(error != 0, "a fuse fails with an error");

    fuse->error = error;
    fuse->target = 0;
    fuse->points = 0;
}

bool weir_fuse_next(weir_fuse *fuse)
{
    if (fuse->target > 0 && !weir_fuse_is_blown(fuse))
        return false;
    fuse->target++;
    fuse->points = 0;
    return true;
}

int weir_fuse_blow(weir_fuse *fuse)
{
    if (!fuse || fuse->target == 0)
        return 0;
    fuse->points++;
    if (fuse->points > WEIR_FUSE_POINTS_MAX)
        weir_test_fail("run %zu of a fuse met %d points: the scenario does not end", fuse->target,
                       (int)WEIR_FUSE_POINTS_MAX);
    return fuse->points == fuse->target ? fuse->error : 0;
}
