/* SPDX-License-Identifier: MIT */
/*
 * Loops of one host, whose trees send children to one another by weir_run_on, and those send
 * children on, or back. Stops come from scripts, from the other trees, and from deadlines, at any
 * time, also when what they stop has just ended.
 *
 * A child runs where it was sent, comes home once with its own result, and knows of a stop only if
 * one was asked for. Frames that are freed elsewhere come home. A loop is kept running by work that
 * its program announced, until the last tree of all has ended.
 */
#include "play.h"
#include "scenario.h"

enum {
    SIDE_MAX = 4,
    TREE_MAX = 6,
    ROUND_MAX = 8,
    DEPTH_MAX = 4,
};

enum action { RETURN_AT_ONCE, YIELD, LINGER, SLEEP, ENDLESS, SEND_ON, CALL, ACTION_COUNT };

struct tree;

/* A child that was sent to some loop, and may send another. Chained: one for each depth. */
struct errand {
    weir_task task;
    struct tree *tree;
    unsigned depth;
    size_t place; /* Side where it has to run. */
    enum action action;
    size_t steps;
    size_t left; /* Yields. */
    bool is_begun;
    bool is_ended;
    unsigned sender_bits; /* In force there when it was sent, */
    unsigned early_bits;  /* and here when it began. */
    weir_task *owned;     /* A frame of the sender's, to be freed here; NULL: none. */
    weir_result outcome;
    weir_task *child; /* With a frame of the loop's. */
    weir_bridge bridge;
    weir_deadline deadline;
};

struct tree {
    weir_task task;
    struct state *state;
    size_t home; /* Side. */
    weir_root root;
    bool is_launched;
    bool is_done;
    unsigned asked; /* Stop bits. */
    size_t left;
    bool has_limit;
    int64_t limit_ns;
    int64_t begun_ns;
    bool limit_passed;
    weir_deadline deadline;
    struct errand errands[DEPTH_MAX + 1]; /* [0] is unused: the tree itself. */
};

/* Sees to it that all sides leave their loops. */
struct patience {
    weir_task task;
    struct state *state;
    size_t left;
};

struct side {
    struct state *state;
    bool stays; /* It keeps its loop until the others have left theirs. */
    struct patience patience;
    size_t index;
    weir_loop *loop;
    weir_work work;
};

struct state {
    weir_sim *sim;
    bool frames_fail;
    size_t side_count;
    size_t open_sides;
    size_t left_sides;
    size_t tree_count;
    size_t live_trees;
    struct side sides[SIDE_MAX];
    struct tree trees[TREE_MAX];
};

/* Stops. */

static void stop(struct tree *tree, unsigned bits)
{
    if (!tree->is_launched || tree->is_done)
        return;
    tree->asked |= bits;
    weir_root_stop(&tree->root, bits);
}

static void stop_somebody(struct state *state)
{
    struct tree *tree = &state->trees[play_below(state->sim, state->tree_count)];

    stop(tree, play_chance(state->sim, 70) ? WEIR_STOP_REQUESTED : WEIR_STOP_HARD);
}

static void script(weir_sim *sim, void *argument)
{
    (void)sim;
    stop_somebody(argument);
}

/* Errands. */

static struct errand *next_of(struct errand *self)
{
    return &self->tree->errands[self->depth + 1];
}

static void check_place(const struct errand *self)
{
    struct state *state = self->tree->state;

    PLAY_EXPECT(state->sim, weir_task_loop(&self->task) == state->sides[self->place].loop,
                "an errand runs on another loop than it was sent to");
}

/* A stop that a child knows of was asked for. */
static void check_bits(const struct errand *self)
{
    unsigned bits = weir_task_stop_bits(&self->task);
    unsigned asked = self->tree->asked | (self->tree->has_limit ? WEIR_STOP_EXPIRED : 0u);

    PLAY_EXPECT(self->tree->state->sim, !(bits & ~asked), "a stop (%u) that nobody asked for (%u)",
                bits, asked);
    PLAY_EXPECT(self->tree->state->sim, (bits & self->early_bits) == self->early_bits,
                "a stop is forgotten");
}

