/* SPDX-License-Identifier: MIT */
/* Semaphores: permits are counted, handed over in order, and lost to nobody. */
#include <weir/semaphore.h>

#include "actor.h"

enum { ACTORS = 4 };

static weir_task *acquire(struct actor *self)
{
    return weir_semaphore_acquire(&self->task, self->object);
}

/* A stage, a semaphore, and those who want its permits. */
struct play {
    struct stage stage;
    weir_semaphore semaphore;
    struct actor actors[ACTORS];
};

static void play_begin(struct play *play, size_t permits)
{
    memset(play, 0, sizeof *play);
    stage_init(&play->stage);
    weir_semaphore_init(&play->semaphore, permits);
    for (int i = 0; i < ACTORS; i++) {
        play->actors[i].start = acquire;
        play->actors[i].object = &play->semaphore;
    }
}

static void enter(struct play *play, int i)
{
    stage_enter(&play->stage, &play->actors[i]);
}

static void release(struct play *play, size_t permits)
{
    weir_semaphore_release(&play->semaphore, permits);
    stage_settle(&play->stage);
}

static void play_end(struct play *play)
{
    weir_semaphore_fini(&play->semaphore);
    stage_fini(&play->stage);
}

WEIR_TEST(semaphore, as_many_acquire_at_once_as_there_are_permits)
{
    struct play play;

    play_begin(&play, 2);
    for (int i = 0; i < 3; i++)
        enter(&play, i);
    CHECK_DONE(&play.actors[0], 0, 0);
    CHECK_DONE(&play.actors[1], 0, 0);
    CHECK_WAITS(&play.actors[2]);
    CHECK_EQ(weir_semaphore_available(&play.semaphore), 0);
    release(&play, 1);
    CHECK_DONE(&play.actors[2], 0, 0);
    CHECK_EQ(weir_semaphore_available(&play.semaphore), 0);
    release(&play, 2);
    CHECK_EQ(weir_semaphore_available(&play.semaphore), 2);
    play_end(&play);
}

WEIR_TEST(semaphore, a_release_of_many_serves_in_order_and_keeps_the_rest)
{
    struct play play;

    play_begin(&play, 0);
    enter(&play, 3);
    enter(&play, 1);
    enter(&play, 0);
    release(&play, 5);
    CHECK_EQ(play.actors[3].place, 1);
    CHECK_EQ(play.actors[1].place, 2);
    CHECK_EQ(play.actors[0].place, 3);
    CHECK_EQ(weir_semaphore_available(&play.semaphore), 2);
    play_end(&play);
}

WEIR_TEST(semaphore, a_release_of_none_serves_nobody)
{
    struct play play;

    play_begin(&play, 0);
    enter(&play, 0);
    release(&play, 0);
    CHECK_WAITS(&play.actors[0]);
    release(&play, 1);
    CHECK_DONE(&play.actors[0], 0, 0);
    play_end(&play);
}

WEIR_TEST(semaphore, try_acquire_takes_what_is_available)
{
    struct play play;

    play_begin(&play, 1);
    CHECK(weir_semaphore_try_acquire(&play.semaphore));
    CHECK(!weir_semaphore_try_acquire(&play.semaphore));
    release(&play, 1);
    CHECK(weir_semaphore_try_acquire(&play.semaphore));
    play_end(&play);
}

/* Between the release and the turn of who was served. */
WEIR_TEST(semaphore, nobody_overtakes_who_has_waited)
{
    struct play play;

    play_begin(&play, 0);
    enter(&play, 0);
    enter(&play, 1);
    weir_semaphore_release(&play.semaphore, 1);
    CHECK(!weir_semaphore_try_acquire(&play.semaphore));
    enter(&play, 2);
    CHECK_DONE(&play.actors[0], 0, 0);
    CHECK_WAITS(&play.actors[1]);
    CHECK_WAITS(&play.actors[2]);
    release(&play, 2);
    CHECK_EQ(play.actors[1].place, 2);
    CHECK_EQ(play.actors[2].place, 3);
    play_end(&play);
}

WEIR_TEST(semaphore, a_stop_before_the_acquire_takes_no_permit)
{
    struct play play;

    play_begin(&play, 1);
    stage_enter_stopped(&play.stage, &play.actors[0], WEIR_STOP_REQUESTED);
    CHECK_DONE(&play.actors[0], WEIR_CANCELLED, 0);
    CHECK_EQ(weir_semaphore_available(&play.semaphore), 1);
    play_end(&play);
}

WEIR_TEST(semaphore, a_stop_while_waiting_leaves_the_permit_to_the_next)
{
    struct play play;

    play_begin(&play, 0);
    enter(&play, 0);
    enter(&play, 1);
    actor_stop(&play.actors[0]);
    release(&play, 1);
    CHECK_DONE(&play.actors[0], WEIR_CANCELLED, 0);
    CHECK_DONE(&play.actors[1], 0, 0);
    CHECK_EQ(weir_semaphore_available(&play.semaphore), 0);
    play_end(&play);
}

WEIR_TEST(semaphore, a_stop_after_the_hand_over_leaves_the_permit_acquired)
{
    struct play play;

    play_begin(&play, 0);
    enter(&play, 0);
    weir_semaphore_release(&play.semaphore, 1);
    actor_stop(&play.actors[0]);
    stage_settle(&play.stage);
    CHECK_DONE(&play.actors[0], 0, 0);
    CHECK_EQ(weir_semaphore_available(&play.semaphore), 0);
    play_end(&play);
}

WEIR_TEST(semaphore, a_deadline_that_passes_is_told_from_a_stop)
{
    struct play play;

    play_begin(&play, 0);
    enter(&play, 0);
    weir_task_stop(&play.actors[0].root.task, WEIR_STOP_EXPIRED);
    stage_settle(&play.stage);
    CHECK_DONE(&play.actors[0], WEIR_TIMED_OUT, 0);
    play_end(&play);
}
