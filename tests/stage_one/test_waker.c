/* SPDX-License-Identifier: MIT */
/* Wakers: the token step by step on one thread, then against threads that know nothing of weir. */
#include <weir/waker.h>

#include <stdlib.h>

#include <weir/event.h>
#include <weir/scope.h>

#include "actor.h"
#include "driver.h"

static weir_task *wait_for(struct actor *self)
{
    return weir_waker_wait(&self->task, self->object);
}

static weir_task *close_it(struct actor *self)
{
    return weir_waker_close(&self->task, self->object);
}

/* A stage, a waker that the owner opened and outlives, and those who await it. */
struct play {
    struct stage stage;
    weir_waker waker;
    weir_event over;
    struct actor owner;
    struct actor waiter;
    struct actor other;
    struct actor closer;
};

static weir_task *own(struct actor *self)
{
    struct play *play = self->object;

    weir_waker_open(&play->waker, &self->task);
    return weir_event_wait(&self->task, &play->over);
}

static void play_begin(struct play *play)
{
    memset(play, 0, sizeof *play);
    stage_init(&play->stage);
    weir_event_init(&play->over);
    play->owner.start = own;
    play->owner.object = play;
    play->waiter.start = wait_for;
    play->other.start = wait_for;
    play->closer.start = close_it;
    play->waiter.object = &play->waker;
    play->other.object = &play->waker;
    play->closer.object = &play->waker;
    stage_enter(&play->stage, &play->owner);
}

static void play_end(struct play *play)
{
    if (!play->closer.stage)
        stage_enter(&play->stage, &play->closer);
    CHECK_DONE(&play->closer, 0, 0);
    weir_event_set(&play->over);
    stage_settle(&play->stage);
    stage_fini(&play->stage);
}

/* The token. */

WEIR_TEST(waker, a_wake_completes_the_wait)
{
    struct play play;

    play_begin(&play);
    stage_enter(&play.stage, &play.waiter);
    CHECK_WAITS(&play.waiter);
    weir_waker_wake(&play.waker);
    CHECK_WAITS(&play.waiter);
    stage_settle(&play.stage);
    CHECK_DONE(&play.waiter, 0, 0);
    play_end(&play);
}

WEIR_TEST(waker, a_wake_that_comes_first_is_kept)
{
    struct play play;

    play_begin(&play);
    weir_waker_wake(&play.waker);
    stage_settle(&play.stage);
    stage_enter(&play.stage, &play.waiter);
    CHECK_DONE(&play.waiter, 0, 0);
    play_end(&play);
}

WEIR_TEST(waker, wakes_that_meet_become_one)
{
    struct play play;

    play_begin(&play);
    weir_waker_wake(&play.waker);
    weir_waker_wake(&play.waker);
    stage_enter(&play.stage, &play.waiter);
    CHECK_DONE(&play.waiter, 0, 0);
    stage_enter(&play.stage, &play.waiter);
    CHECK_WAITS(&play.waiter);
    weir_waker_wake(&play.waker);
    weir_waker_wake(&play.waker);
    stage_settle(&play.stage);
    CHECK_DONE(&play.waiter, 0, 0);
    stage_enter(&play.stage, &play.other);
    CHECK_WAITS(&play.other);
    weir_waker_wake(&play.waker);
    stage_settle(&play.stage);
    play_end(&play);
}

WEIR_TEST(waker, a_wake_that_nobody_waits_for_posts_nothing)
{
    struct play play;

    play_begin(&play);
    weir_waker_wake(&play.waker);
    CHECK(!weir_manual_poll(&play.stage.manual));
    stage_enter(&play.stage, &play.waiter);
    stage_enter(&play.stage, &play.waiter);
    weir_waker_wake(&play.waker);
    stage_settle(&play.stage);
    CHECK_DONE(&play.waiter, 0, 0);
    weir_waker_wake(&play.waker);
    CHECK(!weir_manual_poll(&play.stage.manual));
    play_end(&play);
}

/* Stopping. */

