/* SPDX-License-Identifier: MIT */
/*
 * Trees of everything that has children: when_all, when_any, scopes, calls with allocated frames,
 * timeouts, shields, subtrees with frames or stops of their own, nested as the seed wants. Their
 * leaves sleep, yield, fail, wait for an event, or stop somebody else in the tree.
 *
 * Each node stamps its beginning and its end. From the stamps follows what each combinator must
 * answer, to the child and to the count. A stop reaches exactly those it has to; frames run out.
 */
#include <errno.h>
#include <string.h>

#include "groups.h"
#include "scenario.h"

/* Frames. */

/* A fault, or a subtree with few of them. */
static void expect_lack_allowed(const struct node *node)
{
    const struct tree *tree = node->tree;
    bool may_lack = tree->frames_fail;

    for (; node; node = node->parent)
        may_lack |= node->kind == FRAMES;
    PLAY_EXPECT(tree->sim, may_lack, "there is no frame, and nothing prevents one");
}

/* Children. */

static void node_init(struct tree *tree, struct node *node, struct node *parent);

static void take_child(struct node *self)
{
    struct node *child = &self->tree->nodes[self->tree->used++];

    node_init(self->tree, child, self);
    self->children[self->count] = child;
    self->tasks[self->count++] = &child->task;
}

/* At most so many, as far as there are nodes. */
static void take_children(struct node *self, size_t count)
{
    self->count = 0;
    while (self->count < count && self->count < CHILD_MAX && self->tree->used < NODE_MAX)
        take_child(self);
}

/* Mostly many; none where a group may be empty. */
static size_t some_children(const struct node *self)
{
    size_t a = play_below(self->tree->sim, CHILD_MAX + 1);
    size_t b = play_below(self->tree->sim, CHILD_MAX + 1);

    return a > b ? a : b;
}

static void expect_all_ended(const struct node *self)
{
    for (size_t i = 0; i < self->count; i++)
        PLAY_EXPECT(self->tree->sim, self->children[i]->ended,
                    "a child outlives its parent's await");
}

/* Children are posted in order. */
static void expect_begun_in_order(const struct node *self)
{
    for (size_t i = 1; i < self->count; i++)
        PLAY_EXPECT(self->tree->sim, self->children[i - 1]->begun < self->children[i]->begun,
                    "a child began before the one in front of it");
}

/* The child that ended next behind a stamp. */
static struct node *next_ended(const struct node *self, uint64_t behind)
{
    struct node *next = NULL;

    for (size_t i = 0; i < self->count; i++) {
        struct node *child = self->children[i];

        if (child->ended > behind && (!next || child->ended < next->ended))
            next = child;
    }
    return next;
}

static int error_of(const struct node *node)
{
    return weir_task_result(&node->task).error;
}

/* Combinators. */

static bool decides(const struct node *self, const struct node *child)
{
    if (self->kind == ALL)
        return error_of(child) != 0;
    if (self->policy == WEIR_FIRST_TO_SUCCEED)
        return error_of(child) == 0;
    return error_of(child) == 0 || !child->parent_bits;
}

/* Play the group again, from the order in which its children ended. */
static const struct node *replay(const struct node *self, size_t *ret_successes)
{
    const struct node *chosen = NULL;
    const struct node *child = next_ended(self, 0);
    bool is_decided = false;

    *ret_successes = 0;
    for (; child; child = next_ended(self, child->ended)) {
        *ret_successes += error_of(child) == 0;
        if (is_decided) {
            PLAY_EXPECT(self->tree->sim, weir_task_stop_bits(&child->task) & WEIR_STOP_REQUESTED,
                        "a group was decided, and a child that lived was not stopped");
            continue;
        }
        is_decided = decides(self, child);
        if (is_decided || !chosen)
            chosen = child;
    }
    return chosen;
}

