/* SPDX-License-Identifier: MIT */
/* Stopping: the walk, shields, and the source that other threads use. */
#include <weir/stop.h>

#include <pthread.h>
#include <sched.h>

#include <weir/run.h>
#include <weir/scope.h>

#include "fake_backend.h"
#include "gate.h"
#include "test.h"

enum { LINKS = 3 };

/* An awaitable that never suspends but looks at the stop byte, as every starter does. */
static weir_task *try_something(weir_task *task)
{
    return weir_task_complete(task, weir_task_stop_error(task), 0);
}

/* A task that calls the next one, the last of which waits at a gate. */
struct link {
    weir_task task;
    struct link *next;  /* In; NULL: wait at the gate. */
    struct gate *gate;  /* In. */
    bool is_shielded;   /* In: the await stands in a shield. */
    weir_result first;  /* Of that await, */
    weir_result inside; /* of one that never suspends, still in the shield, */
    weir_result after;  /* and of one after it. */
};

static weir_task *link_resume(weir_task *task)
{
    struct link *self = WEIR_TASK_SELF(task, struct link);
    weir_result r;

    WEIR_BEGIN(task);
    if (self->is_shielded)
        weir_shield_begin(task);
    if (self->next)
        WEIR_AWAIT(task, r, weir_call(task, &self->next->task));
    else
        WEIR_AWAIT(task, r, gate_wait(task, self->gate));
    self->first = r;
    WEIR_AWAIT(task, r, try_something(task));
    self->inside = r;
    if (self->is_shielded)
        weir_shield_end(task);
    WEIR_AWAIT(task, r, try_something(task));
    self->after = r;
    WEIR_RETURN(task, self->first);
    WEIR_END(task);
}

/* Starts a chain of links, then acts on it in two steps with a turn for the others in between. */
struct script {
    weir_task task;
    void (*act)(struct script *self);  /* In. */
    void (*then)(struct script *self); /* In, or NULL. */
    weir_scope scope;
    weir_scope_child record;
    struct link links[LINKS];
    struct gate gate;
};

static weir_task *script_resume(weir_task *task)
{
    struct script *self = WEIR_TASK_SELF(task, struct script);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->scope, task);
    for (int i = 0; i < LINKS; i++) {
        weir_task_init(&self->links[i].task, link_resume);
        self->links[i].next = i + 1 < LINKS ? &self->links[i + 1] : NULL;
        self->links[i].gate = &self->gate;
    }
    weir_scope_start_embedded(&self->scope, &self->record, &self->links[0].task);
    WEIR_YIELD(task);
    self->act(self);
    WEIR_YIELD(task);
    if (self->then)
        self->then(self);
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void run_script(struct script *script, void (*act)(struct script *),
                       void (*then)(struct script *))
{
    script->act = act;
    script->then = then;
    weir_task_init(&script->task, script_resume);
    (void)fake_run(&script->task);
}

static void stop_softly(struct script *self)
{
    weir_task_stop(&self->links[0].task, WEIR_STOP_REQUESTED);
}

static void stop_hard(struct script *self)
{
    weir_task_stop(&self->links[0].task, WEIR_STOP_HARD);
}

static void expire(struct script *self)
{
    weir_task_stop(&self->links[0].task, WEIR_STOP_EXPIRED);
}

static void open_the_gate(struct script *self)
{
    gate_open(&self->gate, 0, 5);
}

/* The walk. */

WEIR_TEST(stop, a_stop_walks_to_the_leaf)
{
    struct script script = {0};

    run_script(&script, stop_softly, NULL);

    CHECK_EQ(script.gate.stop_count, 1);
    CHECK_EQ(script.gate.bits, WEIR_STOP_REQUESTED);
    for (int i = 0; i < LINKS; i++)
        CHECK_EQ(script.links[i].first.error, WEIR_CANCELLED);
}

static void stop_and_look(struct script *self)
{
    stop_softly(self);
    CHECK_EQ(self->links[LINKS - 1].task.state, WEIR_TASK_READY);
    for (int i = 0; i < LINKS; i++)
        CHECK_EQ(weir_task_stop_bits(&self->links[i].task), WEIR_STOP_REQUESTED);
}

WEIR_TEST(stop, a_stop_resumes_nobody_inside_the_call)
{
    struct script script = {0};

    run_script(&script, stop_and_look, NULL);
}

