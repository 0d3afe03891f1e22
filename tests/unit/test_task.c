/* SPDX-License-Identifier: MIT */
/* Tasks: calling, suspending, transferring, returning, and the budget of what completes at once. */
#include <weir/frame.h>
#include <weir/run.h>
#include <weir/scope.h>
#include <weir/task.h>

#include "fake_backend.h"
#include "gate.h"
#include "test.h"

/* Under AddressSanitizer locals may live in the heap; the frame's address tells the real depth. */
static uintptr_t stack_position(void)
{
    return (uintptr_t)__builtin_frame_address(0);
}

/* A child that returns at once, noting where the stack stood. */
struct leaf {
    weir_task task;
    weir_result outcome; /* In: what to return. */
    uintptr_t stack;
};

static weir_task *leaf_resume(weir_task *task)
{
    struct leaf *self = WEIR_TASK_SELF(task, struct leaf);

    WEIR_BEGIN(task);
    self->stack = stack_position();
    WEIR_RETURN(task, self->outcome);
    WEIR_END(task);
}

static void leaf_init(struct leaf *leaf, weir_result outcome)
{
    weir_task_init(&leaf->task, leaf_resume);
    leaf->outcome = outcome;
}

/* Calling. */

struct caller {
    weir_task task;
    weir_result outcome; /* In: what the child shall return. */
    weir_result got;
    struct leaf child;
};

static weir_task *caller_resume(weir_task *task)
{
    struct caller *self = WEIR_TASK_SELF(task, struct caller);
    weir_result r;

    WEIR_BEGIN(task);
    leaf_init(&self->child, self->outcome);
    WEIR_AWAIT(task, r, weir_call(task, &self->child.task));
    self->got = r;
    WEIR_RETURN(task, weir_result_of(0, 1));
    WEIR_END(task);
}

static struct caller call_a_leaf_that_returns(weir_result outcome)
{
    struct caller caller = {.outcome = outcome};

    weir_task_init(&caller.task, caller_resume);
    CHECK_EQ(fake_run(&caller.task).count, 1);
    return caller;
}

WEIR_TEST(task, a_call_gives_what_the_child_returned)
{
    struct caller caller = call_a_leaf_that_returns(weir_result_of(0, 42));

    CHECK_EQ(caller.got.error, 0);
    CHECK_EQ(caller.got.count, 42);
}

/* Built with -Wall -Werror: that a task looks at no result is no warning. */
static weir_task *indifferent_resume(weir_task *task)
{
    struct caller *self = WEIR_TASK_SELF(task, struct caller);
    weir_result r;

    WEIR_BEGIN(task);
    leaf_init(&self->child, self->outcome);
    WEIR_AWAIT(task, r, weir_call(task, &self->child.task));
    WEIR_RETURN(task, weir_result_of(0, 1));
    WEIR_END(task);
}

WEIR_TEST(task, a_result_may_be_ignored_without_a_word)
{
    struct caller caller = {.outcome = weir_result_of(WEIR_CLOSED, 0)};

    weir_task_init(&caller.task, indifferent_resume);
    CHECK_EQ(fake_run(&caller.task).error, 0);
}

WEIR_TEST(task, a_call_gives_the_count_beside_an_error)
{
    struct caller caller = call_a_leaf_that_returns(weir_result_of(WEIR_EOF, 7));

    CHECK_EQ(caller.got.error, WEIR_EOF);
    CHECK_EQ(caller.got.count, 7);
}

WEIR_TEST(task, an_embedded_child_keeps_its_result_when_it_is_done)
{
    struct caller caller = call_a_leaf_that_returns(weir_result_of(-5, 3));

    CHECK_EQ(caller.child.task.state, WEIR_TASK_DONE);
    CHECK_EQ(weir_task_result(&caller.child.task).error, -5);
    CHECK_EQ(weir_task_result(&caller.child.task).count, 3);
}

/* Children with frames of their own. */

struct allocating_caller {
    weir_task task;
    struct leaf *child;
    size_t live_before;
    size_t live_during;
    size_t live_after;
};

