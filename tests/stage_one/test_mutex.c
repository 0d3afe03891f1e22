/* SPDX-License-Identifier: MIT */
/* Mutexes: exclusion across awaits, hand-over in order, and stops. */
#include <weir/mutex.h>

#include <weir/scope.h>

#include "actor.h"

static weir_task *lock(struct actor *self)
{
    return weir_mutex_lock(&self->task, self->object);
}

/* A stage, a mutex, and three who want it. Who got it holds it until the test unlocks for them. */
struct play {
    struct stage stage;
    weir_mutex mutex;
    struct actor actors[3];
};

static void play_begin(struct play *play)
{
    memset(play, 0, sizeof *play);
    stage_init(&play->stage);
    weir_mutex_init(&play->mutex);
    for (int i = 0; i < 3; i++) {
        play->actors[i].start = lock;
        play->actors[i].object = &play->mutex;
    }
}

static void enter(struct play *play, int i)
{
    stage_enter(&play->stage, &play->actors[i]);
}

static void unlock(struct play *play, int i)
{
    weir_mutex_unlock(&play->actors[i].task, &play->mutex);
    stage_settle(&play->stage);
}

static void play_end(struct play *play)
{
    weir_mutex_fini(&play->mutex);
    stage_fini(&play->stage);
}

WEIR_TEST(mutex, a_free_one_is_locked_at_once)
{
    struct play play;

    play_begin(&play);
    enter(&play, 0);
    CHECK_DONE(&play.actors[0], 0, 0);
    unlock(&play, 0);
    enter(&play, 1);
    CHECK_DONE(&play.actors[1], 0, 0);
    unlock(&play, 1);
    play_end(&play);
}

WEIR_TEST(mutex, an_unlock_hands_it_to_who_has_waited_longest)
{
    struct play play;

    play_begin(&play);
    enter(&play, 2);
    enter(&play, 0);
    enter(&play, 1);
    CHECK_WAITS(&play.actors[0]);
    CHECK_WAITS(&play.actors[1]);
    unlock(&play, 2);
    CHECK_DONE(&play.actors[0], 0, 0);
    CHECK_WAITS(&play.actors[1]);
    unlock(&play, 0);
    CHECK_DONE(&play.actors[1], 0, 0);
    unlock(&play, 1);
    play_end(&play);
}

WEIR_TEST(mutex, try_lock_takes_a_free_one_only)
{
    struct play play;

    play_begin(&play);
    enter(&play, 0);
    weir_task_init(&play.actors[1].task, actor_resume);
    play.actors[1].task.environment = play.actors[0].task.environment;
    CHECK(!weir_mutex_try_lock(&play.actors[1].task, &play.mutex));
    unlock(&play, 0);
    CHECK(weir_mutex_try_lock(&play.actors[1].task, &play.mutex));
    enter(&play, 2);
    CHECK_WAITS(&play.actors[2]);
    unlock(&play, 1);
    CHECK_DONE(&play.actors[2], 0, 0);
    unlock(&play, 2);
    play_end(&play);
}

/* Between the unlock and the turn of the next holder. */
WEIR_TEST(mutex, nobody_overtakes_a_holder_that_has_not_run_yet)
{
    struct play play;

    play_begin(&play);
    enter(&play, 0);
    enter(&play, 1);
    weir_mutex_unlock(&play.actors[0].task, &play.mutex);
    CHECK_WAITS(&play.actors[1]);
    CHECK(!weir_mutex_try_lock(&play.actors[0].task, &play.mutex));
    enter(&play, 2);
    CHECK_DONE(&play.actors[1], 0, 0);
    CHECK_WAITS(&play.actors[2]);
    unlock(&play, 1);
    unlock(&play, 2);
    play_end(&play);
}

WEIR_TEST(mutex, a_stop_before_the_lock_leaves_it_free)
{
    struct play play;

    play_begin(&play);
    stage_enter_stopped(&play.stage, &play.actors[0], WEIR_STOP_REQUESTED);
    CHECK_DONE(&play.actors[0], WEIR_CANCELLED, 0);
    enter(&play, 1);
    CHECK_DONE(&play.actors[1], 0, 0);
    unlock(&play, 1);
    play_end(&play);
}