static void stop_the_middle(struct script *self)
{
    weir_task_stop(&self->links[1].task, WEIR_STOP_REQUESTED);
}

WEIR_TEST(stop, a_stop_does_not_walk_up)
{
    struct script script = {0};

    run_script(&script, stop_the_middle, NULL);

    CHECK_EQ(script.links[0].after.error, 0);
    CHECK_EQ(script.links[1].after.error, WEIR_CANCELLED);
    CHECK_EQ(script.links[2].after.error, WEIR_CANCELLED);
}

WEIR_TEST(stop, a_starter_after_a_stop_completes_as_cancelled)
{
    struct script script = {0};

    run_script(&script, stop_softly, NULL);

    for (int i = 0; i < LINKS; i++)
        CHECK_EQ(script.links[i].after.error, WEIR_CANCELLED);
}

static void complete_then_stop(struct script *self)
{
    gate_open(&self->gate, 0, 5);
    stop_softly(self);
}

WEIR_TEST(stop, a_stop_after_the_completion_does_not_change_the_result)
{
    struct script script = {0};

    run_script(&script, complete_then_stop, NULL);

    CHECK_EQ(script.links[LINKS - 1].first.error, 0);
    CHECK_EQ(script.links[LINKS - 1].first.count, 5);
    CHECK_EQ(script.links[LINKS - 1].after.error, WEIR_CANCELLED);
    CHECK_EQ(script.gate.stop_count, 0);
}

static void stop_while_ignored(struct script *self)
{
    self->gate.ignores_stop = true;
    stop_softly(self);
}

WEIR_TEST(stop, what_cannot_be_cancelled_completes_as_it_would_have)
{
    struct script script = {0};

    run_script(&script, stop_while_ignored, open_the_gate);

    CHECK_EQ(script.links[LINKS - 1].first.count, 5);
    CHECK_EQ(script.links[LINKS - 1].after.error, WEIR_CANCELLED);
}

static void stop_softly_then_hard(struct script *self)
{
    self->gate.ignores_stop = true;
    stop_softly(self);
    stop_hard(self);
}

WEIR_TEST(stop, a_second_stop_with_more_bits_reaches_the_leaf_again)
{
    struct script script = {0};

    run_script(&script, stop_softly_then_hard, open_the_gate);

    CHECK_EQ(script.gate.stop_count, 2);
    CHECK_EQ(script.gate.bits, WEIR_STOP_REQUESTED | WEIR_STOP_HARD);
}

WEIR_TEST(stop, a_deadline_that_passed_is_told_from_a_cancellation)
{
    struct script script = {0};

    run_script(&script, expire, NULL);

    CHECK_EQ(script.links[LINKS - 1].first.error, WEIR_TIMED_OUT);
    CHECK_EQ(script.links[0].after.error, WEIR_TIMED_OUT);
}

static void expire_and_stop(struct script *self)
{
    expire(self);
    stop_softly(self);
}

WEIR_TEST(stop, a_stop_outweighs_a_deadline)
{
    struct script script = {0};

    run_script(&script, expire_and_stop, NULL);

    CHECK_EQ(script.links[LINKS - 1].after.error, WEIR_CANCELLED);
}

/* A child that is called after the stop. */

struct latecomer {
    weir_task task;
    struct link child;
    struct gate gate;
};

