/* SPDX-License-Identifier: MIT */
/* Scopes: children beside their parent, their join, and what a stop does to them. */
#include <weir/scope.h>

#include <errno.h>
#include <stdlib.h>

#include <weir/run.h>
#include <weir/stop.h>

#include "fake_backend.h"
#include "gate.h"
#include "test.h"

enum { CHILDREN = 4 };

/* What the children of a test write. */
struct journal {
    int ids[4 * CHILDREN];
    int count;
};

static void journal_add(struct journal *journal, int id)
{
    journal->ids[journal->count++] = id;
}

/* A child: notes that it began, waits at its gate if it has one, notes its end. */
struct child {
    weir_task task;
    int id;                  /* In, as all below. */
    struct gate *gate;       /* NULL: return at once. */
    struct journal *journal; /* Gets id at the beginning and 10 + id at the end. */
    weir_result outcome;     /* What to return after a wait without an error. */
};

static weir_task *child_resume(weir_task *task)
{
    struct child *self = WEIR_TASK_SELF(task, struct child);
    weir_result r;

    WEIR_BEGIN(task);
    journal_add(self->journal, self->id);
    if (self->gate) {
        WEIR_AWAIT(task, r, gate_wait(task, self->gate));
        if (r.error)
            self->outcome = r;
    }
    journal_add(self->journal, 10 + self->id);
    WEIR_RETURN(task, self->outcome);
    WEIR_END(task);
}

/* The parent: starts children as set_up says, then acts, yields, acts again, and joins. */
struct parent {
    weir_task task;
    void (*set_up)(struct parent *self); /* In: start the children. */
    void (*act)(struct parent *self);    /* In: when they have run; may be NULL. */
    weir_scope scope;
    weir_scope_child records[CHILDREN];
    struct child children[CHILDREN];
    struct gate gates[CHILDREN];
    struct journal journal;
    weir_result joined;
    weir_result joined_again;
};

static weir_task *parent_resume(weir_task *task)
{
    struct parent *self = WEIR_TASK_SELF(task, struct parent);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->scope, task);
    self->set_up(self);
    WEIR_YIELD(task);
    if (self->act)
        self->act(self);
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
    self->joined = r;
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
    self->joined_again = r;
    weir_scope_fini(&self->scope);
    WEIR_RETURN(task, self->joined);
    WEIR_END(task);
}

static struct parent run_parent(void (*set_up)(struct parent *), void (*act)(struct parent *))
{
    struct parent parent = {.set_up = set_up, .act = act};

    weir_task_init(&parent.task, parent_resume);
    (void)fake_run(&parent.task);
    return parent;
}

/* Start embedded child i; it waits at gate i, or (not waiting) returns at once. */
static void start_child(struct parent *self, int i, bool waits)
{
    self->children[i].id = i;
    self->children[i].gate = waits ? &self->gates[i] : NULL;
    self->children[i].journal = &self->journal;
    weir_task_init(&self->children[i].task, child_resume);
    weir_scope_start_embedded(&self->scope, &self->records[i], &self->children[i].task);
}

static void start_four_that_return(struct parent *self)
{
    for (int i = 0; i < CHILDREN; i++)
        start_child(self, i, false);
}

static void start_four_that_wait(struct parent *self)
{
    for (int i = 0; i < CHILDREN; i++)
        start_child(self, i, true);
}

static void open_all(struct parent *self)
{
    for (int i = 0; i < CHILDREN; i++)
        gate_open(&self->gates[i], 0, 0);
}

static void open_all_backwards(struct parent *self)
{
    for (int i = CHILDREN - 1; i >= 0; i--)
        gate_open(&self->gates[i], 0, 0);
}

static void start_none(struct parent *self)
{
    (void)self;
}

/* Starting and joining. */

WEIR_TEST(scope, children_begin_in_the_order_they_were_started)
{
    struct parent parent = run_parent(start_four_that_wait, open_all);

    for (int i = 0; i < CHILDREN; i++)
        CHECK_EQ(parent.journal.ids[i], i);
}