static void free_what_is_owned(struct errand *self, const weir_task *sender)
{
    if (self->owned)
        weir_frame_discard((weir_task *)(uintptr_t)sender, self->owned);
    self->owned = NULL;
}

static weir_task *nothing_resume(weir_task *task)
{
    return weir_task_finish(task, weir_result_of(0, 11));
}

static weir_task *sender_of(struct errand *self)
{
    if (self->depth == 1)
        return &self->tree->task;
    return &self->tree->errands[self->depth - 1].task;
}

static void begin(struct errand *self)
{
    PLAY_EXPECT(self->tree->state->sim, !self->is_begun, "an errand runs twice");
    self->is_begun = true;
    self->early_bits = weir_task_stop_bits(&self->task);
    PLAY_EXPECT(self->tree->state->sim, !(self->sender_bits & ~self->early_bits),
                "a stop in force (%u) has not crossed (%u)", self->sender_bits, self->early_bits);
    check_place(self);
    check_bits(self);
    if (play_chance(self->tree->state->sim, 50))
        free_what_is_owned(self, sender_of(self));
    weir_deadline_init(&self->deadline);
    self->steps = 1 + play_below(self->tree->state->sim, 3);
}

static weir_result end(struct errand *self, weir_result result)
{
    check_place(self);
    check_bits(self);
    free_what_is_owned(self, sender_of(self));
    if (play_chance(self->tree->state->sim, 10))
        stop_somebody(self->tree->state);
    self->is_ended = true;
    self->outcome = result;
    return result;
}

static void check_await(const struct errand *self, weir_result r, bool is_late)
{
    unsigned bits = weir_task_stop_bits(&self->task);
    weir_sim *sim = self->tree->state->sim;

    if (r.error == WEIR_CANCELLED)
        PLAY_EXPECT(sim, bits & (WEIR_STOP_REQUESTED | WEIR_STOP_HARD), "cancelled without a stop");
    else if (r.error == WEIR_TIMED_OUT)
        PLAY_EXPECT(sim, is_late || (bits & WEIR_STOP_EXPIRED), "timed out without a deadline");
    else
        PLAY_EXPECT(sim, r.error == 0, "a sleep gives %s", weir_error_name(r.error));
    PLAY_EXPECT(sim, !self->early_bits || r.error, "a sleep succeeds after a stop");
}

static weir_task *send(weir_task *task, struct errand *errand, weir_bridge *bridge);

static weir_task *send_on(struct errand *self)
{
    return send(&self->task, next_of(self), &self->bridge);
}

static void check_home(const struct errand *sent, weir_bridge *bridge, weir_result r)
{
    weir_sim *sim = sent->tree->state->sim;

    play_poison(bridge, sizeof *bridge);
    PLAY_EXPECT(sim, sent->is_begun && sent->is_ended, "an errand is home before its end");
    PLAY_EXPECT(sim, r.error == sent->outcome.error && r.count == sent->outcome.count,
                "an errand gave %s and %zu, the bridge brings %s and %zu",
                weir_error_name(sent->outcome.error), sent->outcome.count, weir_error_name(r.error),
                r.count);
}

static int64_t nap(const struct errand *self)
{
    return self->action == ENDLESS ? INT64_C(1) << 40 : kit_duration_ns(KIT_MS);
}

static enum action choose_action(const struct errand *self)
{
    enum action action = (enum action)play_below(self->tree->state->sim, ACTION_COUNT);

    return action == SEND_ON && self->depth == DEPTH_MAX ? YIELD : action;
}

/* A child with a frame of this loop's. */
static bool take_child(struct errand *self)
{
    self->child = weir_frame_new(&self->task, sizeof *self->child, nothing_resume);
    PLAY_EXPECT(self->tree->state->sim, self->child || self->tree->state->frames_fail,
                "there is no frame, and nothing prevents one");
    return self->child;
}

/* Begin a step: of those that wait for others' turns, so many. */
static void choose_step(struct errand *self)
{
    self->action = choose_action(self);
    self->left = 0;
    if (self->action == YIELD || self->action == LINGER)
        self->left = play_below(self->tree->state->sim, 5);
    if (self->action == LINGER) /* Beside a deadline of its own, which passes. */
        weir_deadline_arm_after(&self->task, &self->deadline, kit_duration_ns(KIT_US));
}