WEIR_TEST(waker, a_stop_before_the_wait_leaves_the_token)
{
    struct play play;

    play_begin(&play);
    weir_waker_wake(&play.waker);
    stage_enter_stopped(&play.stage, &play.waiter, WEIR_STOP_REQUESTED);
    CHECK_DONE(&play.waiter, WEIR_CANCELLED, 0);
    stage_enter(&play.stage, &play.other);
    CHECK_DONE(&play.other, 0, 0);
    play_end(&play);
}

WEIR_TEST(waker, a_stop_during_the_wait_ends_it)
{
    struct play play;

    play_begin(&play);
    stage_enter(&play.stage, &play.waiter);
    weir_task_stop(&play.waiter.root.task, WEIR_STOP_EXPIRED);
    stage_settle(&play.stage);
    CHECK_DONE(&play.waiter, WEIR_TIMED_OUT, 0);
    weir_waker_wake(&play.waker);
    stage_enter(&play.stage, &play.other);
    CHECK_DONE(&play.other, 0, 0);
    play_end(&play);
}

WEIR_TEST(waker, a_stop_before_the_courier_arrives_leaves_the_token_to_the_next)
{
    struct play play;

    play_begin(&play);
    stage_enter(&play.stage, &play.waiter);
    weir_waker_wake(&play.waker);
    actor_stop(&play.waiter);
    stage_settle(&play.stage);
    CHECK_DONE(&play.waiter, WEIR_CANCELLED, 0);
    stage_enter(&play.stage, &play.other);
    CHECK_DONE(&play.other, 0, 0);
    play_end(&play);
}

/* A task that waits twice. */
struct twice {
    weir_task task;
    weir_waker *waker; /* In. */
    int tokens;        /* Out. */
    weir_root root;
};

static weir_task *twice_resume(weir_task *task)
{
    struct twice *self = WEIR_TASK_SELF(task, struct twice);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->tokens < 2) {
        WEIR_AWAIT(task, r, weir_waker_wait(task, self->waker));
        CHECK_EQ(r.error, 0);
        self->tokens++;
    }
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_TEST(waker, a_courier_whose_token_was_taken_meanwhile_wakes_nobody)
{
    struct play play;
    struct twice twice = {.waker = &play.waker, .tokens = 0};

    play_begin(&play);
    stage_enter(&play.stage, &play.waiter);
    weir_task_init(&twice.task, twice_resume);
    weir_run_async(weir_manual_executor(&play.stage.manual), &twice.root, &twice.task, NULL, NULL);
    weir_waker_wake(&play.waker); /* The courier comes behind the task that waits twice. */
    actor_stop(&play.waiter);
    stage_settle(&play.stage);
    CHECK_DONE(&play.waiter, WEIR_CANCELLED, 0);
    CHECK_EQ(twice.tokens, 1);
    weir_waker_wake(&play.waker);
    stage_settle(&play.stage);
    CHECK_EQ(twice.tokens, 2);
    play_end(&play);
}

/* Closing. */

WEIR_TEST(waker, closing_ends_a_wait)
{
    struct play play;

    play_begin(&play);
    stage_enter(&play.stage, &play.waiter);
    stage_enter(&play.stage, &play.closer);
    CHECK_DONE(&play.waiter, WEIR_CLOSED, 0);
    play_end(&play);
}

WEIR_TEST(waker, closing_waits_for_the_courier_even_if_stopped)
{
    struct play play;

    play_begin(&play);
    stage_enter(&play.stage, &play.waiter);
    /* Behind the root of the closer, so that it finds the courier under way. */
    weir_task_init(&play.closer.task, actor_resume);
    play.closer.stage = &play.stage;
    weir_run_async(weir_manual_executor(&play.stage.manual), &play.closer.root, &play.closer.task,
                   NULL, NULL);
    weir_task_stop(&play.closer.root.task, WEIR_STOP_HARD);
    weir_waker_wake(&play.waker);
    stage_settle(&play.stage);
    CHECK_DONE(&play.waiter, WEIR_CLOSED, 0);
    CHECK_DONE(&play.closer, 0, 0);
    play_end(&play);
}