static weir_task *latecomer_resume(weir_task *task)
{
    struct latecomer *self = WEIR_TASK_SELF(task, struct latecomer);
    weir_result r;

    WEIR_BEGIN(task);
    weir_task_stop(task, WEIR_STOP_REQUESTED);
    weir_task_init(&self->child.task, link_resume);
    self->child.gate = &self->gate;
    WEIR_AWAIT(task, r, weir_call(task, &self->child.task));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_TEST(stop, a_child_called_after_the_stop_starts_nothing)
{
    struct latecomer latecomer = {0};

    weir_task_init(&latecomer.task, latecomer_resume);

    CHECK_EQ(fake_run(&latecomer.task).error, WEIR_CANCELLED);
    CHECK_EQ(latecomer.gate.wait_count, 0);
}

WEIR_ABORT_TEST(stop, a_stop_without_bits_is_misuse)
{
    weir_task task;

    weir_task_init(&task, latecomer_resume);
    weir_task_stop(&task, 0);
}

WEIR_ABORT_TEST(stop, a_stop_with_unknown_bits_is_misuse)
{
    weir_task task;

    weir_task_init(&task, latecomer_resume);
    weir_task_stop(&task, 1 << 3);
}

/* Shields. */

static void stop_softly_unnoticed(struct script *self)
{
    stop_softly(self);
    expire(self);
    CHECK_EQ(self->gate.stop_count, 0);
}

WEIR_TEST(stop, a_shield_defers_a_soft_stop_to_its_end)
{
    struct script script = {.links[LINKS - 1].is_shielded = true};

    run_script(&script, stop_softly_unnoticed, open_the_gate);

    CHECK_EQ(script.links[LINKS - 1].first.count, 5);
    CHECK_EQ(script.links[LINKS - 1].inside.error, 0);
    CHECK_EQ(script.links[LINKS - 1].after.error, WEIR_CANCELLED);
}

WEIR_TEST(stop, a_shield_covers_the_children_of_its_task)
{
    struct script script = {.links[0].is_shielded = true};

    run_script(&script, stop_softly_unnoticed, open_the_gate);

    CHECK_EQ(script.links[LINKS - 1].first.count, 5);
    CHECK_EQ(script.links[LINKS - 1].after.error, 0);
    CHECK_EQ(script.links[0].inside.error, 0);
    CHECK_EQ(script.links[0].after.error, WEIR_CANCELLED);
}

WEIR_TEST(stop, a_shield_does_not_cover_the_parents_of_its_task)
{
    struct script script = {.links[1].is_shielded = true};

    run_script(&script, stop_softly_unnoticed, open_the_gate);

    CHECK_EQ(script.links[2].after.error, 0);
    CHECK_EQ(script.links[1].inside.error, 0);
    CHECK_EQ(script.links[1].after.error, WEIR_CANCELLED);
    CHECK_EQ(script.links[0].inside.error, WEIR_CANCELLED);
}

WEIR_TEST(stop, shields_of_parent_and_child_each_hold)
{
    struct script script = {.links[0].is_shielded = true, .links[2].is_shielded = true};

    run_script(&script, stop_softly_unnoticed, open_the_gate);

    CHECK_EQ(script.links[2].after.error, 0);
    CHECK_EQ(script.links[0].inside.error, 0);
    CHECK_EQ(script.links[0].after.error, WEIR_CANCELLED);
}

WEIR_TEST(stop, a_shield_does_not_withstand_a_hard_stop)
{
    struct script script = {.links[0].is_shielded = true, .links[2].is_shielded = true};

    run_script(&script, stop_hard, NULL);

    CHECK_EQ(script.gate.bits, WEIR_STOP_HARD);
    for (int i = 0; i < LINKS; i++) {
        CHECK_EQ(script.links[i].first.error, WEIR_CANCELLED);
        CHECK_EQ(script.links[i].inside.error, WEIR_CANCELLED);
    }
}

static void stop_softly_and_hard(struct script *self)
{
    weir_task_stop(&self->links[0].task, WEIR_STOP_REQUESTED | WEIR_STOP_HARD);
}

WEIR_TEST(stop, of_a_stop_that_is_soft_and_hard_only_the_hard_passes_the_shield)
{
    struct script script = {.links[1].is_shielded = true};

    run_script(&script, stop_softly_and_hard, NULL);

    CHECK_EQ(script.gate.bits, WEIR_STOP_HARD);
    CHECK_EQ(script.links[1].task.stop, WEIR_STOP_REQUESTED | WEIR_STOP_HARD);
}

WEIR_TEST(stop, a_deadline_held_back_by_a_shield_takes_effect_at_its_end)
{
    struct script script = {.links[0].is_shielded = true};

    run_script(&script, expire, open_the_gate);

    CHECK_EQ(script.links[0].inside.error, 0);
    CHECK_EQ(script.links[0].after.error, WEIR_TIMED_OUT);
    CHECK_EQ(script.links[0].task.expired, 1);
    CHECK_EQ(script.links[1].task.expired, 0);
}

static void expire_twice(struct script *self)
{
    self->gate.ignores_stop = true;
    expire(self);
    expire(self);
}

WEIR_TEST(stop, every_deadline_that_passed_is_counted_by_all_that_it_covers)
{
    struct script script = {0};

    run_script(&script, expire_twice, open_the_gate);

    for (int i = 0; i < LINKS; i++)
        CHECK_EQ(script.links[i].task.expired, 2);
}

WEIR_TEST(stop, deadlines_held_back_by_a_shield_are_all_counted_at_its_end)
{
    struct script script = {.links[1].is_shielded = true};

    run_script(&script, expire_twice, open_the_gate);

    CHECK_EQ(script.links[0].task.expired, 2);
    CHECK_EQ(script.links[1].task.expired, 2);
    CHECK_EQ(script.links[2].task.expired, 0);
}

/* A shield that begins after the stop. */

struct cleaner {
    weir_task task;
    weir_result inside;
    weir_result after;
};

static weir_task *cleaner_resume(weir_task *task)
{
    struct cleaner *self = WEIR_TASK_SELF(task, struct cleaner);
    weir_result r;

    WEIR_BEGIN(task);
    weir_task_stop(task, WEIR_STOP_REQUESTED);
    weir_shield_begin(task);
    WEIR_AWAIT(task, r, try_something(task));
    self->inside = r;
    weir_shield_end(task);
    WEIR_AWAIT(task, r, try_something(task));
    self->after = r;
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_TEST(stop, a_shield_that_begins_after_the_stop_lets_clean_up_run)
{
    struct cleaner cleaner;

    weir_task_init(&cleaner.task, cleaner_resume);
    (void)fake_run(&cleaner.task);

    CHECK_EQ(cleaner.inside.error, 0);
    CHECK_EQ(cleaner.after.error, WEIR_CANCELLED);
}

/* The source, used on the tree's own thread. */

struct requester {
    weir_task task;
    void (*steps[4])(struct requester *self); /* In: before the close, with turns between. */
    int step;
    int count; /* Times that the present step was taken. */
    weir_stop_source source;
    weir_scope scope;
    weir_scope_child record;
    struct link link;
    struct gate gate;
    weir_result closed;
};

static weir_task *requester_resume(weir_task *task)
{
    struct requester *self = WEIR_TASK_SELF(task, struct requester);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->scope, task);
    weir_task_init(&self->link.task, link_resume);
    self->link.gate = &self->gate;
    weir_scope_start_embedded(&self->scope, &self->record, &self->link.task);
    WEIR_YIELD(task);
    weir_stop_source_open(&self->source, &self->link.task);
    for (;;) {
        self->steps[self->step++](self);
        if (!self->steps[self->step])
            break;
        WEIR_YIELD(task);
    }
    WEIR_AWAIT(task, r, weir_stop_source_close(task, &self->source));
    self->closed = r;
    weir_stop_source_request(&self->source, WEIR_STOP_HARD); /* Too late. */
    if (self->gate.waiter)
        gate_open(&self->gate, 0, 5);
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
    WEIR_RETURN(task, self->link.first);
    WEIR_END(task);
}

static struct requester run_requester(void (*first)(struct requester *),
                                      void (*second)(struct requester *),
                                      void (*third)(struct requester *))
{
    struct requester requester = {.steps = {first, second, third, NULL}};

    weir_task_init(&requester.task, requester_resume);
    (void)fake_run(&requester.task);
    return requester;
}

static void request_nothing(struct requester *self)
{
    CHECK_EQ(self->gate.stop_count, 0);
}

static void request_once(struct requester *self)
{
    weir_stop_source_request(&self->source, WEIR_STOP_REQUESTED);
    CHECK_EQ(self->gate.stop_count, 0);
}

static void request_thrice(struct requester *self)
{
    self->gate.ignores_stop = true;
    weir_stop_source_request(&self->source, WEIR_STOP_REQUESTED);
    weir_stop_source_request(&self->source, WEIR_STOP_REQUESTED);
    weir_stop_source_request(&self->source, WEIR_STOP_HARD);
}

static void check_one_stop_with_both_bits(struct requester *self)
{
    CHECK_EQ(self->gate.stop_count, 1);
    CHECK_EQ(self->gate.bits, WEIR_STOP_REQUESTED | WEIR_STOP_HARD);
}

static void check_one_stop(struct requester *self)
{
    CHECK_EQ(self->gate.stop_count, 1);
}

WEIR_TEST(stop, a_request_stops_the_target_later_not_inside_the_call)
{
    struct requester requester = run_requester(request_once, check_one_stop, NULL);

    CHECK_EQ(requester.link.first.error, WEIR_CANCELLED);
}

WEIR_TEST(stop, requests_that_meet_on_the_way_become_one)
{
    run_requester(request_thrice, check_one_stop_with_both_bits, NULL);
}

static void request_once_ignored(struct requester *self)
{
    self->gate.ignores_stop = true;
    request_once(self);
}

static void request_again(struct requester *self)
{
    CHECK_EQ(self->gate.stop_count, 1);
    weir_stop_source_request(&self->source, WEIR_STOP_HARD);
}

static void check_two_stops(struct requester *self)
{
    CHECK_EQ(self->gate.stop_count, 2);
    CHECK_EQ(self->gate.bits, WEIR_STOP_REQUESTED | WEIR_STOP_HARD);
}

WEIR_TEST(stop, a_request_after_one_that_arrived_travels_again)
{
    run_requester(request_once_ignored, request_again, check_two_stops);
}

/* Each of them arrives before the next. */
static void request_expiries(struct requester *self)
{
    self->gate.ignores_stop = true;
    weir_stop_source_request(&self->source, WEIR_STOP_EXPIRED);
    if (++self->count < 1000)
        self->step--;
}

static void check_one_expiry_then_stop(struct requester *self)
{
    CHECK_EQ(self->link.task.expired, 1);
    CHECK_EQ(self->gate.stop_count, 1);
    weir_stop_source_request(&self->source, WEIR_STOP_EXPIRED | WEIR_STOP_REQUESTED);
}

static void check_the_stop_alone(struct requester *self)
{
    CHECK_EQ(self->link.task.expired, 1);
    CHECK_EQ(self->link.task.stop, WEIR_STOP_EXPIRED | WEIR_STOP_REQUESTED);
    CHECK_EQ(self->gate.stop_count, 2);
    CHECK_EQ(self->gate.bits, WEIR_STOP_EXPIRED | WEIR_STOP_REQUESTED);
}

WEIR_TEST(stop, expiries_through_a_source_count_once_however_many_are_requested)
{
    run_requester(request_expiries, check_one_expiry_then_stop, check_the_stop_alone);
}

WEIR_TEST(stop, a_request_after_the_close_does_nothing)
{
    struct requester requester = run_requester(request_nothing, NULL, NULL);

    CHECK_EQ(requester.gate.stop_count, 0);
    CHECK_EQ(requester.link.first.count, 5);
    CHECK_EQ(requester.link.after.error, 0);
}

WEIR_TEST(stop, a_close_waits_for_a_request_on_its_way_and_drops_it)
{
    struct requester requester = run_requester(request_once, NULL, NULL);

    CHECK_EQ(requester.closed.error, 0);
    CHECK_EQ(requester.gate.stop_count, 0);
}

static void request_and_be_stopped(struct requester *self)
{
    weir_stop_source_request(&self->source, WEIR_STOP_REQUESTED);
    weir_task_stop(&self->task, WEIR_STOP_HARD);
}

WEIR_TEST(stop, a_close_is_not_cancelled_by_a_stop)
{
    struct requester requester = run_requester(request_and_be_stopped, NULL, NULL);

    CHECK_EQ(requester.closed.error, 0);
}

/* The source, used by other threads: a stop and a completion race for one waiting task. */

enum { ROUNDS = 3000, RACERS = 2 };

struct round {
    weir_root root;
    struct link main;
    struct gate gate;
    weir_task opener; /* Posted: opens the gate if somebody still waits. */
    bool is_opened;
};

struct race {
    weir_loop *loop;
    struct round *round;
    uint32_t started; /* Rounds begun; __atomic: released by the loop's thread, acquired by both. */
    uint32_t finished; /* Racers done with all rounds so far: __atomic, the other way round. */
};

static weir_task *opener_resume(weir_task *task)
{
    struct round *round = WEIR_CONTAINER_OF(task, struct round, opener);

    round->is_opened = true;
    if (round->gate.waiter)
        gate_open(&round->gate, 0, 5);
    return NULL;
}

static void wait_until(const uint32_t *counter, uint32_t value)
{
    while (__atomic_load_n(counter, __ATOMIC_ACQUIRE) < value)
        sched_yield();
}

/* So that neither racer is always first. */
static void dawdle(unsigned steps)
{
    for (volatile unsigned i = 0; i < steps; i++) {
    }
}

static void *stop_in_every_round(void *argument)
{
    struct race *race = argument;

    for (uint32_t i = 1; i <= ROUNDS; i++) {
        wait_until(&race->started, i);
        dawdle(i % 61 * 40);
        weir_root_stop(&race->round->root, i % 2 ? WEIR_STOP_REQUESTED : WEIR_STOP_HARD);
        if (i % 3 == 0)
            weir_root_stop(&race->round->root, WEIR_STOP_HARD);
        __atomic_add_fetch(&race->finished, 1, __ATOMIC_RELEASE);
    }
    return NULL;
}

static void *open_in_every_round(void *argument)
{
    struct race *race = argument;

    for (uint32_t i = 1; i <= ROUNDS; i++) {
        wait_until(&race->started, i);
        dawdle(i % 67 * 40);
        weir_executor_post(weir_loop_executor(race->loop), &race->round->opener);
        __atomic_add_fetch(&race->finished, 1, __ATOMIC_RELEASE);
    }
    return NULL;
}

static void run_round(struct race *race, uint32_t number)
{
    struct round *round = race->round;

    *round = (struct round){.main = {.gate = &round->gate}};
    weir_task_init(&round->opener, opener_resume);
    weir_task_init(&round->main.task, link_resume);
    weir_run_async(weir_loop_executor(race->loop), &round->root, &round->main.task, NULL, NULL);
    __atomic_store_n(&race->started, number, __ATOMIC_RELEASE);
    weir_loop_run(race->loop);

    wait_until(&race->finished, RACERS * number);
    weir_loop_run(race->loop); /* The opener may have come after the tree had ended. */
    CHECK(round->is_opened);
}

WEIR_TEST(stop, a_stop_from_another_thread_races_a_completion)
{
    static struct round round;
    struct race race = {.loop = fake_loop_new(NULL), .round = &round};
    pthread_t racers[RACERS];

    CHECK_EQ(pthread_create(&racers[0], NULL, stop_in_every_round, &race), 0);
    CHECK_EQ(pthread_create(&racers[1], NULL, open_in_every_round, &race), 0);
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        run_round(&race, i);
        if (round.main.first.error)
            CHECK_EQ(round.main.first.error, WEIR_CANCELLED);
        else
            CHECK_EQ(round.main.first.count, 5);
        CHECK(round.gate.waiter == NULL);
    }
    for (int i = 0; i < RACERS; i++)
        CHECK_EQ(pthread_join(racers[i], NULL), 0);
    weir_loop_free(race.loop);
}

