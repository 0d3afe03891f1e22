/* SPDX-License-Identifier: MIT */
#ifndef TEST_ACTOR_H
#define TEST_ACTOR_H

/*
 * Actors: tasks that await one thing each, for tests that play all parts from outside.
 *
 * An actor is the only task of a tree of its own. Between two turns of the executor the body of the
 * test is on its thread, so it may set, unlock, release and stop as a task could.
 *
 *     struct stage stage;
 *     struct actor actor = {.start = wait_for, .object = &event};
 *
 *     stage_init(&stage);
 *     stage_enter(&stage, &actor);
 *     weir_event_set(&event);
 *     stage_settle(&stage);
 *     CHECK(actor.done);
 */

#include <stdbool.h>
#include <string.h>

#include <weir/manual.h>
#include <weir/run.h>
#include <weir/stop.h>

#include "test.h"

struct stage {
    weir_manual manual;
    int exits; /* Actors that are done. */
};

struct actor {
    weir_task task;
    weir_task *(*start)(struct actor *self); /* In: what it awaits, */
    void *object;                            /* at what, */
    void *record;                            /* with what record, if that takes one, */
    int item;                                /* and what it sends, or receives. */
    weir_result result;                      /* Out. */
    bool done;                               /* Out. */
    int place;                               /* Out: 1 for the first actor that was done. */
    struct stage *stage;
    weir_root root;
};

static inline weir_task *actor_resume(weir_task *task)
{
    struct actor *self = WEIR_TASK_SELF(task, struct actor);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, self->start(self));
    self->result = r;
    self->done = true;
    self->place = ++self->stage->exits;
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static inline void stage_init(struct stage *stage)
{
    weir_manual_init(&stage->manual, NULL);
    stage->exits = 0;
}

/** Everything is over: no actor waits. */
static inline void stage_fini(struct stage *stage)
{
    weir_manual_fini(&stage->manual);
}

/** Run until nothing is ready. */
static inline void stage_settle(struct stage *stage)
{
    while (weir_manual_poll(&stage->manual))
        ;
}

/** Launch an actor that is stopped, if bits say so, before it starts anything; and settle. */
static inline void stage_enter_stopped(struct stage *stage, struct actor *actor, unsigned bits)
{
    weir_task_init(&actor->task, actor_resume);
    actor->done = false;
    actor->stage = stage;
    weir_run_async(weir_manual_executor(&stage->manual), &actor->root, &actor->task, NULL, NULL);
    if (bits)
        weir_task_stop(&actor->root.task, bits);
    stage_settle(stage);
}

/** Launch an actor, and run until nothing is ready: it waits, or is done. */
static inline void stage_enter(struct stage *stage, struct actor *actor)
{
    stage_enter_stopped(stage, actor, 0);
}

static inline void actor_stop(struct actor *actor)
{
    weir_task_stop(&actor->root.task, WEIR_STOP_REQUESTED);
}

#define CHECK_WAITS(who) CHECK(!(who)->done)

/** The actor is done, with this result. */
#define CHECK_DONE(who, wanted_error, wanted_count)         \
    do {                                                    \
        const struct actor *actor_here = (who);             \
        CHECK(actor_here->done);                            \
        CHECK_EQ(actor_here->result.error, (wanted_error)); \
        CHECK_EQ(actor_here->result.count, (wanted_count)); \
    } while (0)

#endif
