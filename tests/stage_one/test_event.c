/* SPDX-License-Identifier: MIT */
/* Events: manual reset, order, and a stop before, during and after a wait. */
#include <weir/event.h>

#include "actor.h"

static weir_task *wait_for(struct actor *self)
{
    return weir_event_wait(&self->task, self->object);
}

/* A stage, an event, and three who will wait for it. */
struct play {
    struct stage stage;
    weir_event event;
    struct actor actors[3];
};

static void play_begin(struct play *play)
{
    memset(play, 0, sizeof *play);
    stage_init(&play->stage);
    weir_event_init(&play->event);
    for (int i = 0; i < 3; i++) {
        play->actors[i].start = wait_for;
        play->actors[i].object = &play->event;
    }
}

static void enter(struct play *play, int i)
{
    stage_enter(&play->stage, &play->actors[i]);
}

static void play_end(struct play *play)
{
    weir_event_fini(&play->event);
    stage_fini(&play->stage);
}

WEIR_TEST(event, a_wait_completes_when_it_is_set)
{
    struct play play;

    play_begin(&play);
    enter(&play, 0);
    CHECK_WAITS(&play.actors[0]);
    weir_event_set(&play.event);
    CHECK_WAITS(&play.actors[0]); /* Made ready, not resumed. */
    stage_settle(&play.stage);
    CHECK_DONE(&play.actors[0], 0, 0);
    play_end(&play);
}

WEIR_TEST(event, it_stays_set_until_it_is_cleared)
{
    struct play play;

    play_begin(&play);
    CHECK(!weir_event_is_set(&play.event));
    weir_event_set(&play.event);
    weir_event_set(&play.event);
    CHECK(weir_event_is_set(&play.event));
    enter(&play, 0);
    enter(&play, 1);
    CHECK_DONE(&play.actors[0], 0, 0);
    CHECK_DONE(&play.actors[1], 0, 0);

    weir_event_clear(&play.event);
    CHECK(!weir_event_is_set(&play.event));
    enter(&play, 2);
    CHECK_WAITS(&play.actors[2]);
    weir_event_set(&play.event);
    stage_settle(&play.stage);
    CHECK_DONE(&play.actors[2], 0, 0);
    play_end(&play);
}

WEIR_TEST(event, waits_complete_in_the_order_they_began)
{
    struct play play;

    play_begin(&play);
    enter(&play, 2);
    enter(&play, 0);
    enter(&play, 1);
    weir_event_set(&play.event);
    stage_settle(&play.stage);
    CHECK_EQ(play.actors[2].place, 1);
    CHECK_EQ(play.actors[0].place, 2);
    CHECK_EQ(play.actors[1].place, 3);
    play_end(&play);
}

WEIR_TEST(event, who_waits_is_served_though_it_is_cleared_before_they_run)
{
    struct play play;

    play_begin(&play);
    enter(&play, 0);
    weir_event_set(&play.event);
    weir_event_clear(&play.event);
    stage_settle(&play.stage);
    CHECK_DONE(&play.actors[0], 0, 0);
    play_end(&play);
}

WEIR_TEST(event, a_stop_before_the_wait_wins_over_a_set_event)
{
    struct play play;

    play_begin(&play);
    weir_event_set(&play.event);
    stage_enter_stopped(&play.stage, &play.actors[0], WEIR_STOP_REQUESTED);
    CHECK_DONE(&play.actors[0], WEIR_CANCELLED, 0);
    play_end(&play);
}

WEIR_TEST(event, a_stop_during_the_wait_ends_that_wait_alone)
{
    struct play play;

    play_begin(&play);
    for (int i = 0; i < 3; i++)
        enter(&play, i);
    actor_stop(&play.actors[1]);
    stage_settle(&play.stage);
    CHECK_DONE(&play.actors[1], WEIR_CANCELLED, 0);
    CHECK_WAITS(&play.actors[0]);
    CHECK_WAITS(&play.actors[2]);
    weir_event_set(&play.event);
    stage_settle(&play.stage);
    CHECK_DONE(&play.actors[0], 0, 0);
    CHECK_DONE(&play.actors[2], 0, 0);
    play_end(&play);
}

WEIR_TEST(event, a_stop_after_the_set_does_not_unmake_it)
{
    struct play play;

    play_begin(&play);
    enter(&play, 0);
    weir_event_set(&play.event);
    actor_stop(&play.actors[0]);
    stage_settle(&play.stage);
    CHECK_DONE(&play.actors[0], 0, 0);
    play_end(&play);
}

WEIR_TEST(event, a_deadline_that_passes_is_told_from_a_stop)
{
    struct play play;

    play_begin(&play);
    enter(&play, 0);
    weir_task_stop(&play.actors[0].root.task, WEIR_STOP_EXPIRED);
    stage_settle(&play.stage);
    CHECK_DONE(&play.actors[0], WEIR_TIMED_OUT, 0);
    play_end(&play);
}

/* A task that waits within a shield. */
struct shielded {
    weir_task task;
    weir_event *event; /* In. */
    weir_result inside;
    weir_root root;
};

static weir_task *shielded_resume(weir_task *task)
{
    struct shielded *self = WEIR_TASK_SELF(task, struct shielded);
    weir_result r;

    WEIR_BEGIN(task);
    weir_shield_begin(task);
    WEIR_AWAIT(task, r, weir_event_wait(task, self->event));
    self->inside = r;
    weir_shield_end(task);
    WEIR_AWAIT(task, r, weir_event_wait(task, self->event));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_TEST(event, a_shield_holds_the_stop_back)
{
    struct play play;
    struct shielded shielded = {.event = &play.event, .inside = {1, 1}};

    play_begin(&play);
    weir_task_init(&shielded.task, shielded_resume);
    weir_run_async(weir_manual_executor(&play.stage.manual), &shielded.root, &shielded.task, NULL,
                   NULL);
    stage_settle(&play.stage);
    weir_task_stop(&shielded.root.task, WEIR_STOP_REQUESTED);
    stage_settle(&play.stage);
    CHECK_EQ(shielded.inside.error, 1); /* It waits still. */
    weir_event_set(&play.event);
    stage_settle(&play.stage);
    CHECK_EQ(shielded.inside.error, 0);
    CHECK_EQ(weir_task_result(&shielded.task).error, WEIR_CANCELLED);
    play_end(&play);
}

/* A task whose waits never suspend, for as long as nobody else runs. */
struct hog {
    weir_task task;
    weir_event *event;    /* In: set. */
    const bool *let_go;   /* In: another task has run. */
    unsigned waits_count; /* Out. */
    weir_root root;
};

static weir_task *hog_resume(weir_task *task)
{
    struct hog *self = WEIR_TASK_SELF(task, struct hog);
    weir_result r;

    WEIR_BEGIN(task);
    while (!*self->let_go) {
        WEIR_AWAIT(task, r, weir_event_wait(task, self->event));
        CHECK_EQ(r.error, 0);
        CHECK(++self->waits_count < 100000);
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

WEIR_TEST(event, waits_that_never_suspend_starve_nobody)
{
    struct play play;
    struct hog hog = {.event = &play.event, .let_go = &play.actors[0].done};

    play_begin(&play);
    weir_event_set(&play.event);
    weir_task_init(&hog.task, hog_resume);
    weir_run_async(weir_manual_executor(&play.stage.manual), &hog.root, &hog.task, NULL, NULL);
    enter(&play, 0);
    CHECK_EQ(weir_task_result(&hog.task).error, 0);
    CHECK(hog.waits_count > 0);
    play_end(&play);
}
