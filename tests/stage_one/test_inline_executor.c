/* SPDX-License-Identifier: MIT */
/* The inline executor: at once, and yet never one task inside another. */
#include <weir/inline_executor.h>

#include <weir/run.h>

#include "gate.h"
#include "note.h"

WEIR_TEST(inline_executor, a_post_runs_the_task_at_once)
{
    struct log log = {0};
    struct note note;
    weir_inline here;

    weir_inline_init(&here, NULL);
    notes_post(&note, 1, &log, weir_inline_executor(&here));
    log_check(&log, 1);
    weir_inline_fini(&here);
}

/* Post two notes, which may not run before this one has written. */
static void post_two(struct note *self)
{
    weir_executor *executor = self->object;

    weir_executor_post(executor, &self[1].task);
    weir_executor_post(executor, &self[2].task);
    CHECK_EQ(self->log->count, 0);
}

WEIR_TEST(inline_executor, a_post_by_a_task_waits_for_its_turn)
{
    struct log log = {0};
    struct note notes[3];
    weir_inline here;

    weir_inline_init(&here, NULL);
    for (int i = 0; i < 3; i++)
        note_init(&notes[i], &log, i);
    notes[0].act = post_two;
    notes[0].object = weir_inline_executor(&here);
    weir_executor_post(weir_inline_executor(&here), &notes[0].task);
    log_check(&log, 3);
    weir_inline_fini(&here);
}

/* A task that hands over to another by dispatch. */
struct giver {
    weir_task task;
    weir_inline *here;
    struct note note;
    bool was_given_back;
};

static weir_task *giver_resume(weir_task *task)
{
    struct giver *self = WEIR_TASK_SELF(task, struct giver);
    weir_task *next = weir_executor_dispatch(weir_inline_executor(self->here), &self->note.task);

    self->was_given_back = next == &self->note.task;
    return next;
}

WEIR_TEST(inline_executor, a_dispatch_from_inside_gives_the_task_back)
{
    struct log log = {0};
    weir_inline here;
    struct giver giver = {.here = &here};

    weir_inline_init(&here, NULL);
    note_init(&giver.note, &log, 0);
    weir_task_init(&giver.task, giver_resume);
    weir_executor_post(weir_inline_executor(&here), &giver.task);
    CHECK(giver.was_given_back);
    CHECK_EQ(log.count, 1);
    weir_inline_fini(&here);
}

WEIR_TEST(inline_executor, a_dispatch_from_outside_runs_the_task)
{
    struct log log = {0};
    struct note note;
    weir_inline here;

    weir_inline_init(&here, NULL);
    note_init(&note, &log, 0);
    CHECK(!weir_executor_dispatch(weir_inline_executor(&here), &note.task));
    CHECK_EQ(log.count, 1);
    weir_inline_fini(&here);
}

WEIR_TEST(inline_executor, its_context_is_its_own)
{
    weir_inline here;

    weir_inline_init(&here, NULL);
    CHECK(weir_executor_context(weir_inline_executor(&here)) == weir_inline_context(&here));
    weir_inline_fini(&here);
}

/* A task that yields, waits at a gate, and then completes more at once than a slice holds. */
struct walker {
    weir_task task;
    struct gate gate;
    int step;
};

enum { STEPS = 1000 };

static weir_task *walker_resume(weir_task *task)
{
    struct walker *self = WEIR_TASK_SELF(task, struct walker);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_YIELD(task);
    WEIR_AWAIT(task, r, gate_wait(task, &self->gate));
    for (self->step = 0; self->step < STEPS; self->step++)
        WEIR_AWAIT(task, r, weir_task_complete(task, 0, 1));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void set_flag(weir_root *root, weir_result result)
{
    CHECK_EQ(result.error, 0);
    CHECK_EQ(result.count, 1);
    *(bool *)root->user = true;
}

WEIR_TEST(inline_executor, a_tree_goes_on_inside_the_call_that_wakes_it)
{
    struct walker walker = {.step = 0};
    bool is_done = false;
    weir_inline here;
    weir_root root;

    weir_inline_init(&here, NULL);
    weir_task_init(&walker.task, walker_resume);
    weir_run_async(weir_inline_executor(&here), &root, &walker.task, set_flag, &is_done);
    CHECK(walker.gate.waiter);
    CHECK(!is_done);
    gate_open(&walker.gate, 0, 0);
    CHECK(is_done);
    CHECK_EQ(walker.step, STEPS);
    weir_inline_fini(&here);
}