/* Many threads stop one tree while it ends by itself. */

enum { STOPPERS = 3 };

static void *stop_in_every_round_too(void *argument)
{
    struct race *race = argument;

    for (uint32_t i = 1; i <= ROUNDS; i++) {
        wait_until(&race->started, i);
        weir_root_stop(&race->round->root, WEIR_STOP_REQUESTED);
        __atomic_add_fetch(&race->finished, 1, __ATOMIC_RELEASE);
    }
    return NULL;
}

struct loner {
    weir_task task;
    int turns; /* In: yields before the end. */
};

static weir_task *loner_resume(weir_task *task)
{
    struct loner *self = WEIR_TASK_SELF(task, struct loner);

    WEIR_BEGIN(task);
    while (self->turns-- > 0)
        WEIR_YIELD(task);
    WEIR_RETURN(task, weir_result_of(0, 77));
    WEIR_END(task);
}

WEIR_TEST(stop, requests_of_many_threads_race_the_end_of_the_tree)
{
    static struct round round;
    struct race race = {.loop = fake_loop_new(NULL), .round = &round};
    pthread_t stoppers[STOPPERS];
    struct loner loner;

    for (int i = 0; i < STOPPERS; i++)
        CHECK_EQ(pthread_create(&stoppers[i], NULL, stop_in_every_round_too, &race), 0);
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        weir_task_init(&loner.task, loner_resume);
        loner.turns = (int)(i % 5);
        weir_run_async(weir_loop_executor(race.loop), &round.root, &loner.task, NULL, NULL);
        __atomic_store_n(&race.started, i, __ATOMIC_RELEASE);
        weir_loop_run(race.loop);
        CHECK_EQ(round.root.outcome.count, 77);
        wait_until(&race.finished, STOPPERS * i);
    }
    for (int i = 0; i < STOPPERS; i++)
        CHECK_EQ(pthread_join(stoppers[i], NULL), 0);
    weir_loop_free(race.loop);
}