WEIR_TEST(scope, children_end_in_the_order_their_waits_complete)
{
    struct parent parent = run_parent(start_four_that_wait, open_all_backwards);

    for (int i = 0; i < CHILDREN; i++)
        CHECK_EQ(parent.journal.ids[CHILDREN + i], 10 + CHILDREN - 1 - i);
}

static void check_nobody_began(struct parent *self)
{
    for (int i = 0; i < CHILDREN; i++)
        start_child(self, i, false);
    CHECK_EQ(self->journal.count, 0);
}

WEIR_TEST(scope, a_child_does_not_run_inside_its_start)
{
    struct parent parent = run_parent(check_nobody_began, NULL);

    CHECK_EQ(parent.journal.count, 2 * CHILDREN);
}

WEIR_TEST(scope, a_join_waits_for_every_child_and_counts_them)
{
    struct parent parent = run_parent(start_four_that_wait, open_all);

    CHECK_EQ(parent.joined.error, 0);
    CHECK_EQ(parent.joined.count, CHILDREN);
    CHECK_EQ(parent.journal.count, 2 * CHILDREN);
}

WEIR_TEST(scope, a_join_counts_children_that_ended_before_it)
{
    struct parent parent = run_parent(start_four_that_return, NULL);

    CHECK_EQ(parent.joined.count, CHILDREN);
}

WEIR_TEST(scope, a_join_of_an_empty_scope_completes_at_once_with_nothing)
{
    struct parent parent = run_parent(start_none, NULL);

    CHECK_EQ(parent.joined.error, 0);
    CHECK_EQ(parent.joined.count, 0);
}

WEIR_TEST(scope, a_second_join_counts_from_the_first)
{
    struct parent parent = run_parent(start_four_that_return, NULL);

    CHECK_EQ(parent.joined_again.error, 0);
    CHECK_EQ(parent.joined_again.count, 0);
}

static void fail_two_of_four(struct parent *self)
{
    gate_open(&self->gates[2], 0, 0);
    gate_open(&self->gates[3], -EPIPE, 0);
    gate_open(&self->gates[0], -EIO, 0);
    gate_open(&self->gates[1], 0, 0);
}

WEIR_TEST(scope, a_join_gives_the_first_error_and_waits_for_the_others)
{
    struct parent parent = run_parent(start_four_that_wait, fail_two_of_four);

    CHECK_EQ(parent.joined.error, -EPIPE);
    CHECK_EQ(parent.joined.count, CHILDREN);
}

static void count_the_living(struct parent *self)
{
    CHECK_EQ(weir_scope_live_count(&self->scope), CHILDREN);
    open_all(self);
    CHECK_EQ(weir_scope_live_count(&self->scope), CHILDREN);
}

WEIR_TEST(scope, a_child_lives_until_it_has_run_to_its_end)
{
    struct parent parent = run_parent(start_four_that_wait, count_the_living);

    CHECK_EQ(weir_scope_live_count(&parent.scope), 0);
}

/* A child whose end starts a sibling, while the parent already joins. */

struct grower {
    weir_task task;
    weir_scope *scope;
    int generations; /* In: how many are to follow. */
};

