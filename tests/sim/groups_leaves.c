/* SPDX-License-Identifier: MIT */
/* The leaves of trees of combinators, and what every node does when it begins and ends. */
#include "groups.h"

#include <errno.h>

/* Beginning and ending. */

static bool hands_stops_down(const struct node *node)
{
    return node->kind != SCOPE && node->kind != STOP;
}

void groups_begin(struct node *self)
{
    self->begun = ++self->tree->stamp;
    self->begun_ns = weir_now_ns();
    self->bits = weir_task_stop_bits(&self->task);
    PLAY_EXPECT(self->tree->sim, !(self->start_bits & ~self->bits),
                "a child does not inherit the stop of its scope");
    if (self->parent && self->parent->kind == STOP)
        self->parent->annex->is_open = true;
}

/* What is in force for the parent is in force for its children; a shield's child knows of no soft
 * stop but its own. */
static void check_bits(const struct node *self)
{
    const unsigned soft = WEIR_STOP_REQUESTED;
    unsigned bits = weir_task_stop_bits(&self->task);

    PLAY_EXPECT(self->tree->sim, !hands_stops_down(self->parent) || !(self->parent_bits & ~bits),
                "a stop of a parent (%u) has not reached its child (%u)", self->parent_bits, bits);
    PLAY_EXPECT(self->tree->sim,
                self->parent->kind != SHIELD || !(bits & soft) || self->is_sabotaged,
                "a soft stop came through a shield");
}

unsigned groups_callers_bits(const struct node *self)
{
    const struct node *parent = self->parent;

    if (!parent)
        return 0;
    return weir_task_stop_bits(parent->kind == TIMEOUT ? &parent->timeout.task : &parent->task);
}

weir_result groups_end(struct node *self, weir_result result)
{
    PLAY_EXPECT(self->tree->sim, !self->ended, "a node ends twice");
    self->ended = ++self->tree->stamp;
    if (!self->parent)
        return result;
    if (self->parent->kind == STOP)
        self->parent->annex->is_open = false;
    self->parent_bits = groups_callers_bits(self);
    check_bits(self);
    if (self->parent->is_joining && play_chance(self->tree->sim, 40))
        groups_recruit(self->parent);
    return result;
}

/* A leaf's await gave what its stop wants, or nothing was in force when it was done. */
static void expect_stop_or_success(const struct node *self, weir_result r)
{
    unsigned bits = weir_task_stop_bits(&self->task);

    if (self->bits)
        PLAY_EXPECT(self->tree->sim, r.error, "an await began after a stop and succeeded");
    if (r.error == WEIR_CANCELLED)
        PLAY_EXPECT(self->tree->sim, bits & (WEIR_STOP_REQUESTED | WEIR_STOP_HARD),
                    "cancelled without a stop");
    else if (r.error == WEIR_TIMED_OUT)
        PLAY_EXPECT(self->tree->sim, bits & WEIR_STOP_EXPIRED, "timed out without a deadline");
    else
        PLAY_EXPECT(self->tree->sim, r.error == 0, "a leaf got %s", weir_error_name(r.error));
}

/* Leaves. */

static weir_task *sleep_resume(weir_task *task)
{
    struct node *self = WEIR_TASK_SELF(task, struct node);
    weir_result r;

    WEIR_BEGIN(task);
    groups_begin(self);
    self->duration_ns = kit_duration_ns(INT64_C(1) << 38);
    WEIR_AWAIT(task, r, weir_sleep_for(task, self->duration_ns));
    expect_stop_or_success(self, r);
    PLAY_EXPECT(self->tree->sim, r.error || weir_now_ns() - self->begun_ns >= self->duration_ns,
                "a sleep is short");
    WEIR_RETURN(task, groups_end(self, r));
    WEIR_END(task);
}

static weir_task *yields_resume(weir_task *task)
{
    struct node *self = WEIR_TASK_SELF(task, struct node);

    WEIR_BEGIN(task);
    groups_begin(self);
    self->left = play_below(self->tree->sim, 6);
    while (self->left-- > 0)
        WEIR_YIELD(task);
    WEIR_RETURN(task, groups_end(self, weir_result_of(0, 0)));
    WEIR_END(task);
}

static weir_task *fail_resume(weir_task *task)
{
    static const int errors[] = {-EIO, -EBADMSG, WEIR_EOF};
    struct node *self = WEIR_TASK_SELF(task, struct node);

    groups_begin(self);
    return weir_task_finish(
        task, groups_end(self, weir_result_of(errors[play_below(self->tree->sim, 3)], 0)));
}

static weir_task *event_resume(weir_task *task)
{
    struct node *self = WEIR_TASK_SELF(task, struct node);
    weir_result r;

    WEIR_BEGIN(task);
    groups_begin(self);
    WEIR_AWAIT(task, r, weir_event_wait(task, &self->tree->event));
    expect_stop_or_success(self, r);
    WEIR_RETURN(task, groups_end(self, r));
    WEIR_END(task);
}

static void stop_a_source(struct tree *tree, unsigned bits)
{
    struct annex *annex = &tree->annexes[play_below(tree->sim, ANNEX_MAX)];

    if (annex->is_open)
        weir_stop_source_request(&annex->source, bits);
}

static void stop_a_node(struct tree *tree, unsigned bits)
{
    struct node *node = &tree->nodes[play_below(tree->sim, tree->used)];

    if (!node->begun || node->ended)
        return;
    node->is_sabotaged = true;
    weir_task_stop(&node->task, bits);
}

static void stop_somebody(struct tree *tree)
{
    unsigned bits = play_chance(tree->sim, 80) ? WEIR_STOP_REQUESTED : WEIR_STOP_HARD;

    if (play_chance(tree->sim, 50))
        stop_a_source(tree, bits);
    else
        stop_a_node(tree, bits);
}

static weir_task *sabotage_resume(weir_task *task)
{
    struct node *self = WEIR_TASK_SELF(task, struct node);
    weir_result r;

    WEIR_BEGIN(task);
    groups_begin(self);
    self->duration_ns = kit_duration_ns(INT64_C(1) << 32);
    WEIR_AWAIT(task, r, weir_sleep_for(task, self->duration_ns));
    expect_stop_or_success(self, r);
    stop_somebody(self->tree);
    WEIR_RETURN(task, groups_end(self, weir_result_of(0, 0)));
    WEIR_END(task);
}

weir_resume_fn *const groups_leaves[LEAF_COUNT] = {
    [SLEEP] = sleep_resume, [YIELDS] = yields_resume,     [FAIL] = fail_resume,
    [EVENT] = event_resume, [SABOTAGE] = sabotage_resume,
};