WEIR_TEST(mutex, a_stop_while_waiting_leaves_the_queue)
{
    struct play play;

    play_begin(&play);
    for (int i = 0; i < 3; i++)
        enter(&play, i);
    actor_stop(&play.actors[1]);
    unlock(&play, 0);
    CHECK_DONE(&play.actors[1], WEIR_CANCELLED, 0);
    CHECK_DONE(&play.actors[2], 0, 0);
    unlock(&play, 2);
    play_end(&play);
}

WEIR_TEST(mutex, a_stop_after_the_hand_over_leaves_it_locked)
{
    struct play play;

    play_begin(&play);
    enter(&play, 0);
    enter(&play, 1);
    enter(&play, 2);
    weir_mutex_unlock(&play.actors[0].task, &play.mutex);
    actor_stop(&play.actors[1]);
    stage_settle(&play.stage);
    CHECK_DONE(&play.actors[1], 0, 0);
    CHECK_WAITS(&play.actors[2]);
    unlock(&play, 1);
    CHECK_DONE(&play.actors[2], 0, 0);
    unlock(&play, 2);
    play_end(&play);
}

WEIR_TEST(mutex, a_deadline_that_passes_is_told_from_a_stop)
{
    struct play play;

    play_begin(&play);
    enter(&play, 0);
    enter(&play, 1);
    weir_task_stop(&play.actors[1].root.task, WEIR_STOP_EXPIRED);
    stage_settle(&play.stage);
    CHECK_DONE(&play.actors[1], WEIR_TIMED_OUT, 0);
    unlock(&play, 0);
    play_end(&play);
}

/* Workers of one tree that await inside the mutex. */

enum { WORKERS = 5, ROUNDS = 40 };

struct workshop {
    weir_task task;
    weir_mutex mutex;
    int inside; /* Workers that hold the mutex. */
    int rounds; /* Done, by all. */
    weir_scope scope;
    weir_scope_child records[WORKERS];
    struct worker {
        weir_task task;
        struct workshop *shop;
        int rounds;
    } workers[WORKERS];
};

static weir_task *worker_resume(weir_task *task)
{
    struct worker *self = WEIR_TASK_SELF(task, struct worker);
    weir_result r;

    WEIR_BEGIN(task);
    for (self->rounds = 0; self->rounds < ROUNDS; self->rounds++) {
        WEIR_AWAIT(task, r, weir_mutex_lock(task, &self->shop->mutex));
        CHECK_EQ(r.error, 0);
        CHECK_EQ(self->shop->inside++, 0);
        WEIR_YIELD(task);
        CHECK_EQ(--self->shop->inside, 0);
        /* Everybody waits in the queue, so nobody is ever two rounds ahead. */
        CHECK(self->shop->rounds >= (self->rounds - 1) * WORKERS);
        self->shop->rounds++;
        weir_mutex_unlock(task, &self->shop->mutex);
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static weir_task *workshop_resume(weir_task *task)
{
    struct workshop *self = WEIR_TASK_SELF(task, struct workshop);
    weir_result r;

    WEIR_BEGIN(task);
    weir_mutex_init(&self->mutex);
    weir_scope_init(&self->scope, task);
    for (int i = 0; i < WORKERS; i++) {
        weir_task_init(&self->workers[i].task, worker_resume);
        self->workers[i].shop = self;
        weir_scope_start_embedded(&self->scope, &self->records[i], &self->workers[i].task);
    }
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
    weir_mutex_fini(&self->mutex);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_TEST(mutex, it_excludes_across_awaits_and_is_fair)
{
    struct workshop shop = {.inside = 0, .rounds = 0};
    weir_manual manual;

    weir_manual_init(&manual, NULL);
    weir_task_init(&shop.task, workshop_resume);
    CHECK_EQ(weir_manual_run(&manual, &shop.task).error, 0);
    CHECK_EQ(shop.rounds, WORKERS * ROUNDS);
    weir_manual_fini(&manual);
}