static void check_group(const struct node *self, weir_result r)
{
    weir_sim *sim = self->tree->sim;
    size_t successes;
    const struct node *chosen = replay(self, &successes);

    expect_all_ended(self);
    expect_begun_in_order(self);
    if (!chosen) {
        PLAY_EXPECT(sim, r.error == 0 && r.count == 0, "a group of nobody has a result");
        return;
    }
    PLAY_EXPECT(sim, weir_group_chosen(&self->group) == &chosen->task,
                "a group chose another child");
    PLAY_EXPECT(sim, r.error == error_of(chosen), "a group gives %s, its child %s",
                weir_error_name(r.error), weir_error_name(error_of(chosen)));
    if (self->kind == ALL)
        PLAY_EXPECT(sim, r.count == successes, "%zu succeeded, when_all counts %zu", successes,
                    r.count);
    else
        PLAY_EXPECT(sim, self->children[r.count] == chosen, "the winner has another index");
}

static weir_task *all_resume(weir_task *task)
{
    struct node *self = WEIR_TASK_SELF(task, struct node);
    weir_result r;

    WEIR_BEGIN(task);
    groups_begin(self);
    take_children(self, some_children(self));
    WEIR_AWAIT(task, r, weir_when_all(task, &self->group, self->tasks, self->count));
    check_group(self, r);
    WEIR_RETURN(task, groups_end(self, r));
    WEIR_END(task);
}

static weir_task *any_resume(weir_task *task)
{
    struct node *self = WEIR_TASK_SELF(task, struct node);
    weir_result r;

    WEIR_BEGIN(task);
    groups_begin(self);
    take_children(self, 1 + some_children(self));
    if (self->count == 0)
        WEIR_RETURN(task, groups_end(self, weir_result_of(0, 0)));
    self->policy =
        play_chance(self->tree->sim, 50) ? WEIR_FIRST_TO_COMPLETE : WEIR_FIRST_TO_SUCCEED;
    WEIR_AWAIT(task, r, weir_when_any(task, &self->group, self->policy, self->tasks, self->count));
    check_group(self, r);
    WEIR_RETURN(task, groups_end(self, r));
    WEIR_END(task);
}

/* A frame from the allocator that calls a node. */
struct carrier {
    weir_task task;
    struct node *node;
};

static weir_task *carrier_resume(weir_task *task)
{
    struct carrier *self = WEIR_TASK_SELF(task, struct carrier);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_call(task, &self->node->task));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

/* Of any size, also one that is not recycled. Returns whether there was memory. */
static bool take_carrier(struct node *self)
{
    size_t size = sizeof *self->carrier + play_below(self->tree->sim, 3000);

    self->carrier = weir_frame_new(&self->task, size, carrier_resume);
    if (!self->carrier) {
        expect_lack_allowed(self);
        return false;
    }
    self->carrier->node = self->children[0];
    return true;
}

static weir_task *call_resume(weir_task *task)
{
    struct node *self = WEIR_TASK_SELF(task, struct node);
    weir_result r;

    WEIR_BEGIN(task);
    groups_begin(self);
    take_children(self, 1);
    if (self->count == 0)
        WEIR_RETURN(task, groups_end(self, weir_result_of(0, 0)));
    if (!take_carrier(self))
        WEIR_RETURN(task, groups_end(self, weir_result_of(-ENOMEM, 0)));
    WEIR_AWAIT(task, r, weir_call(task, &self->carrier->task));
    expect_all_ended(self);
    PLAY_EXPECT(self->tree->sim, r.error == error_of(self->children[0]),
                "a call gives another result than its child");
    WEIR_RETURN(task, groups_end(self, r));
    WEIR_END(task);
}

/* Scopes. */

static void start_embedded(struct node *self, size_t index)
{
    weir_scope_start_embedded(&self->scope, &self->records[index], self->tasks[index]);
}

static void start_allocated(struct node *self, size_t index)
{
    struct carrier *carrier = weir_scope_new(&self->scope, sizeof *carrier, carrier_resume);

    if (!carrier) {
        expect_lack_allowed(self);
        start_embedded(self, index);
        return;
    }
    carrier->node = self->children[index];
    if (play_chance(self->tree->sim, 10)) {
        weir_scope_discard(&self->scope, &carrier->task);
        start_embedded(self, index);
        return;
    }
    weir_scope_start(&self->scope, &carrier->task);
}

/* Who joins hands down all; who does not, only what stays. */
static void start_child(struct node *self, size_t index)
{
    unsigned lasting = WEIR_STOP_REQUESTED | WEIR_STOP_HARD;

    self->children[index]->start_bits =
        weir_task_stop_bits(&self->task) & (self->is_joining ? ~0u : lasting);
    if (play_chance(self->tree->sim, 50))
        start_allocated(self, index);
    else
        start_embedded(self, index);
}

