/* SPDX-License-Identifier: MIT */
/* Misuse of combinators ends the process, in release builds too. */
#include <weir/group.h>
#include <weir/loop.h>

#include <weir/frame.h>
#include <weir/run.h>

#include "test.h"

struct idler {
    weir_task task;
};

static weir_task *idler_resume(weir_task *task)
{
    WEIR_BEGIN(task);
    WEIR_YIELD(task);
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

/* A task that awaits something wrong, up to twice. */
struct culprit {
    weir_task task;
    weir_task *(*start)(struct culprit *self); /* In. */
    weir_task *(*again)(struct culprit *self); /* In, or NULL. */
    weir_group group;
    struct idler children[2];
    struct culprit *parent; /* In, or NULL. */
    struct culprit *child;  /* In, or NULL. */
};

static weir_task *culprit_resume(weir_task *task)
{
    struct culprit *self = WEIR_TASK_SELF(task, struct culprit);
    weir_result r;

    WEIR_BEGIN(task);
    weir_task_init(&self->children[0].task, idler_resume);
    weir_task_init(&self->children[1].task, idler_resume);
    WEIR_AWAIT(task, r, self->start(self));
    if (self->again)
        WEIR_AWAIT(task, r, self->again(self));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void run_culprit(struct culprit *culprit)
{
    weir_loop *loop;

    CHECK_EQ(weir_loop_new(NULL, &loop), 0);
    weir_task_init(&culprit->task, culprit_resume);
    (void)weir_run(loop, &culprit->task);
    weir_loop_free(loop);
}

static void await_twice(weir_task *(*start)(struct culprit *),
                        weir_task *(*again)(struct culprit *))
{
    struct culprit culprit = {.start = start, .again = again};

    run_culprit(&culprit);
}

static weir_task *await_both(struct culprit *self)
{
    return weir_when_all_2(&self->task, &self->group, &self->children[0].task,
                           &self->children[1].task);
}

/* The frame of these tests is not at fault. */
WEIR_TEST(misuse_group, a_culprit_that_does_nothing_wrong_lives)
{
    await_twice(await_both, NULL);
}

WEIR_ABORT_TEST(misuse_group, a_child_is_started_again_after_its_end)
{
    await_twice(await_both, await_both);
}

static weir_task *await_one_twice(struct culprit *self)
{
    return weir_when_all_2(&self->task, &self->group, &self->children[0].task,
                           &self->children[0].task);
}

WEIR_ABORT_TEST(misuse_group, a_child_stands_in_a_group_twice)
{
    await_twice(await_one_twice, NULL);
}

static weir_task *await_oneself(struct culprit *self)
{
    return weir_when_any_2(&self->task, &self->group, WEIR_FIRST_TO_SUCCEED,
                           &self->children[0].task, &self->task);
}

WEIR_ABORT_TEST(misuse_group, a_task_awaits_itself)
{
    await_twice(await_oneself, NULL);
}

static weir_task *await_an_allocated_frame(struct culprit *self)
{
    return weir_when_all_2(&self->task, &self->group, &self->children[0].task,
                           weir_frame_new(&self->task, sizeof(struct idler), idler_resume));
}

WEIR_ABORT_TEST(misuse_group, a_group_is_given_an_allocated_frame)
{
    await_twice(await_an_allocated_frame, NULL);
}

/* A child that awaits in the group it is a child of. */
static weir_task *await_in_the_group_of_the_parent(struct culprit *self)
{
    return weir_when_all_2(&self->task, &self->parent->group, &self->children[0].task,
                           &self->children[1].task);
}

static weir_task *await_with_a_child_that_does_too(struct culprit *self)
{
    return weir_when_all_2(&self->task, &self->group, &self->children[0].task, &self->child->task);
}

WEIR_ABORT_TEST(misuse_group, a_group_is_in_use_twice)
{
    struct culprit child = {.start = await_in_the_group_of_the_parent};
    struct culprit parent = {.start = await_with_a_child_that_does_too, .child = &child};

    child.parent = &parent;
    weir_task_init(&child.task, culprit_resume);
    run_culprit(&parent);
}

static weir_task *race_nobody(struct culprit *self)
{
    return weir_when_any(&self->task, &self->group, WEIR_FIRST_TO_COMPLETE, NULL, 0);
}

WEIR_ABORT_TEST(misuse_group, nobody_races)
{
    await_twice(race_nobody, NULL);
}

static weir_task *race_by_no_policy(struct culprit *self)
{
    return weir_when_any_2(&self->task, &self->group, (enum weir_any_policy)2,
                           &self->children[0].task, &self->children[1].task);
}

WEIR_ABORT_TEST(misuse_group, a_race_has_no_policy)
{
    await_twice(race_by_no_policy, NULL);
}
