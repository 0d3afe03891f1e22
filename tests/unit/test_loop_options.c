/* SPDX-License-Identifier: MIT */
/* Making loops: their options, and the choice of their backend. */
#include <errno.h>
#include <stdlib.h>

#include <weir/loop.h>

#include "fake_backend.h"
#include "test.h"

static unsigned queue_depth_for(unsigned wanted)
{
    weir_loop_options options = fake_loop_options();
    unsigned depth;
    weir_loop *loop;

    options.queue_depth = wanted;
    loop = fake_loop_new(&options);
    depth = fake_backend_counts(fake_backend_of(loop)).queue_depth;
    weir_loop_free(loop);
    return depth;
}

WEIR_TEST(loop, the_backend_is_told_a_queue_depth_that_is_a_power_of_two)
{
    CHECK_EQ(queue_depth_for(0), 1024);
    CHECK_EQ(queue_depth_for(1), 1);
    CHECK_EQ(queue_depth_for(100), 128);
    CHECK_EQ(queue_depth_for(4096), 4096);
}

static int try_new(const char *backend)
{
    weir_loop_options options = {.backend = backend};
    weir_loop *const untouched = (weir_loop *)&options;
    weir_loop *loop = untouched;
    int error = weir_loop_new(&options, &loop);

    if (error)
        CHECK(loop == untouched);
    else
        weir_loop_free(loop);
    return error;
}

WEIR_TEST(loop, a_backend_that_nobody_knows_is_invalid)
{
    CHECK_EQ(try_new("abacus"), -EINVAL);
    CHECK_EQ(weir_backend_probe("abacus"), -EINVAL);
}

WEIR_TEST(loop, a_backend_that_does_not_open_is_its_error)
{
    fake_backend_fail_open(-EPERM);

    CHECK_EQ(try_new("fake"), -EPERM);
    CHECK_EQ(try_new(NULL), -EPERM);
    CHECK_EQ(weir_backend_probe("fake"), -EPERM);
}

WEIR_TEST(loop, the_environment_names_the_backend_unless_the_options_do)
{
    CHECK_EQ(setenv("WEIR_BACKEND", "abacus", 1), 0);
    CHECK_EQ(try_new(NULL), -EINVAL);
    CHECK_EQ(try_new("fake"), 0);

    CHECK_EQ(setenv("WEIR_BACKEND", "", 1), 0);
    CHECK_EQ(try_new(NULL), 0);
}

WEIR_TEST(loop, the_backends_are_listed_in_order_of_preference)
{
    CHECK_STR_EQ(weir_backend_name_at(0), "fake");
    CHECK(weir_backend_name_at(1) == NULL);
    CHECK(weir_backend_name_at(100) == NULL);
    CHECK_EQ(weir_backend_probe("fake"), 0);
}

WEIR_TEST(loop, a_loop_knows_the_name_of_its_backend)
{
    weir_loop *loop = fake_loop_new(NULL);

    CHECK_STR_EQ(weir_loop_backend_name(loop), "fake");
    weir_loop_free(loop);
}

WEIR_TEST(loop, the_backend_is_started_once_however_often_the_loop_runs)
{
    weir_loop *loop = fake_loop_new(NULL);

    CHECK_EQ(fake_backend_counts(fake_backend_of(loop)).starts, 0);
    weir_loop_run(loop);
    weir_loop_run(loop);

    CHECK_EQ(fake_backend_counts(fake_backend_of(loop)).starts, 1);
    weir_loop_free(loop);
}

WEIR_TEST(loop, no_loop_is_freed_as_free_does)
{
    weir_loop_free(NULL);
}