/* One more for a scope that is being joined. */
void groups_recruit(struct node *self)
{
    if (self->count == CHILD_MAX || self->tree->used == NODE_MAX)
        return;
    take_child(self);
    start_child(self, self->count - 1);
}

static void check_join(const struct node *self, weir_result r)
{
    const struct node *child = next_ended(self, 0);

    expect_all_ended(self);
    expect_begun_in_order(self);
    while (child && error_of(child) == 0)
        child = next_ended(self, child->ended);
    PLAY_EXPECT(self->tree->sim, r.count == self->count, "%zu children, a join counts %zu",
                self->count, r.count);
    PLAY_EXPECT(self->tree->sim, r.error == (child ? error_of(child) : 0),
                "a join gives %s, its first to fail %s", weir_error_name(r.error),
                weir_error_name(child ? error_of(child) : 0));
}

static weir_task *scope_resume(weir_task *task)
{
    struct node *self = WEIR_TASK_SELF(task, struct node);
    weir_result r;

    WEIR_BEGIN(task);
    groups_begin(self);
    weir_scope_init(&self->scope, task);
    take_children(self, some_children(self));
    for (self->left = 0; self->left < self->count; self->left++) {
        start_child(self, self->left);
        if (play_chance(self->tree->sim, 30))
            WEIR_AWAIT(task, r, weir_sleep_for(task, kit_duration_ns(INT64_C(1) << 34)));
        if (play_chance(self->tree->sim, 10))
            WEIR_YIELD(task);
    }
    self->is_joining = true;
    if (play_chance(self->tree->sim, 20))
        weir_scope_stop(&self->scope, WEIR_STOP_REQUESTED);
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
    check_join(self, r);
    self->outcome = r;
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
    PLAY_EXPECT(self->tree->sim, r.error == 0 && r.count == 0, "a second join has a result");
    weir_scope_fini(&self->scope);
    WEIR_RETURN(task, groups_end(self, self->outcome));
    WEIR_END(task);
}

/* Limits, shields and subtrees of one child. */

static bool outer_deadline_passed(const struct node *self)
{
    return self->bits & WEIR_STOP_EXPIRED || (self->parent_bits & WEIR_STOP_EXPIRED);
}

static void check_timeout(struct node *self, weir_result r)
{
    weir_sim *sim = self->tree->sim;
    int64_t over_ns = weir_now_ns() - self->begun_ns - self->duration_ns;
    unsigned bits = weir_task_stop_bits(&self->task);

    expect_all_ended(self);
    PLAY_EXPECT(sim, r.error == error_of(self->children[0]), "a timeout changes the result");
    if (weir_task_stop_bits(&self->children[0]->task) & WEIR_STOP_EXPIRED && !bits)
        PLAY_EXPECT(sim, over_ns >= 0, "a limit passed early");
    PLAY_EXPECT(sim, over_ns <= self->tree->prompt_ns || self->has_shield,
                "a child that is not shielded outlives its limit by %lld ns", (long long)over_ns);
}

static weir_task *timeout_resume(weir_task *task)
{
    struct node *self = WEIR_TASK_SELF(task, struct node);
    weir_result r;

    WEIR_BEGIN(task);
    groups_begin(self);
    take_children(self, 1);
    if (self->count == 0)
        WEIR_RETURN(task, groups_end(self, weir_result_of(0, 0)));
    self->duration_ns = kit_duration_ns(INT64_C(1) << 34);
    WEIR_AWAIT(task, r, weir_timeout(task, &self->timeout, self->tasks[0], self->duration_ns));
    check_timeout(self, r);
    self->parent_bits = groups_callers_bits(self);
    PLAY_EXPECT(self->tree->sim,
                !(weir_task_stop_bits(task) & WEIR_STOP_EXPIRED) || outer_deadline_passed(self) ||
                    (self->parent && self->parent->kind == SCOPE),
                "a limit is in force when its child is done");
    WEIR_RETURN(task, groups_end(self, r));
    WEIR_END(task);
}

