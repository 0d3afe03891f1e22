/* SPDX-License-Identifier: MIT */
/* The driver of the test kit: it runs to the end, stops where it should, and finds what is left. */
#include <errno.h>
#include <string.h>

#include <weir/event.h>
#include <weir/sleep.h>
#include <weir/test/kit.h>

#include "test.h"

/* A task that yields, with a child frame in between. */
struct walker {
    weir_task task;
    int steps; /* In. */
    int taken; /* Out. */
    int error; /* Out. */
};

static weir_task *child_resume(weir_task *task)
{
    WEIR_BEGIN(task);
    WEIR_YIELD(task);
    WEIR_RETURN(task, weir_result_of(weir_task_stop_error(task), 0));
    WEIR_END(task);
}

static weir_task *call_child(weir_task *task)
{
    weir_task *child = weir_frame_new(task, sizeof *child, child_resume);

    return child ? weir_call(task, child) : weir_task_complete(task, -ENOMEM, 0);
}

static weir_task *walker_resume(weir_task *task)
{
    struct walker *self = WEIR_TASK_SELF(task, struct walker);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->taken < self->steps) {
        WEIR_AWAIT(task, r, call_child(task));
        if (r.error)
            WEIR_RETURN(task, r);
        self->taken++;
    }
    WEIR_RETURN(task, weir_result_of(0, (size_t)self->taken));
    WEIR_END(task);
}

static void walker_init(struct walker *walker, int steps)
{
    memset(walker, 0, sizeof *walker);
    walker->steps = steps;
    weir_task_init(&walker->task, walker_resume);
}

WEIR_TEST(kit_run, it_gives_what_the_task_returned)
{
    struct walker walker;
    weir_result r;

    walker_init(&walker, 3);
    r = weir_test_run(&walker.task);
    CHECK_EQ(r.error, 0);
    CHECK_EQ(r.count, 3);
}

WEIR_TEST(kit_run, each_frame_is_asked_for_and_given_back)
{
    weir_counting_memory memory;
    struct walker walker;

    weir_counting_memory_init(&memory, NULL);
    walker_init(&walker, 3);
    CHECK_EQ(weir_test_run_with(&memory.memory, &walker.task).error, 0);
    CHECK_EQ(memory.total_count, 3);
    weir_counting_memory_fini(&memory);
}

WEIR_TEST(kit_run, each_frame_fails_in_its_turn)
{
    weir_fuse_memory memory;
    struct walker walker;
    weir_fuse fuse;
    weir_result r;

    weir_fuse_init(&fuse, -ENOMEM);
    while (weir_fuse_next(&fuse)) {
        weir_fuse_memory_init(&memory, &fuse, NULL);
        walker_init(&walker, 3);
        r = weir_test_run_with(&memory.memory, &walker.task);
        CHECK_EQ(r.error, weir_fuse_is_blown(&fuse) ? -ENOMEM : 0);
    }
    CHECK_EQ(weir_fuse_points(&fuse), 3);
}

WEIR_TEST(kit_run, a_stop_comes_at_each_step)
{
    bool is_stopped_after[4] = {false};
    struct walker walker;
    weir_result r = {1, 0};
    bool is_over = false;

    for (size_t step = 0; !is_over; step++) {
        CHECK(step < 20);
        walker_init(&walker, 3);
        is_over = !weir_test_run_stopped(&walker.task, step, WEIR_STOP_REQUESTED, &r);
        CHECK_EQ(r.error, is_over ? 0 : WEIR_CANCELLED);
        is_stopped_after[walker.taken] = true;
    }
    for (int i = 0; i < 4; i++)
        CHECK(is_stopped_after[i]);
}

/* Sleeping, waiting, leaving things behind. */

struct culprit {
    weir_task task;
    weir_task *(*start)(struct culprit *self); /* In. */
    weir_event event;
    weir_task *frame;
};

static weir_task *culprit_resume(weir_task *task)
{
    struct culprit *self = WEIR_TASK_SELF(task, struct culprit);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, self->start(self));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void culprit_init(struct culprit *culprit, weir_task *(*start)(struct culprit *self))
{
    memset(culprit, 0, sizeof *culprit);
    culprit->start = start;
    weir_event_init(&culprit->event);
    weir_task_init(&culprit->task, culprit_resume);
}

static weir_task *sleep_long(struct culprit *self)
{
    return weir_sleep_for(&self->task, INT64_C(3600) * 1000000000);
}

static weir_task *wait_for_ever(struct culprit *self)
{
    return weir_event_wait(&self->task, &self->event);
}

static weir_task *leak_a_frame(struct culprit *self)
{
    self->frame = weir_frame_new(&self->task, sizeof(weir_task), child_resume);
    return weir_task_complete(&self->task, 0, 0);
}

WEIR_TEST(kit_run, time_jumps)
{
    struct culprit culprit;

    culprit_init(&culprit, sleep_long);
    CHECK_EQ(weir_test_run(&culprit.task).error, 0);
}

WEIR_TEST(kit_run, a_wait_that_a_stop_ends_is_over)
{
    struct culprit culprit;
    weir_result r;

    culprit_init(&culprit, wait_for_ever);
    CHECK(weir_test_run_stopped(&culprit.task, 1, WEIR_STOP_REQUESTED, &r));
    CHECK_EQ(r.error, WEIR_CANCELLED);
}

WEIR_ABORT_TEST(kit_run, a_task_that_cannot_end_is_told)
{
    struct culprit culprit;

    culprit_init(&culprit, wait_for_ever);
    (void)weir_test_run(&culprit.task);
}

WEIR_ABORT_TEST(kit_run, a_frame_that_does_not_come_home_is_told)
{
    struct culprit culprit;

    culprit_init(&culprit, leak_a_frame);
    (void)weir_test_run(&culprit.task);
}

/* The check by itself. */

WEIR_TEST(kit_run, an_executor_is_idle_before_and_after_a_tree)
{
    struct culprit culprit;
    weir_manual manual;
    weir_root root;

    weir_manual_init(&manual, NULL);
    CHECK(weir_test_is_idle(&manual));
    culprit_init(&culprit, wait_for_ever);
    weir_run_async(weir_manual_executor(&manual), &root, &culprit.task, NULL, NULL);
    CHECK(!weir_test_is_idle(&manual)); /* It is ready. */
    while (weir_manual_poll(&manual))
        ;
    CHECK(!weir_test_is_idle(&manual)); /* It lives. */
    weir_event_set(&culprit.event);
    while (weir_manual_poll(&manual))
        ;
    weir_test_check_idle(&manual);
    weir_manual_fini(&manual);
}

WEIR_ABORT_TEST(kit_run, a_tree_that_lives_is_told)
{
    struct culprit culprit;
    weir_manual manual;
    weir_root root;

    weir_manual_init(&manual, NULL);
    culprit_init(&culprit, wait_for_ever);
    weir_run_async(weir_manual_executor(&manual), &root, &culprit.task, NULL, NULL);
    while (weir_manual_poll(&manual))
        ;
    weir_test_check_idle(&manual);
}
