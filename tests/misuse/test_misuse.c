/* SPDX-License-Identifier: MIT */

/*
 * What only a bug in the caller can do ends the process, in release builds too.
 *
 * Public headers only. What belongs to one module (list, wheel, frame sizes, stop bits, services)
 * stands with the tests of that module.
 */
#include <weir/frame.h>
#include <weir/list.h>
#include <weir/loop.h>
#include <weir/run.h>
#include <weir/scope.h>
#include <weir/stop.h>

#include <limits.h>
#include <pthread.h>

#include "test.h"

/* A child that yields a few times. */
struct idler {
    weir_task task;
    int turns; /* In. */
};

static weir_task *idler_resume(weir_task *task)
{
    struct idler *self = WEIR_TASK_SELF(task, struct idler);

    WEIR_BEGIN(task);
    while (self->turns-- > 0)
        WEIR_YIELD(task);
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static void idler_init(struct idler *idler, int turns)
{
    weir_task_init(&idler->task, idler_resume);
    idler->turns = turns;
}

/* A wait that never completes by itself. */

static void stop_nothing(weir_wait *wait, weir_task *task, unsigned bits)
{
    (void)wait;
    (void)task;
    (void)bits;
}

static const struct weir_wait_ops endless_ops = {
    .name = "for ever",
    .stop = stop_nothing,
    .dump = weir_wait_dump_nothing,
};

/* A task that does something wrong: when it runs, or by what it awaits, up to twice. */
struct culprit {
    weir_task task;
    weir_loop_options options; /* In. */
    weir_loop *loop;
    void (*act)(struct culprit *self);         /* In, or NULL. */
    weir_task *(*start)(struct culprit *self); /* In, or NULL. */
    weir_task *(*again)(struct culprit *self); /* In, or NULL. */
    struct idler child;
    weir_scope scope;
    weir_scope_child records[2];
    weir_root roots[2];
    weir_stop_source source;
    weir_wait wait;
    unsigned long long choice;
    weir_result got;
};

static weir_task *culprit_resume(weir_task *task)
{
    struct culprit *self = WEIR_TASK_SELF(task, struct culprit);
    weir_result r;

    WEIR_BEGIN(task);
    idler_init(&self->child, 5);
    weir_scope_init(&self->scope, task);
    if (self->act)
        self->act(self);
    if (self->start) {
        WEIR_AWAIT(task, r, self->start(self));
        self->got = r;
    }
    if (self->again) {
        WEIR_AWAIT(task, r, self->again(self));
        self->got = r;
    }
    WEIR_RETURN(task, self->got);
    WEIR_END(task);
}

static void run_culprit(struct culprit *culprit)
{
    CHECK_EQ(weir_loop_new(&culprit->options, &culprit->loop), 0);
    if (!culprit->task.resume)
        weir_task_init(&culprit->task, culprit_resume);
    (void)weir_run(culprit->loop, &culprit->task);
    weir_loop_free(culprit->loop);
}

static void act(void (*function)(struct culprit *))
{
    struct culprit culprit = {.act = function};

    run_culprit(&culprit);
}

static void await_twice(weir_task *(*start)(struct culprit *),
                        weir_task *(*again)(struct culprit *))
{
    struct culprit culprit = {.start = start, .again = again};

    run_culprit(&culprit);
}

static weir_task *call_child(struct culprit *self)
{
    return weir_call(&self->task, &self->child.task);
}

/* The frame of these tests is not at fault. */
WEIR_TEST(misuse, a_culprit_that_does_nothing_wrong_lives)
{
    await_twice(call_child, NULL);
}

/* Starting. */

WEIR_ABORT_TEST(misuse, a_task_is_called_twice)
{
    await_twice(call_child, call_child);
}

static void start_child(struct culprit *self)
{
    weir_scope_start_embedded(&self->scope, &self->records[0], &self->child.task);
}

static void start_child_twice(struct culprit *self)
{
    start_child(self);
    weir_scope_start_embedded(&self->scope, &self->records[1], &self->child.task);
}

WEIR_ABORT_TEST(misuse, a_task_is_started_twice_in_a_scope)
{
    act(start_child_twice);
}

static weir_task *start_then_call(struct culprit *self)
{
    start_child(self);
    return call_child(self);
}

WEIR_ABORT_TEST(misuse, a_task_of_a_scope_is_called)
{
    await_twice(start_then_call, NULL);
}

static void launch(struct culprit *self, weir_root *root, weir_task *main)
{
    weir_run_async(weir_loop_executor(self->loop), root, main, NULL, NULL);
}

static void launch_twice(struct culprit *self)
{
    launch(self, &self->roots[0], &self->child.task);
    launch(self, &self->roots[1], &self->child.task);
}

static weir_task *join(struct culprit *self)
{
    return weir_scope_join(&self->task, &self->scope);
}

WEIR_ABORT_TEST(misuse, a_task_is_launched_twice)
{
    struct culprit culprit = {.act = launch_twice, .start = call_child};

    run_culprit(&culprit);
}

static void launch_oneself(struct culprit *self)
{
    launch(self, &self->roots[0], &self->task);
}

WEIR_ABORT_TEST(misuse, a_task_that_runs_is_launched)
{
    act(launch_oneself);
}

static void launch_an_allocated_frame(struct culprit *self)
{
    launch(self, &self->roots[0], weir_frame_new(&self->task, sizeof(struct idler), idler_resume));
}

WEIR_ABORT_TEST(misuse, a_root_is_given_an_allocated_frame)
{
    act(launch_an_allocated_frame);
}

/* Frames. */

static void discard_a_started_frame(struct culprit *self)
{
    weir_task *child = weir_frame_new(&self->task, sizeof(struct idler), idler_resume);

    CHECK(weir_call(&self->task, child) == child);
    weir_frame_discard(&self->task, child);
}

WEIR_ABORT_TEST(misuse, a_frame_is_discarded_after_its_start)
{
    act(discard_a_started_frame);
}

static void discard_an_embedded_frame(struct culprit *self)
{
    weir_frame_discard(&self->task, &self->child.task);
}

WEIR_ABORT_TEST(misuse, an_embedded_frame_is_discarded)
{
    act(discard_an_embedded_frame);
}

static void discard_a_started_child(struct culprit *self)
{
    struct idler *child = weir_scope_new(&self->scope, sizeof *child, idler_resume);

    child->turns = 0;
    weir_scope_start(&self->scope, &child->task);
    weir_scope_discard(&self->scope, &child->task);
}

WEIR_ABORT_TEST(misuse, a_child_of_a_scope_is_discarded_after_its_start)
{
    act(discard_a_started_child);
}

static void start_a_frame_for_a_call(struct culprit *self)
{
    weir_scope_start(&self->scope, weir_frame_new(&self->task, sizeof(struct idler), idler_resume));
}

WEIR_ABORT_TEST(misuse, a_scope_is_given_a_frame_for_a_call)
{
    act(start_a_frame_for_a_call);
}

/* Lost: the loop that ends finds a frame out. */
static void lose_a_frame(struct culprit *self)
{
    (void)weir_frame_new(&self->task, sizeof(struct idler), idler_resume);
}

WEIR_ABORT_TEST(misuse, a_frame_is_neither_called_nor_discarded)
{
    act(lose_a_frame);
}

/* Shields. */

static void begin_shield(struct culprit *self)
{
    weir_shield_begin(&self->task);
}

WEIR_ABORT_TEST(misuse, a_shield_is_left_open_at_return)
{
    act(begin_shield);
}

static void nest_shields(struct culprit *self)
{
    weir_shield_begin(&self->task);
    weir_shield_begin(&self->task);
}

WEIR_ABORT_TEST(misuse, shields_are_nested_in_one_task)
{
    act(nest_shields);
}

static void end_shield(struct culprit *self)
{
    weir_shield_end(&self->task);
}

WEIR_ABORT_TEST(misuse, a_shield_ends_that_never_began)
{
    act(end_shield);
}

/* Scopes. */

static void end_scope_with_a_child(struct culprit *self)
{
    start_child(self);
    weir_scope_fini(&self->scope);
}

WEIR_ABORT_TEST(misuse, a_scope_ends_before_its_children)
{
    act(end_scope_with_a_child);
}

/* A child that joins the scope it lives in, as its owner does. */
struct joiner {
    weir_task task;
    weir_scope *scope;
};

static weir_task *joiner_resume(weir_task *task)
{
    struct joiner *self = WEIR_TASK_SELF(task, struct joiner);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_scope_join(task, self->scope));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void start_a_joiner(struct culprit *self)
{
    struct joiner *joiner = weir_scope_new(&self->scope, sizeof *joiner, joiner_resume);

    joiner->scope = &self->scope;
    weir_scope_start(&self->scope, &joiner->task);
}

WEIR_ABORT_TEST(misuse, a_scope_is_joined_twice_at_once)
{
    struct culprit culprit = {.act = start_a_joiner, .start = join};

    run_culprit(&culprit);
}

/* Waits. */

static weir_task *wait_for_ever(struct culprit *self)
{
    self->wait.ops = &endless_ops;
    return weir_task_suspend(&self->task, &self->wait);
}

static weir_task *complete_twice(struct culprit *self)
{
    weir_task *next = wait_for_ever(self);

    weir_task_wake(&self->task, 0, 0);
    weir_task_wake(&self->task, 0, 0);
    return next;
}

WEIR_ABORT_TEST(misuse, a_wait_is_completed_twice)
{
    await_twice(complete_twice, NULL);
}

/* Resume points. */

/* The inner switch takes the label of the await, so the task resumes where there is none. */
static weir_task *nested_switch_resume(weir_task *task)
{
    struct culprit *self = WEIR_TASK_SELF(task, struct culprit);
    weir_result r;

    WEIR_BEGIN(task);
    idler_init(&self->child, 1);
    switch (self->choice) {
    case 0:
        WEIR_AWAIT(task, r, weir_call(task, &self->child.task));
        self->got = r;
        break;
    default:
        break;
    }
    WEIR_RETURN(task, self->got);
    WEIR_END(task);
}

WEIR_ABORT_TEST(misuse, an_await_stands_in_a_nested_switch)
{
    struct culprit culprit = {.choice = 0};

    weir_task_init(&culprit.task, nested_switch_resume);
    run_culprit(&culprit);
}

static void move_the_resume_point(struct culprit *self)
{
    self->child.task.line = 1;
}

WEIR_ABORT_TEST(misuse, a_task_is_resumed_where_it_did_not_suspend)
{
    struct culprit culprit = {.act = move_the_resume_point, .start = call_child};

    run_culprit(&culprit);
}

/* Stop sources. */

static weir_task *close_source(struct culprit *self)
{
    return weir_stop_source_close(&self->task, &self->source);
}

static void open_source(struct culprit *self)
{
    weir_stop_source_open(&self->source, &self->task);
}

WEIR_ABORT_TEST(misuse, a_stop_source_is_closed_twice)
{
    struct culprit culprit = {.act = open_source, .start = close_source, .again = close_source};

    run_culprit(&culprit);
}

/* Loops. */

static void run_the_loop(struct culprit *self)
{
    weir_loop_run(self->loop);
}

WEIR_ABORT_TEST(misuse, a_loop_is_run_by_one_of_its_tasks)
{
    act(run_the_loop);
}

static void *run_empty(void *loop)
{
    weir_loop_run(loop);
    return NULL;
}

WEIR_ABORT_TEST(misuse, a_loop_is_run_by_a_second_thread)
{
    weir_loop *loop;
    pthread_t thread;

    CHECK_EQ(weir_loop_new(NULL, &loop), 0);
    weir_loop_run(loop);
    CHECK_EQ(pthread_create(&thread, NULL, run_empty, loop), 0);
    pthread_join(thread, NULL);
}

static void free_the_loop(struct culprit *self)
{
    weir_loop_free(self->loop);
}

WEIR_ABORT_TEST(misuse, a_loop_is_freed_by_one_of_its_tasks)
{
    act(free_the_loop);
}

static weir_task *launch_and_yield(struct culprit *self)
{
    self->child.turns = INT_MAX;
    launch(self, &self->roots[0], &self->child.task);
    return weir_task_yield(&self->task);
}

WEIR_ABORT_TEST(misuse, a_loop_is_freed_while_a_tree_lives)
{
    await_twice(launch_and_yield, NULL);
}

static void launch_as_the_last_act(struct culprit *self)
{
    launch(self, &self->roots[0], &self->child.task);
}

WEIR_ABORT_TEST(misuse, a_loop_is_freed_before_a_tree_has_begun)
{
    struct culprit culprit = {.act = launch_as_the_last_act, .options.budget = 1};

    run_culprit(&culprit);
}

WEIR_ABORT_TEST(misuse, a_loop_is_freed_with_a_tree_in_its_inbox)
{
    struct culprit culprit = {0};

    CHECK_EQ(weir_loop_new(NULL, &culprit.loop), 0);
    idler_init(&culprit.child, 0);
    launch(&culprit, &culprit.roots[0], &culprit.child.task);
    weir_loop_free(culprit.loop);
}

static void forget_the_loop(struct culprit *self)
{
    weir_environment elsewhere = *self->task.environment;

    elsewhere.loop = NULL;
    self->child.task.environment = &elsewhere;
    (void)weir_task_loop(&self->child.task);
}

WEIR_ABORT_TEST(misuse, io_is_awaited_by_a_task_that_runs_on_no_loop)
{
    act(forget_the_loop);
}