static void mark_shield(struct node *self)
{
    for (; self; self = self->parent)
        self->has_shield = true;
}

static unsigned soft_bits(const struct node *self)
{
    return weir_task_stop_bits(&self->task) & (WEIR_STOP_REQUESTED | WEIR_STOP_EXPIRED);
}

static weir_task *shield_resume(weir_task *task)
{
    struct node *self = WEIR_TASK_SELF(task, struct node);
    weir_result r = {0, 0};

    WEIR_BEGIN(task);
    groups_begin(self);
    mark_shield(self);
    take_children(self, 1);
    weir_shield_begin(task);
    PLAY_EXPECT(self->tree->sim, !soft_bits(self), "a soft stop is in force inside a shield");
    weir_deadline_init(&self->deadline);
    if (play_chance(self->tree->sim, 50))
        weir_deadline_arm_after(task, &self->deadline, kit_duration_ns(INT64_C(1) << 34));
    if (self->count > 0)
        WEIR_AWAIT(task, r, weir_call(task, self->tasks[0]));
    self->outcome = r;
    (void)weir_deadline_disarm(task, &self->deadline);
    PLAY_EXPECT(self->tree->sim, !soft_bits(self), "a soft stop is in force inside a shield");
    weir_shield_end(task);
    PLAY_EXPECT(self->tree->sim, (weir_task_stop_bits(task) & self->bits) == self->bits,
                "a shield has lost a stop");
    WEIR_RETURN(task, groups_end(self, self->outcome));
    WEIR_END(task);
}

static weir_task *frames_resume(weir_task *task)
{
    struct node *self = WEIR_TASK_SELF(task, struct node);
    weir_result r;

    WEIR_BEGIN(task);
    groups_begin(self);
    take_children(self, 1);
    if (self->count == 0)
        WEIR_RETURN(task, groups_end(self, weir_result_of(0, 0)));
    play_memory_init(&self->annex->memory, kit_small(0, 8192));
    weir_frame_allocator_init(&self->annex->frames, &self->annex->memory.memory,
                              kit_small(0, 4096));
    weir_frame_allocator_bind(&self->annex->frames);
    WEIR_AWAIT(
        task, r,
        weir_call_with_frames(task, &self->annex->subtree, self->tasks[0], &self->annex->frames));
    weir_frame_allocator_fini(&self->annex->frames);
    expect_all_ended(self);
    WEIR_RETURN(task, groups_end(self, r));
    WEIR_END(task);
}

static weir_task *stop_resume(weir_task *task)
{
    struct node *self = WEIR_TASK_SELF(task, struct node);
    weir_result r;

    WEIR_BEGIN(task);
    groups_begin(self);
    mark_shield(self);
    take_children(self, 1);
    if (self->count == 0)
        WEIR_RETURN(task, groups_end(self, weir_result_of(0, 0)));
    WEIR_AWAIT(
        task, r,
        weir_call_with_stop(task, &self->annex->subtree, self->tasks[0], &self->annex->source));
    expect_all_ended(self);
    PLAY_EXPECT(self->tree->sim, r.error == error_of(self->children[0]),
                "a subtree changes the result");
    play_poison(&self->annex->source, sizeof self->annex->source);
    play_poison(&self->annex->subtree, sizeof self->annex->subtree);
    self->annex->is_over = true;
    WEIR_RETURN(task, groups_end(self, r));
    WEIR_END(task);
}

/* Building. */

/* By kind, behind the leaves. */
static weir_resume_fn *const branches[] = {
    all_resume,     any_resume,    scope_resume,  call_resume,
    timeout_resume, shield_resume, frames_resume, stop_resume,
};

static weir_resume_fn *resume_of(enum kind kind)
{
    return kind < LEAF_COUNT ? groups_leaves[kind] : branches[kind - LEAF_COUNT];
}

/* Those that have several children are more likely. */
static enum kind choose_kind(struct tree *tree, unsigned depth)
{
    if (depth >= DEPTH_MAX || (depth > 1 && play_chance(tree->sim, 25)))
        return (enum kind)play_below(tree->sim, LEAF_COUNT);
    if (play_chance(tree->sim, depth == 0 ? 90 : 40))
        return (enum kind)play_between(tree->sim, ALL, SCOPE);
    return (enum kind)play_between(tree->sim, ALL, KIND_COUNT - 1);
}