static weir_task *grower_resume(weir_task *task)
{
    struct grower *self = WEIR_TASK_SELF(task, struct grower);

    WEIR_BEGIN(task);
    if (self->generations > 0) {
        struct grower *next = weir_scope_new(self->scope, sizeof *next, grower_resume);
        next->scope = self->scope;
        next->generations = self->generations - 1;
        weir_scope_start(self->scope, &next->task);
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static void start_a_grower(struct parent *self)
{
    struct grower *grower = weir_scope_new(&self->scope, sizeof *grower, grower_resume);

    grower->scope = &self->scope;
    grower->generations = 1000;
    weir_scope_start(&self->scope, &grower->task);
}

WEIR_TEST(scope, a_join_also_waits_for_children_started_during_it)
{
    struct parent parent = run_parent(start_a_grower, NULL);

    CHECK_EQ(parent.joined.count, 1001);
}

/* Allocated children. */

static struct child *new_child(struct parent *self)
{
    struct child *child = weir_scope_new(&self->scope, sizeof *child, child_resume);

    if (child) {
        child->id = 0;
        child->gate = NULL;
        child->journal = &self->journal;
        child->outcome = weir_result_of(-EBADMSG, 0);
    }
    return child;
}

static void start_an_allocated_child(struct parent *self)
{
    struct child *child = new_child(self);

    CHECK_EQ(weir_frame_live_count(self->task.environment->frames), 1);
    weir_scope_start(&self->scope, &child->task);
}

static void check_frames_are_home(struct parent *self)
{
    CHECK_EQ(weir_frame_live_count(self->task.environment->frames), 0);
}

WEIR_TEST(scope, an_allocated_child_is_freed_when_it_is_done_and_its_error_is_not_lost)
{
    struct parent parent = run_parent(start_an_allocated_child, check_frames_are_home);

    CHECK_EQ(parent.joined.error, -EBADMSG);
    CHECK_EQ(parent.joined.count, 1);
}

static void discard_a_child(struct parent *self)
{
    weir_scope_discard(&self->scope, &new_child(self)->task);
    CHECK_EQ(weir_frame_live_count(self->task.environment->frames), 0);
}

WEIR_TEST(scope, a_child_that_was_not_started_can_be_given_back)
{
    struct parent parent = run_parent(discard_a_child, NULL);

    CHECK_EQ(parent.joined.count, 0);
}

static int frames_left;

static void *scarce_allocate(weir_memory *source, size_t size)
{
    (void)source;
    return frames_left-- > 0 ? malloc(size) : NULL;
}

static void scarce_release(weir_memory *source, void *memory, size_t size)
{
    (void)source;
    (void)size;
    free(memory);
}

static void start_until_exhausted(struct parent *self)
{
    struct child *child;

    while ((child = new_child(self)))
        weir_scope_start(&self->scope, &child->task);
    CHECK_EQ(weir_scope_live_count(&self->scope), 3);
}

WEIR_TEST(scope, exhaustion_is_null_and_the_children_before_it_go_on)
{
    weir_memory source = {scarce_allocate, scarce_release};
    weir_loop_options options = fake_loop_options();
    struct parent parent = {.set_up = start_until_exhausted};
    weir_loop *loop;

    frames_left = 3;
    options.frames = &source;
    loop = fake_loop_new(&options);
    weir_task_init(&parent.task, parent_resume);
    (void)weir_run(loop, &parent.task);
    weir_loop_free(loop);

    CHECK_EQ(parent.joined.count, 3);
}

/* Stopping. */

static void stop_the_scope(struct parent *self)
{
    weir_scope_stop(&self->scope, WEIR_STOP_REQUESTED);
}

WEIR_TEST(scope, a_stop_of_the_scope_reaches_every_child_in_order)
{
    struct parent parent = run_parent(start_four_that_wait, stop_the_scope);

    CHECK_EQ(parent.joined.error, WEIR_CANCELLED);
    for (int i = 0; i < CHILDREN; i++) {
        CHECK_EQ(parent.gates[i].stop_count, 1);
        CHECK_EQ(parent.journal.ids[CHILDREN + i], 10 + i);
    }
}

static void stop_the_scope_and_start_another(struct parent *self)
{
    weir_scope_stop(&self->scope, WEIR_STOP_REQUESTED);
    start_child(self, 3, false);
    CHECK_EQ(self->children[3].task.stop, 0);
}

static void start_three_that_wait(struct parent *self)
{
    for (int i = 0; i < 3; i++)
        start_child(self, i, true);
}

WEIR_TEST(scope, a_stop_of_the_scope_does_not_touch_children_started_after_it)
{
    struct parent parent = run_parent(start_three_that_wait, stop_the_scope_and_start_another);

    CHECK_EQ(parent.joined.count, CHILDREN);
}

static void stop_an_empty_scope(struct parent *self)
{
    weir_scope_stop(&self->scope, WEIR_STOP_HARD);
}

WEIR_TEST(scope, a_stop_of_an_empty_scope_does_nothing)
{
    struct parent parent = run_parent(start_none, stop_an_empty_scope);

    CHECK_EQ(parent.joined.error, 0);
}

static void stop_oneself(struct parent *self)
{
    weir_task_stop(&self->task, WEIR_STOP_REQUESTED);
    CHECK_EQ(self->gates[0].stop_count, 0);
}

WEIR_TEST(scope, a_stop_before_the_join_goes_to_the_children_when_the_join_begins)
{
    struct parent parent = run_parent(start_four_that_wait, stop_oneself);

    CHECK_EQ(parent.joined.error, WEIR_CANCELLED);
    CHECK_EQ(parent.joined.count, CHILDREN);
    for (int i = 0; i < CHILDREN; i++)
        CHECK_EQ(parent.gates[i].stop_count, 1);
}

static void stop_oneself_then_start_children(struct parent *self)
{
    weir_task_stop(&self->task, WEIR_STOP_REQUESTED);
    start_four_that_wait(self);
}

WEIR_TEST(scope, a_child_started_under_a_stopped_owner_is_stopped)
{
    struct parent parent = run_parent(stop_oneself_then_start_children, NULL);

    CHECK_EQ(parent.joined.error, WEIR_CANCELLED);
    for (int i = 0; i < CHILDREN; i++)
        CHECK_EQ(parent.gates[i].wait_count, 0);
}

/* Stops its parent's parent while that joins. */
struct saboteur {
    weir_task task;
    weir_task *victim; /* In. */
    unsigned bits;     /* In. */
};

static weir_task *saboteur_resume(weir_task *task)
{
    struct saboteur *self = WEIR_TASK_SELF(task, struct saboteur);

    WEIR_BEGIN(task);
    WEIR_YIELD(task);
    WEIR_YIELD(task);
    WEIR_YIELD(task);
    CHECK_EQ(self->victim->state, WEIR_TASK_WAITING);
    weir_task_stop(self->victim, self->bits);
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static void start_three_and_a_saboteur(struct parent *self)
{
    struct saboteur *saboteur = weir_scope_new(&self->scope, sizeof *saboteur, saboteur_resume);

    start_three_that_wait(self);
    saboteur->victim = &self->task;
    saboteur->bits = WEIR_STOP_REQUESTED;
    weir_scope_start(&self->scope, &saboteur->task);
}

WEIR_TEST(scope, a_stop_during_the_join_reaches_every_child)
{
    struct parent parent = run_parent(start_three_and_a_saboteur, NULL);

    CHECK_EQ(parent.joined.error, WEIR_CANCELLED);
    CHECK_EQ(parent.joined.count, 4);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(parent.gates[i].stop_count, 1);
}

/* A join by a task that is not the owner: a helper frame that ends the children. */

struct joiner {
    weir_task task;
    weir_scope *scope; /* In. */
};

static weir_task *joiner_resume(weir_task *task)
{
    struct joiner *self = WEIR_TASK_SELF(task, struct joiner);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_stop(self->scope, WEIR_STOP_REQUESTED);
    WEIR_AWAIT(task, r, weir_scope_join(task, self->scope));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

struct delegating_parent {
    struct parent parent;
    struct joiner joiner;
};

static weir_task *delegating_parent_resume(weir_task *task)
{
    struct delegating_parent *self = WEIR_TASK_SELF(task, struct delegating_parent);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->parent.scope, task);
    start_four_that_wait(&self->parent);
    WEIR_YIELD(task);
    weir_task_init(&self->joiner.task, joiner_resume);
    self->joiner.scope = &self->parent.scope;
    WEIR_AWAIT(task, r, weir_call(task, &self->joiner.task));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_TEST(scope, a_child_of_the_owner_may_join_for_it)
{
    struct delegating_parent delegating = {0};
    weir_result result;

    weir_task_init(&delegating.parent.task, delegating_parent_resume);
    result = fake_run(&delegating.parent.task);

    CHECK_EQ(result.error, WEIR_CANCELLED);
    CHECK_EQ(result.count, CHILDREN);
}

/* A parent that joins inside a shield. */

struct shielded_parent {
    struct parent parent;
    unsigned bits;     /* In: what the saboteur says. */
    size_t stops_seen; /* By the children, when the join had begun. */
};

static weir_task *shielded_parent_resume(weir_task *task)
{
    struct shielded_parent *self = WEIR_TASK_SELF(task, struct shielded_parent);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->parent.scope, task);
    start_four_that_wait(&self->parent);
    WEIR_YIELD(task);
    weir_shield_begin(task);
    weir_task_stop(task, self->bits);
    open_all(&self->parent);
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->parent.scope));
    weir_shield_end(task);
    self->parent.joined = r;
    for (int i = 0; i < CHILDREN; i++)
        self->stops_seen += self->parent.gates[i].stop_count;
    WEIR_RETURN(task, weir_result_of(weir_task_stop_error(task), 0));
    WEIR_END(task);
}

WEIR_TEST(scope, a_shielded_join_keeps_a_soft_stop_from_the_children)
{
    struct shielded_parent shielded = {.bits = WEIR_STOP_REQUESTED};

    weir_task_init(&shielded.parent.task, shielded_parent_resume);

    CHECK_EQ(fake_run(&shielded.parent.task).error, WEIR_CANCELLED);
    CHECK_EQ(shielded.parent.joined.error, 0);
    CHECK_EQ(shielded.stops_seen, 0);
}

/* Deadlines that have passed. A stop of the owner by itself stands for one. */

struct late {
    weir_task task;
    bool takes_back; /* In: before the join. */
    weir_scope scope;
    weir_scope_child records[2];
    struct child children[2];
    struct journal journal;
    struct gate gates[2];
};

static void late_start(struct late *self, int i)
{
    self->children[i] = (struct child){.id = i, .gate = &self->gates[i], .journal = &self->journal};
    weir_task_init(&self->children[i].task, child_resume);
    weir_scope_start_embedded(&self->scope, &self->records[i], &self->children[i].task);
}

static weir_task *late_resume(weir_task *task)
{
    struct late *self = WEIR_TASK_SELF(task, struct late);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->scope, task);
    weir_task_stop(task, WEIR_STOP_EXPIRED);
    late_start(self, 0);
    WEIR_YIELD(task);
    if (!self->takes_back) {
        WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
        WEIR_RETURN(task, r);
    }
    task->stop = 0; /* As disarming it does. */
    task->expired = 0;
    WEIR_YIELD(task);
    CHECK_EQ(self->gates[0].stop_count, 0);
    gate_open(&self->gates[0], 0, 0);
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static weir_result run_late(struct late *late, bool takes_back)
{
    *late = (struct late){.takes_back = takes_back};
    weir_task_init(&late->task, late_resume);
    return fake_run(&late->task);
}

WEIR_TEST(scope, a_deadline_that_passed_does_not_cover_a_child_that_nobody_waits_for)
{
    struct late late;
    weir_result r = run_late(&late, true);

    CHECK_EQ(r.error, 0);
    CHECK_EQ(late.gates[0].wait_count, 1);
}

WEIR_TEST(scope, a_deadline_that_passed_covers_the_children_that_are_joined)
{
    struct late late;
    weir_result r = run_late(&late, false);

    CHECK_EQ(r.error, WEIR_TIMED_OUT);
    CHECK_EQ(late.gates[0].stop_count, 1);
    CHECK_EQ(late.children[0].task.expired, 1);
}

/* A child that starts another beside itself, while its parent waits for both. */
struct recruiter {
    weir_task task;
    struct late late;
};

static weir_task *recruiter_resume(weir_task *task)
{
    late_start(&WEIR_TASK_SELF(task, struct recruiter)->late, 1);
    return weir_task_finish(task, weir_result_of(0, 0));
}

static weir_task *employer_resume(weir_task *task)
{
    struct late *self = WEIR_TASK_SELF(task, struct late);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->scope, task);
    weir_task_stop(task, WEIR_STOP_EXPIRED);
    weir_scope_start_embedded(&self->scope, &self->records[0],
                              &WEIR_CONTAINER_OF(self, struct recruiter, late)->task);
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_TEST(scope, a_child_that_starts_while_its_scope_is_joined_inherits_the_joiners_stop)
{
    struct recruiter recruiter = {.late.takes_back = false};
    weir_result r;

    weir_task_init(&recruiter.task, recruiter_resume);
    weir_task_init(&recruiter.late.task, employer_resume);
    r = fake_run(&recruiter.late.task);

    CHECK_EQ(r.error, WEIR_TIMED_OUT);
    CHECK_EQ(r.count, 2);
    CHECK_EQ(recruiter.late.gates[1].wait_count, 0);
}