WEIR_TEST(waker, a_wake_after_closing_does_nothing)
{
    struct play play;

    play_begin(&play);
    stage_enter(&play.stage, &play.closer);
    weir_waker_wake(&play.waker);
    CHECK(!weir_manual_poll(&play.stage.manual));
    play_end(&play);
}

/* Threads. */

enum { WAKERS = 3, WAKES = 5000, VOLLEYS = 3000 };

/* What the consumer and the threads that wake it share. */
struct hall {
    weir_waker *waker;
    int plain;       /* Published by a wake alone. */
    int served;      /* __atomic: volleys the consumer has seen. */
    int arrived;     /* __atomic: wakes that are about to happen. */
    uint32_t opened; /* __atomic: the waker is open. */
    pthread_t threads[WAKERS];
};

static void hall_open(struct hall *hall, weir_task *task)
{
    weir_waker_open(hall->waker, task);
    __atomic_store_n(&hall->opened, 1, __ATOMIC_RELEASE);
}

static void hall_enter(struct hall *hall)
{
    while (!__atomic_load_n(&hall->opened, __ATOMIC_ACQUIRE))
        sched_yield();
}

struct consumer {
    weir_task task;
    struct hall *hall; /* In. */
    int volley;
    weir_scope scope;
    weir_scope_child record;
    struct actor child; /* Waits, and is stopped or told that the waker is closed. */
    int yields;
};

static weir_task *child_resume(weir_task *task)
{
    struct actor *self = WEIR_TASK_SELF(task, struct actor);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_waker_wait(task, self->object));
    self->result = r;
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

/* Start the child in the consumer's scope, which is empty. */
static void start_child(struct consumer *self)
{
    weir_task_init(&self->child.task, child_resume);
    self->child.object = self->hall->waker;
    weir_scope_start_embedded(&self->scope, &self->record, &self->child.task);
}

/* Each wake publishes a plain value; nothing else orders the two threads on the way there. */
static void *serve(void *argument)
{
    struct hall *hall = argument;

    hall_enter(hall);
    for (int volley = 1; volley <= VOLLEYS; volley++) {
        hall->plain = volley;
        weir_waker_wake(hall->waker);
        while (volley < VOLLEYS && __atomic_load_n(&hall->served, __ATOMIC_ACQUIRE) < volley)
            sched_yield();
    }
    return NULL;
}

/* After the last token nobody calls the waker any more, so it goes while the thread that woke may
 * still be on its way out of the call. */