static void node_init(struct tree *tree, struct node *node, struct node *parent)
{
    node->tree = tree;
    node->parent = parent;
    node->depth = parent ? parent->depth + 1 : 0;
    node->kind = choose_kind(tree, node->depth);
    if (node->kind == FRAMES || node->kind == STOP) {
        if (tree->annex_used < ANNEX_MAX)
            node->annex = &tree->annexes[tree->annex_used++];
        else
            node->kind = ALL;
    }
    weir_group_init(&node->group);
    weir_task_init(&node->task, resume_of(node->kind));
}

/* Sets the event now and then, and at its end for good. */
static weir_task *ticker_resume(weir_task *task)
{
    struct ticker *self = WEIR_TASK_SELF(task, struct ticker);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->left-- > 0) {
        WEIR_AWAIT(task, r, weir_sleep_for(task, kit_duration_ns(INT64_C(1) << 36)));
        weir_event_set(&self->tree->event);
        if (r.error)
            break;
        WEIR_YIELD(task);
        weir_event_clear(&self->tree->event);
    }
    weir_event_set(&self->tree->event);
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static void expect_prompt_end(const struct tree *tree)
{
    int64_t late_ns = weir_now_ns() - tree->stopper.asked_ns;

    if (!tree->stopper.asked || tree->nodes[0].has_shield)
        return;
    PLAY_EXPECT(tree->sim, late_ns <= tree->prompt_ns, "a stop without shields took %lld ns",
                (long long)late_ns);
}

static weir_task *tree_resume(weir_task *task)
{
    struct tree *self = WEIR_TASK_SELF(task, struct tree);
    weir_result r;

    WEIR_BEGIN(task);
    play_stopper_open(self->sim, &self->stopper, task);
    weir_scope_init(&self->scope, task);
    node_init(self, &self->nodes[self->used++], NULL);
    weir_scope_start_embedded(&self->scope, &self->records[0], &self->nodes[0].task);
    weir_scope_start_embedded(&self->scope, &self->records[1], &self->ticker.task);
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
    PLAY_EXPECT(self->sim, r.error == error_of(&self->nodes[0]) && r.count == 2,
                "the tree's join has another result");
    expect_prompt_end(self);
    WEIR_AWAIT(task, r, weir_stop_source_close(task, &self->stopper.source));
    weir_event_fini(&self->event);
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static void check_annex(const struct tree *tree, const struct annex *annex)
{
    PLAY_EXPECT(tree->sim,
                !annex->is_over || (play_is_poisoned(&annex->source, sizeof annex->source) &&
                                    play_is_poisoned(&annex->subtree, sizeof annex->subtree)),
                "a subtree was touched when it had ended");
}

static void program(void *argument)
{
    struct tree *tree = argument;

    weir_event_init(&tree->event);
    tree->ticker.tree = tree;
    tree->ticker.left = play_below(tree->sim, 4);
    weir_task_init(&tree->ticker.task, ticker_resume);
    weir_task_init(&tree->task, tree_resume);
    (void)play_run(&tree->task);
    for (size_t i = 0; i < ANNEX_MAX; i++)
        check_annex(tree, &tree->annexes[i]);
}

static void build(weir_sim *sim, struct scenario_run *run)
{
    struct tree *tree = run->state;
    unsigned bits;

    tree->sim = sim;
    tree->frames_fail = run->faults.no_frames > 0;
    tree->prompt_ns = play_prompt_ns(&run->faults, KIT_MS);
    bits = play_chance(sim, 80) ? WEIR_STOP_REQUESTED : WEIR_STOP_HARD;
    if (play_chance(sim, 40))
        play_stop_at(sim, &tree->stopper, bits, KIT_S + play_magnitude(sim, 36));
    weir_sim_start(weir_sim_host_new(sim, "host"), "tree", program, tree);
}

const struct scenario scenario_groups = {
    .name = "groups",
    .summary = "combinators, scopes, limits, shields and subtrees, nested and stopped",
    .state_size_bytes = sizeof(struct tree),
    .deadline_ns = 100 * 3600 * KIT_S,
    .build = build,
};