static weir_task *errand_resume(weir_task *task)
{
    struct errand *self = WEIR_TASK_SELF(task, struct errand);
    weir_result r = {0, 0};

    WEIR_BEGIN(task);
    begin(self);
    for (; self->steps > 0; self->steps--) {
        choose_step(self);
        while (self->left-- > 0)
            WEIR_YIELD(task);
        (void)weir_deadline_disarm(task, &self->deadline);
        r = weir_result_of(0, 0);
        if (self->action == SLEEP || self->action == ENDLESS) {
            weir_deadline_arm_after(task, &self->deadline, kit_duration_ns(KIT_MS));
            WEIR_AWAIT(task, r, weir_sleep_for(task, nap(self)));
            check_await(self, r, weir_deadline_disarm(task, &self->deadline));
        } else if (self->action == SEND_ON) {
            WEIR_AWAIT(task, r, send_on(self));
            check_home(next_of(self), &self->bridge, r);
        } else if (self->action == CALL && take_child(self)) {
            WEIR_AWAIT(task, r, weir_call(task, self->child));
            PLAY_EXPECT(self->tree->state->sim, r.count == 11, "a call has another result");
        }
        check_place(self);
        check_bits(self);
    }
    WEIR_RETURN(task, end(self, weir_result_of(r.error, self->depth)));
    WEIR_END(task);
}

/* Often with a frame of the sender's loop, which is freed over there. */
static weir_task *send(weir_task *task, struct errand *errand, weir_bridge *bridge)
{
    struct state *state = errand->tree->state;

    errand->place = play_below(state->sim, state->side_count);
    errand->sender_bits = weir_task_stop_bits(task);
    errand->is_begun = false;
    errand->is_ended = false;
    errand->owned = NULL;
    if (play_chance(state->sim, 50))
        errand->owned =
            weir_frame_new(task, sizeof(weir_task) + play_below(state->sim, 4000), nothing_resume);
    weir_task_init(&errand->task, errand_resume);
    return weir_run_on(task, bridge, weir_loop_executor(state->sides[errand->place].loop),
                       &errand->task);
}

/* Trees. */

static weir_task *send_first(struct tree *self)
{
    return send(&self->task, &self->errands[1], &self->errands[0].bridge);
}

static void maybe_limit(struct tree *self)
{
    self->has_limit = play_chance(self->state->sim, 30);
    if (!self->has_limit)
        return;
    self->limit_ns = kit_duration_ns(2 * KIT_MS);
    self->begun_ns = weir_now_ns();
    weir_deadline_arm_after(&self->task, &self->deadline, self->limit_ns);
}

static void check_limit(struct tree *self)
{
    bool has_passed = weir_deadline_disarm(&self->task, &self->deadline);

    PLAY_EXPECT(self->state->sim, !has_passed || weir_now_ns() - self->begun_ns >= self->limit_ns,
                "a limit passed early");
    PLAY_EXPECT(self->state->sim, !(weir_task_stop_bits(&self->task) & WEIR_STOP_EXPIRED),
                "a disarmed limit is in force");
}

static void check_own_place(struct tree *self)
{
    PLAY_EXPECT(self->state->sim,
                weir_task_loop(&self->task) == self->state->sides[self->home].loop,
                "a tree goes on elsewhere");
    PLAY_EXPECT(self->state->sim, !(weir_task_stop_bits(&self->task) & ~self->asked),
                "a tree is stopped, and nobody asked for it");
}

static weir_task *tree_resume(weir_task *task)
{
    struct tree *self = WEIR_TASK_SELF(task, struct tree);
    weir_result r;

    WEIR_BEGIN(task);
    weir_deadline_init(&self->deadline);
    while (self->left-- > 0) {
        maybe_limit(self);
        WEIR_AWAIT(task, r, send_first(self));
        check_home(&self->errands[1], &self->errands[0].bridge, r);
        check_limit(self);
        check_own_place(self);
    }
    WEIR_RETURN(task, weir_result_of(0, 3));
    WEIR_END(task);
}