static weir_task *return_serves_resume(weir_task *task)
{
    struct consumer *self = WEIR_TASK_SELF(task, struct consumer);
    weir_result r;

    WEIR_BEGIN(task);
    hall_open(self->hall, task);
    for (self->volley = 1; self->volley <= VOLLEYS; self->volley++) {
        WEIR_AWAIT(task, r, weir_waker_wait(task, self->hall->waker));
        CHECK_EQ(r.error, 0);
        CHECK_EQ(self->hall->plain, self->volley);
        __atomic_store_n(&self->hall->served, self->volley, __ATOMIC_RELEASE);
    }
    WEIR_AWAIT(task, r, weir_waker_close(task, self->hall->waker));
    free(self->hall->waker);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static struct hall hall_of(struct consumer *consumer, weir_resume_fn *resume)
{
    struct hall hall = {.waker = malloc(sizeof *hall.waker), .plain = 0};

    CHECK(hall.waker);
    weir_task_init(&consumer->task, resume);
    return hall;
}

static void run_hall(struct hall *hall, struct consumer *consumer, int threads,
                     void *(*thread)(void *))
{
    struct driver driver;

    consumer->hall = hall;
    driver_start(&driver, &consumer->task);
    for (int i = 0; i < threads; i++)
        CHECK_EQ(pthread_create(&hall->threads[i], NULL, thread, hall), 0);
    for (int i = 0; i < threads; i++)
        CHECK_EQ(pthread_join(hall->threads[i], NULL), 0);
    driver_join(&driver);
    driver_fini(&driver);
}

WEIR_TEST(waker, a_wake_publishes_what_its_thread_wrote)
{
    struct consumer consumer = {.volley = 0};
    struct hall hall = hall_of(&consumer, return_serves_resume);

    run_hall(&hall, &consumer, 1, serve);
}

static void *wake_often(void *argument)
{
    struct hall *hall = argument;

    hall_enter(hall);
    for (int i = 0; i < WAKES; i++) {
        __atomic_fetch_add(&hall->arrived, 1, __ATOMIC_RELAXED);
        weir_waker_wake(hall->waker);
    }
    return NULL;
}

static bool has_seen_all(const struct hall *hall)
{
    return __atomic_load_n(&hall->arrived, __ATOMIC_RELAXED) == WAKERS * WAKES;
}

/* A wake that were lost would leave this waiting for ever. */
static weir_task *count_resume(weir_task *task)
{
    struct consumer *self = WEIR_TASK_SELF(task, struct consumer);
    weir_result r;

    WEIR_BEGIN(task);
    hall_open(self->hall, task);
    do {
        WEIR_AWAIT(task, r, weir_waker_wait(task, self->hall->waker));
        CHECK_EQ(r.error, 0);
    } while (!has_seen_all(self->hall));
    WEIR_AWAIT(task, r, weir_waker_close(task, self->hall->waker));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_TEST(waker, no_wake_of_many_threads_is_lost)
{
    struct consumer consumer = {.volley = 0};
    struct hall hall = hall_of(&consumer, count_resume);

    run_hall(&hall, &consumer, WAKERS, wake_often);
    free(hall.waker);
}

/* Each wait is a child's, which is stopped after a few turns. */
static weir_task *count_and_stop_resume(weir_task *task)
{
    struct consumer *self = WEIR_TASK_SELF(task, struct consumer);
    weir_result r;

    WEIR_BEGIN(task);
    hall_open(self->hall, task);
    weir_scope_init(&self->scope, task);
    do {
        start_child(self);
        for (self->yields = self->volley++ % 4; self->yields > 0; self->yields--)
            WEIR_YIELD(task);
        weir_scope_stop(&self->scope, WEIR_STOP_REQUESTED);
        WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
    } while (self->child.result.error || !has_seen_all(self->hall));
    WEIR_AWAIT(task, r, weir_waker_close(task, self->hall->waker));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_TEST(waker, no_wake_is_lost_while_waits_are_stopped)
{
    struct consumer consumer = {.volley = 0};
    struct hall hall = hall_of(&consumer, count_and_stop_resume);

    run_hall(&hall, &consumer, WAKERS, wake_often);
    free(hall.waker);
}

/* Wakes until the consumer has gone. */
static void *wake_for_ever(void *argument)
{
    struct hall *hall = argument;

    hall_enter(hall);
    while (!__atomic_load_n(&hall->served, __ATOMIC_ACQUIRE))
        weir_waker_wake(hall->waker);
    return NULL;
}

/* Closes in the middle of the wakes, which go on. */
static weir_task *leave_early_resume(weir_task *task)
{
    struct consumer *self = WEIR_TASK_SELF(task, struct consumer);
    weir_result r;

    WEIR_BEGIN(task);
    hall_open(self->hall, task);
    for (self->volley = 0; self->volley < 3; self->volley++) {
        WEIR_AWAIT(task, r, weir_waker_wait(task, self->hall->waker));
        CHECK_EQ(r.error, 0);
    }
    weir_scope_init(&self->scope, task);
    start_child(self);
    WEIR_YIELD(task);
    WEIR_AWAIT(task, r, weir_waker_close(task, self->hall->waker));
    CHECK_EQ(r.error, 0);
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
    CHECK(self->child.result.error == 0 || self->child.result.error == WEIR_CLOSED);
    __atomic_store_n(&self->hall->served, 1, __ATOMIC_RELEASE);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_TEST(waker, closing_while_threads_wake)
{
    for (int round = 0; round < 50; round++) {
        struct consumer consumer = {.volley = 0};
        struct hall hall = hall_of(&consumer, leave_early_resume);

        run_hall(&hall, &consumer, WAKERS, wake_for_ever);
        free(hall.waker);
    }
}