static weir_task *allocating_caller_resume(weir_task *task)
{
    struct allocating_caller *self = WEIR_TASK_SELF(task, struct allocating_caller);
    weir_result r;

    WEIR_BEGIN(task);
    self->live_before = weir_frame_live_count(task->environment->frames);
    self->child = weir_frame_new(task, sizeof *self->child, leaf_resume);
    self->child->outcome = weir_result_of(0, 9);
    self->live_during = weir_frame_live_count(task->environment->frames);
    WEIR_AWAIT(task, r, weir_call(task, &self->child->task));
    self->live_after = weir_frame_live_count(task->environment->frames);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_TEST(task, an_allocated_child_is_freed_when_it_is_done_and_its_result_is_not_lost)
{
    struct allocating_caller caller;

    weir_task_init(&caller.task, allocating_caller_resume);

    CHECK_EQ(fake_run(&caller.task).count, 9);
    CHECK_EQ(caller.live_before, 0);
    CHECK_EQ(caller.live_during, 1);
    CHECK_EQ(caller.live_after, 0);
}

/* The stack. */

enum { MANY = 1000000, DEEP = 100000 };

struct repeater {
    weir_task task;
    size_t calls;
    uintptr_t stack; /* Of the first child. */
    struct leaf child;
};

static weir_task *repeater_resume(weir_task *task)
{
    struct repeater *self = WEIR_TASK_SELF(task, struct repeater);
    weir_result r;

    WEIR_BEGIN(task);
    for (self->calls = 0; self->calls < MANY; self->calls++) {
        leaf_init(&self->child, weir_result_of(0, self->calls));
        WEIR_AWAIT(task, r, weir_call(task, &self->child.task));
        CHECK_EQ(r.count, self->calls);
        if (self->calls == 0)
            self->stack = self->child.stack;
        CHECK_EQ(self->child.stack, self->stack);
    }
    WEIR_RETURN(task, weir_result_of(0, self->calls));
    WEIR_END(task);
}

WEIR_TEST(task, a_million_calls_that_finish_at_once_do_not_grow_the_stack)
{
    struct repeater repeater;

    weir_task_init(&repeater.task, repeater_resume);

    CHECK_EQ(fake_run(&repeater.task).count, MANY);
}

struct diver {
    weir_task task;
    size_t depth;    /* In: how many are still to be called. */
    uintptr_t stack; /* In: where the stack stood in the first. */
    struct diver *child;
};

static weir_task *diver_resume(weir_task *task)
{
    struct diver *self = WEIR_TASK_SELF(task, struct diver);
    weir_result r;

    WEIR_BEGIN(task);
    if (self->stack)
        CHECK_EQ(stack_position(), self->stack);
    if (self->depth == 0)
        WEIR_RETURN(task, weir_result_of(0, 0));
    self->child = weir_frame_new(task, sizeof *self->child, diver_resume);
    self->child->depth = self->depth - 1;
    self->child->stack = stack_position();
    WEIR_AWAIT(task, r, weir_call(task, &self->child->task));
    CHECK(self->stack == 0 || stack_position() == self->stack);
    WEIR_RETURN(task, weir_result_of(0, r.count + 1));
    WEIR_END(task);
}

WEIR_TEST(task, calls_nested_a_hundred_thousand_deep_do_not_grow_the_stack)
{
    struct diver diver = {.depth = DEEP};

    weir_task_init(&diver.task, diver_resume);

    CHECK_EQ(fake_run(&diver.task).count, DEEP);
}

/* Two tasks that hand the turn to each other: what an awaitable returns need not be a child. */

struct player {
    weir_task task;
    struct player *other; /* Waits at its gate. */
    size_t turns;
    uintptr_t stack;
    struct gate gate;
};

/* Wait at one's own gate, and transfer to the one that waits at the other. */
static weir_task *hand_over(weir_task *task, struct player *self)
{
    weir_task *next = self->other->gate.waiter;

    self->other->gate.waiter = NULL;
    next->state = WEIR_TASK_RUNNING;
    CHECK(gate_wait(task, &self->gate) == NULL);
    return next;
}

static weir_task *player_resume(weir_task *task)
{
    struct player *self = WEIR_TASK_SELF(task, struct player);
    weir_result r;

    WEIR_BEGIN(task);
    self->stack = stack_position();
    if (!self->other->gate.waiter) {
        WEIR_AWAIT(task, r, gate_wait(task, &self->gate));
        CHECK_EQ(r.error, 0);
    }
    while (self->turns < MANY) {
        self->turns++;
        CHECK_EQ(stack_position(), self->stack);
        WEIR_AWAIT(task, r, hand_over(task, self));
        if (r.error)
            WEIR_RETURN(task, weir_result_of(0, 0));
    }
    gate_open(&self->other->gate, WEIR_EOF, 0);
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

struct game {
    weir_task task;
    weir_scope scope;
    weir_scope_child records[2];
    struct player players[2];
};

static weir_task *game_resume(weir_task *task)
{
    struct game *self = WEIR_TASK_SELF(task, struct game);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->scope, task);
    for (int i = 0; i < 2; i++) {
        weir_task_init(&self->players[i].task, player_resume);
        self->players[i].other = &self->players[1 - i];
        weir_scope_start_embedded(&self->scope, &self->records[i], &self->players[i].task);
    }
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_TEST(task, a_million_transfers_between_two_tasks_do_not_grow_the_stack)
{
    struct game game = {0};

    weir_task_init(&game.task, game_resume);

    CHECK_EQ(fake_run(&game.task).count, 2);
    CHECK_EQ(game.players[0].turns, MANY);
    CHECK_EQ(game.players[1].turns, MANY);
}

/* Suspending. */

struct sleeper {
    weir_task task;
    struct gate gate;
    unsigned line_of_await;
    weir_result got;
};

static weir_task *sleeper_resume(weir_task *task)
{
    struct sleeper *self = WEIR_TASK_SELF(task, struct sleeper);
    weir_result r;

    WEIR_BEGIN(task);
    self->line_of_await = __LINE__ + 1;
    WEIR_AWAIT(task, r, gate_wait(task, &self->gate));
    self->got = r;
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

/* Starts a sleeper, looks at it and opens its gate. */
struct watcher {
    weir_task task;
    weir_scope scope;
    weir_scope_child record;
    struct sleeper sleeper;
    uint32_t line; /* What the sleeper's header said while it waited, */
    const char *function;
    uint8_t state_waiting;
    uint8_t state_opened; /* and when its gate had opened. */
};

static weir_task *watcher_resume(weir_task *task)
{
    struct watcher *self = WEIR_TASK_SELF(task, struct watcher);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->scope, task);
    weir_task_init(&self->sleeper.task, sleeper_resume);
    weir_scope_start_embedded(&self->scope, &self->record, &self->sleeper.task);
    WEIR_YIELD(task);
    self->line = self->sleeper.task.line;
    self->function = self->sleeper.task.source->function;
    self->state_waiting = self->sleeper.task.state;
    gate_open(&self->sleeper.gate, WEIR_TRUNCATED, 11);
    self->state_opened = self->sleeper.task.state;
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static struct watcher watch_a_sleeper(void)
{
    struct watcher watcher = {0};

    weir_task_init(&watcher.task, watcher_resume);
    (void)fake_run(&watcher.task);
    return watcher;
}

WEIR_TEST(task, the_resume_point_is_the_line_of_the_await)
{
    struct watcher watcher = watch_a_sleeper();

    CHECK_EQ(watcher.line, watcher.sleeper.line_of_await);
    CHECK_STR_EQ(watcher.function, "sleeper_resume");
}

WEIR_TEST(task, a_wait_gives_what_completes_it)
{
    struct watcher watcher = watch_a_sleeper();

    CHECK_EQ(watcher.sleeper.got.error, WEIR_TRUNCATED);
    CHECK_EQ(watcher.sleeper.got.count, 11);
}

WEIR_TEST(task, a_completed_wait_makes_the_task_ready_and_does_not_resume_it)
{
    struct watcher watcher = watch_a_sleeper();

    CHECK_EQ(watcher.state_waiting, WEIR_TASK_WAITING);
    CHECK_EQ(watcher.state_opened, WEIR_TASK_READY);
}

/* The budget: an executor that only remembers what was posted. */

struct recorder {
    weir_executor executor;
    weir_environment environment;
    weir_task *posted[4];
    size_t posted_count;
};

static void recorder_post(weir_executor *executor, weir_task *task)
{
    struct recorder *recorder = WEIR_CONTAINER_OF(executor, struct recorder, executor);

    recorder->posted[recorder->posted_count++] = task;
}

static weir_task *recorder_dispatch(weir_executor *executor, weir_task *task)
{
    recorder_post(executor, task);
    return NULL;
}

static struct weir_context *recorder_context(weir_executor *executor)
{
    (void)executor;
    return NULL;
}

static const struct weir_executor_ops recorder_ops = {
    .name = "recorder",
    .post = recorder_post,
    .dispatch = recorder_dispatch,
    .context = recorder_context,
};

static void recorder_init(struct recorder *recorder, weir_task *task, int budget)
{
    *recorder = (struct recorder){.executor = {.ops = &recorder_ops, .budget = budget}};
    recorder->environment.executor = &recorder->executor;
    task->environment = &recorder->environment;
}

WEIR_TEST(task, what_completes_at_once_spends_the_budget)
{
    struct recorder recorder;
    struct leaf leaf;

    leaf_init(&leaf, weir_result_of(0, 0));
    recorder_init(&recorder, &leaf.task, 2);

    CHECK(weir_task_complete(&leaf.task, 0, 1) == &leaf.task);
    CHECK_EQ(recorder.executor.budget, 1);
    CHECK_EQ(recorder.posted_count, 0);
}

WEIR_TEST(task, what_completes_at_once_without_a_budget_is_posted_with_its_result)
{
    struct recorder recorder;
    struct leaf leaf;

    leaf_init(&leaf, weir_result_of(0, 0));
    recorder_init(&recorder, &leaf.task, 0);

    CHECK(weir_task_complete(&leaf.task, WEIR_EOF, 5) == NULL);
    CHECK_EQ(recorder.posted_count, 1);
    CHECK(recorder.posted[0] == &leaf.task);
    CHECK_EQ(weir_task_result(&leaf.task).error, WEIR_EOF);
    CHECK_EQ(weir_task_result(&leaf.task).count, 5);
}

/* The next turn of its loop is the sooner. */
WEIR_TEST(task, what_is_larger_than_what_is_left_is_posted_and_paid_for)
{
    struct recorder recorder;
    struct leaf leaf;

    leaf_init(&leaf, weir_result_of(0, 0));
    recorder_init(&recorder, &leaf.task, 3);

    CHECK(weir_task_complete(&leaf.task, 0, 4 * WEIR_BUDGET_BYTES) == NULL);
    CHECK_EQ(recorder.posted_count, 1);
    CHECK_EQ(recorder.executor.budget, 3 - 5);
}

/* As a pool's, which its threads share. */
WEIR_TEST(task, a_budget_of_none_is_not_written_to)
{
    struct recorder recorder;
    struct leaf leaf;

    leaf_init(&leaf, weir_result_of(0, 0));
    recorder_init(&recorder, &leaf.task, 0);

    CHECK(weir_task_complete(&leaf.task, 0, SIZE_MAX) == NULL);
    CHECK_EQ(recorder.executor.budget, 0);
}

WEIR_TEST(task, a_yield_posts_the_task_whatever_the_budget)
{
    struct recorder recorder;
    struct leaf leaf;

    leaf_init(&leaf, weir_result_of(0, 0));
    recorder_init(&recorder, &leaf.task, 100);

    CHECK(weir_task_yield(&leaf.task) == NULL);
    CHECK_EQ(recorder.posted_count, 1);
    CHECK_EQ(recorder.executor.budget, 100);
}

/* Fairness, on a loop. */

enum { BUDGET = 16, HOG_STEPS = 1000 };

struct hog {
    weir_task task;
    int steps;    /* Operations that completed at once so far. */
    size_t bytes; /* Of each step. */
};

static weir_task *hog_resume(weir_task *task)
{
    struct hog *self = WEIR_TASK_SELF(task, struct hog);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->steps < HOG_STEPS) {
        WEIR_AWAIT(task, r, weir_task_complete(task, 0, self->bytes));
        CHECK_EQ(r.count, self->bytes);
        self->steps++;
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

/* Notes how far the hog is, each time it is its turn. */
struct bystander {
    weir_task task;
    const struct hog *hog;
    int seen[4];
    int turns;
};

static weir_task *bystander_resume(weir_task *task)
{
    struct bystander *self = WEIR_TASK_SELF(task, struct bystander);

    WEIR_BEGIN(task);
    for (self->turns = 0; self->turns < 4; self->turns++) {
        self->seen[self->turns] = self->hog->steps;
        WEIR_YIELD(task);
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

struct crowd {
    weir_task task;
    weir_scope scope;
    weir_scope_child records[2];
    struct hog hog;
    struct bystander bystander;
};

static weir_task *crowd_resume(weir_task *task)
{
    struct crowd *self = WEIR_TASK_SELF(task, struct crowd);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->scope, task);
    weir_task_init(&self->hog.task, hog_resume);
    weir_task_init(&self->bystander.task, bystander_resume);
    self->bystander.hog = &self->hog;
    weir_scope_start_embedded(&self->scope, &self->records[0], &self->hog.task);
    weir_scope_start_embedded(&self->scope, &self->records[1], &self->bystander.task);
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

/* Between two turns of a bystander, a hog makes at most so many steps of so many bytes. */
static void check_hog(size_t bytes, int steps)
{
    weir_loop_options options = fake_loop_options();
    struct crowd crowd = {.hog.bytes = bytes};
    weir_loop *loop;

    options.budget = BUDGET;
    loop = fake_loop_new(&options);
    weir_task_init(&crowd.task, crowd_resume);
    CHECK_EQ(weir_run(loop, &crowd.task).count, 2);

    CHECK_EQ(crowd.hog.steps, HOG_STEPS);
    CHECK(crowd.bystander.seen[0] <= steps);
    for (int i = 1; i < 4; i++) {
        CHECK(crowd.bystander.seen[i] - crowd.bystander.seen[i - 1] >= steps - 1);
        CHECK(crowd.bystander.seen[i] - crowd.bystander.seen[i - 1] <= steps + 1);
    }
    weir_loop_free(loop);
}

WEIR_TEST(task, one_whose_operations_always_complete_at_once_does_not_starve_the_others)
{
    check_hog(0, BUDGET);
    check_hog(WEIR_BUDGET_BYTES - 1, BUDGET);
}

WEIR_TEST(task, large_operations_that_complete_at_once_are_fewer)
{
    check_hog(WEIR_BUDGET_BYTES, BUDGET / 2);
    check_hog((BUDGET - 1) * WEIR_BUDGET_BYTES, 1);
    check_hog(SIZE_MAX, 1);
}

struct yielder {
    weir_task task;
    char letter;
    int turns;
    char **end; /* Of what all of them write. */
};

static weir_task *yielder_resume(weir_task *task)
{
    struct yielder *self = WEIR_TASK_SELF(task, struct yielder);

    WEIR_BEGIN(task);
    for (self->turns = 0; self->turns < 3; self->turns++) {
        *(*self->end)++ = self->letter;
        WEIR_YIELD(task);
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

struct choir {
    weir_task task;
    weir_scope scope;
    weir_scope_child records[3];
    struct yielder yielders[3];
    char text[16];
    char *end;
};

static weir_task *choir_resume(weir_task *task)
{
    struct choir *self = WEIR_TASK_SELF(task, struct choir);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->scope, task);
    self->end = self->text;
    for (int i = 0; i < 3; i++) {
        weir_task_init(&self->yielders[i].task, yielder_resume);
        self->yielders[i].letter = (char)('a' + i);
        self->yielders[i].end = &self->end;
        weir_scope_start_embedded(&self->scope, &self->records[i], &self->yielders[i].task);
    }
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_TEST(task, tasks_that_yield_take_turns_in_order)
{
    struct choir choir = {0};

    weir_task_init(&choir.task, choir_resume);
    (void)fake_run(&choir.task);

    CHECK_STR_EQ(choir.text, "abcabcabc");
}
