/* SPDX-License-Identifier: MIT */
/* Frames that go back to another allocator than the one they came from. */
#include <weir/frame.h>
#include <weir/manual.h>
#include <weir/scope.h>
#include <weir/subtree.h>

#include "test.h"

struct outside;

/* Allocate a frame outside, and end it inside. */
struct deed {
    weir_task *(*allocate)(struct outside *outside);
    weir_task *(*end)(weir_task *task, struct outside *outside);
};

/* Root of a subtree, which may have frames of its own. */
struct inside {
    weir_task task;
    struct outside *outside; /* In. */
    weir_scope scope;
};

struct outside {
    weir_task task;
    const struct deed *deed;      /* In. */
    weir_frame_allocator *frames; /* In: those of the subtree. */
    weir_scope scope;
    weir_task *frame;
    struct inside inside;
    weir_subtree subtree;
};

static weir_task *nothing_resume(weir_task *task)
{
    WEIR_RETURN(task, weir_result_of(0, 0));
}

/* Deeds. */

static weir_task *new_frame(struct outside *outside)
{
    return weir_frame_new(&outside->task, sizeof(weir_task), nothing_resume);
}

static weir_task *call_frame(weir_task *task, struct outside *outside)
{
    return weir_call(task, outside->frame);
}

static weir_task *discard_frame(weir_task *task, struct outside *outside)
{
    weir_frame_discard(task, outside->frame);
    return weir_task_complete(task, 0, 0);
}

static weir_task *new_child(struct outside *outside)
{
    return weir_scope_new(&outside->scope, sizeof(weir_task), nothing_resume);
}

static weir_task *start_child(weir_task *task, struct outside *outside)
{
    weir_scope_start(&outside->inside.scope, outside->frame);
    return weir_scope_join(task, &outside->inside.scope);
}

static weir_task *discard_child(weir_task *task, struct outside *outside)
{
    weir_scope_discard(&outside->inside.scope, outside->frame);
    return weir_task_complete(task, 0, 0);
}

static const struct deed calling_child = {new_child, call_frame};
static const struct deed calling = {new_frame, call_frame};
static const struct deed discarding = {new_frame, discard_frame};
static const struct deed starting = {new_child, start_child};
static const struct deed discarding_child = {new_child, discard_child};

/* The tree. */

static weir_task *inside_resume(weir_task *task)
{
    struct inside *self = WEIR_TASK_SELF(task, struct inside);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->scope, task);
    WEIR_AWAIT(task, r, self->outside->deed->end(task, self->outside));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static weir_task *outside_resume(weir_task *task)
{
    struct outside *self = WEIR_TASK_SELF(task, struct outside);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->scope, task);
    self->frame = self->deed->allocate(self);
    weir_task_init(&self->inside.task, inside_resume);
    self->inside.outside = self;
    WEIR_AWAIT(task, r,
               weir_call_with_frames(task, &self->subtree, &self->inside.task, self->frames));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void run(weir_manual *manual, const struct deed *deed, weir_frame_allocator *frames)
{
    struct outside outside = {.deed = deed, .frames = frames};

    weir_task_init(&outside.task, outside_resume);
    CHECK_EQ(weir_manual_run(manual, &outside.task).error, 0);
}

/* Neither allocator is ended: that would find the frame missing, too. */
static void run_with_other_frames(const struct deed *deed)
{
    weir_manual manual;
    weir_frame_allocator frames;

    weir_manual_init(&manual, NULL);
    weir_frame_allocator_init(&frames, NULL, WEIR_FRAME_RETAINED_MAX);
    run(&manual, deed, &frames);
}

WEIR_TEST(misuse_frame, one_from_outside_is_no_misuse_if_the_allocator_is_the_same)
{
    static const struct deed *const deeds[] = {&calling, &discarding, &starting, &discarding_child};
    weir_manual manual;

    weir_manual_init(&manual, NULL);
    for (size_t i = 0; i < sizeof deeds / sizeof deeds[0]; i++)
        run(&manual, deeds[i], &weir_manual_context(&manual)->frames);
    weir_manual_fini(&manual);
}

WEIR_ABORT_TEST(misuse_frame, one_from_outside_is_called_where_frames_are_others)
{
    run_with_other_frames(&calling);
}

WEIR_ABORT_TEST(misuse_frame, one_from_outside_is_discarded_where_frames_are_others)
{
    run_with_other_frames(&discarding);
}

WEIR_ABORT_TEST(misuse_frame, a_child_from_outside_is_started_where_frames_are_others)
{
    run_with_other_frames(&starting);
}

WEIR_ABORT_TEST(misuse_frame, a_child_from_outside_is_discarded_where_frames_are_others)
{
    run_with_other_frames(&discarding_child);
}

/* It has the record of a scope before it, and nobody to free it. */
WEIR_ABORT_TEST(misuse_frame, a_child_of_a_scope_is_called)
{
    weir_manual manual;

    weir_manual_init(&manual, NULL);
    run(&manual, &calling_child, &weir_manual_context(&manual)->frames);
}