/* The last tree of all lets every loop end. */
static void tree_done(weir_root *root, weir_result result)
{
    struct tree *tree = root->user;
    struct state *state = tree->state;

    PLAY_EXPECT(state->sim, !tree->is_done && result.count == 3, "a tree ends twice, or otherwise");
    tree->is_done = true;
    play_poison(root, sizeof *root);
    if (--state->live_trees > 0)
        return;
    for (size_t i = 0; i < state->side_count; i++)
        weir_work_end(&state->sides[i].work);
}

static void launch(struct tree *tree)
{
    for (unsigned depth = 0; depth <= DEPTH_MAX; depth++) {
        tree->errands[depth].tree = tree;
        tree->errands[depth].depth = depth;
    }
    weir_task_init(&tree->task, tree_resume);
    tree->is_launched = true;
    weir_run_async(weir_loop_executor(tree->state->sides[tree->home].loop), &tree->root,
                   &tree->task, tree_done, tree);
}

static weir_task *patience_resume(weir_task *task)
{
    struct patience *self = WEIR_TASK_SELF(task, struct patience);
    weir_result r = {0, 0};

    WEIR_BEGIN(task);
    while (!r.error && self->state->left_sides < self->state->side_count) {
        PLAY_EXPECT(self->state->sim, self->left-- > 0, "a loop sleeps, and its work has ended");
        WEIR_AWAIT(task, r, weir_sleep_for(task, 10 * KIT_MS));
    }
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

/* Who comes last launches the trees of all. */
static void program(void *argument)
{
    struct side *side = argument;
    struct state *state = side->state;

    side->loop = kit_loop_new();
    weir_work_begin(&side->work, weir_loop_executor(side->loop));
    state->open_sides++;
    for (size_t i = 0; state->open_sides == state->side_count && i < state->tree_count; i++)
        launch(&state->trees[i]);
    weir_loop_run(side->loop);
    state->left_sides++;
    if (side->stays)
        (void)play_run(&side->patience.task); /* Whom this loop woke does not depend on its end. */
    weir_loop_free(
        side->loop); /* Takes home what was freed elsewhere, and asserts that it is all. */
}

static void build_tree(struct state *state, struct tree *tree)
{
    tree->state = state;
    tree->home = play_below(state->sim, state->side_count);
    tree->left = play_below(state->sim, ROUND_MAX) + 1;
}

static void build(weir_sim *sim, struct scenario_run *run)
{
    struct state *state = run->state;
    weir_sim_host *host = weir_sim_host_new(sim, "host");

    state->sim = sim;
    state->frames_fail = run->faults.no_frames > 0;
    state->side_count = 2 + play_below(sim, SIDE_MAX - 1);
    state->tree_count = 1 + play_below(sim, TREE_MAX);
    state->live_trees = state->tree_count;
    for (size_t i = 0; i < state->tree_count; i++)
        build_tree(state, &state->trees[i]);
    for (size_t i = 0; i < state->side_count; i++) {
        state->sides[i].state = state;
        state->sides[i].index = i;
        state->sides[i].stays = play_chance(sim, 20);
        state->sides[i].patience = (struct patience){.state = state, .left = 100};
        weir_task_init(&state->sides[i].patience.task, patience_resume);
        weir_sim_start(host, "side", program, &state->sides[i]);
    }
    for (size_t i = play_below(sim, 4); i > 0; i--)
        weir_sim_at(sim, KIT_S + play_magnitude(sim, 23), script, state);
}

/* What was used last is as it was left. */
static void check(weir_sim *sim, struct scenario_run *run)
{
    const struct state *state = run->state;

    for (size_t i = 0; i < state->tree_count; i++) {
        const struct tree *tree = &state->trees[i];

        PLAY_EXPECT(sim, play_is_poisoned(&tree->root, sizeof tree->root),
                    "a root was touched when it had ended");
        PLAY_EXPECT(sim, play_is_poisoned(&tree->errands[0].bridge, sizeof(weir_bridge)),
                    "a bridge was touched when it had ended");
    }
}

const struct scenario scenario_bridge = {
    .name = "bridge",
    .summary = "trees send children to other loops and back, and are stopped from all sides",
    .state_size_bytes = sizeof(struct state),
    .build = build,
    .check = check,
};
